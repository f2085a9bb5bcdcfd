//! The projection onto the exponential cone: Friberg, "Projection onto the exponential cone: a
//! univariate root-finding problem" (2021).
//!
//! Where v = (x, y, z) lies neither in K nor in its polar cone, and not in the quadrant x, y <= 0
//! that projects onto the face y = 0, there is a unique rho with sigma, lambda > 0 and
//!
//! ```text
//! v = sigma (rho, 1, e^rho) - lambda (-1, rho - 1, e^-rho),
//! sigma = (y + x (rho - 1)) / D,  lambda = (x - rho y) / D,  D = rho (rho - 1) + 1.
//! ```
//!
//! The first term is the projection, on a ray of the boundary; the second is z on the ray of the
//! dual cone that is orthogonal to it. sigma and lambda solve the first two equations; the third
//! determines rho.

use pulp::Simd;

use super::super::three_dimensional::{Projected, Spectrum, Triple, along, dot, normalized, scale};
use crate::lanes::{M, V};

/// Beyond this the exponentials are zero or infinite next to anything else.
const FAR: f64 = 300.0;
/// The largest rho of a result: e^rho is a number.
const LARGEST: f64 = 690.0;

/// Where v lies.
struct Region<S: Simd> {
    inside: M<S>,
    polar: M<S>,
    face: M<S>,
}

impl<S: Simd> Region<S> {
    #[inline(always)]
    fn of([x, y, z]: Triple<S>) -> Self {
        let (zero, one) = (x.like(0.0), x.like(1.0));
        let inside = y.gt(zero) & (y * (x / y).exp()).le(z);
        let polar = x.gt(zero) & (x * (y / x - one).exp()).le(-z);
        Self { inside, polar, face: x.le(zero) & y.le(zero) }
    }
}

/// P(v) with its derivative.
#[inline(always)]
pub(super) fn project<S: Simd>(simd: S, v: Triple<S>) -> Projected<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let size = v[0].abs().max(v[1].abs()).max(v[2].abs());
    let size = size.max(size.like(f64::MIN_POSITIVE)).floor_power_of_two();
    let v = scale(one / size, v);
    let region = Region::of(v);

    let on_face = Projected {
        point: [v[0], zero, v[2].max(zero)],
        spectrum: Spectrum::diagonal(simd, [one, zero, v[2].gt(zero).select(one, zero)]),
    };
    let inside = Projected { point: v, spectrum: Spectrum::diagonal(simd, [one; 3]) };
    let polar = Projected { point: [zero; 3], spectrum: Spectrum::diagonal(simd, [zero; 3]) };

    let flat = region.inside | region.polar | region.face;
    let mut result = Projected::select(region.inside, inside, on_face);
    result = Projected::select(region.polar, polar, result);
    if (!flat).any() {
        let curved = Coordinates::find(v, !flat).projected(v);
        result = Projected::select(flat, result, curved);
    }
    // Only numbers that are finite have a projection.
    let invalid = zero * v[0] + zero * v[1] + zero * v[2];
    result.point = scale(size, result.point).map(|x| x + invalid);
    result
}

/// The rays on which s and z lie, and where on them.
struct Coordinates<S: Simd> {
    rho: V<S>,
    sigma: V<S>,
    lambda: V<S>,
}

impl<S: Simd> Coordinates<S> {
    #[inline(always)]
    fn find([x, y, z]: Triple<S>, wanted: M<S>) -> Self {
        let (zero, one) = (x.like(0.0), x.like(1.0));
        // The exchange (x, y, z, rho, sigma, lambda) -> (y, x, -z, 1 - rho, lambda, sigma) keeps
        // the equations, but for a factor e in the third.
        let exchanged = z.lt(zero);
        let equation = Equation {
            x: exchanged.select(y, x),
            y: exchanged.select(x, y),
            z: z.abs(),
            shift: exchanged.select(one, zero),
        };
        let (rho, sigma, lambda) = equation.solve(wanted);
        Self {
            rho: exchanged.select(one - rho, rho),
            sigma: exchanged.select(lambda, sigma),
            lambda: exchanged.select(sigma, lambda),
        }
    }

