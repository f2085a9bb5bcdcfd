//! What can be wrong with a smooth problem, its oracle and the numbers given to them.

use super::report::ArgminStatus;

/// Malformed input of [`crate::argmin`]. A sample without a solution is an [`ArgminStatus`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgminError {
    /// A function of the problem returns another number of entries than its dimensions say.
    #[error(
        "{function}: expected {expected} entries, as `dimensions` says, found {found}; make the \
         two agree"
    )]
    Function {
        /// The function of the problem or method of the oracle.
        function: &'static str,
        /// Entries that the dimensions ask for.
        expected: usize,
        /// Entries that it returned.
        found: usize,
    },
    /// The oracle could not evaluate: what a callback into another language reports.
    #[error("the oracle failed: {0}")]
    Oracle(String),
    /// A derivative was asked for at samples that have no solution.
    #[error(
        "{} of {batch} samples have no solution to differentiate: {}; look at their reports, or \
         ask for NaN or zero there with `on_failure`",
        failures.len(), list(failures)
    )]
    Unsolved {
        /// Number of samples.
        batch: usize,
        /// Index and status of each sample without a solution.
        failures: Vec<(usize, ArgminStatus)>,
    },
    /// A length, a number that is not finite, or a setting; or the quadratic programs' complaint.
    #[error(transparent)]
    Solver(#[from] argrad_solver::Error),
}

/// How many samples an error names.
const SHOWN: usize = 8;

fn list(failures: &[(usize, ArgminStatus)]) -> String {
    let mut text: Vec<String> =
        failures.iter().take(SHOWN).map(|(i, status)| format!("sample {i}: {status}")).collect();
    if failures.len() > SHOWN {
        text.push(format!("and {} more", failures.len() - SHOWN));
    }
    text.join("; ")
}
