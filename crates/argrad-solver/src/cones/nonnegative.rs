//! The nonnegative orthant: inequalities. Self-dual, barrier -sum log s_i, H = diag(s / z).

use pulp::Simd;

use super::{FREE, LaneCone};
use crate::lanes::V;

pub(crate) struct Nonnegative;

impl LaneCone for Nonnegative {
    fn degree(dim: usize) -> usize {
        dim
    }

    fn h_entries(dim: usize) -> Vec<(usize, usize)> {
        (0..dim).map(|i| (i, i)).collect()
    }

    fn rows_scale_freely() -> bool {
        true
    }

    #[inline(always)]
    fn shift_inside<S: Simd>(simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        shift(simd, s);
        shift(simd, z);
    }

    #[inline(always)]
    fn scaling<S: Simd>(_: S, s: &[V<S>], z: &[V<S>], h: &mut [V<S>]) {
        for ((h, &s), &z) in h.iter_mut().zip(s).zip(z) {
            *h = s / z;
        }
    }

    #[inline(always)]
    fn multiply_h<S: Simd>(h: &[V<S>], x: &[V<S>], y: &mut [V<S>]) {
        for ((y, &x), &h) in y.iter_mut().zip(x).zip(h) {
            *y = h * x;
        }
    }

    #[inline(always)]
    fn drop_free<S: Simd>(simd: S, h: &[V<S>], x: &mut [V<S>]) {
        let (zero, free) = (V::splat(simd, 0.0), V::splat(simd, FREE));
        for (x, &h) in x.iter_mut().zip(h) {
            *x = h.ge(free).select(zero, *x);
        }
    }

    #[inline(always)]
    fn keep_steep<S: Simd>(simd: S, h: &[V<S>], x: &mut [V<S>]) {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        for (x, &h) in x.iter_mut().zip(h) {
            *x = h.ge(one).select(*x, zero);
        }
    }

    #[inline(always)]
    fn affine_constant<S: Simd>(_: S, s: &[V<S>], c: &mut [V<S>]) {
        c.copy_from_slice(s);
    }

    /// (s z + ds dz - mu) / z.
    #[inline(always)]
    fn combined_constant<S: Simd>(
        _: S,
        (s, z): (&[V<S>], &[V<S>]),
        (ds, dz): (&[V<S>], &[V<S>]),
        mu: V<S>,
        c: &mut [V<S>],
    ) {
        for i in 0..c.len() {
            c[i] = s[i] + ds[i].fma(dz[i], -mu) / z[i];
        }
    }

    #[inline(always)]
    fn step_length<S: Simd>(
        simd: S,
        (s, z): (&[V<S>], &[V<S>]),
        (ds, dz): (&[V<S>], &[V<S>]),
        limit: V<S>,
    ) -> V<S> {
        // The largest of -ds/s and -dz/z, so that one division at the end suffices for the limit.
        let mut steepest = V::splat(simd, 1.0) / limit;
        for i in 0..s.len() {
            steepest = (-ds[i] / s[i]).max(steepest);
            steepest = (-dz[i] / z[i]).max(steepest);
        }
        V::splat(simd, 1.0) / steepest
    }

    #[inline(always)]
    fn project<S: Simd>(simd: S, v: &[V<S>], s: &mut [V<S>]) {
        let zero = V::splat(simd, 0.0);
        for (s, &v) in s.iter_mut().zip(v) {
            *s = v.max(zero);
        }
    }

    /// D = s / (s + z), so D / (1 - D) = s / z; at mu = 0 it is 0 or infinite.
    #[inline(always)]
    fn projection_block<S: Simd>(simd: S, v: &[V<S>], mu: V<S>, h: &mut [V<S>]) {
        let (zero, free) = (V::splat(simd, 0.0), V::splat(simd, FREE));
        let exact = mu.le(zero);
        for (h, &v) in h.iter_mut().zip(v) {
            let kink = v.gt(zero).select(free, zero);
            let s = smoothed(v, mu);
            let smooth = (s * s / mu).min(free);
            *h = exact.select(kink, smooth);
        }
    }

    #[inline(always)]
    fn newton_point<S: Simd>(
        simd: S,
        h: &[V<S>],
        (s, z): (&[V<S>], &[V<S>]),
        mu: V<S>,
        v: &mut [V<S>],
    ) {
        let (zero, free) = (V::splat(simd, 0.0), V::splat(simd, FREE));
        let exact = mu.le(zero);
        for i in 0..v.len() {
            let on_face = h[i].ge(free).select(s[i], -z[i]);
            v[i] = exact.select(on_face, s[i] - z[i]);
        }
    }

    #[inline(always)]
    fn project_smoothed<S: Simd>(_: S, v: &[V<S>], mu: V<S>, s: &mut [V<S>]) {
        for (s, &v) in s.iter_mut().zip(v) {
            *s = smoothed(v, mu);
        }
    }

    #[inline(always)]
    fn weakly_active<S: Simd>(simd: S, v: &[V<S>], margin: V<S>) -> V<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let mut count = zero;
        for &v in v {
            count += v.abs().le(margin).select(one, zero);
        }
        count
    }
}

/// s > 0 with s - mu / s = v, without cancellation for either sign of v.
#[inline(always)]
fn smoothed<S: Simd>(v: V<S>, mu: V<S>) -> V<S> {
    let zero = v.like(0.0);
    let root = v.fma(v, v.like(4.0) * mu).sqrt();
    let half = v.like(0.5);
    let large = half * (v.abs() + root);
    v.ge(zero).select(large, mu / large)
}

/// Adds to all entries what brings the smallest to a safe distance from zero.
#[inline(always)]
fn shift<S: Simd>(simd: S, s: &mut [V<S>]) {
    let zero = V::splat(simd, 0.0);
    let mut least = V::splat(simd, f64::INFINITY);
    let mut positive = zero;
    for &s in s.iter() {
        least = s.min(least);
        positive += s.max(zero);
    }
    let degree = V::splat(simd, s.len().max(1) as f64);
    let target = V::splat(simd, 0.1) * (positive / degree).max(V::splat(simd, 1.0));
    let amount = least.lt(zero).select(target - least, (target - least).max(zero));
    for s in s.iter_mut() {
        *s += amount;
    }
}
