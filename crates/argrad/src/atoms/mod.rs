//! Atoms: the functions that expressions are made of, one family a file.
//!
//! An affine operation is a [`LinearMap`] or a [`Bilinear`] product; everything else is an [`Atom`].

pub(crate) mod affine;
mod atom;
mod bilinear;
mod elementwise;
mod extremum;
mod linear_map;
mod norm;
mod quadratic;
mod recip;
mod registry;
mod shaping;

pub use affine::{broadcast_to, conv, kron, matmul, outer};
pub use atom::{Argument, Atom};
pub use bilinear::Bilinear;
pub use elementwise::{abs, exp, log};
pub use extremum::{maximum, minimum};
pub use linear_map::LinearMap;
pub use norm::norm2;
pub use quadratic::{quad_form, quad_over_lin, square, sum_squares};
pub use recip::Recip;
pub use registry::register;
pub(crate) use registry::restore;
pub use shaping::{bmat, hstack, vstack};
