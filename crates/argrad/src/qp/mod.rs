//! The quadratic-program layer, in the order in which data flow: user's shapes, user's values,
//! the maps from there to the solver's standard form (each with its adjoint), the layer. No module
//! uses one that stands below it.

mod check;
mod samples;
mod shape;
mod tiles;

mod rows;
mod values;

mod constraints;
mod objective;

mod derivative;
mod solution;

mod tape;

mod layer;

mod stacked;

mod backward;
mod second;

mod conditions;

pub use conditions::QpPoint;
pub use derivative::{QpCotangent, QpGradients, QpSolutionTangent, QpTangent};
pub use layer::QpLayer;
pub use shape::{MatrixShape, QpShape};
pub use solution::QpSolution;
pub use tape::QpTape;
pub use values::QpValues;

pub(crate) use check::{all_finite, check_finite, check_length};
pub(crate) use samples::each_sample;
