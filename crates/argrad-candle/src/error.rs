//! What can be wrong with the input of an op or a module.

use argrad::model::ModelError;

/// Malformed input, or, where the caller asked for it, a sample without a solution.
///
/// Converts to [`candle_core::Error`], so that `?` works in functions that return candle's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program is malformed, or not solved.
    #[error(transparent)]
    Program(#[from] argrad::Error),
    /// A modelled layer does not take these numbers.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A tensor has numbers that an argument cannot have, or has them elsewhere.
    #[error("{argument}: expected a tensor of floats on the CPU, found one of {found}; {remedy}")]
    Tensor {
        /// The argument.
        argument: String,
        /// Type of the numbers and device.
        found: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A module was told that an argument is fed, but was not fed it.
    #[error("{argument}: declared as fed, but the inputs do not have it")]
    Missing {
        /// The argument.
        argument: String,
    },
    /// A module was fed an argument that it has already.
    #[error("{argument}: given in the inputs, but declared as {declared}")]
    Unexpected {
        /// The argument.
        argument: String,
        /// What the module's configuration says.
        declared: &'static str,
    },
    /// The framework could not make a tensor.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            other => Self::wrap(other),
        }
    }
}
