//! Derivative of the solution map: adjoint (VJP), tangent (JVP) and the gradient of the optimal value.
//!
//! With D the derivative of the projection at v = s - z, a change of the values moves the solution by
//! ```text
//! P dx + A'dz = r1,   (I - D)(A dx - r2) - D dz = 0,   ds = D (r2 - A dx - dz),
//! r1 = -(dP x + dq + dA'z),   r2 = db - dA x,
//! ```
//! where dz is eliminated from dv = ds - dz, ds = D dv, A dx + ds = r2. Divided by I - D the matrix is the
//! one that the polish factored last, K = [P A'; A -H] with H = D (I - D)^-1. K is symmetric, so with
//! gradients (gx, gz, gs) of a scalar the adjoint solves the same system,
//! ```text
//! K [l1; l2'] = [gx - A'D gs; gz - D gs],   l2 = l2' + D gs,
//! dq = -l1,   db = l2,   dP = -sym(l1 x'),   dA = -(l2 x' + z l1').
//! ```

mod adjoint;
mod gradient;
mod system;
mod tangent;

use crate::program::Slot;

/// Which derivative to take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Mode {
    /// The derivative of the solution; least-norm and flagged where it is not unique.
    #[default]
    Exact,
    /// The derivative of the point of the central path at `mu > 0` (in the units of the objective):
    /// defined everywhere.
    Smoothed(f64),
}

/// What the derivative of an instance without a solution is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// An error that names the instances.
    #[default]
    Error,
    /// NaN in per-instance gradients; the instance adds nothing to gradients of shared values.
    Nan,
    /// Zero.
    Zero,
}

/// How to differentiate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Differentiation {
    /// Which derivative.
    pub mode: Mode,
    /// What to do with instances that are not solved.
    pub on_failure: OnFailure,
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
/// one instance's numbers where the value is shared (the sum over the batch), else `batch` times
/// that.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// With respect to the stored upper triangle of P (an off-diagonal entry stands for two).
    pub p: Vec<f64>,
    /// With respect to q.
    pub q: Vec<f64>,
    /// With respect to A.
    pub a: Vec<f64>,
    /// With respect to b.
    pub b: Vec<f64>,
    /// Relative residual of the adjoint system, one an instance.
    pub adjoint_residual: Vec<f64>,
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
pub struct SolutionTangent {
    /// Of x, `batch * n`.
    pub x: Vec<f64>,
    /// Of z, `batch * m`.
    pub z: Vec<f64>,
    /// Of s, `batch * m`.
    pub s: Vec<f64>,
    /// Relative residual of the linear system, one an instance.
    pub residual: Vec<f64>,
}