    /// With 1/M the length of (-1, rho - 1, e^-rho), N that of (rho, 1, e^rho), and q the unit
    /// vector orthogonal to both, the boundary g = y e^(x/y) - z = 0 has D^2 g = (e^rho / sigma) h
    /// h', h = (1, -rho, 0), and <h, q> = N / (M e^rho). So nu q'(D^2 g) q = (lambda / sigma) (N /
    /// (M e^rho))^2.
    #[inline(always)]
    fn projected(&self, v: Triple<S>) -> Projected<S> {
        let Self { rho, sigma, lambda } = *self;
        let one = rho.like(1.0);
        let sigma = sigma.max(rho.like(f64::MIN_POSITIVE));
        let positive = rho.gt(rho.like(0.0));
        // The directions, times e^-rho or e^rho so that they stay finite.
        let e = (-rho.abs()).exp();
        let (p1, z1) = (positive.select(e, one), positive.select(one, e));
        let p = [rho * p1, p1, z1];
        let z = [-z1, (rho - one) * z1, p1];
        let curvature = lambda * (dot(p, p) / dot(z, z));
        let total = one / (sigma + curvature);
        let spectrum =
            Spectrum::boundary(normalized(z), normalized(p), sigma * total, curvature * total);
        // The third entry without the error of a large exponential.
        let third = positive.select(lambda.fma(e, v[2]), sigma * e);
        Projected { point: [sigma * rho, sigma, third], spectrum }
    }
}

/// The equation sigma e^(rho - shift) - lambda e^(shift - rho) = z >= 0, not both x, y <= 0.
///
/// It is solved in the form G(rho) = rho - shift - ln X = 0, where X > 0 is the root of
/// sigma X^2 - z X - lambda = 0. G increases from the end where sigma = 0 (`low`, where ln sigma
/// makes it -infinity) to that where lambda = 0 (`high`); it is nearly linear far from them.
/// Newton's method takes five steps, when steps towards the singularity of a logarithm are taken in
/// the logarithm.
struct Equation<S: Simd> {
    x: V<S>,
    y: V<S>,
    z: V<S>,
    shift: V<S>,
}

/// The unknown rho = base + t. Near the singularity at `low` the base is `low`, so that no digits
/// of sigma are lost.
struct Bracket<S: Simd> {
    from_low: M<S>,
    base: V<S>,
    /// low - base and high - base.
    low: V<S>,
    high: V<S>,
    start: V<S>,
    /// The root is at `low` to rounding error.
    far: M<S>,
}

/// A step of Newton's method.
struct Step<S: Simd> {
    /// G > 0: the root is to the left.
    beyond: M<S>,
    /// G / G'.
    size: V<S>,
    /// Distance to where the logarithm becomes infinite, to the right.
    right: V<S>,
}

impl<S: Simd> Equation<S> {
    #[inline(always)]
    fn bracket(&self) -> Bracket<S> {
        let Self { x, y, z, shift } = *self;
        let (zero, one) = (x.like(0.0), x.like(1.0));
        let infinity = x.like(f64::INFINITY);
        let low = x.gt(zero).select(one - y / x, -infinity).min(x.like(1e100));
        let high = y.gt(zero).select(x / y, infinity).min(x.like(1e100));
        let from_low = low.gt(-one);
        let base = from_low.select(low, zero);

        // Where z^2 is large next to sigma lambda, G is regular at `high`, which is then close if
        // v is close to K. Else start away from it. Not beyond where sigma e^rho = z, roughly.
        let denominator = high.fma(high - one, one);
        let regular = (z * z * denominator).gt(x.like(0.04) * y * y);
        let gap = (x.like(0.5) * (high - low)).min(one);
        let top = regular.select(high, high - gap);
        let size = ((z / x).ln() + (shift - low)).max(one);
        let start = from_low.select(size.min(top - low), top);
        Bracket {
            from_low,
            base,
            low: low - base,
            high: high.min(x.like(LARGEST)) - base,
            start,
            far: low.gt(x.like(FAR)),
        }
    }

    /// sigma and lambda (at least the smallest numbers, for their logarithms), and 1/D.
    #[inline(always)]
    fn multipliers(&self, bracket: &Bracket<S>, t: V<S>) -> (V<S>, V<S>, V<S>) {
        let one = t.like(1.0);
        let rho = bracket.base + t;
        let inverse = one / rho.fma(rho - one, one);
        let sigma = bracket.from_low.select(self.x * t, (rho - one).fma(self.x, self.y));
        let lambda = rho.nfma(self.y, self.x);
        (sigma * inverse, lambda * inverse, inverse)
    }

    #[inline(always)]
    fn step(&self, bracket: &Bracket<S>, t: V<S>) -> Step<S> {
        let (zero, one) = (t.like(0.0), t.like(1.0));
        let tiny = t.like(1e-290);
        let rho = bracket.base + t;
        let (sigma, lambda, inverse) = self.multipliers(bracket, t);
        let (sigma, lambda) = (sigma.max(tiny), lambda.max(tiny));

        let square = self.z.fma(self.z, t.like(4.0) * sigma * lambda);
        let root = square.sqrt();
        // sigma X, X, lambda / X and sigma / X.
        let large = t.like(0.5) * (self.z + root);
        let by_large = sigma / large;
        let ratio = large / sigma;
        let small = lambda * by_large;
        let value = rho - self.shift - ratio.ln();
        // G' root D = X (sigma (rho^2 - 2 rho + 2) + lambda) + (lambda (rho^2 + 1) + sigma) / X.
        let before = rho - one;
        let slope = large.fma(before.fma(before, one), ratio * lambda)
            + small.fma(rho.fma(rho, one), sigma * by_large);
        let size = value * root / (slope * inverse);
        let right = square / (t.like(4.0) * sigma * self.y * inverse);
        Step {
            beyond: value.gt(zero),
            size,
            right: self.y.gt(zero).select(right, t.like(f64::INFINITY)),
        }
    }

