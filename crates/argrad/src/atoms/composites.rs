//! Functions that are made of others.

use super::eigen::spectral;
use super::norms::{norm1, norm2_axis, pnorm, pnorm_axis};
use super::reductions::{max, min, sum_largest};
use super::spectral::{MatrixFrac, lambda_max, lambda_sum_largest};
use super::{maximum, norm2, sum_squares, vstack};
use crate::expression::{Expr, Operand, constant_value};

/// `max(x, 0)`, elementwise: [`maximum`].
#[track_caller]
pub fn pos(x: Expr<'_>) -> Expr<'_> {
    maximum(x, 0.0)
}

/// `max(-x, 0)`, elementwise: [`maximum`].
#[track_caller]
pub fn neg(x: Expr<'_>) -> Expr<'_> {
    maximum(-x, 0.0)
}

/// The largest minus the smallest element: [`max`], [`min`].
#[track_caller]
pub fn ptp(x: Expr<'_>) -> Expr<'_> {
    max(x) - min(x)
}

/// The sum of the k smallest elements: [`sum_largest`].
#[track_caller]
pub fn sum_smallest(x: Expr<'_>, k: f64) -> Expr<'_> {
    -sum_largest(-x, k)
}

/// Conditional value at risk: the mean of the largest `(1 - beta) n` elements, 0 <= beta < 1:
/// [`sum_largest`].
#[track_caller]
pub fn cvar(x: Expr<'_>, beta: f64) -> Expr<'_> {
    if !(0.0..1.0).contains(&beta) {
        return x.model.issue(format!("cvar: expected 0 <= beta < 1, found {beta}"), ().into());
    }
    let k = (1.0 - beta) * x.size() as f64;
    sum_largest(x, k) / k
}

/// The harmonic mean `n / sum (1 / x_i)` of all elements, x >= 0: [`pnorm`] with p = -1.
#[track_caller]
pub fn harmonic_mean(x: Expr<'_>) -> Expr<'_> {
    x.size() as f64 * pnorm(x, -1.0)
}

/// The smallest eigenvalue of the symmetric part of a matrix: [`lambda_max`].
#[track_caller]
pub fn lambda_min(x: Expr<'_>) -> Expr<'_> {
    -lambda_max(-x)
}

/// The sum of the k smallest eigenvalues of the symmetric part of a matrix: [`lambda_sum_largest`].
#[track_caller]
pub fn lambda_sum_smallest(x: Expr<'_>, k: f64) -> Expr<'_> {
    -lambda_sum_largest(-x, k)
}

/// The Frobenius norm of a matrix: [`norm2`] of its elements.
#[track_caller]
pub fn norm_fro(x: Expr<'_>) -> Expr<'_> {
    norm2(x)
}

/// `tr X'P^-1 X` with P positive definite (of P the symmetric part counts); of a vector,
/// `x'P^-1 x`. Cone form: `tr T` with `[P, X; X', T]` positive semidefinite. With a constant P it
/// is [`sum_squares`], quadratic in the objective.
#[track_caller]
pub fn matrix_frac<'m>(x: Expr<'m>, p: impl Operand<'m>) -> Expr<'m> {
    let p = p.into_expr(x.model);
    let n = p.shape().rows();
    let fits = p.shape().is_square() && x.shape().ndim() > 0 && x.shape().rows() == n;
    if fits && n > 0 && !p.has_variables() && !p.has_parameters() {
        let values = constant_value(&p.model.arena(), p.id);
        let root = spectral(&values, n, |_, v| 1.0 / v.sqrt());
        if root.iter().all(|v| v.is_finite()) {
            return sum_squares(x.model.constant_of(root, p.shape()).matmul(x));
        }
        let found = format!("matrix_frac: {p} is not positive definite");
        return x.model.issue(found, ().into());
    }
    x.model.atom(MatrixFrac, &[x, p])
}

/// Total variation: of a vector `sum |x_(i+1) - x_i|`; of a matrix the sum of the Euclidean norms
/// of `(x_(i+1,j) - x_ij, x_(i,j+1) - x_ij)`.
#[track_caller]
pub fn tv(x: Expr<'_>) -> Expr<'_> {
    let shape = x.shape();
    if shape.ndim() < 2 {
        return norm1(x.diff());
    }
    let (m, n) = (shape.rows(), shape.cols());
    if m < 2 || n < 2 {
        return norm1(x.flatten().diff());
    }
    let corner = x.block(..m - 1, ..n - 1);
    let down = (x.block(1.., ..n - 1) - corner).flatten();
    let right = (x.block(..m - 1, 1..) - corner).flatten();
    norm2_axis(vstack(&[down, right]), 0).sum()
}

/// The q-norm of the p-norms of the rows of a matrix: [`pnorm`].
#[track_caller]
pub fn mixed_norm(x: Expr<'_>, p: f64, q: f64) -> Expr<'_> {
    pnorm(pnorm_axis(x, p, 1), q)
}

/// The variance of all elements, divided by their number: [`sum_squares`].
#[track_caller]
pub fn var(x: Expr<'_>) -> Expr<'_> {
    sum_squares(x - x.mean()) / x.size().max(1) as f64
}

/// The standard deviation of all elements: [`norm2`].
#[track_caller]
pub fn std(x: Expr<'_>) -> Expr<'_> {
    norm2(x - x.mean()) / (x.size().max(1) as f64).sqrt()
}
