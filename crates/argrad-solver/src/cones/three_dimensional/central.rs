//! The projection of the central path: s - z = v and s = -mu grad f*(z).
//!
//! z minimizes |z + v|^2 / (2 mu) + f*(z). The function is self-concordant, so Newton's method with
//! steps 1 / (1 + decrement) converges from any point inside K* (Nesterov, "Lectures on convex
//! optimization", section 5.2). It starts at z_0 + mu z~, where s_0 - z_0 = v is the projection for
//! mu = 0, z~ the shadow of s_0 + sqrt(mu) e, and e the unit point. This is exact for v = 0, has a
//! relative error of order sqrt(mu) deep inside K, and the right distance from the boundary of K*
//! elsewhere.

use pulp::Simd;

use super::scaling::{gram, image, transposed_image};
use super::{
    Barrier, Projected, Spectrum, ThreeRows, Triple, along, cross, dot, normalized, scale, select,
};
use crate::lanes::{M, V};

/// About ten steps suffice.
const STEPS: usize = 100;
/// From this decrement on, full steps; they square it.
const FULL: f64 = 0.25;
/// A step from this decrement reaches rounding error.
const LAST: f64 = 1e-8;
/// Below this multiple of |s| |z| mu makes no difference: distances from the boundaries, about mu
/// / |z| and mu / |s|, are then close to rounding errors.
const NEGLIGIBLE: f64 = 1e-13;

/// The central path's projection in the lanes with mu > 0, `exact` where mu is zero or negligible.
#[inline(always)]
pub(super) fn project<B: Barrier + ?Sized, S: Simd>(
    barrier: &B,
    simd: S,
    v: Triple<S>,
    mu: V<S>,
    exact: Projected<S>,
) -> Projected<S> {
    let (zero, one, minus) = (V::splat(simd, 0.0), V::splat(simd, 1.0), V::splat(simd, -1.0));
    let positive = mu.gt(zero);
    let mu = positive.select(mu, one);
    let unit = barrier.unit().map(|e| V::splat(simd, e));
    let normal = along(exact.point, minus, v);
    let sizes = dot(exact.point, exact.point).sqrt() * dot(normal, normal).sqrt();
    let shadow = barrier.shadow(along(exact.point, mu.sqrt(), unit));
    let start = along(normal, mu, shadow);
    let found = positive & mu.gt(mu.like(NEGLIGIBLE) * sizes) & barrier.inside_dual(start);
    let z = minimize(barrier, v, mu, select(found, start, unit), found);

    // v + z is exact to the rounding of v, -mu grad f* to that of the distance of z from the
    // boundary, about mu / |s|.
    let sum = along(v, one, z);
    let far = dot(sum, sum).gt(mu);
    let at = barrier.local_on_path(z, sum, mu);
    let point = select(far, sum, scale(-mu, barrier.gradient(barrier.local(z))));
    let spectrum = Spectrum::central(barrier.root(at), mu);
    Projected::select(found, Projected { point, spectrum }, exact)
}

/// Damped Newton's method from z, in the lanes that are `moving`.
#[inline(always)]
fn minimize<B: Barrier + ?Sized, S: Simd>(
    barrier: &B,
    v: Triple<S>,
    mu: V<S>,
    mut z: Triple<S>,
    mut moving: M<S>,
) -> Triple<S> {
    let one = mu.like(1.0);
    let root_mu = mu.sqrt();
    let infinite = mu.like(f64::INFINITY);
    let (mut previous, mut caution) = (infinite, one);
    for _ in 0..STEPS {
        if !moving.any() {
            break;
        }
        let at = barrier.local(z);
        let residual = along(along(v, one, z), mu, barrier.gradient(at));
        let direction = solve(barrier.root(at).map(|r| scale(root_mu, r)), residual);
        let decrement = (dot(direction, residual) / mu).sqrt();

        let damped = decrement.gt(mu.like(FULL)).select(one / (one + decrement), one);
        let next = along(z, -(caution * damped), direction);
        let inside = barrier.inside_dual(next);
        // Full steps square the decrement, so one that does not fall is rounding error.
        let stalled = decrement.lt(mu.like(0.1)) & decrement.gt(mu.like(0.5) * previous);
        z = select(moving & inside & !stalled, next, z);
        previous = inside.select(decrement, infinite);
        // Not inside in spite of the damping: rounding error at the boundary.
        caution = inside.select(one, caution * mu.like(0.5));
        let far = decrement.gt(mu.like(LAST)) & !stalled;
        moving = moving & (far | !inside) & caution.gt(mu.like(1e-3)) & !decrement.is_nan();
    }
    z
}

/// (I + R'R)^-1 x, accurate although the rows of R differ in length by many orders of magnitude: in
/// the orthonormal basis that starts with the longest rows, R'R is graded, and Cholesky's factors
/// are as exact as for equal lengths.
#[inline(always)]
fn solve<S: Simd>(rows: ThreeRows<S>, x: Triple<S>) -> Triple<S> {
    let rows = longest_first(rows);
    let first = normalized(rows[0]);
    let second = along(rows[1], -dot(rows[1], first), first);
    let second = normalized(second);
    let basis = [first, second, cross(first, second)];
    let y = solve_graded(gram(rows.map(|r| image(basis, r))), image(basis, x));
    transposed_image(basis, y)
}

#[inline(always)]
fn longest_first<S: Simd>(mut rows: ThreeRows<S>) -> ThreeRows<S> {
    for (i, j) in [(0, 1), (1, 2), (0, 1)] {
        let (a, b) = (rows[i], rows[j]);
        let ordered = dot(a, a).ge(dot(b, b));
        rows[i] = select(ordered, a, b);
        rows[j] = select(ordered, b, a);
    }
    rows
}

/// (I + G)^-1 x for the lower triangle of G, by Cholesky factors without roots.
#[inline(always)]
fn solve_graded<S: Simd>([a, b, c, d, e, f]: [V<S>; 6], x: Triple<S>) -> Triple<S> {
    let one = x[0].like(1.0);
    let first = one / (a + one);
    let (l10, l20) = (b * first, d * first);
    let second = one / l10.nfma(b, c + one);
    let remainder = l20.nfma(b, e);
    let l21 = remainder * second;
    let third = l21.nfma(remainder, l20.nfma(d, f + one));

    let y1 = l10.nfma(x[0], x[1]);
    let y2 = l21.nfma(y1, l20.nfma(x[0], x[2])) / third;
    let y1 = l21.nfma(y2, y1 * second);
    let y0 = l20.nfma(y2, l10.nfma(y1, x[0] * first));
    [y0, y1, y2]
}
