//! The equation in one unknown to which the projection onto a power cone reduces.
//!
//! s = P(v), z = s - v on the central path (mu >= 0) have s_w = r ŵ and z_w = -t ŵ with ŵ the
//! direction of v's w, and with c = r t, the parts X = s_x and Z = z_x satisfy
//! ```text
//! X_i - Z_i = x_i,   X_i Z_i = a_i c + (1 + a_i) mu,   q = prod (Z_i/a_i)^a_i
//! t = q sqrt(c / (c + 2 mu)),   r = c / t,   r + t = |w|
//! ```
//! which for mu = 0 are the equations of Hien ("Differential properties of Euclidean projection
//! onto power cone", 2015, Proposition 2.2), with the product c in place of r. F(c) = r + t grows
//! with c, so the root of F = |w| is the only one.
//!
//! Newton's method works in log c on an equation that is nearly linear there. For mu = 0, F^2 -
//! F(0)^2 behaves as a power of c at both ends (for one exponent, where K is a second-order cone,
//! it is 4 c). F(0) is the product prod x_i^a_i where x >= 0, prod |x_i/a_i|^a_i where x <= 0 and
//! else zero. With mu > 0,
//! ```text
//! e^-G = c / (c + 2 mu),   and
//! (1 + 2 y) / prod (1 + (1 + 1/a_i) y)^(2 a_i), y = mu / c, where x >= 0
//! ```
//! (the decrease of r below prod X_i^a_i) is divided out, and the equation is
//! ```text
//! log(F^2 e^G - F(0)^2 + n) = log(|w|^2 (e^G - 1) + p),     p - n = |w|^2 - F(0)^2,  p n = 0
//! ```

use pulp::Simd;

use crate::lanes::{M, V};

/// Least logarithm of c. It is reached only where x has entries of both signs; what is lost there
/// is a boundary point's distance of 1e-278 from a face.
const FLOOR: f64 = -640.0;
/// Three to five steps are usual; the rest serves lanes in which rounding errors cover the root.
const MAX_STEPS: usize = 80;
/// A step from a residual below this, in the logarithm, leads to rounding error.
const FINE: f64 = 1e-9;
/// Rounding error of F^2, relative.
const ROUNDING: f64 = 2e-15;
/// Stands for differences that rounding errors made zero or negative, relative to F^2.
const LEAST: f64 = 1e-17;

/// Where v lies, as far as the equation goes: lanes scaled to entries of order one.
pub(in crate::cones) struct Equation<'a, S: Simd> {
    pub(in crate::cones) alpha: &'a [f64],
    /// v's x.
    pub(in crate::cones) x: &'a [V<S>],
    /// |w|.
    pub(in crate::cones) norm: V<S>,
    pub(in crate::cones) mu: V<S>,
    /// Lanes with x >= 0.
    pub(in crate::cones) above: M<S>,
    /// Lanes with x <= 0.
    pub(in crate::cones) below: M<S>,
    /// F(0) for mu = 0. Where it is at least |w|, v lies in K (`above`) or in -K* (`below`).
    pub(in crate::cones) base: V<S>,
}

/// The quantities of the equation at some c.
struct Sums<S: Simd> {
    /// log (r e^(G/2)) and log (t e^(G/2)).
    log_r: V<S>,
    log_t: V<S>,
    /// G.
    growth: V<S>,
    /// Derivatives of log t and of G in log c.
    slope_t: V<S>,
    slope_growth: V<S>,
}

impl<'a, S: Simd> Equation<'a, S> {
    #[inline(always)]
    pub(in crate::cones) fn new(
        simd: S,
        alpha: &'a [f64],
        x: &'a [V<S>],
        norm: V<S>,
        mu: V<S>,
    ) -> Self {
        let zero = V::splat(simd, 0.0);
        let (mut above, mut below) = (M::splat(simd, true), M::splat(simd, true));
        for &x in x {
            above = above & x.ge(zero);
            below = below & x.le(zero);
        }
        let mut log = zero;
        for (&x, &alpha) in x.iter().zip(alpha) {
            let part = above.select(x, x * V::splat(simd, 1.0 / alpha)).abs();
            log = V::splat(simd, alpha).fma(part.ln(), log);
        }
        let base = (above | below).select(log.exp(), zero);
        Self { alpha, x, norm, mu, above, below, base }
    }

