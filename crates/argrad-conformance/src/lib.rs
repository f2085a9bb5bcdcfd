//! What the tests and benches of every front end share: programs to solve, oracles to check
//! against, and yardsticks to measure with.
//!
//! | module | what it gives |
//! |---|---|
//! | [`generators`] | seeded random programs: quadratic, over any cones, real-world families; solvable, degenerate, without a solution |
//! | [`active_set`] | exact solutions and derivatives of quadratic programs, in double-double arithmetic |
//! | [`mod@clarabel`] | the same batch solved by Clarabel, one instance a task |
//! | [`relative_error()`] | how far two vectors are apart |
//! | [`operation_count`], [`mod@fma_peak`] | useful operations of a solve, and what the machine could do |
//!
//! Nothing here depends on argrad's numerics: from `argrad-solver` only the standard form is used.

pub mod active_set;
pub mod clarabel;
pub mod fma_peak;
pub mod generators;
pub mod operation_count;
mod program_batch;
pub mod psd_triangle;
mod relative_error;

pub use program_batch::{DenseProgram, Numbers, ProgramBatch};
pub use relative_error::relative_error;
