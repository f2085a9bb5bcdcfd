//! The exponential cone, the closure of {(x, y, z): y exp(x/y) <= z, y > 0}.
//!
//! Its dual cone is the closure of {(u, v, w): u < 0, -u exp(v/u) <= e w}. With U = -u, l = ln(w/U)
//! and psi = v + U + U l, which is positive exactly inside the dual cone,
//!
//! ```text
//! f*(u, v, w) = -ln psi - ln U - ln w
//! ```
//!
//! is a barrier of degree 3 (Dahl and Andersen 2022, section 4, in another order of the
//! coordinates). With r = U/w the derivatives of psi are q = grad psi = (-l, 1, r) and D^2 psi = -e
//! e'/U, e = (1, 0, r).

mod projection;

use pulp::Simd;

use super::three_dimensional::{Barrier, Projected, ThreeRows, Triple, along, dot, scale};
use crate::lanes::{M, V};

#[derive(Clone, Debug)]
pub(crate) struct Exponential;

/// What the derivatives of f* share.
#[derive(Clone, Copy)]
pub(crate) struct Local<S: Simd> {
    /// grad psi = (-l, 1, r).
    q: Triple<S>,
    /// 1 / psi, 1 / U, 1 / w.
    inverse: Triple<S>,
    /// U / psi.
    ratio: V<S>,
}

impl<S: Simd> Local<S> {
    /// From U = -u, w, ln(w/U) and psi.
    #[inline(always)]
    fn new(minus_u: V<S>, w: V<S>, log: V<S>, psi: V<S>) -> Self {
        let one = w.like(1.0);
        let inverse = [one / psi, one / minus_u, one / w];
        Self { q: [-log, one, minus_u * inverse[2]], inverse, ratio: minus_u * inverse[0] }
    }

    /// e.
    #[inline(always)]
    fn e(&self) -> Triple<S> {
        [self.q[1], self.q[1].like(0.0), self.q[2]]
    }
}

impl Barrier for Exponential {
    type Local<S: Simd> = Local<S>;

    fn unit(&self) -> [f64; 3] {
        [-1.051383943750229, 0.5564096186043385, 1.2589678864644602]
    }

    #[inline(always)]
    fn inside_primal<S: Simd>(&self, [x, y, z]: Triple<S>) -> M<S> {
        let zero = x.like(0.0);
        y.gt(zero) & z.gt(zero) & (y * (z / y).ln()).gt(x)
    }

    #[inline(always)]
    fn inside_dual<S: Simd>(&self, [u, v, w]: Triple<S>) -> M<S> {
        let zero = u.like(0.0);
        u.lt(zero) & w.gt(zero) & psi(-u, v, (w / -u).ln()).gt(zero)
    }

    #[inline(always)]
    fn local<S: Simd>(&self, [u, v, w]: Triple<S>) -> Local<S> {
        let log = (w / -u).ln();
        Local::new(-u, w, log, psi(-u, v, log))
    }

    /// The second component of s = -mu grad f* is mu / psi; both have the rounding error of v.
    #[inline(always)]
    fn local_on_path<S: Simd>(&self, [u, v, w]: Triple<S>, s: Triple<S>, mu: V<S>) -> Local<S> {
        let log = (w / -u).ln();
        let psi = psi(-u, v, log);
        Local::new(-u, w, log, s[1].gt(psi).select(mu / s[1], psi))
    }

    /// -q / psi + (1/U, 0, -1/w).
    #[inline(always)]
    fn gradient<S: Simd>(&self, Local { q, inverse, .. }: Local<S>) -> Triple<S> {
        let [a, b, c] = inverse;
        [q[0].nfma(a, b), -a, -q[2].fma(a, c)]
    }

    /// H* = q q'/psi^2 + e e'/(U psi) + (1/U^2, 0, 1/w^2). In the scaled coordinates (u/U, w/w) the
    /// last two are I + k 1 1', k = U/psi, with Cholesky's rows (1, k/(1 + k)) (1 + k)^(1/2) and
    /// (0, 1) ((1 + 2k)/(1 + k))^(1/2). The smaller of U and w comes first: its row is the longer.
    #[inline(always)]
    fn root<S: Simd>(&self, Local { q, inverse, ratio: k }: Local<S>) -> ThreeRows<S> {
        let [a, b, c] = inverse;
        let (zero, one) = (a.like(0.0), a.like(1.0));
        let part = one / (one + k);
        let first = (one + k).sqrt();
        let second = (k + k + one) * part;
        let second = second.sqrt();
        let other = first * (k * part);
        let u_first = b.ge(c);
        let x = [u_first.select(first, other) * b, zero, u_first.select(other, first) * c];
        let y = [u_first.select(zero, second * b), zero, u_first.select(second * c, zero)];
        [scale(a, q), x, y]
    }

