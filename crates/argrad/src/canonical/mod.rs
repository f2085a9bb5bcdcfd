//! From expressions to the standard form of the solver, affine in theta.

mod affine;
mod assemble;
mod graph;
mod linear;
mod map;
mod objective;
mod product;
mod quadratic;
mod walk;

pub use affine::Affine;
pub(crate) use assemble::{Assembled, MatrixMap, StoredCone, assemble};
pub use graph::Graph;
pub(crate) use map::ParameterMap;
pub(crate) use walk::{DualRows, Walk};
