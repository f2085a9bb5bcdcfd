//! Batched conic solver in SIMD lanes, with derivatives of the solution.
#![deny(missing_docs)]

// In the order in which data flow.
mod error;
mod program;

mod lanes;
mod linalg;

mod cones;
mod kkt;
mod analysis;
mod group;

mod equilibrate;
mod interior_point;
mod measure;
mod polish;
mod solve_group;
mod solver;
mod tape;

mod derivative;

pub use derivative::{Cotangent, Differentiation, Gradients, Mode, OnFailure, SolutionTangent, Tangent};
pub use error::Error;
pub use program::{Cone, Instructions, Pattern, Report, Settings, Slot, Solution, Status, Structure, Values};
pub use solver::Solver;
pub use tape::Tape;
