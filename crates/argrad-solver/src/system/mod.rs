//! The one linear system of interior point, polish and derivative, and the memory of a lane group.
//!
//! [`analysis`] is everything that follows from a structure alone, [`kkt`] where each entry of the system
//! lies, [`memory`] what a group needs, [`refined`] solves with the true derivative of the projection.

pub(crate) mod analysis;
pub(crate) mod kkt;
pub(crate) mod memory;
pub(crate) mod refined;
