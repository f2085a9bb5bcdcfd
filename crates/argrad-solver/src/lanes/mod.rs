//! Lanes: one vector register holds the same quantity of several samples.
//!
//! All samples of a batch share the sparsity pattern, so every step of the solver is the same
//! operation on different numbers. Values are stored interleaved, `[entry][lane]`, and one vector
//! instruction advances as many samples as a register has lanes. Lanes never mix: there is no
//! reduction across lanes except to decide whether any lane still has work to do.

mod buffer;
mod dispatch;
mod elementary;
mod number;
mod register;
mod single;
mod vector;

pub(crate) use buffer::{Arena, Buffer};
#[cfg(test)]
pub(crate) use dispatch::lane_count;
pub(crate) use dispatch::{
    Kernel, LaneTask, Width, apart, call, check_processor, dispatch, lanes_and_groups,
};
pub(crate) use elementary::nearest_power;
pub(crate) use number::{AsNumbers, MOST_NUMBERS, Number, numbers};
pub(crate) use register::{Mask, Register};
pub(crate) use single::{MOST_GROUPS, Single};
pub(crate) use vector::{M, MOST_LANES, V};
