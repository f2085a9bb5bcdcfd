//! The power cone {(x, y, w): x^a y^(1-a) >= |w|, x, y >= 0}, 0 < a < 1.
//!
//! It is the generalized power cone with two exponents and one row of w, and shares the dual
//! barrier ([`barrier`]) and the projection ([`projection`]) with that; the primal-dual scaling is
//! that of [`crate::cones::three_dimensional`].

pub(super) mod barrier;
pub(super) mod projection;
mod root;

use pulp::Simd;

use crate::cones::three_dimensional::{
    Barrier, Projected, Spectrum, ThreeRows, Triple, along, dot, normalized, select,
};
use crate::lanes::{M, V};
use barrier::{DualPoint, Parameters, is_inside};
use projection::{SolvedEquation, not_finite, project, scale, weakly_active};
use root::Equation;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Power {
    pub(crate) alpha: f64,
}

/// Registers of [`DualPoint`], and of the data of a projection and of what it needs besides.
const POINT_LEN: usize = 7;
const PROJECTION_LEN: usize = 25;
const SCRATCH_LEN: usize = 27;

/// z and the memory of a [`DualPoint`].
#[derive(Clone, Copy)]
pub(crate) struct Local<S: Simd> {
    z: Triple<S>,
    memory: [V<S>; POINT_LEN],
}

impl Power {
    #[inline(always)]
    fn exponents(&self) -> [f64; 2] {
        [self.alpha, 1.0 - self.alpha]
    }
}

impl Barrier for Power {
    type Local<S: Simd> = Local<S>;

    fn unit(&self) -> [f64; 3] {
        [(1.0 + self.alpha).sqrt(), (2.0 - self.alpha).sqrt(), 0.0]
    }

    #[inline(always)]
    fn inside_primal<S: Simd>(&self, s: Triple<S>) -> M<S> {
        is_inside(&self.exponents(), s[..2].iter().copied(), s[2].abs())
    }

    #[inline(always)]
    fn inside_dual<S: Simd>(&self, z: Triple<S>) -> M<S> {
        let [a, b] = self.exponents();
        let factors = [z[0].like(1.0 / a), z[0].like(1.0 / b)];
        is_inside(&[a, b], [z[0] * factors[0], z[1] * factors[1]].into_iter(), z[2].abs())
    }

    #[inline(always)]
    fn local<S: Simd>(&self, z: Triple<S>) -> Local<S> {
        let mut memory = [z[0]; POINT_LEN];
        DualPoint::new(&self.exponents(), &z, &mut memory);
        Local { z, memory }
    }

    #[inline(always)]
    fn gradient<S: Simd>(&self, at: Local<S>) -> Triple<S> {
        let alpha = self.exponents();
        let point = DualPoint::read(&alpha, &at.z, &at.memory);
        [point.gradient(0), point.gradient(1), point.gradient(2)]
    }

    /// In the scaled point (1, 1, o) and scaled directions (x, y, w), with m = a x + b y, e = x -
    /// y, b = 1 - a, g = 1 - o^2, h = 2 / (1 + o^2), d = b - a, the Hessian is the sum of squares
    /// ```text
    /// (4 / (g^2 h)) (w - o h m)^2 + (a b (1 + 2/g) + d^2 h/(1 + h)) e^2
    ///     + (1 + h) (m + d e / (1 + h))^2
    /// ```
    #[inline(always)]
    fn root<S: Simd>(&self, at: Local<S>) -> ThreeRows<S> {
        let alpha = self.exponents();
        let point = DualPoint::read(&alpha, &at.z, &at.memory);
        let (one, two) = (point.gap.like(1.0), point.gap.like(2.0));
        let [a, b] = alpha.map(|alpha| one.like(alpha));
        let d = b - a;
        let omega = point.omega[0];
        let plus = omega.fma(omega, one);
        let h = two / plus;
        let inverse = one / (one + h);

        let steep = (two * plus).sqrt() * point.inverse_gap;
        let turn = -(steep * omega * h);
        let skew = (a * b * two.fma(point.inverse_gap, one) + d * d * h * inverse).sqrt();
        let flat = (one + h).sqrt();
        let slope = d * inverse;
        let rows = [
            [turn * a, turn * b, steep],
            [skew, -skew, one.like(0.0)],
            [flat * (a + slope), flat * (b - slope), one.like(0.0)],
        ];
        let scales = [point.inverse[0], point.inverse[1], point.inverse_q];
        rows.map(|[x, y, w]| [x * scales[0], y * scales[1], w * scales[2]])
    }

