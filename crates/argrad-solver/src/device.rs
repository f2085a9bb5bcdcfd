//! Machines beside this processor that solve batches, a card for one: what they are to those who
//! take either. `argrad-gpu` has them.

use std::fmt::Debug;
use std::sync::Arc;

use crate::derivative::{Cotangent, Differentiation, Gradients, SolutionTangent, Tangent};
use crate::program::{Error, Settings, Solution, Structure, Values};

/// A machine.
pub trait Device: Debug + Send + Sync {
    /// What solves programs of this structure there.
    ///
    /// # Errors
    /// [`Error::Device`] for what is not served there, and for what the machine reports.
    fn solver(
        &self,
        structure: &Structure,
        settings: &Settings,
    ) -> Result<Arc<dyn DeviceSolver>, Error>;
}

/// A [`crate::Solver`] there: the same statement, answers to rounding times condition.
pub trait DeviceSolver: Debug + Send + Sync {
    /// [`crate::Solver::solve`], or [`crate::Solver::solve_from`] where there is a start.
    ///
    /// # Errors
    /// As those; [`Error::Memory`] for a batch that does not fit there; [`Error::Device`].
    fn solve(&self, values: &Values<'_>, start: Option<&Solution>) -> Result<Solution, Error>;

    /// [`crate::Solver::forward`], or [`crate::Solver::forward_from`].
    ///
    /// # Errors
    /// As [`Self::solve`].
    fn forward(
        &self,
        values: &Values<'_>,
        start: Option<&Solution>,
    ) -> Result<(Solution, Box<dyn DeviceTape>), Error>;
}

/// A [`crate::Tape`] there.
pub trait DeviceTape: Debug + Send + Sync {
    /// Number of samples.
    fn batch(&self) -> usize;

    /// [`crate::Tape::vjp`].
    ///
    /// # Errors
    /// As that; [`Error::Device`].
    fn vjp(&self, cotangent: &Cotangent<'_>, how: &Differentiation) -> Result<Gradients, Error>;

    /// [`crate::Tape::jvp`].
    ///
    /// # Errors
    /// As [`Self::vjp`].
    fn jvp(&self, tangent: &Tangent<'_>, how: &Differentiation) -> Result<SolutionTangent, Error>;

    /// [`crate::Tape::value_gradient`].
    ///
    /// # Errors
    /// As [`Self::vjp`].
    fn value_gradient(&self, weights: &[f64], how: &Differentiation) -> Result<Gradients, Error>;
}
