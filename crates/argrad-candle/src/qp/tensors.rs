//! What goes into the op and what comes out.

use std::sync::Arc;

use argrad::{QpSolution, Report};
use candle_core::Tensor;

use crate::argument::Argument;

/// The arguments of [`qp`](crate::qp()).
#[derive(Clone, Debug)]
pub struct QpArguments {
    /// Number of samples; `None` to take it from the arguments (1 where all are shared).
    pub batch: Option<usize>,
    /// P.
    pub p: Argument,
    /// q.
    pub q: Argument,
    /// A.
    pub a: Argument,
    /// b.
    pub b: Argument,
    /// G.
    pub g: Argument,
    /// h. An entry of 1e19 or more is no constraint.
    pub h: Argument,
    /// Where to start, sample by sample: the result of an earlier solve.
    pub start: Option<Arc<QpSolution>>,
}

impl QpArguments {
    /// A batch of programs without constraints.
    pub fn new(p: Argument, q: Argument) -> Self {
        let none = Argument::absent();
        Self {
            batch: None,
            p,
            q,
            a: none.clone(),
            b: none.clone(),
            g: none.clone(),
            h: none,
            start: None,
        }
    }

    /// The same with the equalities Ax = b.
    pub fn equalities(mut self, a: Argument, b: Argument) -> Self {
        (self.a, self.b) = (a, b);
        self
    }

    /// The same with the inequalities Gx <= h.
    pub fn inequalities(mut self, g: Argument, h: Argument) -> Self {
        (self.g, self.h) = (g, h);
        self
    }

    pub(crate) fn all(&self) -> [&Argument; 6] {
        [&self.p, &self.q, &self.a, &self.b, &self.g, &self.h]
    }
}

/// Solutions of a batch as tensors, differentiable in every tensor that went in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QpOutput {
    /// Minimizers, batch x n.
    pub x: Tensor,
    /// Duals of the equalities, batch x equalities.
    pub equality_duals: Tensor,
    /// Duals of the inequalities, batch x inequalities.
    pub inequality_duals: Tensor,
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
