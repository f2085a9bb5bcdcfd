//! The solve of one lane group, from values to solution: read [`group`] first.
//!
//! [`equilibrate`] loads and scales, [`convexity`] checks P, [`interior_point`] comes near the
//! solution or to a certificate, [`polish`] takes it to rounding error, [`measure`] judges it in
//! the caller's units, [`uniqueness`] looks whether others solve the program too, [`report`] says
//! how it went.

mod convexity;
mod equilibrate;
pub(crate) mod group;
pub(crate) mod interior_point;
pub(crate) mod measure;
pub(crate) mod outcome;
pub(crate) mod polish;
mod report;
mod uniqueness;
