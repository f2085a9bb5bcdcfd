//! The barrier of the dual of the power cones.
//!
//! K = {(x, w): prod x_i^a_i >= |w|, x >= 0} with exponents a > 0 of sum 1 and k = length of x has
//! the dual K* = {(u, w): prod (u_i/a_i)^a_i >= |w|, u >= 0} and there the barrier (Chares: "Cones
//! and interior-point algorithms for structured convex optimization", 2009, section 3.1), of degree
//! k + 1,
//! ```text
//! f*(u, w) = -log(q^2 - |w|^2) - sum (1 - a_i) log u_i,      q = prod (u_i/a_i)^a_i
//! ```
//! All is written in the scaled point (1, ..., 1, o), o = w / q, with the gap g = 1 - |o|^2, and in
//! scaled directions (du_i / u_i, dw / q), so that nothing depends on the size of the point:
//! ```text
//! gradient    -(2 a_i/g + 1 - a_i),                         2 o / g
//! Hessian     diag(2 a/g + 1 - a) + (4 |o|^2/g^2) a a'      -(4/g^2) a o'
//!             -(4/g^2) o a'                                 (2/g) I + (4/g^2) o o'
//! ```

use pulp::Simd;

use crate::lanes::{M, V};

/// Exponents of a power cone, and the number of rows of w.
#[derive(Clone, Copy)]
pub(in crate::cones) struct Parameters<'a> {
    pub(in crate::cones) alpha: &'a [f64],
    pub(in crate::cones) norm_dim: usize,
}

impl Parameters<'_> {
    pub(in crate::cones) fn dim(&self) -> usize {
        self.alpha.len() + self.norm_dim
    }

    /// s = z = -grad f*(z), the point of the central path with mu = 1.
    #[inline(always)]
    pub(in crate::cones) fn unit<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        s.fill(V::splat(simd, 0.0));
        for (s, &alpha) in s.iter_mut().zip(self.alpha) {
            *s = V::splat(simd, (1.0 + alpha).sqrt());
        }
        z.copy_from_slice(s);
    }

    /// The largest of the steps `limit`, 0.8 `limit`, ... that keeps both parts strictly inside
    /// (where a row of x or u would vanish before `limit`, they start there); zero where a hundred
    /// fail.
    #[inline(always)]
    pub(in crate::cones) fn step_length<S: Simd>(
        &self,
        simd: S,
        (s, z): (&[V<S>], &[V<S>]),
        (ds, dz): (&[V<S>], &[V<S>]),
        limit: V<S>,
    ) -> V<S> {
        const SHRINK: f64 = 0.8;
        const TRIALS: usize = 100;
        let zero = V::splat(simd, 0.0);
        let mut steepest = V::splat(simd, 1.0) / limit;
        for i in 0..self.alpha.len() {
            steepest = (-ds[i] / s[i]).max(steepest);
            steepest = (-dz[i] / z[i]).max(steepest);
        }
        // NaN where the direction is not finite, so that no lane tries in vain.
        let mut poison = zero;
        for (&ds, &dz) in ds.iter().zip(dz) {
            poison = ds.fma(zero, dz.fma(zero, poison));
        }
        let mut step = V::splat(simd, 1.0) / steepest + poison;
        let mut found = poison.is_nan();
        for _ in 0..TRIALS {
            let inside = self.is_inside_at(simd, (s, ds), step, |_, x| x)
                & self.is_inside_at(simd, (z, dz), step, |alpha, u| u * u.like(1.0 / alpha));
            found = found | inside;
            if !(!found).any() {
                break;
            }
            step = found.select(step, V::splat(simd, SHRINK) * step);
        }
        found.select(step, zero)
    }

    /// Whether `point + step direction` lies strictly inside of K, or of K* with `part` = u / a.
    #[inline(always)]
    fn is_inside_at<S: Simd>(
        &self,
        simd: S,
        (point, direction): (&[V<S>], &[V<S>]),
        step: V<S>,
        part: impl Fn(f64, V<S>) -> V<S>,
    ) -> M<S> {
        let k = self.alpha.len();
        let mut square = V::splat(simd, 0.0);
        for (&w, &dw) in point[k..].iter().zip(&direction[k..]) {
            let w = step.fma(dw, w);
            square = w.fma(w, square);
        }
        let x = self.alpha.iter().zip(point).zip(direction);
        let x = x.map(|((&alpha, &x), &dx)| part(alpha, step.fma(dx, x)));
        is_inside(self.alpha, x, square.sqrt())
    }
}

