//! LSQR (Paige and Saunders 1982): least-norm least-squares solves from products alone.
//!
//! Bidiagonalization of A by Golub and Kahan, started from b, and a QR factorization of the
//! bidiagonal matrix that grows with it, so that x is updated in place. From zero, it converges to
//! the solution of least norm.

use pulp::Simd;

use crate::lanes::{M, V};
use crate::program::Stop;

/// A matrix A that is known by its products.
pub(crate) trait MatrixProducts<S: Simd> {
    /// `out = A x - scale out`.
    fn multiply(&mut self, x: &[V<S>], scale: V<S>, out: &mut [V<S>]);

    /// `out = A'y - scale out`.
    fn multiply_transpose(&mut self, y: &[V<S>], scale: V<S>, out: &mut [V<S>]);
}

/// When LSQR stops.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// Of the residual, and of the gradient of its square, relative to the right-hand side.
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: usize,
    pub(crate) stop: Stop<'a>,
}

/// The vectors of LSQR, in the names of the paper.
pub(crate) struct Bidiagonalization<'a, S: Simd> {
    /// As long as b, which it holds at first.
    pub(crate) u: &'a mut [V<S>],
    /// As long as x.
    pub(crate) v: &'a mut [V<S>],
    /// As long as x.
    pub(crate) w: &'a mut [V<S>],
    /// Receives the solution.
    pub(crate) x: &'a mut [V<S>],
}

/// How LSQR went, a number for each lane.
pub(crate) struct Iterated<S: Simd> {
    /// Relative to b.
    pub(crate) residual: V<S>,
    pub(crate) iterations: V<S>,
    /// Lanes that were left at a limit.
    pub(crate) unfinished: M<S>,
}

/// The solution of least norm of min |A x - b| in the lanes in `lanes`, zero in the others.
#[inline(always)]
pub(crate) fn lsqr<S: Simd, O: MatrixProducts<S>>(
    simd: S,
    matrix: &mut O,
    vectors: Bidiagonalization<'_, S>,
    lanes: M<S>,
    limits: Limits<'_>,
) -> Iterated<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let tolerance = V::splat(simd, limits.tolerance);
    let Bidiagonalization { u, v, w, x } = vectors;
    x.fill(zero);
    v.fill(zero);
    let beta_first = normalize(zero, u);
    matrix.multiply_transpose(u, zero, v);
    let alpha_first = normalize(zero, v);
    w.copy_from_slice(v);
    let mut alpha = alpha_first;
    let mut triangle = Triangle { phi_bar: beta_first, rho_bar: alpha };
    let mut live = lanes & beta_first.gt(zero) & alpha.gt(zero);
    let relative = |phi: V<S>| phi.abs() / beta_first.max(V::splat(simd, f64::MIN_POSITIVE));
    let (mut residual, mut iterations) = (relative(beta_first), zero);
    for _ in 0..limits.max_iterations {
        if !live.any() || limits.stop.is_due() {
            break;
        }
        matrix.multiply(v, alpha, u);
        let beta = normalize(zero, u);
        matrix.multiply_transpose(u, beta, v);
        alpha = normalize(zero, v);
        iterations += live.select(one, zero);
        let rotation = triangle.rotate(alpha, beta);
        let (forward, back) = (rotation.phi / rotation.rho, rotation.theta / rotation.rho);
        for ((x, w), &v) in x.iter_mut().zip(w.iter_mut()).zip(v.iter()) {
            *x = live.select(forward.fma(*w, *x), *x);
            *w = back.nfma(*w, v);
        }
        residual = live.select(relative(triangle.phi_bar), residual);
        let gradient = (triangle.phi_bar * alpha * rotation.cosine).abs();
        let done = gradient.le(tolerance * alpha_first * beta_first)
            | triangle.phi_bar.abs().le(tolerance * beta_first);
        live = live & !done & !gradient.is_nan();
    }
    Iterated { residual, iterations, unfinished: live }
}

/// The last row of the triangular factor, and of its right-hand side, before the next rotation.
struct Triangle<S: Simd> {
    phi_bar: V<S>,
    rho_bar: V<S>,
}

/// A plane rotation that takes beta out of the bidiagonal matrix, and what it leaves behind.
struct Rotation<S: Simd> {
    cosine: V<S>,
    rho: V<S>,
    theta: V<S>,
    phi: V<S>,
}

impl<S: Simd> Triangle<S> {
    #[inline(always)]
    fn rotate(&mut self, alpha: V<S>, beta: V<S>) -> Rotation<S> {
        let rho = self.rho_bar.fma(self.rho_bar, beta * beta).sqrt();
        let (cosine, sine) = (self.rho_bar / rho, beta / rho);
        let rotation = Rotation { cosine, rho, theta: sine * alpha, phi: cosine * self.phi_bar };
        self.rho_bar = -(cosine * alpha);
        self.phi_bar *= sine;
        rotation
    }
}

/// Divides by the Euclidean norm, which it returns; leaves zero vectors alone.
#[inline(always)]
fn normalize<S: Simd>(zero: V<S>, vector: &mut [V<S>]) -> V<S> {
    let mut sum = zero;
    for &v in vector.iter() {
        sum = v.fma(v, sum);
    }
    let norm = sum.sqrt();
    let inverse = norm.gt(zero).select(zero.like(1.0) / norm, zero);
    for v in vector.iter_mut() {
        *v *= inverse;
    }
    norm
}
