//! What can be wrong, beside what is wrong with the program itself.

/// What is wrong, and what to do. A solve that ends without a solution is a
/// [`argrad_solver::Status`], not an error.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program, or what is asked of its derivative, is malformed.
    #[error(transparent)]
    Solver(#[from] argrad_solver::Error),
    /// The program has something that is not solved on the device.
    #[error("{argument}: expected {expected}, found {found}; solve it by argrad_solver::Solver")]
    Unsupported {
        /// The argument.
        argument: &'static str,
        /// What is served.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The batch does not fit into the memory of the device. Nothing was allocated.
    #[error(
        "a batch of {batch} takes {needed} bytes of the device's memory, of which {free} are \
         free; {}",
        match fits {
            0 => "not even one sample fits".to_owned(),
            fits => format!("give at most {fits} samples at a time"),
        }
    )]
    Memory {
        /// Samples.
        batch: usize,
        /// Bytes that they take.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// So many samples would fit.
        fits: usize,
    },
    /// The driver is absent, too old, or reports an error.
    #[error("{doing}: {found}; {remedy}")]
    Device {
        /// What was attempted.
        doing: String,
        /// What was reported.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
}
