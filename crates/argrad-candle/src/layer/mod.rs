//! A modelled layer as an op and as a module. No module uses one that stands below it.

mod op;

mod module;

mod config;

pub use config::LayerConfig;
pub use module::{LayerInputs, LayerModule};
pub use op::{LayerOutput, layer};
