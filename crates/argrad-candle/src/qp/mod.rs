//! The quadratic program as an op and as a module. No module uses one that stands below it.

mod output;

mod program;

mod module;

use crate::argument::Argument;

pub use module::QpModule;
pub use output::QpOutput;
pub use program::qp;

/// The arguments of [`qp`](qp()).
pub type QpArguments = argrad::host::QpArguments<Argument>;

/// What is fed to one forward pass of a [`QpModule`].
pub type QpInputs = argrad::host::QpInputs<Argument>;
