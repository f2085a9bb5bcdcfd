//! Batched conic solver in SIMD lanes, with derivatives of the solution.
#![deny(missing_docs)]

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

mod batch;
mod decomposition;
mod solver;

mod flat_tape;

mod derivative;
mod device;

mod conditions;

#[cfg(test)]
mod tests;

pub use conditions::{
    KktCondition, KktConditions, KktLabel, KktLabels, KktMultipliers, KktPoint, KktRow,
};
pub use derivative::{
    Cotangent, Differentiation, Gradients, Jacobian, Method, Mode, OnFailure, SolutionTangent,
    Tangent,
};
pub use device::{Device, DeviceSolver, DeviceTape};
pub use program::{
    Cone, DecomposedCone, Engine, Error, Explanation, Instructions, Interrupt, Pattern, Report,
    Settings, Slot, Solution, Status, Structure, Unknown, Values,
};
pub use solver::Solver;
pub use tape::Tape;
