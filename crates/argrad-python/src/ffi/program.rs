//! What a handler solves, as functions of slices.

use argrad::{Report, Slot};
use argrad_solver::{Error, Interrupt, Settings, Structure};
use pyo3::{PyErr, PyResult};

/// A program that is solved for batches of values, one slot for each of its inputs.
pub(super) trait Program: Send + Sync {
    /// Numbers of one sample of each value.
    fn inputs(&self) -> &[usize];

    /// Numbers of one sample of each output.
    fn outputs(&self) -> &[usize];

    /// Numbers of one sample in a flat tape.
    fn flat_tape_len(&self) -> usize;

    /// What is solved, in the end.
    fn structure(&self) -> &Structure;

    /// How.
    fn settings(&self) -> &Settings;

    /// An error of the solver, in words of the front end.
    fn error(&self) -> fn(Error) -> PyErr;

    /// What ends its solves.
    fn interrupt(&self) -> &Interrupt;

    /// Solves, and writes a flat tape where one is wanted.
    ///
    /// # Errors
    /// Malformed values.
    fn solve(
        &self,
        batch: usize,
        values: &[Slot<'_>],
        tape: Option<&mut [f64]>,
    ) -> PyResult<Solved>;

    /// The solution that left a flat tape at these values.
    ///
    /// # Errors
    /// Malformed values, or a tape that is none.
    fn restore<'a>(
        &'a self,
        batch: usize,
        values: &'a [Slot<'a>],
        tape: &[f64],
    ) -> PyResult<Box<dyn Derivative + Send + Sync + 'a>>;
}

/// Solutions of a batch.
pub(super) struct Solved {
    /// One row per sample.
    pub(super) outputs: Vec<Vec<f64>>,
    pub(super) reports: Vec<Report>,
}

/// A solution that can be differentiated. Where nothing is given, it is zero.
pub(super) trait Derivative {
    /// Changes of the outputs along changes of the values, of the lengths that these have.
    fn tangents(&self, tangents: &[Option<&[f64]>]) -> PyResult<Found>;

    /// Gradients of all values, of the lengths that these have, from those of the outputs.
    fn cotangents(&self, cotangents: &[Option<&[f64]>]) -> PyResult<Found>;

    /// How [`Self::cotangents`] changes along changes of the values.
    fn second(&self, cotangents: &[Option<&[f64]>], tangents: &[Option<&[f64]>])
    -> PyResult<Found>;
}

/// A derivative, with what is said of it.
#[derive(Default)]
pub(super) struct Found {
    pub(super) parts: Vec<Vec<f64>>,
    /// Estimated relative errors, one per sample.
    pub(super) accuracy: Vec<f64>,
    /// Samples that LSQR left at its limit of iterations.
    pub(super) unfinished: Vec<usize>,
    /// Of a second derivative: number of samples, and the solved ones that have none, at a kink.
    pub(super) samples: usize,
    pub(super) kinked: Vec<usize>,
}

/// An owned slice as a slot of the same kind as another.
pub(super) fn like<'a>(slot: &Slot<'_>, numbers: &'a [f64]) -> Slot<'a> {
    if slot.is_shared() { Slot::Shared(numbers) } else { Slot::Each(numbers) }
}