    /// rho, sigma and lambda, in the lanes that are `wanted`.
    #[inline(always)]
    fn solve(&self, wanted: M<S>) -> (V<S>, V<S>, V<S>) {
        /// Seven steps are the most that were seen.
        const STEPS: usize = 60;
        let bracket = self.bracket();
        let zero = self.x.like(0.0);
        let infinity = self.x.like(f64::INFINITY);
        let mut t = bracket.far.select(zero, bracket.start.min(bracket.high));
        let (mut left, mut right) = (-infinity, bracket.high);
        let mut moving = wanted & !bracket.far;
        for _ in 0..STEPS {
            if !moving.any() {
                break;
            }
            let step = self.step(&bracket, t);
            right = step.beyond.select(t.min(right), right);
            left = step.beyond.select(left, t.max(left));
            let next = limited(&bracket, t, &step).min(bracket.high);
            let middle = t.like(0.5) * (left + right);
            let outside = (next.lt(left) | next.gt(right)) & middle.abs().lt(infinity);
            let last = (t - step.size).min(bracket.high);
            let open = unfinished(&bracket, t, &step);
            let next = open.select(outside.select(middle, next), last);
            t = moving.select(next, t);
            moving = moving & open;
        }
        let (sigma, lambda, _) = self.multipliers(&bracket, t);
        (bracket.base + t, sigma.max(zero), lambda.max(zero))
    }
}

/// Where the step is too long to be the last. Newton's method squares the error relative to the
/// distance to a singularity.
#[inline(always)]
fn unfinished<S: Simd>(bracket: &Bracket<S>, t: V<S>, step: &Step<S>) -> M<S> {
    let size = step.size.abs();
    let scale = (t - bracket.low).min(step.right).min(t.like(1.0));
    let rounding = (t.like(2e-15) * t.abs()).max(t.like(1e-280));
    size.gt(t.like(1e-9) * scale) & size.gt(rounding)
}

/// t after a step of Newton's method, in the logarithm of the distance to a singularity if the step
/// is as long as the distance.
#[inline(always)]
fn limited<S: Simd>(bracket: &Bracket<S>, t: V<S>, step: &Step<S>) -> V<S> {
    let (half, one) = (t.like(0.5), t.like(1.0));
    let size = step.size;
    let left = t - bracket.low;
    let long_left = size.abs().gt(half * left);
    let long_right = (-size).gt(half * step.right);
    let mut next = t - size;
    if long_left.any() {
        let scaled = (left * (-size / left).exp()).min(one);
        next = long_left.select(bracket.low + (left - size).max(scaled), next);
    }
    if long_right.any() {
        let scaled = (step.right * (size / step.right).exp()).min(one);
        next = long_right.select(t + step.right - (step.right + size).max(scaled), next);
    }
    next
}

/// Number of directions in which D jumps within `margin` of v.
///
/// Crossing the boundary of K, or of the polar cone, the direction of z, or of s, jumps between 0
/// and 1. For x, y <= `margin` K is nearly the wedge y, z >= 0 and the polar cone the wedge x >= 0,
/// z <= 0 (away from it the curved part of the boundary is exponentially close); there the
/// coordinates within `margin` of zero count.
#[inline(always)]
pub(super) fn kinks<S: Simd>(simd: S, v: Triple<S>, margin: V<S>) -> V<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let region = Region::of(v);
    let s = project(simd, v).point;
    let z = along(s, -one, v);
    let from_k = region.inside.select(depth(v, zero), dot(z, z).sqrt());
    let from_polar = region.polar.select(depth([v[1], v[0], -v[2]], one), dot(s, s).sqrt());
    let count = |close: M<S>| close.select(one, zero);
    let curved = count(from_k.le(margin)) + count(from_polar.le(margin));
    let flat = v.iter().fold(zero, |sum, x| sum + count(x.abs().le(margin)));
    (v[0].le(margin) & v[1].le(margin)).select(flat, curved)
}

/// Distance of a point inside y e^(x/y - shift) <= z from the boundary, to first order.
#[inline(always)]
fn depth<S: Simd>([x, y, z]: Triple<S>, shift: V<S>) -> V<S> {
    let one = x.like(1.0);
    let rho = x / y;
    let e = (rho - shift).exp();
    let before = one - rho;
    let square = (e * e).fma(before.fma(before, one), one);
    y.nfma(e, z) / square.sqrt()
}
