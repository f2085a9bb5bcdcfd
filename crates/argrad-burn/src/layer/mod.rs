//! A modelled layer as an op and as a module. No module uses one that stands below it.

mod op;

mod module;

use crate::argument::Argument;

pub use module::LayerModule;
pub use op::{LayerOutput, elastic_layer, layer};

/// What is fed to one forward pass of a [`LayerModule`].
pub type LayerInputs = argrad::host::LayerInputs<Argument>;
