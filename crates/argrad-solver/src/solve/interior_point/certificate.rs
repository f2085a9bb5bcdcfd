//! Certificates of infeasibility.

use pulp::Simd;

use crate::lanes::{M, V};

/// Whether z is a certificate of primal, (x, s) of dual infeasibility, judged in unscaled norms.
#[inline(always)]
#[expect(clippy::type_complexity, reason = "vectors that belong together travel as tuples")]
pub(super) fn certificates<S: Simd>(
    simd: S,
    (x_scale, row_scale, cost): (&[V<S>], &[V<S>], V<S>),
    (px, ax, atz): (&[V<S>], &[V<S>], &[V<S>]),
    s: &[V<S>],
    (q_x, b_z): (V<S>, V<S>),
    tolerance: f64,
) -> (M<S>, M<S>) {
    let zero = V::splat(simd, 0.0);
    let tolerance = V::splat(simd, tolerance);
    let (mut dual, mut curvature, mut primal) = (zero, zero, zero);
    for j in 0..px.len() {
        let scale = V::splat(simd, 1.0) / (cost * x_scale[j]);
        dual = dual.max_abs(atz[j] * scale);
        curvature = curvature.max_abs(px[j] * scale);
    }
    for i in 0..ax.len() {
        primal = primal.max_abs((ax[i] + s[i]) / row_scale[i]);
    }
    // b'z and q'x carry the cost scale; A'z has been freed of it above.
    let (b_z, q_x) = (b_z / cost, q_x / cost);
    let no_primal = b_z.lt(zero) & dual.le(tolerance * -b_z);
    let no_dual = q_x.lt(zero) & curvature.max(primal).le(tolerance * -q_x);
    (no_primal, no_dual)
}
