//! Batched conic solver in SIMD lanes, with derivatives of the solution.
#![deny(missing_docs)]
// Loops over an index shared by several vectors read like the formulas they compute.
#![allow(clippy::needless_range_loop)]
// Points and directions travel as tuples of lane slices, next to the data and the scratch they
// need.
#![allow(clippy::type_complexity, clippy::too_many_arguments)]
// `x - x` is zero for finite numbers and NaN for the others, lane by lane.
#![allow(clippy::eq_op)]

// In the order in which data flow; no module uses a later one.
mod program;

mod lanes;
mod linalg;

mod cones;
mod system;

mod threads;

mod solve;

mod prepared;
mod tape;

mod solver;

mod derivative;

#[cfg(test)]
mod tests;

pub use derivative::{
    Cotangent, Differentiation, Gradients, Jacobian, Method, Mode, OnFailure, SolutionTangent,
    Tangent,
};
pub use program::{
    Cone, Engine, Error, Instructions, Interrupt, Pattern, Report, Settings, Slot, Solution,
    Status, Structure, Values,
};
pub use solver::Solver;
pub use tape::Tape;
