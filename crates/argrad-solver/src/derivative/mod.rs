//! Derivative of the solution map: adjoint (VJP), tangent (JVP) and the gradient of the optimal
//! value.
//!
//! With D the derivative of the projection at v = s - z, a change of the values moves the solution
//! by
//! ```text
//! P dx + A'dz = r1,   (I - D)(A dx - r2) - D dz = 0,   ds = D (r2 - A dx - dz),
//! r1 = -(dP x + dq + dA'z),   r2 = db - dA x,
//! ```
//! where dz is eliminated from dv = ds - dz, ds = D dv, A dx + ds = r2. Divided by I - D the matrix
//! is the one that the polish factored last, K = [P A'; A -H] with H = D (I - D)^-1. K is
//! symmetric, so with gradients (gx, gz, gs) of a scalar the adjoint solves the same system,
//! ```text
//! K [l1; l2'] = [gx - A'D gs; gz - D gs],   l2 = l2' + D gs,
//! dq = -l1,   db = l2,   dP = -sym(l1 x'),   dA = -(l2 x' + z l1').
//! ```

mod check;
mod curvature;
mod failures;
mod gradient;
mod lsqr;
mod outcome;
mod point;
mod rows;
mod system;

mod adjoint;
mod jacobian;
mod lpgd;
mod second;
mod smoothed;
mod tangent;
mod value;

pub use jacobian::Jacobian;

use crate::program::Slot;

/// Which derivative to take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// The derivative of the solution; least-norm and flagged where it is not unique.
    #[default]
    Exact,
    /// The derivative of the point of the central path at `mu > 0` (in the units of the objective):
    /// defined everywhere.
    Smoothed(f64),
    /// Lagrangian proximal gradient with the finite step `tau` (Paulus et al. 2024): the program is
    /// solved again with its objective shifted by `tau` times the cotangent, both ways, and
    /// differences are taken. It sees past kinks and vertices as far as `tau` reaches.
    Lpgd(f64),
}

/// How the linear system of the derivative is solved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// With the factor that the solve left behind, refined; by LSQR where the system is singular
    /// and has no solution, or where there is no factor (then with tolerance 1e-10 and at most
    /// 10,000 iterations).
    #[default]
    Direct,
    /// By LSQR (Paige and Saunders 1982) on products alone, for programs whose factor does not fit
    /// in memory. See [`Gradients::adjoint_residual`] and [`Gradients::unfinished`].
    Lsqr {
        /// Stops at this relative residual, or least-squares optimality.
        tolerance: f64,
        /// Stops after so many iterations; the sample is then listed as unfinished.
        max_iterations: usize,
    },
}

impl Method {
    /// What serves where there is no factor.
    pub(crate) fn without_factor(self) -> Self {
        match self {
            Method::Direct => Method::Lsqr { tolerance: 1e-10, max_iterations: 10_000 },
            lsqr => lsqr,
        }
    }
}

/// What the derivative of a sample without a solution is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// An error that names the samples.
    #[default]
    Error,
    /// NaN in per-sample gradients; the sample adds nothing to gradients of shared values.
    Nan,
    /// Zero.
    Zero,
}

/// How to differentiate: what [`Tape::vjp`](crate::Tape::vjp), [`jvp`](crate::Tape::jvp),
/// [`vjp_tangent`](crate::Tape::vjp_tangent), [`jacobian`](crate::Tape::jacobian) and
/// [`value_gradient`](crate::Tape::value_gradient) take. The default is exact, direct, and an error
/// where a sample has no solution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Differentiation {
    /// Which derivative.
    pub mode: Mode,
    /// What to do with samples that are not solved.
    pub on_failure: OnFailure,
    /// How to solve the linear system.
    pub method: Method,
}

/// Gradient of a scalar with respect to the solution, row-major as in [`crate::Solution`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Cotangent<'a> {
    /// With respect to x, `batch * n`; `None` is zero.
    pub x: Option<&'a [f64]>,
    /// With respect to z, `batch * m`.
    pub z: Option<&'a [f64]>,
    /// With respect to s, `batch * m`.
    pub s: Option<&'a [f64]>,
}

/// Gradient of a scalar with respect to the values. Each has the length of the value it belongs to:
/// one sample's numbers where the value is shared (the sum over the batch), else `batch` times
/// that.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Gradients {
    /// With respect to the stored upper triangle of P (an off-diagonal entry stands for two).
    pub p: Vec<f64>,
    /// With respect to q.
    pub q: Vec<f64>,
    /// With respect to A.
    pub a: Vec<f64>,
    /// With respect to b.
    pub b: Vec<f64>,
    /// Residual of the adjoint system relative to right-hand side and solution, one per sample:
    /// near the rounding however ill-conditioned the system is. Where LSQR served, relative to the
    /// right-hand side. Zero where none was solved ([`Mode::Lpgd`]).
    pub adjoint_residual: Vec<f64>,
    /// Estimated relative error, one per sample: the condition number times that residual, which
    /// counts as at least the rounding, and from a condition of 1e4 on as at least
    /// `Report::residual` of a point that was not polished, since x is as far off then. Infinite
    /// where the solution is not unique, NaN where it is not estimated: for other modes than
    /// [`Mode::Exact`], for second derivatives and gradients of the value.
    pub accuracy: Vec<f64>,
    /// Iterations of LSQR, one per sample; zero where the factor served.
    pub iterations: Vec<u32>,
    /// Samples that LSQR left at its limit of iterations, short of its tolerance.
    pub unfinished: Vec<usize>,
}

/// A direction in the space of values; `None` is zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tangent<'a> {
    /// Change of P.
    pub p: Option<Slot<'a>>,
    /// Change of q.
    pub q: Option<Slot<'a>>,
    /// Change of A.
    pub a: Option<Slot<'a>>,
    /// Change of b.
    pub b: Option<Slot<'a>>,
}

/// Directional derivative of the solution, row-major as in [`crate::Solution`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SolutionTangent {
    /// Of x, `batch * n`.
    pub x: Vec<f64>,
    /// Of z, `batch * m`.
    pub z: Vec<f64>,
    /// Of s, `batch * m`.
    pub s: Vec<f64>,
    /// Residual of the linear system, as [`Gradients::adjoint_residual`].
    pub residual: Vec<f64>,
    /// Estimated relative error, as [`Gradients::accuracy`].
    pub accuracy: Vec<f64>,
    /// Iterations of LSQR, one per sample; zero where the factor served.
    pub iterations: Vec<u32>,
    /// Samples that LSQR left at its limit of iterations, short of its tolerance.
    pub unfinished: Vec<usize>,
}
