//! The quadratic program as an op and as a module.

pub(crate) mod config;
pub(crate) mod module;
pub(crate) mod program;
pub(crate) mod tensors;
