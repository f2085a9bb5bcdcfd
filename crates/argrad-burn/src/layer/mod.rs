//! A modelled layer as an op and as a module.

pub(crate) mod config;
mod graph;
pub(crate) mod module;
pub(crate) mod op;