    #[inline(always)]
    fn third<S: Simd>(&self, at: Local<S>, a: Triple<S>, b: Triple<S>) -> Triple<S> {
        let alpha = self.exponents();
        let point = DualPoint::read(&alpha, &at.z, &at.memory);
        let scales = [point.inverse[0], point.inverse[1], point.inverse_q];
        let scaled = |x: Triple<S>| [x[0] * scales[0], x[1] * scales[1], x[2] * scales[2]];
        let mut result = a;
        point.third(&scaled(a), &scaled(b), |i, value| result[i] = value);
        result
    }

    /// With c = s_w z_w, -grad f*(z) = s reads z_i s_i = 1 + a_i + a_i c and, for y = 1 / c,
    /// ```text
    /// sum 2 a_i log(1 + (1 + 1/a_i) y) - log(1 + 2 y) = 2 log(prod s_i^a_i / |s_w|)
    /// ```
    /// The left-hand side increases and is concave, and differs little from log(1 + 4 y).
    #[inline(always)]
    fn shadow<S: Simd>(&self, [s0, s1, w]: Triple<S>) -> Triple<S> {
        /// Five steps reach rounding error from a start that is off by a factor of two.
        const STEPS: usize = 6;
        /// Logarithm of (prod s_i^a_i / |s_w|)^2 from which on z_w is linear in s_w.
        const CENTRAL: f64 = 600.0;
        let (one, two) = (w.like(1.0), w.like(2.0));
        let alpha = self.exponents();
        let [a, b] = alpha.map(|alpha| one.like(alpha));
        let factors = alpha.map(|alpha| one.like(1.0 + 1.0 / alpha));
        let norm = w.abs();
        let distance = two * a.fma((s0 / norm).ln(), b * (s1 / norm).ln());
        let target = distance.min(one.like(CENTRAL)).max(one.like(1e-17));
        let mut y = one.like(0.25) * (target.exp() - one).max(target);
        for _ in 0..STEPS {
            let (p, q, r) = (factors[0].fma(y, one), factors[1].fma(y, one), two.fma(y, one));
            let value = two.fma(a.fma(p.ln(), b * q.ln()), -r.ln());
            // Derivative in log y: 2 sum (1 + a_i) y / p_i - 2 y / r, over a common denominator.
            let slope = (one + a) / p + (one + b) / q - one / r;
            y += (target - value) / (two * slope);
        }
        let c = one / y;
        let u0 = (one + a).fma(one, a * c) / s0;
        let u1 = (one + b).fma(one, b * c) / s1;
        let product = s0 * (b * (s1 / s0).ln()).exp();
        let limit = c * target.exp() * (w / product) / product;
        let z_w = distance.gt(one.like(CENTRAL)).select(limit, c / w);
        [u0, u1, -z_w]
    }

