//! Lanes: one vector register holds the same quantity of several samples.
//!
//! All samples of a batch share the sparsity pattern, so every step of the solver is the same
//! operation on different numbers. Values are stored interleaved, `[entry][lane]`, and one vector
//! instruction advances as many samples as a register has lanes. Lanes never mix: there is no
//! reduction across lanes except to decide whether any lane still has work to do.

mod buffer;
mod dispatch;
mod elementary;
mod vector;

pub(crate) use buffer::{Arena, Buffer};
pub(crate) use dispatch::{Kernel, LaneTask, Width, call, dispatch, lane_count};
pub(crate) use vector::{M, MOST_LANES, V};
