//! The nonnegative orthant: inequalities. Self-dual, barrier -sum log s_i.
//!
//! Scaling: H = diag(s / z); the data are its diagonal. Projection: with s z = mu, s - z = v the
//! derivative is D = diag(s / (s + z)), and at mu = 0 it is 1 where v > 0 and 0 elsewhere; the data
//! are the diagonal of D and then that of I - D.

use pulp::Simd;

use super::{FREE, Function, LaneCone, Pair};
use crate::lanes::{M, V};

#[derive(Clone, Debug)]
pub(crate) struct Nonnegative {
    dim: usize,
}

impl Nonnegative {
    pub(crate) fn new(dim: usize) -> Self {
        Self { dim }
    }
}

impl LaneCone for Nonnegative {
    fn dim(&self) -> usize {
        self.dim
    }

    fn degree(&self) -> usize {
        self.dim
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
        self.dim
    }

    fn projection_len(&self) -> usize {
        2 * self.dim
    }

    fn scratch_len(&self) -> usize {
        0
    }

    #[inline(always)]
    fn unit<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        s.fill(V::splat(simd, 1.0));
        z.fill(V::splat(simd, 1.0));
    }

    #[inline(always)]
    fn shift_inside<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>], _: &mut [V<S>]) {
        shift(simd, s);
        shift(simd, z);
    }

    #[inline(always)]
    fn scaling<S: Simd>(
        &self,
        _simd: S,
        (s, z): Pair<'_, S>,
        _mu: V<S>,
        data: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        for ((h, &s), &z) in data.iter_mut().zip(s).zip(z) {
            *h = s / z;
        }
    }

    #[inline(always)]
    fn write_scaling_block<S: Simd>(&self, _simd: S, data: &[V<S>], h: &mut [V<S>]) {
        h.copy_from_slice(data);
    }

    #[inline(always)]
    fn multiply_scaling<S: Simd>(
        &self,
        _simd: S,
        data: &[V<S>],
        x: &[V<S>],
        y: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        for ((y, &x), &h) in y.iter_mut().zip(x).zip(data) {
            *y = h * x;
        }
    }

    /// (s z + ds dz - target) / z.
    #[inline(always)]
    fn combined_constant<S: Simd>(
        &self,
        _simd: S,
        _data: &[V<S>],
        (s, z): Pair<'_, S>,
        (ds, dz): Pair<'_, S>,
        target: V<S>,
        c: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        for i in 0..c.len() {
            c[i] = s[i] + ds[i].fma(dz[i], -target) / z[i];
        }
    }

    #[inline(always)]
    fn step_length<S: Simd>(
        &self,
        simd: S,
        _data: &[V<S>],
        (s, z): Pair<'_, S>,
        (ds, dz): Pair<'_, S>,
        limit: V<S>,
        _scratch: &mut [V<S>],
    ) -> V<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        // The largest of -ds/s and -dz/z, so that one division at the end suffices for the limit.
        let mut steepest = one / limit;
        // Sums of zeros, or NaN where a direction is not finite: the comparisons would skip it.
        let (mut check_s, mut check_z) = (zero, zero);
        for i in 0..s.len() {
            steepest = (-ds[i] / s[i]).max(steepest);
            steepest = (-dz[i] / z[i]).max(steepest);
            check_s = ds[i].fma(zero, check_s);
            check_z = dz[i].fma(zero, check_z);
        }
        one / steepest + (check_s + check_z)
    }

    #[inline(always)]
    fn projection<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        mu: V<S>,
        s: &mut [V<S>],
        data: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let (d, complement) = data.split_at_mut(self.dim);
        let exact = mu.le(zero);
        if !(!exact).any() {
            for i in 0..v.len() {
                let inside = v[i].gt(zero);
                s[i] = v[i].le(zero).select(zero, v[i]);
                d[i] = inside.select(one, zero);
                complement[i] = inside.select(zero, one);
            }
            return;
        }
        for i in 0..v.len() {
            let inside = v[i].gt(zero);
            let kinked = v[i].le(zero).select(zero, v[i]);
            let (smooth, share, rest) = smoothed(v[i], mu);
            s[i] = exact.select(kinked, smooth);
            d[i] = exact.select(inside.select(one, zero), share);
            complement[i] = exact.select(inside.select(zero, one), rest);
        }
    }

    /// s / z, at most [`FREE`].
    #[inline(always)]
    fn write_projection_block<S: Simd>(
        &self,
        _simd: S,
        data: &[V<S>],
        h: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        let (d, complement) = data.split_at(self.dim);
        for ((h, &d), &complement) in h.iter_mut().zip(d).zip(complement) {
            *h = at(Function::Block, d, complement);
        }
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &self,
        _simd: S,
        data: &[V<S>],
        f: Function,
        x: &[V<S>],
        y: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        let (d, complement) = data.split_at(self.dim);
        for i in 0..y.len() {
            y[i] = at(f, d[i], complement[i]) * x[i];
        }
    }

    /// z = mu / s, where v is almost s.
    #[inline(always)]
    fn dual_point<S: Simd>(&self, simd: S, v: &[V<S>], mu: V<S>, s: &[V<S>], z: &mut [V<S>]) {
        let zero = V::splat(simd, 0.0);
        let is_central = mu.gt(zero);
        for i in 0..z.len() {
            z[i] = (is_central & v[i].gt(zero)).select(mu / s[i], s[i] - v[i]);
        }
    }

    /// At mu = 0 the step made s or z zero in each row: which one, the block says.
    #[inline(always)]
    fn newton_point<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        (s, z): Pair<'_, S>,
        mu: V<S>,
        v: &mut [V<S>],
    ) {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let exact = mu.le(zero);
        for i in 0..v.len() {
            let on_face = data[i].ge(one).select(s[i], -z[i]);
            v[i] = exact.select(on_face, s[i] - z[i]);
        }
    }

    #[inline(always)]
    fn weakly_active<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        _data: &[V<S>],
        margin: V<S>,
        _scratch: &mut [V<S>],
    ) -> V<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let mut count = zero;
        for &v in v {
            count += v.abs().le(margin).select(one, zero);
        }
        count
    }

    /// Equal blocks: D is 0 or 1, so there is no "close".
    #[inline(always)]
    fn settled<S: Simd>(&self, simd: S, (_, old): Pair<'_, S>, (_, new): Pair<'_, S>) -> M<S> {
        let mut equal = M::splat(simd, true);
        for (&old, &new) in old.iter().zip(new) {
            equal = equal & old.le(new) & old.ge(new);
        }
        equal
    }
}

