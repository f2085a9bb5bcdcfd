//! What a derivative needs of a solved batch.

use argrad_solver::{Error, OnFailure, Status};

use crate::error::ModelError;
use crate::layer::{LayerTape, Outputs};

/// What backward needs of a forward pass.
#[derive(Debug)]
pub struct QuasiconvexTape {
    pub(super) batch: usize,
    /// The samples whose level was found.
    pub(super) found: Vec<usize>,
    /// Their convex problems at the optimal levels.
    pub(super) inner: Option<(Outputs, LayerTape)>,
    /// dr / dt of each of them.
    pub(super) slopes: Vec<f64>,
    /// Whether each parameter is shared by the batch, and how many numbers it has.
    pub(super) shared: Vec<bool>,
    pub(super) lengths: Vec<usize>,
    /// Size of each output.
    pub(super) sizes: Vec<usize>,
    /// The samples without a solution.
    pub(super) failures: Vec<(usize, Status)>,
}

impl QuasiconvexTape {
    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Numbers of the samples that were found, `size` of each.
    pub(super) fn gather(&self, numbers: &[f64], size: usize) -> Vec<f64> {
        let own = self.found.iter().map(|at| &numbers[at * size..(at + 1) * size]);
        own.flatten().copied().collect()
    }

    /// dt* / dr: what a change of the residual does to the optimal level.
    pub(super) fn level_per_residual(&self, at: usize, moves: f64) -> f64 {
        if moves * self.slopes[at] < 0.0 { -1.0 / self.slopes[at] } else { 0.0 }
    }

    pub(super) fn check(&self, on_failure: OnFailure) -> Result<(), ModelError> {
        if on_failure == OnFailure::Error && !self.failures.is_empty() {
            let failures = self.failures.clone();
            return Err(Error::Unsolved { batch: self.batch, failures }.into());
        }
        Ok(())
    }

    /// How many numbers each parameter was given.
    pub(super) fn given(&self) -> Vec<usize> {
        let given = |(len, shared): (&usize, &bool)| if *shared { *len } else { self.batch * len };
        self.lengths.iter().zip(&self.shared).map(given).collect()
    }
}
