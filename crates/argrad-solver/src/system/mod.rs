//! The one linear system of interior point, polish and derivative, and the memory of a lane group.
//!
//! [`analysis`] is everything that follows from a structure alone, [`kkt`] where each entry of the
//! system lies, [`schur`] which rows are eliminated before it is factored, [`memory`] what a group
//! needs, [`gcr`] how solves are refined, [`projection_system`] solves with the true derivative of
//! the projection. [`shared`] solves the system of quadratic programs whose matrices the batch
//! shares, [`group_system`] and [`group_factor`] are what the rest sees of
//! either way.

pub(crate) mod analysis;
pub(crate) mod approach;
pub(crate) mod gcr;
mod group_factor;
pub(crate) mod group_system;
pub(crate) mod kkt;
pub(crate) mod memory;
pub(crate) mod projection_system;
pub(crate) mod schur;
pub(crate) mod shared;

#[cfg(test)]
mod tests;
