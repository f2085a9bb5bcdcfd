//! What the tests and benches of every front end share: programs to solve, oracles to check
//! against, and yardsticks to measure with.
//!
//! | module | what it gives |
//! |---|---|
//! | [`generators`] | seeded random programs: quadratic, over any cones, real-world families; solvable, degenerate, without a solution |
//! | [`active_set`] | exact solutions and derivatives of quadratic programs, in double-double arithmetic |
//! | [`mod@reference`] | the same for programs over any cones, refined from an approximate solution |
//! | [`mod@clarabel`] | the same batch solved by Clarabel, one sample per task |
//! | [`problem_file`] | real programs from files, nothing shared |
//! | [`missing_kinds()`] | whether a test leaves a cone out |
//! | [`dot()`], [`relative_error()`] | the product of two vectors, how far they are apart |
//! | [`kkt_residual()`] | how far a point is from optimal, measured anew |
//! | [`operation_count`], [`mod@fma_peak`] | useful operations of a solve, and what the machine could do |
//! | [`stopwatch`] | medians of interleaved repeats |
//!
//! Nothing here depends on argrad's numerics: from `argrad-solver` only the standard form is used.

pub mod active_set;
pub mod clarabel;
mod cone_kind;
mod dot;
mod double_double;
pub mod fma_peak;
pub mod generators;
mod kkt_residual;
pub mod operation_count;
pub mod problem_file;
mod program_batch;
pub mod psd_triangle;
pub mod reference;
mod relative_error;
mod sensitivity;
pub mod stopwatch;

pub use cone_kind::{CONE_KINDS, cone_kind, missing_kinds};
pub use dot::dot;
pub use kkt_residual::{KktResidual, kkt_residual};
pub use program_batch::{DenseProgram, Numbers, ProgramBatch};
pub use relative_error::relative_error;
pub use sensitivity::{SolutionDirection, StoredGradients};
