//! For crates that bring layers to a tensor framework: what they share, without any tensor.
//!
//! A framework hands over tensors and wants tensors back. In between, every such crate checks that
//! the shapes of its arguments fit ([`check_dimensions`]), solves from slices, hands the outputs on
//! as one vector ([`pack`], the framework slices it), and gets a gradient of that vector back
//! ([`split`]). Its modules are made by [`QpConfig`] and [`LayerConfig`], of a [`ModuleSource`] of
//! its own.

mod dimensions;

mod packed;

mod layer;
mod qp;

mod inputs;
mod module;

pub use dimensions::{Dimensions, Extent, Misfit, check_dimensions, common_batch};
pub use inputs::{LayerArguments, LayerInputs, QpArguments, QpInputs};
pub use layer::{extent, make_symmetric};
pub use module::{LayerConfig, ModuleSource, QpConfig};
pub use packed::{check_differentiation, failures, pack, split};
pub use qp::{QpProgram, QpRecording};
