//! The quadratic program as a function of tensors.

use std::sync::Arc;

use argrad::{Differentiation, QpLayer, QpPoint, Report};
use burn::tensor::Tensor;

use crate::qp::program::Program;
use crate::{Argument, Error};

/// The arguments of [`qp`].
#[derive(Clone, Debug)]
pub struct QpArguments {
    /// Number of instances; `None` to take it from the arguments (1 where all are shared).
    pub batch: Option<usize>,
    /// Q.
    pub quadratic: Argument,
    /// q.
    pub linear: Argument,
    /// A.
    pub a: Argument,
    /// b.
    pub b: Argument,
    /// G.
    pub g: Argument,
    /// h.
    pub h: Argument,
    /// Where to start, instance by instance: the result of an earlier solve.
    pub start: Option<Arc<QpPoint>>,
}

impl QpArguments {
    /// A batch of programs without constraints.
    pub fn new(quadratic: Argument, linear: Argument) -> Self {
        let none = Argument::absent();
        Self {
            batch: None,
            quadratic,
            linear,
            a: none.clone(),
            b: none.clone(),
            g: none.clone(),
            h: none,
            start: None,
        }
    }

    /// The same with the equalities Az = b.
    pub fn equalities(mut self, a: Argument, b: Argument) -> Self {
        (self.a, self.b) = (a, b);
        self
    }

    /// The same with the inequalities Gz <= h.
    pub fn inequalities(mut self, g: Argument, h: Argument) -> Self {
        (self.g, self.h) = (g, h);
        self
    }

    pub(crate) fn all(&self) -> [&Argument; 6] {
        [&self.quadratic, &self.linear, &self.a, &self.b, &self.g, &self.h]
    }
}

/// Solutions of a batch as tensors, differentiable in every tensor that went in.
#[derive(Clone, Debug)]
pub struct QpOutput {
    /// Minimizers, batch x n.
    pub z: Tensor<2>,
    /// Duals of the equalities, batch x equalities.
    pub equality_duals: Tensor<2>,
    /// Duals of the inequalities, batch x inequalities.
    pub inequality_duals: Tensor<2>,
    /// The same in f64 on the host, with slacks and reports. Where an instance has no solution,
    /// the certificate.
    pub point: Arc<QpPoint>,
}

impl QpOutput {
    /// How the solve of each instance went.
    pub fn reports(&self) -> &[Report] {
        &self.point.reports
    }
}

/// Solves a batch of quadratic programs, as a differentiable op.
///
/// An instance without a solution is treated as [`Differentiation::on_failure`] says: with
/// [`Error`](argrad::OnFailure::Error) the whole call fails and names the instances; with
/// [`Nan`](argrad::OnFailure::Nan) its rows of the output are NaN, with
/// [`Zero`](argrad::OnFailure::Zero) they are 0, and so is its gradient. Neither touches the other
/// instances, nor the gradients of shared arguments.
///
/// # Errors
/// [`Error::Program`] for malformed input and unsolved instances, [`Error::Backend`] for tensors of
/// other backends.
pub fn qp(
    layer: &QpLayer,
    arguments: &QpArguments,
    how: &Differentiation,
) -> Result<QpOutput, Error> {
    Program::new(layer.clone(), None, None, *how)?.run(arguments)
}