    /// With psi_a = <q, a>, e_a = <e, a>: D^2 psi[a, b] = -e_a e_b / U, and since D e_a[h] = -a_w
    /// e_h / w, D^3 psi[a, b] = -(e_a e_b / U^2) (1, 0, 0) + (a_w e_b + b_w e_a) e / (U w).
    #[inline(always)]
    fn third<S: Simd>(&self, at: Local<S>, a: Triple<S>, b: Triple<S>) -> Triple<S> {
        let (q, e) = (at.q, at.e());
        let [by_psi, by_u, by_w] = at.inverse;
        let two = by_psi.like(2.0);
        let (psi_a, psi_b) = (dot(q, a) * by_psi, dot(q, b) * by_psi);
        let (e_a, e_b) = (dot(e, a) * by_u, dot(e, b) * by_u);
        let (a_u, b_u, a_w, b_w) = (a[0] * by_u, b[0] * by_u, a[2] * by_w, b[2] * by_w);

        // Coefficients of q / psi and of e / psi.
        let along_q = -(two * psi_a).fma(psi_b, at.ratio * e_a * e_b);
        let along_e = -(e_a.fma(psi_b + b_w, e_b * (psi_a + a_w)));
        let sum = along(scale(along_q * by_psi, q), along_e * by_psi, e);
        let x = by_u * (two * a_u).fma(b_u, at.ratio * e_a * e_b);
        [sum[0] + x, sum[1], sum[2] - two * a_w * b_w * by_w]
    }

    /// With k = 1/(U y), the equation -grad f*(u, v, w) = (x, y, z) reduces to k + ln(1 + k) =
    /// ln(z/y) - x/y, in which the right-hand side is positive exactly inside K.
    #[inline(always)]
    fn shadow<S: Simd>(&self, [x, y, z]: Triple<S>) -> Triple<S> {
        let one = x.like(1.0);
        let ratio = x / y;
        let k = log_root((z / y).ln() - ratio);
        let by_ky = one / (k * y);
        [-by_ky, (k + k - one + ratio) * by_ky, (one + k) / (k * z)]
    }

    #[inline(always)]
    fn project<S: Simd>(&self, simd: S, v: Triple<S>) -> Projected<S> {
        projection::project(simd, v)
    }

    #[inline(always)]
    fn kinks<S: Simd>(&self, simd: S, v: Triple<S>, margin: V<S>) -> V<S> {
        projection::kinks(simd, v, margin)
    }
}

#[inline(always)]
fn psi<S: Simd>(minus_u: V<S>, v: V<S>, log: V<S>) -> V<S> {
    minus_u.fma(log + log.like(1.0), v)
}

/// k > 0 with k + ln(1 + k) = rhs > 0: Wright's omega function at 1 + rhs, minus 1. One step of
/// Newton's method from k = rhs, and two of Halley's; relative errors 3e-2, 6e-7, 1e-18 before
/// rounding.
#[inline(always)]
fn log_root<S: Simd>(rhs: V<S>) -> V<S> {
    let (one, half) = (rhs.like(1.0), rhs.like(0.5));
    let w = one + rhs;
    let mut k = (ln_1p(rhs) * w / (w + one)).nfma(one, rhs);
    for _ in 0..2 {
        let w = one + k;
        let residual = ln_1p(k) + (k - rhs);
        let next = w + one;
        k -= residual * w * next / next.fma(next, half * residual);
    }
    k
}

/// ln(1 + x) without the rounding error of the sum.
#[inline(always)]
fn ln_1p<S: Simd>(x: V<S>) -> V<S> {
    let sum = x.like(1.0) + x;
    let lost = x - (sum - x.like(1.0));
    sum.ln() + lost / sum
}

#[cfg(test)]
mod tests;
