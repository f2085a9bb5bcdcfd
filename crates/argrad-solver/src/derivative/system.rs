//! The linear system of the derivative: refined solves, and least-norm solves where it is singular.

use pulp::Simd;

use crate::analysis::Analysis;
use crate::cones::Function;
use crate::group::{View, Work};
use crate::lanes::{M, V};

/// A refined solve reads the values about this many times.
pub(crate) const PASSES: usize = 8;
/// Relative residual at which refinement stops.
const REFINED: f64 = 1e-14;
/// Relative residual that refinement must reach, else the system counts as singular.
const UNREFINED: f64 = 1e-8;
/// Most refinement steps.
const STEPS: usize = 6;
/// Relative size of the gradient of the least-squares residual at which the least-norm solve stops.
const LEAST_NORM: f64 = 1e-13;

/// Solves the derivative's system, without regularization and with the projection at the final v:
/// ```text
/// Px + A'z = r1,   (I - D)(Ax - r2) - D z = 0
/// ```
/// `over_x[0]`, `over_z[0]` of the workspace hold r1, r2; `over_x[1]`, `over_z[1]` receive the
/// solution. Lanes in `singular`, and lanes whose refinement fails, get the least-norm least-squares
/// solution. Returns the relative residual.
#[inline(always)]
pub(crate) fn solve<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    work: &mut Work<'_, S>,
    singular: M<S>,
) -> V<S> {
    let zero = V::splat(simd, 0.0);
    let Work { permuted, cones, px, ax, atz, over_x, over_z, .. } = work;
    let [rhs_x, x, error_x, ..] = over_x;
    let [rhs_z, z, error_z, dz, spare, ..] = over_z;
    // With x = z = 0 the second equation is off by (I - D) r2.
    analysis.cones.apply(simd, view.projection, Function::Complement, rhs_z, error_z, cones);
    let mut size = V::splat(simd, f64::MIN_POSITIVE);
    for &r in rhs_x.iter().chain(error_z.iter()) {
        size = size.max_abs(r);
    }
    error_x.copy_from_slice(rhs_x);
    x.fill(zero);
    z.fill(zero);
    let mut residual = V::splat(simd, f64::INFINITY);
    let mut live = !singular;
    for step in 0..=STEPS {
        // The factored rows are those above times (I - D)^-1.
        let inverse = Function::InverseComplement;
        analysis.cones.apply(simd, view.projection, inverse, error_z, spare, cones);
        {
            let (correction_x, correction_z) = (&mut *px, &mut *ax);
            analysis.kkt.solve::<S, 1>(
                simd,
                view.values,
                view.inverse_pivots,
                [(error_x, spare)],
                permuted,
                [(&mut **correction_x, &mut **correction_z)],
            );
        }
        for j in 0..x.len() {
            x[j] = live.select(x[j] + px[j], x[j]);
        }
        for i in 0..z.len() {
            z[i] = live.select(z[i] + ax[i], z[i]);
        }
        analysis.kkt.products.multiply(simd, view.values, x, z, px, ax, atz);
        analysis.cones.apply(simd, view.projection, Function::Derivative, z, dz, cones);
        let mut error = zero;
        for j in 0..x.len() {
            error_x[j] = rhs_x[j] - (px[j] + atz[j]);
            error = error.max_abs(error_x[j]);
        }
        for i in 0..z.len() {
            spare[i] = rhs_z[i] - ax[i];
        }
        analysis.cones.apply(simd, view.projection, Function::Complement, spare, error_z, cones);
        for i in 0..z.len() {
            error_z[i] += dz[i];
            error = error.max_abs(error_z[i]);
        }
        let error = error / size;
        let improved = error.lt(V::splat(simd, 0.25) * residual);
        residual = live.select(error, residual);
        live = live & improved & error.gt(V::splat(simd, REFINED));
        if step == STEPS || !live.any() {
            break;
        }
    }
    // Not a comparison that NaN fulfils: a NaN right-hand side keeps its NaN solution.
    let singular = singular | residual.gt(V::splat(simd, UNREFINED));
    if singular.any() {
        let least_norm = least_norm(simd, analysis, view, work, singular);
        residual = singular.select(least_norm, residual);
    }
    residual
}

/// LSQR (Paige and Saunders 1982) for the lanes in `lanes`, on the symmetric form of the system: with
/// E = (I - D)^(1/2) and z = E y,
/// ```text
/// [ P   A'E ] [x]   [ r1   ]
/// [ EA  -D  ] [y] = [ E r2 ]
/// ```
/// which is bounded, and has no null space but that of the solution itself (the matrix M of the
/// homogeneous embedding is singular at every solution).
#[inline(always)]
fn least_norm<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    work: &mut Work<'_, S>,
    lanes: M<S>,
) -> V<S> {
    let zero = V::splat(simd, 0.0);
    let Work { px, ax, atz, cones, x: ux, z: uz, s: ey, over_x, over_z, .. } = work;
    let [rhs_x, x, vx, wx, ..] = over_x;
    let [rhs_z, z, vz, wz, y, dy, ..] = over_z;
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
    let mut alpha = bidiagonalize(
        simd, analysis, view, (ux, uz), (vx, vz), zero, (px, ax, atz, ey, dy), cones,
    );
    let alpha_first = alpha;
    wx.copy_from_slice(vx);
    wz.copy_from_slice(vz);
    let (mut phi_bar, mut rho_bar) = (beta_first, alpha);
    let mut live = lanes & beta_first.gt(zero) & alpha.gt(zero);
    let relative = |phi: V<S>| phi.abs() / beta_first.max(V::splat(simd, f64::MIN_POSITIVE));
    let mut residual = relative(phi_bar);
    for _ in 0..20 * (n + z.len()) + 20 {
        if !live.any() {
            break;
        }
        let beta = bidiagonalize(
            simd, analysis, view, (vx, vz), (ux, uz), alpha, (px, ax, atz, ey, dy), cones,
        );
        alpha = bidiagonalize(
            simd, analysis, view, (ux, uz), (vx, vz), beta, (px, ax, atz, ey, dy), cones,
        );
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
        let done = gradient.le(V::splat(simd, LEAST_NORM) * alpha_first * beta_first)
            | phi_bar.abs().le(V::splat(simd, LEAST_NORM) * beta_first);
        live = live & !done & !gradient.is_nan();
    }
    analysis.cones.apply(simd, view.projection, Function::RootComplement, y, ey, cones);
    for i in 0..z.len() {
        z[i] = lanes.select(ey[i], z[i]);
    }
    residual
}

/// out = (the symmetric matrix) in - scale out, then normalized; returns the norm.
#[allow(clippy::too_many_arguments)]
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