/// Whether x > 0 and prod x_i^a_i > norm. The ratios keep the logarithms small at the boundary;
/// they are not numbers where a row is negative.
#[inline(always)]
pub(in crate::cones) fn is_inside<S: Simd>(
    alpha: &[f64],
    x: impl Iterator<Item = V<S>>,
    norm: V<S>,
) -> M<S> {
    let zero = norm.like(0.0);
    let mut log = zero;
    for (x, &alpha) in x.zip(alpha) {
        log = norm.like(alpha).fma((x / norm).ln(), log);
    }
    log.gt(zero)
}

/// A point in the inside of the dual cone.
pub(in crate::cones) struct DualPoint<'a, S: Simd> {
    pub(in crate::cones) alpha: &'a [f64],
    /// u.
    pub(in crate::cones) u: &'a [V<S>],
    /// 1 / u.
    pub(in crate::cones) inverse: &'a [V<S>],
    /// o = w / q.
    pub(in crate::cones) omega: &'a [V<S>],
    /// q = prod (u_i/a_i)^a_i.
    pub(in crate::cones) q: V<S>,
    /// 1 / q.
    pub(in crate::cones) inverse_q: V<S>,
    /// g = 1 - |o|^2.
    pub(in crate::cones) gap: V<S>,
    /// 1 / g.
    pub(in crate::cones) inverse_gap: V<S>,
}

impl<'a, S: Simd> DualPoint<'a, S> {
    /// Registers of memory for a point of k + norm_dim rows.
    pub(in crate::cones) const fn len(dim: usize) -> usize {
        dim + 4
    }

    /// Computes the data of the point z into `memory` and reads them.
    #[inline(always)]
    pub(in crate::cones) fn new(alpha: &'a [f64], z: &'a [V<S>], memory: &'a mut [V<S>]) -> Self {
        let (zero, one) = (z[0].like(0.0), z[0].like(1.0));
        let (u, w) = z.split_at(alpha.len());
        let (head, rows) = memory.split_at_mut(4);
        let mut size = zero;
        for &z in z {
            size = z.abs().max(size);
        }
        // A power of two, so that the logarithms are small.
        let size = size.floor_power_of_two();
        let inverse_size = one / size;
        let mut log = zero;
        for ((inverse, &u), &alpha) in rows.iter_mut().zip(u).zip(alpha) {
            *inverse = one / u;
            log = one.like(alpha).fma((u * inverse_size * one.like(1.0 / alpha)).ln(), log);
        }
        let q = size * log.exp();
        let inverse_q = one / q;
        let mut square = zero;
        for (omega, &w) in rows[alpha.len()..].iter_mut().zip(w) {
            *omega = w * inverse_q;
            square = w.fma(w, square);
        }
        // The difference first, so that its error is that of the point.
        let norm = square.sqrt();
        let gap = ((q - norm) * inverse_q) * ((q + norm) * inverse_q);
        head.copy_from_slice(&[q, inverse_q, gap, one / gap]);
        Self::read(alpha, z, memory)
    }

    /// The point z whose data [`Self::new`] wrote to `memory`.
    #[inline(always)]
    pub(in crate::cones) fn read(alpha: &'a [f64], z: &'a [V<S>], memory: &'a [V<S>]) -> Self {
        let k = alpha.len();
        Self {
            alpha,
            u: &z[..k],
            inverse: &memory[4..4 + k],
            omega: &memory[4 + k..4 + z.len()],
            q: memory[0],
            inverse_q: memory[1],
            gap: memory[2],
            inverse_gap: memory[3],
        }
    }

    /// |o|^2.
    #[inline(always)]
    fn square(&self) -> V<S> {
        self.gap.like(1.0) - self.gap
    }

    /// 2 a_i / g + 1 - a_i.
    #[inline(always)]
    fn pivot(&self, i: usize) -> V<S> {
        let alpha = self.alpha[i];
        self.inverse_gap.fma(self.gap.like(2.0 * alpha), self.gap.like(1.0 - alpha))
    }

