//! Arguments and results of the derivative, in the user's layout.

use argrad_solver::Slot;

/// Gradient of a scalar with respect to the solution; `None` is zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct QpCotangent<'a> {
    /// With respect to x, `batch * n`.
    pub x: Option<&'a [f64]>,
    /// With respect to the duals of the equalities, `batch * equalities`.
    pub equality_duals: Option<&'a [f64]>,
    /// With respect to the duals of the inequalities, `batch * inequalities`.
    pub inequality_duals: Option<&'a [f64]>,
    /// With respect to the slacks h - Gx, `batch * inequalities`.
    pub slacks: Option<&'a [f64]>,
}

/// Gradient of a scalar with respect to the values. Each part has the length and the order of the
/// value it belongs to; that of a shared value is the sum over the batch.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QpGradients {
    /// With respect to P: symmetric, as P is.
    pub p: Vec<f64>,
    /// With respect to q.
    pub q: Vec<f64>,
    /// With respect to A.
    pub a: Vec<f64>,
    /// With respect to b.
    pub b: Vec<f64>,
    /// With respect to G.
    pub g: Vec<f64>,
    /// With respect to h.
    pub h: Vec<f64>,
    /// Relative residual of the adjoint system, one per sample.
    pub adjoint_residual: Vec<f64>,
    /// Estimated relative error, one per sample, as [`argrad_solver::Gradients::accuracy`]:
    /// infinite where the solution is not unique, NaN where it is not estimated.
    pub accuracy: Vec<f64>,
    /// Samples that LSQR left at its limit of iterations: their part is no derivative.
    pub unfinished: Vec<usize>,
}

/// A direction in the space of values; `None` is zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct QpTangent<'a> {
    /// Change of P; its symmetric part counts.
    pub p: Option<Slot<'a>>,
    /// Change of q.
    pub q: Option<Slot<'a>>,
    /// Change of A.
    pub a: Option<Slot<'a>>,
    /// Change of b.
    pub b: Option<Slot<'a>>,
    /// Change of G.
    pub g: Option<Slot<'a>>,
    /// Change of h.
    pub h: Option<Slot<'a>>,
}

/// Directional derivative of the solution, row-major as in [`crate::QpSolution`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QpSolutionTangent {
    /// Of x, `batch * n`.
    pub x: Vec<f64>,
    /// Of the duals of the equalities, `batch * equalities`.
    pub equality_duals: Vec<f64>,
    /// Of the duals of the inequalities, `batch * inequalities`.
    pub inequality_duals: Vec<f64>,
    /// Of the slacks, `batch * inequalities`.
    pub slacks: Vec<f64>,
    /// Relative residual of the linear system, one per sample.
    pub residual: Vec<f64>,
    /// Estimated relative error, as [`QpGradients::accuracy`].
    pub accuracy: Vec<f64>,
    /// Samples that LSQR left at its limit of iterations: their part is no derivative.
    pub unfinished: Vec<usize>,
}
