//! What comes out of the op.

use std::sync::Arc;

use argrad::{QpSolution, Report};
use burn::tensor::Tensor;

/// Solutions of a batch as tensors, differentiable in every tensor that went in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QpOutput {
    /// Minimizers, batch x n.
    pub x: Tensor<2>,
    /// Duals of the equalities, batch x equalities.
    pub equality_duals: Tensor<2>,
    /// Duals of the inequalities, batch x inequalities.
    pub inequality_duals: Tensor<2>,
    /// The same in f64 on the host, with slacks and reports. Where a sample has no solution,
    /// the certificate. A later solve may start here.
    pub solution: Arc<QpSolution>,
}

impl QpOutput {
    /// How the solve of each sample went.
    pub fn reports(&self) -> &[Report] {
        &self.solution.reports
    }
}
