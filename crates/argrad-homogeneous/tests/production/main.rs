//! The homogeneous view of the derivative against the production path, which shares nothing with it
//! but the standard form.

mod checks;
mod cones;
mod quadratic;