    /// log c in the lanes in which there is a root, -640 in the others.
    #[inline(always)]
    pub(in crate::cones) fn solve(&self, simd: S) -> V<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let floor = V::splat(simd, FLOOR);
        let smooth = self.mu.gt(zero);
        let any_smooth = smooth.any();
        let exists = self.norm.gt(zero) & (smooth | self.base.lt(self.norm));
        let mut active = exists;
        // c <= |w|^2 / 4.
        let half = (V::splat(simd, 0.5) * self.norm).ln();
        let ceiling = (half + half).max(floor);
        let square = self.norm * self.norm;
        let difference = (self.norm - self.base) * (self.norm + self.base);
        let outside = difference.max(zero);
        let inside = (-difference).max(zero);
        let size = square.max(self.base * self.base);
        let (least, noise) = (V::splat(simd, LEAST), V::splat(simd, ROUNDING));
        let mut log = self.start(simd, difference).max(floor).min(ceiling);
        let (mut low, mut high) = (V::splat(simd, -1e9), V::splat(simd, 1e9));
        for _ in 0..MAX_STEPS {
            if !active.any() {
                break;
            }
            let c = log.exp();
            let sums = self.sums(simd, any_smooth, log, c);
            let power = sums.growth.exp();
            let (r, t) = larger_first(sums.log_r, sums.log_t, c * power);
            let f = r + t;
            let target = square * power;
            let left = ((f - self.base) * (f + self.base)).max(least * f * f) + inside;
            let right = square.fma(power - one, outside).max(least * square);
            let slope_f = r.fma(one - sums.slope_t, t * sums.slope_t);
            let slope_left = f * (slope_f + slope_f + f * sums.slope_growth);
            let slope = slope_left / left - target * sums.slope_growth / right;
            let residual = (left / right).ln();
            let positive = residual.gt(zero);
            high = (active & positive).select(log, high);
            low = (active & !positive).select(log, low);

            let newton = (log - residual / slope).min(ceiling).max(floor);
            let covered = f.fma(f, -target).abs().le(noise * size.max(target));
            let close = (high - low).le(noise * (one + log.abs()));
            let fine = residual.abs().le(V::splat(simd, FINE)) | covered | close;
            let within = newton.gt(low) & newton.lt(high);
            let at_end = (log.le(floor) & residual.ge(zero)) | (log.ge(ceiling) & !positive);
            let middle = V::splat(simd, 0.5) * (low.max(floor) + high.min(ceiling));
            let next = within.select(newton, (at_end | fine).select(log, middle));
            log = active.select(next, log);
            active = active & !fine & !(at_end & !within);
        }
        exists.select(log, floor)
    }

    /// log of the root if F^2 e^G - F(0)^2 were 4 (c + 2 mu) and e^G - 1 were 2 m mu / c, with m
    /// the number of exponents where x >= 0 and else 1: that is exact for one exponent.
    #[inline(always)]
    fn start(&self, simd: S, difference: V<S>) -> V<S> {
        let zero = V::splat(simd, 0.0);
        let two = V::splat(simd, 2.0);
        let count = self.above.select(V::splat(simd, self.alpha.len() as f64), V::splat(simd, 1.0));
        let constant = two * count * self.mu * self.norm * self.norm;
        let linear = V::splat(simd, 8.0).fma(self.mu, -difference);
        let root = linear.fma(linear, V::splat(simd, 16.0) * constant).sqrt();
        let negative = V::splat(simd, 0.125) * (root - linear);
        let positive = two * constant / (root + linear);
        linear.lt(zero).select(negative, positive).ln()
    }

    /// One pass over x at log c; `smooth` tells whether mu > 0 in any lane.
    #[inline(always)]
    fn sums(&self, simd: S, smooth: bool, log: V<S>, c: V<S>) -> Sums<S> {
        let (zero, one, two) = (V::splat(simd, 0.0), V::splat(simd, 1.0), V::splat(simd, 2.0));
        let ratio = self.mu / c;
        let (mut log_r, mut log_t, mut lost) = (zero, zero, zero);
        let (mut slope_q, mut kept) = (zero, zero);
        for (&alpha, &x) in self.alpha.iter().zip(self.x) {
            let a = V::splat(simd, alpha);
            let positive = x.ge(zero);
            let split = Split::new(simd, alpha, x, self.mu, c);
            let part = positive.select(split.large, split.large * V::splat(simd, 1.0 / alpha)).ln();
            let rest = log - part;
            log_r = a.fma(positive.select(part, rest), log_r);
            log_t = a.fma(positive.select(rest, part), log_t);
            slope_q += a * a * c / (split.z * split.sum);
            if smooth {
                let ln = ratio.fma(V::splat(simd, 1.0 + 1.0 / alpha), one).ln();
                lost = a.fma(positive.select(ln, zero), lost);
                kept += a * a * c / split.product;
            }
        }
        if !smooth {
            return Sums { log_r, log_t, growth: zero, slope_t: slope_q, slope_growth: zero };
        }
        let spread = two.fma(ratio, one).ln();
        // (1 - chi) / 2 with chi = c / (c + 2 mu).
        let rest = self.mu / two.fma(self.mu, c);
        let slope_growth = self.above.select(two * (kept - one + rest), -(two * rest));
        let growth = self.above.select(two.fma(lost, -spread), spread);
        Sums {
            log_r: self.above.select(log_r, log_r + (spread - lost)),
            log_t: self.above.select(log_t + growth, log_t + lost),
            growth,
            slope_t: slope_q + rest,
            slope_growth: self.mu.gt(zero).select(slope_growth, zero),
        }
    }

    /// r and t at log c, as shares of their sum.
    #[inline(always)]
    pub(in crate::cones) fn shares(&self, simd: S, log: V<S>) -> (V<S>, V<S>) {
        let smooth = self.mu.gt(V::splat(simd, 0.0)).any();
        let c = log.exp();
        let sums = self.sums(simd, smooth, log, c);
        let half = V::splat(simd, 0.5) * sums.growth;
        let (r, t) = larger_first(sums.log_r - half, sums.log_t - half, c);
        let inverse = V::splat(simd, 1.0) / (r + t);
        (r * inverse, t * inverse)
    }
}

