//! The matrix-free solve of the derivative's system.

use pulp::Simd;

use super::system::Solved;
use crate::cones::Function;
use crate::lanes::{M, V};
use crate::program::Stop;
use crate::system::analysis::Analysis;
use crate::system::memory::{DerivativeVectors, DerivativeWork, SystemWork, View};

/// When LSQR stops.
#[derive(Clone, Copy)]
pub(super) struct Goal<'a> {
    /// Of the residual, and of the gradient of its square, relative to the right-hand side.
    pub(super) tolerance: f64,
    pub(super) max_iterations: usize,
    pub(super) stop: Stop<'a>,
}

/// LSQR (Paige and Saunders 1982) for the lanes in `lanes`, on the symmetric form of the system: with
/// E = (I - D)^(1/2) and z = E y,
/// ```text
/// [ P   A'E ] [x]   [ r1   ]
/// [ EA  -D  ] [y] = [ E r2 ]
/// ```
/// in which every block is bounded. Only products with P, A and D are needed, no factor.
///
/// The matrix M of the homogeneous embedding would serve as well, but it is one larger and singular
/// at every solution, which costs digits; the null space here is that of the solution itself.
/// From zero, LSQR converges to the solution of least norm.
#[inline(always)]
pub(super) fn lsqr<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    lanes: M<S>,
    goal: Goal<'_>,
) -> Solved<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let tolerance = V::splat(simd, goal.tolerance);
    let mut iterations = zero;
    let SystemWork { px, ax, atz, cones, .. } = &mut work.system;
    let DerivativeVectors {
        rhs_x,
        rhs_z,
        solution_x: x,
        solution_z: z,
        u_x: ux,
        u_z: uz,
        v_x: vx,
        v_z: vz,
        w_x: wx,
        w_z: wz,
        y,
        ey,
        dy,
        ..
    } = &mut work.vectors;
    let n = x.len();
    for value in x.iter_mut() {
        *value = lanes.select(zero, *value);
    }
    y.fill(zero);
    ux.copy_from_slice(rhs_x);
    analysis.cones.apply(simd, view.projection, Function::RootComplement, rhs_z, uz, cones);
    let beta_first = normalize((ux, uz));
    vx.fill(zero);
    vz.fill(zero);
    let mut alpha =
        bidiagonalize(simd, analysis, view, (ux, uz), (vx, vz), zero, (px, ax, atz, ey, dy), cones);
    let alpha_first = alpha;
    wx.copy_from_slice(vx);
    wz.copy_from_slice(vz);
    let (mut phi_bar, mut rho_bar) = (beta_first, alpha);
    let mut live = lanes & beta_first.gt(zero) & alpha.gt(zero);
    let relative = |phi: V<S>| phi.abs() / beta_first.max(V::splat(simd, f64::MIN_POSITIVE));
    let mut residual = relative(phi_bar);
    for _ in 0..goal.max_iterations {
        if !live.any() || goal.stop.is_due() {
            break;
        }
        let beta = bidiagonalize(
            simd,
            analysis,
            view,
            (vx, vz),
            (ux, uz),
            alpha,
            (px, ax, atz, ey, dy),
            cones,
        );
        alpha = bidiagonalize(
            simd,
            analysis,
            view,
            (ux, uz),
            (vx, vz),
            beta,
            (px, ax, atz, ey, dy),
            cones,
        );
        iterations += live.select(one, zero);
        let rho = rho_bar.fma(rho_bar, beta * beta).sqrt();
        let (c, s) = (rho_bar / rho, beta / rho);
        let theta = s * alpha;
        rho_bar = -(c * alpha);
        let phi = c * phi_bar;
        phi_bar *= s;
        let (forward, back) = (phi / rho, theta / rho);
        for j in 0..n {
            x[j] = live.select(forward.fma(wx[j], x[j]), x[j]);
            wx[j] = back.nfma(wx[j], vx[j]);
        }
        for i in 0..z.len() {
            y[i] = live.select(forward.fma(wz[i], y[i]), y[i]);
            wz[i] = back.nfma(wz[i], vz[i]);
        }
        residual = live.select(relative(phi_bar), residual);
        let gradient = (phi_bar * alpha * c).abs();
        let done = gradient.le(tolerance * alpha_first * beta_first)
            | phi_bar.abs().le(tolerance * beta_first);
        live = live & !done & !gradient.is_nan();
    }
    analysis.cones.apply(simd, view.projection, Function::RootComplement, y, ey, cones);
    for i in 0..z.len() {
        z[i] = lanes.select(ey[i], z[i]);
    }
    Solved { residual, iterations, unfinished: live }
}

/// out = (the symmetric matrix) in - scale out, then normalized; returns the norm.
#[inline(always)]
fn bidiagonalize<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    (in_x, in_z): (&[V<S>], &[V<S>]),
    (out_x, out_z): (&mut [V<S>], &mut [V<S>]),
    scale: V<S>,
    (px, ax, atz, ey, dy): (&mut [V<S>], &mut [V<S>], &mut [V<S>], &mut [V<S>], &mut [V<S>]),
    scratch: &mut [V<S>],
) -> V<S> {
    let (cones, data) = (&analysis.cones, view.projection);
    cones.apply(simd, data, Function::RootComplement, in_z, ey, scratch);
    analysis.kkt.products.multiply(simd, view.values, in_x, ey, px, ax, atz);
    cones.apply(simd, data, Function::RootComplement, ax, ey, scratch);
    cones.apply(simd, data, Function::Derivative, in_z, dy, scratch);
    for j in 0..out_x.len() {
        out_x[j] = scale.nfma(out_x[j], px[j] + atz[j]);
    }
    for i in 0..out_z.len() {
        out_z[i] = scale.nfma(out_z[i], ey[i] - dy[i]);
    }
    normalize((out_x, out_z))
}

/// Divides by the Euclidean norm, which it returns; leaves zero vectors alone.
#[inline(always)]
fn normalize<S: Simd>((x, z): (&mut [V<S>], &mut [V<S>])) -> V<S> {
    let Some(&first) = x.first().or(z.first()) else {
        unreachable!("a program has a variable or a row")
    };
    let (zero, one) = (first.like(0.0), first.like(1.0));
    let mut sum = zero;
    for &v in x.iter().chain(z.iter()) {
        sum = v.fma(v, sum);
    }
    let norm = sum.sqrt();
    let inverse = norm.gt(zero).select(one / norm, zero);
    for v in x.iter_mut().chain(z.iter_mut()) {
        *v *= inverse;
    }
    norm
}