    /// Row `i` of grad f*.
    #[inline(always)]
    pub(in crate::cones) fn gradient(&self, i: usize) -> V<S> {
        let k = self.alpha.len();
        if i < k {
            return -(self.pivot(i) * self.inverse[i]);
        }
        let two = self.gap.like(2.0);
        two * self.inverse_gap * self.inverse_q * self.omega[i - k]
    }

    /// Entry (i, j), i >= j, of the Hessian of f*.
    #[inline(always)]
    pub(in crate::cones) fn hessian(&self, i: usize, j: usize) -> V<S> {
        let k = self.alpha.len();
        let four = self.gap.like(4.0) * self.inverse_gap * self.inverse_gap;
        if i < k {
            let product = self.gap.like(self.alpha[i] * self.alpha[j]);
            let outer = four * self.square() * product;
            let entry = if i == j { self.pivot(i) + outer } else { outer };
            entry * self.inverse[i] * self.inverse[j]
        } else if j < k {
            let product = self.gap.like(self.alpha[j]) * self.omega[i - k];
            -(four * product * self.inverse[j] * self.inverse_q)
        } else {
            let outer = four * self.omega[i - k] * self.omega[j - k];
            let diagonal = self.gap.like(2.0) * self.inverse_gap;
            let entry = if i == j { diagonal + outer } else { outer };
            entry * self.inverse_q * self.inverse_q
        }
    }

    /// `y = factor H* x`.
    #[inline(always)]
    pub(in crate::cones) fn multiply_hessian(&self, factor: V<S>, x: &[V<S>], y: &mut [V<S>]) {
        let k = self.alpha.len();
        let (mut weighted, mut along) = (self.gap.like(0.0), self.gap.like(0.0));
        for (i, &alpha) in self.alpha.iter().enumerate() {
            weighted = self.gap.like(alpha).fma(x[i] * self.inverse[i], weighted);
        }
        for (&omega, &x) in self.omega.iter().zip(&x[k..]) {
            along = omega.fma(x * self.inverse_q, along);
        }
        let four = self.gap.like(4.0) * self.inverse_gap * self.inverse_gap;
        let on_u = four * self.square().fma(weighted, -along);
        for (i, &alpha) in self.alpha.iter().enumerate() {
            let row = self.pivot(i).fma(x[i] * self.inverse[i], self.gap.like(alpha) * on_u);
            y[i] = factor * row * self.inverse[i];
        }
        let on_w = four * (along - weighted);
        let diagonal = self.gap.like(2.0) * self.inverse_gap;
        for (j, &omega) in self.omega.iter().enumerate() {
            let row = diagonal.fma(x[k + j] * self.inverse_q, omega * on_w);
            y[k + j] = factor * row * self.inverse_q;
        }
    }

    /// Solves H* y = x; y is in scaled directions (y_i / u_i, y_w / q). Eliminating the rows of w
    /// and then, by the formula of Sherman and Morrison, those of u leaves no difference of near
    /// numbers:
    /// ```text
    /// G = o'x_w,  n_i = 2 a_i + (1 - a_i) g,  t_i = x_i + 2 a_i G / (1 + |o|^2)
    /// sum a_i y_i = s = (1 + |o|^2) sum (a_i t_i / n_i)
    ///                   / sum (a_i (2 a_i + (1 + |o|^2) (1 - a_i)) / n_i)
    /// y_i = (g t_i + 4 |o|^2 a_i s / (1 + |o|^2)) / n_i
    /// y_w = (g / 2) x_w - o (g G - 2 s) / (1 + |o|^2)
    /// ```
    #[inline(always)]
    pub(in crate::cones) fn solve_hessian(&self, x: &[V<S>], y: &mut [V<S>]) {
        let k = self.alpha.len();
        let (one, two) = (self.gap.like(1.0), self.gap.like(2.0));
        let plus = one + self.square();
        let inverse_plus = one / plus;
        let mut along = self.gap.like(0.0);
        for (&omega, &x) in self.omega.iter().zip(&x[k..]) {
            along = omega.fma(x * self.q, along);
        }
        let shift = two * along * inverse_plus;
        let (mut numerator, mut denominator) = (one.like(0.0), one.like(0.0));
        for (i, &alpha) in self.alpha.iter().enumerate() {
            let (rest, double) = (one.like(1.0 - alpha), one.like(2.0 * alpha));
            let share = one.like(alpha) / rest.fma(self.gap, double);
            let right = self.u[i].fma(x[i], one.like(alpha) * shift);
            numerator = share.fma(right, numerator);
            denominator = share.fma(rest.fma(plus, double), denominator);
            // The share and the right-hand side are kept for the second pass.
            y[i] = right;
        }
        let sum = plus * numerator / denominator;
        let outer = one.like(4.0) * self.square() * inverse_plus * sum;
        for (i, &alpha) in self.alpha.iter().enumerate() {
            let n = one.like(1.0 - alpha).fma(self.gap, one.like(2.0 * alpha));
            y[i] = self.gap.fma(y[i], one.like(alpha) * outer) / n;
        }
        let half = one.like(0.5) * self.gap * self.q;
        let turn = self.gap.fma(along, -(two * sum)) * inverse_plus;
        for (j, &omega) in self.omega.iter().enumerate() {
            y[k + j] = half.fma(x[k + j], -(omega * turn));
        }
    }

