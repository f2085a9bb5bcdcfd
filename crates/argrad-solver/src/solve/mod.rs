//! The solve of one lane group, from values to solution: read [`group`] first. [`team`] are groups
//! that go together.
//!
//! [`equilibrate`] loads and scales, with [`alignment`] of what is far apart ([`scales`] are its
//! factors), [`convexity`] checks P, [`share`] makes and loads matrices that the batch shares, with
//! which [`pivoting`] and [`dual_interior_point`] solve; [`approach`] comes near the solution in
//! single precision, [`interior_point`] near it or to a certificate, [`polish`] takes it to
//! rounding error, [`measure`] judges it in the caller's units, [`uniqueness`] looks whether others
//! solve the program too, [`report`] says how it went.

mod alignment;
mod approach;
pub(crate) mod balance;
mod convexity;
mod dual_interior_point;
pub(crate) mod equilibrate;
pub(crate) mod group;
pub(crate) mod interior_point;
pub(crate) mod measure;
pub(crate) mod outcome;
mod pivoting;
pub(crate) mod polish;
mod report;
pub(crate) mod samples;
mod scales;
pub(crate) mod share;
pub(crate) mod team;
mod uniqueness;