/// r and t with r t = `product`, the larger from its logarithm: its rounding error is the least.
#[inline(always)]
fn larger_first<S: Simd>(log_r: V<S>, log_t: V<S>, product: V<S>) -> (V<S>, V<S>) {
    let first = log_r.gt(log_t);
    let large = first.select(log_r, log_t).exp();
    let small = product / large;
    (first.select(large, small), first.select(small, large))
}

/// X and Z with X - Z = x and X Z = a c + (1 + a) mu, without cancellation.
pub(in crate::cones) struct Split<S: Simd> {
    /// X Z.
    pub(in crate::cones) product: V<S>,
    /// X + Z.
    pub(in crate::cones) sum: V<S>,
    /// The larger of X and Z.
    pub(in crate::cones) large: V<S>,
    pub(in crate::cones) x: V<S>,
    pub(in crate::cones) z: V<S>,
}

impl<S: Simd> Split<S> {
    #[inline(always)]
    pub(in crate::cones) fn new(simd: S, alpha: f64, x: V<S>, mu: V<S>, c: V<S>) -> Self {
        let product = V::splat(simd, alpha).fma(c, V::splat(simd, 1.0 + alpha) * mu);
        let sum = x.fma(x, V::splat(simd, 4.0) * product).sqrt();
        let large = V::splat(simd, 0.5) * (x.abs() + sum);
        let small = product / large;
        let positive = x.ge(V::splat(simd, 0.0));
        let (x, z) = (positive.select(large, small), positive.select(small, large));
        Self { product, sum, large, x, z }
    }
}
