//! The zero cone {0}^k: equalities. Its dual is all of R^k, so z is free, s = 0, H = 0 and D = 0.

use pulp::Simd;

use super::{Function, LaneCone, Pair};
use crate::lanes::{M, V};

#[derive(Clone, Debug)]
pub(crate) struct Zero {
    dim: usize,
}

impl Zero {
    pub(crate) fn new(dim: usize) -> Self {
        Self { dim }
    }
}

impl LaneCone for Zero {
    fn dim(&self) -> usize {
        self.dim
    }

    fn degree(&self) -> usize {
        0
    }

    fn is_polyhedral(&self) -> bool {
        true
    }

    fn rows_scale_freely(&self) -> bool {
        true
    }

    fn h_entries(&self) -> Vec<(usize, usize)> {
        (0..self.dim).map(|i| (i, i)).collect()
    }

    fn h_len(&self) -> usize {
        self.dim
    }

    fn scaling_len(&self) -> usize {
        0
    }

    fn projection_len(&self) -> usize {
        0
    }

    fn scratch_len(&self) -> usize {
        0
    }

    #[inline(always)]
    fn unit<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        s.fill(V::splat(simd, 0.0));
        z.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn shift_inside<S: Simd>(&self, simd: S, s: &mut [V<S>], _z: &mut [V<S>], _: &mut [V<S>]) {
        s.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn scaling<S: Simd>(
        &self,
        _simd: S,
        _point: Pair<'_, S>,
        _mu: V<S>,
        _data: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
    }

    #[inline(always)]
    fn write_scaling_block<S: Simd>(&self, simd: S, _data: &[V<S>], h: &mut [V<S>]) {
        h.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn multiply_scaling<S: Simd>(
        &self,
        simd: S,
        _data: &[V<S>],
        _x: &[V<S>],
        y: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        y.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn affine_constant<S: Simd>(&self, simd: S, _s: &[V<S>], c: &mut [V<S>]) {
        c.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn combined_constant<S: Simd>(
        &self,
        simd: S,
        _data: &[V<S>],
        _point: Pair<'_, S>,
        _affine: Pair<'_, S>,
        _target: V<S>,
        c: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        c.fill(V::splat(simd, 0.0));
    }

    /// No limit, except that a direction that is not finite gets NaN.
    #[inline(always)]
    fn step_length<S: Simd>(
        &self,
        simd: S,
        _data: &[V<S>],
        _point: Pair<'_, S>,
        (_, dz): Pair<'_, S>,
        limit: V<S>,
        _scratch: &mut [V<S>],
    ) -> V<S> {
        let zero = V::splat(simd, 0.0);
        let mut check = zero;
        for &dz in dz {
            check = dz.fma(zero, check);
        }
        limit + check
    }

    #[inline(always)]
    fn projection<S: Simd>(
        &self,
        simd: S,
        _v: &[V<S>],
        _mu: V<S>,
        s: &mut [V<S>],
        _data: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        s.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn write_projection_block<S: Simd>(
        &self,
        simd: S,
        _data: &[V<S>],
        h: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        h.fill(V::splat(simd, 0.0));
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &self,
        simd: S,
        _data: &[V<S>],
        f: Function,
        x: &[V<S>],
        y: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        match f {
            Function::Derivative | Function::Block => y.fill(V::splat(simd, 0.0)),
            Function::Complement | Function::RootComplement | Function::InverseComplement => {
                y.copy_from_slice(x);
            }
        }
    }

    #[inline(always)]
    fn newton_point<S: Simd>(
        &self,
        _simd: S,
        _data: &[V<S>],
        (_, z): Pair<'_, S>,
        _mu: V<S>,
        v: &mut [V<S>],
    ) {
        for (v, &z) in v.iter_mut().zip(z) {
            *v = -z;
        }
    }

    #[inline(always)]
    fn weakly_active<S: Simd>(
        &self,
        simd: S,
        _v: &[V<S>],
        _data: &[V<S>],
        _margin: V<S>,
        _scratch: &mut [V<S>],
    ) -> V<S> {
        V::splat(simd, 0.0)
    }

    #[inline(always)]
    fn settled<S: Simd>(&self, simd: S, _: Pair<'_, S>, _: Pair<'_, S>) -> M<S> {
        M::splat(simd, true)
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    #[test]
    fn zero_cone_has_free_duals_and_no_slack() {
        let cone = Zero { dim: 2 };
        let r = |x: f64| V::splat(Scalar, x);
        let numbers = |x: &[V<Scalar>]| x.iter().map(|x| x.lane(0)).collect::<Vec<_>>();
        let x = [r(1.5), r(-2.0)];
        let mut y = [r(f64::NAN); 2];
        cone.projection(Scalar, &x, r(1.0), &mut y, &mut [], &mut []);
        assert_eq!(numbers(&y), [0.0, 0.0]);
        for f in [Function::Derivative, Function::Block] {
            cone.apply(Scalar, &[], f, &x, &mut y, &mut []);
            assert_eq!(numbers(&y), [0.0, 0.0]);
        }
        for f in [Function::Complement, Function::RootComplement, Function::InverseComplement] {
            cone.apply(Scalar, &[], f, &x, &mut y, &mut []);
            assert_eq!(numbers(&y), [1.5, -2.0]);
        }
        cone.newton_point(Scalar, &[], (&[r(1e-17); 2], &x), r(0.0), &mut y);
        assert_eq!(numbers(&y), [-1.5, 2.0]);
        cone.affine_constant(Scalar, &x, &mut y);
        assert_eq!(numbers(&y), [0.0, 0.0]);
        let step = |dz: [V<Scalar>; 2]| {
            let zero = [r(0.0); 2];
            cone.step_length(Scalar, &[], (&zero, &x), (&zero, &dz), r(0.7), &mut []).lane(0)
        };
        assert_eq!(step(x), 0.7);
        assert!(step([r(0.0), r(f64::NAN)]).is_nan());
        assert!(cone.settled(Scalar, (&[], &[]), (&[], &[])).lane(0));
    }
}
