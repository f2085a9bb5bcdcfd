//! What the caller may choose.

use argrad_solver::{Error, OnFailure};

use super::error::ArgminError;

/// Settings of [`Argmin`](super::Argmin).
#[derive(Clone, Debug, PartialEq)]
pub struct ArgminSettings {
    /// Largest relative KKT residual of a solved sample. It only judges: Newton steps go on as long
    /// as they pay, usually to rounding.
    pub tolerance: f64,
    /// Most quadratic programs per sample.
    pub max_iterations: usize,
    /// What derivatives do about samples without a solution.
    pub on_failure: OnFailure,
}

impl Default for ArgminSettings {
    fn default() -> Self {
        Self { tolerance: 1e-10, max_iterations: 200, on_failure: OnFailure::Error }
    }
}

impl ArgminSettings {
    pub(super) fn check(&self) -> Result<(), ArgminError> {
        let setting = |setting, expected, found: String| {
            Err(ArgminError::Solver(Error::Setting { setting, expected, found }))
        };
        if !(self.tolerance >= 1e-14 && self.tolerance < 1.0) {
            return setting(
                "tolerance",
                "a number from 1e-14 to below 1",
                self.tolerance.to_string(),
            );
        }
        if self.max_iterations == 0 {
            return setting("max_iterations", "at least 1", "0".into());
        }
        Ok(())
    }
}
