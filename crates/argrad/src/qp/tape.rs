//! What the derivative of a solved batch needs.

use std::sync::Arc;

use argrad_solver::Error;

use super::QpShape;
use super::constraints::ConstraintMap;
use super::objective::ObjectiveMap;
use crate::layer_solver::SolverTape;

/// The fixed part of a layer: what goes where.
#[derive(Debug)]
pub(crate) struct Maps {
    pub(crate) shape: QpShape,
    pub(crate) objective: ObjectiveMap,
    pub(crate) constraints: ConstraintMap,
}

/// Which of the user's arguments were shared by the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    /// A and G.
    pub(crate) matrices: [bool; 2],
    /// b and h.
    pub(crate) rhs: [bool; 2],
}

/// A solved batch of a [`QpLayer`](crate::QpLayer) with its last factors: what
/// [`QpLayer::backward`](crate::QpLayer::backward) and [`QpLayer::jvp`](crate::QpLayer::jvp) need.
#[derive(Debug)]
pub struct QpTape {
    pub(crate) tape: SolverTape,
    pub(crate) maps: Arc<Maps>,
    pub(crate) sharing: Sharing,
    /// Whether each sample is solved.
    pub(crate) solved: Vec<bool>,
}

impl QpTape {
    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.tape.batch()
    }

    /// Writes the tape as `batch` rows of
    /// [`QpLayer::flat_tape_len`](crate::QpLayer::flat_tape_len) numbers, from which
    /// [`QpLayer::tape_from_flat`](crate::QpLayer::tape_from_flat) makes it again.
    ///
    /// # Errors
    /// [`Error::Length`] when `rows` has room for more or less.
    pub fn write_flat(&self, rows: &mut [f64]) -> Result<(), Error> {
        self.tape.write_flat(rows)
    }
}

// A tape travels with an autodiff graph, whichever thread runs that.
const _: fn() = || {
    fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<QpTape>();
};
