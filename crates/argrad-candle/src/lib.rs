#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

// No module uses one that stands below it.
mod error;

mod argument;

mod node;
mod packed;
mod weights;

mod qp;

mod layer;

mod config;

pub use argument::Argument;
pub use config::{LayerConfig, QpConfig};
pub use error::Error;
pub use layer::{LayerInputs, LayerModule, LayerOutput, layer};
pub use qp::{QpArguments, QpInputs, QpModule, QpOutput, qp};
pub use weights::{Source, Weights};
