//! What can be wrong with the input of an op or a module.

/// Malformed input, or, where the caller asked for it, a sample without a solution.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program is malformed, or not solved.
    #[error(transparent)]
    Program(#[from] argrad::Error),
    /// A modelled layer does not take these numbers.
    #[error(transparent)]
    Model(#[from] argrad::model::ModelError),
    /// A tensor is not on the Flex backend.
    #[error(
        "{argument}: expected a float tensor on the Flex backend, found: {found}; see \
         Tensor::to_device"
    )]
    Backend {
        /// The argument.
        argument: String,
        /// What the framework says about it.
        found: String,
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
}