/// A function of D; where it divides by 1 - d, the result is at most [`FREE`], and exact below.
#[inline(always)]
fn at<S: Simd>(f: Function, d: V<S>, complement: V<S>) -> V<S> {
    let free = d.like(FREE);
    match f {
        Function::Block => free.min(d / complement),
        Function::InverseComplement => free.min(d.like(1.0) / complement),
        _ => f.at(d, complement, d.like(1.0 / FREE)),
    }
}

/// s > 0 with s - mu / s = v, and the shares of s and of z = mu / s in s + z, without cancellation
/// for either sign of v.
#[inline(always)]
fn smoothed<S: Simd>(v: V<S>, mu: V<S>) -> (V<S>, V<S>, V<S>) {
    let zero = v.like(0.0);
    let root = v.fma(v, v.like(4.0) * mu).sqrt();
    let half = v.like(0.5);
    let large = half * (v.abs() + root);
    let small = mu / large;
    let (major, minor) = (large / root, small / root);
    let up = v.ge(zero);
    (up.select(large, small), up.select(major, minor), up.select(minor, major))
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

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;
    use crate::lanes::{LaneTask, dispatch};
    use crate::program::Instructions;

    type R = V<Scalar>;

    fn r(x: f64) -> R {
        V::splat(Scalar, x)
    }

    fn registers(x: &[f64]) -> Vec<R> {
        x.iter().map(|&x| r(x)).collect()
    }

    fn numbers(x: &[R]) -> Vec<f64> {
        x.iter().map(|x| x.lane(0)).collect()
    }

    /// s and the data of the projection.
    fn projection(v: &[f64], mu: f64) -> (Vec<f64>, Vec<R>) {
        let cone = Nonnegative { dim: v.len() };
        let (mut s, mut data) = (vec![r(f64::NAN); v.len()], vec![r(f64::NAN); 2 * v.len()]);
        cone.projection(Scalar, &registers(v), r(mu), &mut s, &mut data, &mut []);
        (numbers(&s), data)
    }

    fn apply(data: &[R], f: Function, x: &[f64]) -> Vec<f64> {
        let cone = Nonnegative { dim: x.len() };
        let mut y = vec![r(f64::NAN); x.len()];
        cone.apply(Scalar, data, f, &registers(x), &mut y, &mut []);
        numbers(&y)
    }

    const POINTS: [f64; 9] = [0.0, -0.0, 1.0, -1.0, 1e-300, -1e-300, 1e8, -1e8, -3e-8];

    #[test]
    fn projection_is_the_positive_part_and_its_block_zero_or_free() {
        let (s, data) = projection(&POINTS, 0.0);
        let mut h = vec![r(f64::NAN); POINTS.len()];
        Nonnegative { dim: POINTS.len() }.write_projection_block(Scalar, &data, &mut h, &mut []);
        let x = vec![1.0; POINTS.len()];
        for i in 0..POINTS.len() {
            assert_eq!(s[i].to_bits(), (if POINTS[i] > 0.0 { POINTS[i] } else { 0.0 }).to_bits());
            let (block, d) = if POINTS[i] > 0.0 { (FREE, 1.0) } else { (0.0, 0.0) };
            assert_eq!(h[i].lane(0), block);
            assert_eq!(apply(&data, Function::Block, &x)[i], block);
            assert_eq!(apply(&data, Function::Derivative, &x)[i], d);
            assert_eq!(apply(&data, Function::Complement, &x)[i], 1.0 - d);
            assert_eq!(apply(&data, Function::RootComplement, &x)[i], 1.0 - d);
        }
    }

    #[test]
    fn smoothed_projection_solves_the_central_path_and_its_block_is_s_over_z() {
        for mu in [1e-12, 1e-3, 1.0, 1e4] {
            let (s, data) = projection(&POINTS, mu);
            let x: Vec<f64> = vec![1.0; POINTS.len()];
            let at = |f| apply(&data, f, &x);
            for i in 0..POINTS.len() {
                let z = mu / s[i];
                let size = s[i].max(z);
                assert!((s[i] - z - POINTS[i]).abs() <= 1e-15 * size, "{} {mu}", POINTS[i]);
                let (h, d, c) = (s[i] / z, s[i] / (s[i] + z), z / (s[i] + z));
                assert!((at(Function::Derivative)[i] / d - 1.0).abs() < 1e-15);
                assert!((at(Function::Complement)[i] / c - 1.0).abs() < 1e-15);
                assert!((at(Function::Block)[i] / h.min(FREE) - 1.0).abs() < 2e-15);
                assert!(
                    (at(Function::InverseComplement)[i] / (1.0 / c).min(FREE) - 1.0).abs() < 2e-15
                );
                assert!((at(Function::RootComplement)[i] / c.sqrt() - 1.0).abs() < 2e-15);
            }
            // The derivative of s, by a step relative to the curvature's scale.
            let step = |v: f64| 1e-5 * (v * v + mu).sqrt();
            let up = projection(&POINTS.map(|v| v + step(v)), mu).0;
            let down = projection(&POINTS.map(|v| v - step(v)), mu).0;
            for i in 0..POINTS.len() {
                let difference = (up[i] - down[i]) / (2.0 * step(POINTS[i]));
                assert!(
                    (difference - at(Function::Derivative)[i]).abs() < 1e-9,
                    "{} {mu}",
                    POINTS[i]
                );
            }
        }
    }

    #[test]
    fn newton_point_drops_what_the_step_made_zero() {
        let cone = Nonnegative { dim: 2 };
        let (_, data) = projection(&[2.0, -3.0], 0.0);
        let (s, z) = (registers(&[2.5, 1e-17]), registers(&[1e-17, 3.5]));
        let mut v = vec![r(0.0); 2];
        cone.newton_point(Scalar, &data, (&s, &z), r(0.0), &mut v);
        assert_eq!(numbers(&v), [2.5, -3.5]);
        cone.newton_point(Scalar, &data, (&s, &z), r(1.0), &mut v);
        assert_eq!(numbers(&v), [2.5 - 1e-17, 1e-17 - 3.5]);
    }

    #[test]
    fn step_ends_at_the_first_zero_and_is_nan_where_the_direction_is_not_finite() {
        let cone = Nonnegative { dim: 2 };
        let step = |ds: [f64; 2], dz: [f64; 2]| {
            let point = (&registers(&[1.0, 2.0])[..], &registers(&[4.0, 1.0])[..]);
            let direction = (&registers(&ds)[..], &registers(&dz)[..]);
            cone.step_length(Scalar, &[], point, direction, r(1.0), &mut []).lane(0)
        };
        assert_eq!(step([1.0, 1.0], [0.0, 1.0]), 1.0);
        assert_eq!(step([-4.0, 1.0], [0.0, 1.0]), 0.25);
        assert_eq!(step([-4.0, 1.0], [0.0, -8.0]), 0.125);
        assert_eq!(step([-0.5, 0.0], [0.0, 0.0]), 1.0);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(step([bad, -4.0], [0.0, 0.0]).is_nan());
            assert!(step([-4.0, 0.0], [bad, 0.0]).is_nan());
        }
    }

    #[test]
    fn constants_and_scaling_are_those_of_the_orthant() {
        let cone = Nonnegative { dim: 2 };
        let (s, z) = ([1e-8, 3.0], [5.0, 2e8]);
        let (ds, dz) = ([0.5, -1.0], [2.0, 4.0]);
        let (s_, z_) = (registers(&s), registers(&z));
        let mut h = vec![r(0.0); 2];
        cone.scaling(Scalar, (&s_, &z_), r(1.0), &mut h, &mut []);
        let mut y = vec![r(0.0); 2];
        cone.multiply_scaling(Scalar, &h, &z_, &mut y, &mut []);
        let mut c = vec![r(0.0); 2];
        let affine = (&registers(&ds)[..], &registers(&dz)[..]);
        cone.combined_constant(Scalar, &h, (&s_, &z_), affine, r(0.25), &mut c, &mut []);
        for i in 0..2 {
            assert!((y[i].lane(0) / s[i] - 1.0).abs() < 4e-16);
            let expected = (s[i] * z[i] + ds[i] * dz[i] - 0.25) / z[i];
            assert!((c[i].lane(0) / expected - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn shift_moves_points_inside_and_leaves_safe_ones() {
        let cone = Nonnegative { dim: 3 };
        let (mut s, mut z) = (registers(&[-2.0, 1.0, 5.0]), registers(&[0.5, 1.0, 0.75]));
        cone.shift_inside(Scalar, &mut s, &mut z, &mut []);
        // The mean of the positive parts is 2.
        assert!(numbers(&s).iter().zip([0.2, 3.2, 7.2]).all(|(s, e)| (s - e).abs() < 1e-15));
        assert_eq!(numbers(&z), [0.5, 1.0, 0.75]);
    }

    #[test]
    fn blocks_settle_only_when_equal_and_margins_count_kinks() {
        let cone = Nonnegative { dim: 2 };
        let block = |v: [f64; 2]| projection(&v, 0.0).1;
        let settled = |a: &[R], b: &[R]| cone.settled(Scalar, (&[], a), (&[], b)).lane(0);
        assert!(settled(&block([1.0, -1.0]), &block([7.0, -1e-9])));
        assert!(!settled(&block([1.0, -1.0]), &block([1.0, 1e-9])));
        let count = |v: [f64; 2]| {
            cone.weakly_active(Scalar, &registers(&v), &block(v), r(1e-6), &mut []).lane(0)
        };
        assert_eq!(count([1e-7, -1e-7]), 2.0);
        assert_eq!(count([1e-7, -1e-5]), 1.0);
        assert_eq!(count([1.0, -1e-5]), 0.0);
    }

    /// Each lane with its own v and mu, some of them zero: the lanes must equal scalar results.
    struct Lanes;

    impl LaneTask for Lanes {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let zero = V::splat(simd, 0.0);
            let (mut v, mut mu) = ([zero; 3], zero);
            let at = |i: usize, lane: usize| POINTS[(2 * i + lane) % POINTS.len()];
            let weight = |lane: usize| if lane.is_multiple_of(2) { 0.0 } else { 0.1 * lane as f64 };
            for lane in 0..V::<S>::LANES {
                mu.set_lane(lane, weight(lane));
                (0..3).for_each(|i| v[i].set_lane(lane, at(i, lane)));
            }
            let cone = Nonnegative { dim: 3 };
            let (mut s, mut data) = ([zero; 3], [zero; 6]);
            cone.projection(simd, &v, mu, &mut s, &mut data, &mut []);
            for lane in 0..V::<S>::LANES {
                let alone: Vec<f64> = (0..3).map(|i| at(i, lane)).collect();
                let (alone, alone_data) = projection(&alone, weight(lane));
                for i in 0..3 {
                    assert_eq!(s[i].lane(lane).to_bits(), alone[i].to_bits());
                }
                for i in 0..6 {
                    assert_eq!(data[i].lane(lane).to_bits(), alone_data[i].lane(0).to_bits());
                }
            }
        }
    }

    #[test]
    fn lanes_equal_scalar_results() {
        dispatch(Instructions::Detect, Lanes);
    }
}