    /// The third eigenvalue is 1 / (1 + k) with k = |s|^2/|z|^2 (Z_0/X_0) (Z_1/X_1) (t/r), where s
    /// = (X, r) and z = (Z, -t): the curvature -Hess(x^a y^b), as a form that is a variance of (x_i
    /// / X_i) with weights a_i, along the unit vector of s x z.
    #[inline(always)]
    fn project<S: Simd>(&self, simd: S, v: Triple<S>) -> Projected<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let alpha = self.exponents();
        let (x, norm, unit) = scaled(simd, v);
        let solution = SolvedEquation::new(simd, Equation::new(simd, &alpha, &x, norm, zero));
        let (x0, z0) = solution.parts(simd, 0);
        let (x1, z1) = solution.parts(simd, 1);
        let point = [x0 * unit, x1 * unit, v[2] * solution.shares.0];
        let diagonal = [0, 1, 2].map(|i| solution.diagonal_entry(simd, i));
        let flat = Projected { point, spectrum: Spectrum::diagonal(simd, diagonal) };
        let everywhere = solution.cases.diagonal;
        if !(!everywhere).any() {
            return flat;
        }
        let sign = v[2].lt(zero).select(-one, one);
        let s = [x0, x1, sign * solution.r];
        let z = [z0, z1, -(sign * solution.t)];
        let sizes = dot(s, s) / dot(z, z);
        let curvature = (z0 / x0) * (z1 / x1) * (solution.shares.1 / solution.shares.0) * sizes;
        let large = curvature.gt(one);
        let small = large.select(one / curvature, curvature);
        let (major, minor) = (one / (one + small), small / (one + small));
        let (d, complement) = (large.select(minor, major), large.select(major, minor));
        // Rounding errors of their product would be multiplied by the steep block. The shorter, a
        // small difference, has them.
        let near = sizes.gt(one);
        let (s, z) = (normalized(s), normalized(z));
        let error = -dot(s, z);
        let (s, z) = (select(near, s, along(s, error, z)), select(near, along(z, error, s), z));
        let spectrum = Spectrum::boundary(z, s, d, complement);
        Projected::select(everywhere, flat, Projected { point, spectrum })
    }

    #[inline(always)]
    fn project_central<S: Simd>(
        &self,
        simd: S,
        v: Triple<S>,
        mu: V<S>,
        exact: Projected<S>,
    ) -> Projected<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let parameters = Parameters { alpha: &self.exponents(), norm_dim: 1 };
        let (mut point, mut data) = ([zero; 3], [zero; PROJECTION_LEN]);
        project(simd, parameters, &v, mu, &mut point, &mut data, &mut [zero; SCRATCH_LEN]);
        let sign = v[2].lt(zero).select(-one, one);
        let basis = [0, 3, 6].map(|i| [data[i], data[i + 1], sign * data[i + 2]]);
        let spectrum = Spectrum {
            basis,
            d: [data[9], data[10], data[11]],
            complement: [data[12], data[13], data[14]],
            delta: data[22],
        };
        Projected::select(mu.gt(zero), Projected { point, spectrum }, exact)
    }

    #[inline(always)]
    fn kinks<S: Simd>(&self, simd: S, v: Triple<S>, margin: V<S>) -> V<S> {
        let zero = V::splat(simd, 0.0);
        let parameters = Parameters { alpha: &self.exponents(), norm_dim: 1 };
        let (x, norm, unit) = scaled(simd, v);
        let solution =
            SolvedEquation::new(simd, Equation::new(simd, parameters.alpha, &x, norm, zero));
        let parts = [solution.parts(simd, 0), solution.parts(simd, 1)];
        let (x, z) = (parts.map(|(x, _)| x * unit), parts.map(|(_, z)| z * unit));
        let (r, t) = (solution.r * unit, solution.t * unit);
        weakly_active(simd, parameters, (&x, r), (&z, t), margin)
    }
}

/// v's x and |w|, scaled to order one by a power of two, and that.
#[inline(always)]
fn scaled<S: Simd>(simd: S, v: Triple<S>) -> ([V<S>; 2], V<S>, V<S>) {
    let zero = V::splat(simd, 0.0);
    let unit = scale(simd, &v, zero);
    let inverse = V::splat(simd, 1.0) / unit;
    let poison = not_finite(simd, &v, zero);
    let x = [v[0].fma(inverse, poison), v[1].fma(inverse, poison)];
    (x, v[2].abs().fma(inverse, poison), unit)
}

#[cfg(test)]
mod tests;
