//! What a derivative needs of the points that were found.

use argrad_solver::OnFailure;

use super::point::PointKind;
use crate::error::ModelError;
use crate::layer::LayerTape;

/// What backward needs of a forward pass.
#[derive(Debug)]
pub struct ConvexConcaveTape {
    pub(super) batch: usize,
    /// The samples for which there is a point.
    pub(super) found: Vec<usize>,
    /// Their last convex problems.
    pub(super) inner: Option<LayerTape>,
    /// The points at which the tangents were taken, and the steps of the function there.
    pub(super) points: Vec<Vec<f64>>,
    pub(super) thetas: Vec<Vec<f64>>,
    /// Whether each parameter is shared by the batch, and how many numbers it has.
    pub(super) shared: Vec<bool>,
    pub(super) lengths: Vec<usize>,
    /// Size of each output of a step.
    pub(super) sizes: Vec<usize>,
    /// The samples without a stationary point.
    pub(super) failures: Vec<(usize, PointKind)>,
}

impl ConvexConcaveTape {
    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Whether the sample, by its position in the tape, has a derivative.
    pub(super) fn is_stationary(&self, at: usize) -> bool {
        !self.failures.iter().any(|(sample, _)| *sample == self.found[at])
    }

    pub(super) fn check(&self, on_failure: OnFailure) -> Result<(), ModelError> {
        if on_failure == OnFailure::Error && !self.failures.is_empty() {
            return Err(ModelError::NotStationary(
                self.failures.iter().map(|(at, kind)| (*at, kind.to_string())).collect(),
            ));
        }
        Ok(())
    }

    /// How many numbers each parameter was given.
    pub(super) fn given(&self) -> Vec<usize> {
        let given = |(len, shared): (&usize, &bool)| if *shared { *len } else { self.batch * len };
        self.lengths.iter().zip(&self.shared).map(given).collect()
    }

    /// Numbers of the samples of the tape, `size` of each; zero without a derivative.
    pub(super) fn gather(&self, numbers: &[f64], size: usize) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.found.len() * size);
        for (at, sample) in self.found.iter().enumerate() {
            if self.is_stationary(at) {
                out.extend_from_slice(&numbers[sample * size..(sample + 1) * size]);
            } else {
                out.resize(out.len() + size, 0.0);
            }
        }
        out
    }
}
