//! The quadratic program as an op and as a module. No module uses one that stands below it.

mod tensors;

mod program;

mod module;

mod config;

pub use config::QpConfig;
pub use module::{QpInputs, QpModule};
pub use program::qp;
pub use tensors::{QpArguments, QpOutput};
