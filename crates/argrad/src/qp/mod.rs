//! The quadratic-program layer, in the order in which data flows: user's shapes, user's values,
//! the maps from there to the solver's standard form (each with its adjoint), the layer.

mod check;
mod constraints;
mod derivative;
mod instances;
mod layer;
mod objective;
mod shape;
mod solution;
mod tiles;
mod values;
mod zeros;

pub use derivative::{QpCotangent, QpGradients, QpTangent, QpTangentOut};
pub use layer::QpLayer;
pub use shape::{MatrixShape, QpShape};
pub use solution::{QpPoint, QpSolution};
pub use values::QpValues;

pub(crate) use check::{check_finite, check_length};
pub(crate) use instances::each_instance;
