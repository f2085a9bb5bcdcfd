//! Programs whose numbers are on a card already: launches by address, for frameworks whose tensors
//! are there. [`plan`] is what is launched; [`solver`] is its door for Python, and [`crate::ffi`]
//! that for XLA.

mod plan;

mod solver;

pub(crate) use plan::{Batches, device_error, plan};
pub(crate) use solver::{DeviceReports, DeviceSolver, check_reached};
