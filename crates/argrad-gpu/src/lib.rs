//! Batches of convex programs over cones, with a quadratic objective, solved and differentiated on
//! a GPU.
//!
//! One launch solves a batch: each block of threads takes one program after the other from values
//! to solution (equilibration, interior point, polish, report), and leaves the factor on the
//! device for the derivative. The statement of a program, its reports and its derivatives are those
//! of [`argrad_solver`]; the answers agree with it to rounding times condition, not bit by bit.
//!
//! The kernels are one text in `kernels/`, compiled for the card when a [`Solver`] is made. The
//! same text compiled for the host is what the tests run, so nothing here needs a card but the
//! [`cuda`] module, which is behind the feature of that name.
//!
//! A [`Solver`] takes numbers of the host and gives some back; a [`Plan`] solves and differentiates
//! what is on the machine already, by its address, on the stream of whoever put it there.
//!
//! What is served: every cone of [`argrad_solver::Cone`], semidefinite ones up to a side of 16,
//! power cones of three rows. See `docs/gpu.md`.
#![deny(missing_docs)]

// In the order in which data flow; no module uses a later one.
mod error;
mod text;

mod cones;
mod matrix;

mod arguments;
mod machine;

mod layout;

mod patterns;

mod addresses;
mod report;

mod plan;

mod transfer;

mod tape;

mod solver;

mod device;

#[cfg(feature = "cuda")]
pub mod cuda;

pub use addresses::{
    AdjointAddresses, BatchAddresses, CentralAddresses, Lengths, Place, PointAddresses, Start,
    TangentAddresses,
};
pub use arguments::{
    Arguments, BatchArguments, DerivativeArguments, GradientArguments, ListsArguments,
    MemoryArguments, SettingsArguments, SmoothArguments, SolveArguments, StructureArguments,
    ValuesArguments,
};
pub use cones::CurvedSizes;
pub use device::device;
pub use error::Error;
pub use layout::Layout;
pub use machine::{Entry, Launch, Limits, Machine, Stream, Variant};
pub use plan::Plan;
pub use report::LinearReports;
pub use solver::Solver;
pub use tape::Tape;
pub use text::kernel_text;