    /// Gives `store` the rows of the third derivative of f* applied to the scaled directions a and
    /// b.
    #[inline(always)]
    pub(in crate::cones) fn third(
        &self,
        a: &[V<S>],
        b: &[V<S>],
        mut store: impl FnMut(usize, V<S>),
    ) {
        let k = self.alpha.len();
        let (zero, two) = (self.gap.like(0.0), self.gap.like(2.0));
        // Derivatives of q^2 and of |w|^2, divided by q^2.
        let (mut qa, mut qb, mut log_ab) = (zero, zero, zero);
        for (i, &alpha) in self.alpha.iter().enumerate() {
            let double = zero.like(2.0 * alpha);
            qa = double.fma(a[i], qa);
            qb = double.fma(b[i], qb);
            log_ab = double.fma(a[i] * b[i], log_ab);
        }
        let (mut wa, mut wb, mut wab) = (zero, zero, zero);
        for (j, &omega) in self.omega.iter().enumerate() {
            wa = omega.fma(a[k + j], wa);
            wb = omega.fma(b[k + j], wb);
            wab = a[k + j].fma(b[k + j], wab);
        }
        let first = self.inverse_gap;
        let ga = two.nfma(wa, qa) * first;
        let gb = two.nfma(wb, qb) * first;
        let qab = qa.fma(qb, -log_ab);
        let gab = two.nfma(wab, qab) * first;
        // The third derivative of -log g is -(gabc - gab gc - gac gb - gbc ga + 2 ga gb gc), all
        // of them divided by g.
        let by_gc = two.nfma(ga * gb, gab);
        for (i, &alpha) in self.alpha.iter().enumerate() {
            let (a, b) = (a[i], b[i]);
            let qabc = (two * a).fma(b, qab) - qa.fma(b, qb * a);
            let gac_gb = (qa - a).fma(gb, (qb - b) * ga);
            let sum = by_gc - qabc + gac_gb;
            let rest = zero.like(2.0 * (1.0 - alpha)) * (a * b);
            let row = (zero.like(2.0 * alpha) * first).fma(sum, -rest);
            store(i, row * self.inverse[i]);
        }
        let scale = -(two * first * self.inverse_q);
        for (j, &omega) in self.omega.iter().enumerate() {
            let row = omega.fma(by_gc, a[k + j].fma(gb, b[k + j] * ga));
            store(k + j, scale * row);
        }
    }

    /// c = s + target grad f*(z) - 1/2 (third derivative of f*)[dz, H*^-1 ds]: the second order of
    /// the path s + mu grad f*(z) = 0 in the affine step (Dahl, Andersen: "A primal-dual
    /// interior-point algorithm for nonsymmetric exponential-cone optimization", 2022, section 5).
    /// Needs twice the rows of scratch.
    #[inline(always)]
    pub(in crate::cones) fn combined_constant(
        &self,
        s: &[V<S>],
        (ds, dz): (&[V<S>], &[V<S>]),
        target: V<S>,
        c: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        let k = self.alpha.len();
        let (a, b) = scratch[..2 * s.len()].split_at_mut(s.len());
        for i in 0..k {
            a[i] = dz[i] * self.inverse[i];
        }
        for i in k..s.len() {
            a[i] = dz[i] * self.inverse_q;
        }
        self.solve_hessian(ds, b);
        let half = target.like(0.5);
        self.third(a, b, |i, third| {
            c[i] = half.nfma(third, target.fma(self.gradient(i), s[i]));
        });
    }
}
