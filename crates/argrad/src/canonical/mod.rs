//! From expressions to the standard form of the solver, affine in theta.

mod assemble;
mod map;
mod objective;
mod walk;

pub(crate) use assemble::{Assembled, MatrixMap, assemble};
pub(crate) use map::ParameterMap;
pub(crate) use walk::{DualRows, Owned, Walk};
