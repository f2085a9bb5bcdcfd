//! The zero cone {0}^k: equalities. Its dual is all of R^k, so z is free and s = 0.

use pulp::Simd;

use super::LaneCone;
use crate::lanes::V;

pub(crate) struct Zero;

impl LaneCone for Zero {
    fn degree(_: usize) -> usize {
        0
    }

    fn h_entries(dim: usize) -> Vec<(usize, usize)> {
        (0..dim).map(|i| (i, i)).collect()
    }

    fn rows_scale_freely() -> bool {
        true
    }

    #[inline(always)]
    fn shift_inside<S: Simd>(simd: S, s: &mut [V<S>], _: &mut [V<S>]) {
        s.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn scaling<S: Simd>(simd: S, _: &[V<S>], _: &[V<S>], h: &mut [V<S>]) {
        h.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn multiply_h<S: Simd>(h: &[V<S>], x: &[V<S>], y: &mut [V<S>]) {
        for ((y, &x), &h) in y.iter_mut().zip(x).zip(h) {
            *y = h * x;
        }
    }

    #[inline(always)]
    fn drop_free<S: Simd>(_: S, _: &[V<S>], _: &mut [V<S>]) {}

    #[inline(always)]
    fn keep_steep<S: Simd>(simd: S, _: &[V<S>], x: &mut [V<S>]) {
        x.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn affine_constant<S: Simd>(simd: S, _: &[V<S>], c: &mut [V<S>]) {
        c.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn combined_constant<S: Simd>(
        simd: S,
        _: (&[V<S>], &[V<S>]),
        _: (&[V<S>], &[V<S>]),
        _: V<S>,
        c: &mut [V<S>],
    ) {
        c.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn step_length<S: Simd>(
        _: S,
        _: (&[V<S>], &[V<S>]),
        _: (&[V<S>], &[V<S>]),
        limit: V<S>,
    ) -> V<S> {
        limit
    }

    #[inline(always)]
    fn project<S: Simd>(simd: S, _: &[V<S>], s: &mut [V<S>]) {
        s.fill(V::splat(simd, 0.0));
    }

    /// D = 0.
    #[inline(always)]
    fn projection_block<S: Simd>(simd: S, _: &[V<S>], _: V<S>, h: &mut [V<S>]) {
        h.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn newton_point<S: Simd>(
        _: S,
        _: &[V<S>],
        (_, z): (&[V<S>], &[V<S>]),
        _: V<S>,
        v: &mut [V<S>],
    ) {
        for (v, &z) in v.iter_mut().zip(z) {
            *v = -z;
        }
    }

    #[inline(always)]
    fn project_smoothed<S: Simd>(simd: S, _: &[V<S>], _: V<S>, s: &mut [V<S>]) {
        s.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn weakly_active<S: Simd>(simd: S, _: &[V<S>], _: V<S>) -> V<S> {
        V::splat(simd, 0.0)
    }
}
