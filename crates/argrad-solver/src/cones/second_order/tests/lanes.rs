//! Lanes against scalar results; NaN; the empty cone.

use pulp::Simd;

use super::*;
use crate::Instructions;
use crate::lanes::{LaneTask, dispatch};

#[test]
fn an_empty_cone_does_nothing() {
    let cone = SecondOrder::new(0);
    let none: &[R] = &[];
    let one = r(1.0);
    assert_eq!((cone.degree(), cone.scaling_len(), cone.projection_len()), (0, 0, 0));
    assert!(cone.h_entries().is_empty() && cone.auxiliary().is_empty());
    cone.unit(Scalar, &mut [], &mut []);
    cone.shift_inside(Scalar, &mut [], &mut [], &mut []);
    cone.scaling(Scalar, (none, none), one, &mut [], &mut []);
    cone.write_scaling_block(Scalar, none, &mut []);
    cone.multiply_scaling(Scalar, none, none, &mut [], &mut []);
    let pair = (none, none);
    cone.combined_constant(Scalar, none, pair, pair, one, &mut [], &mut []);
    assert_eq!(cone.step_length(Scalar, none, pair, pair, one, &mut []).lane(0), 1.0);
    cone.projection(Scalar, none, one, &mut [], &mut [], &mut []);
    cone.write_projection_block(Scalar, none, &mut [], &mut []);
    cone.apply(Scalar, none, Function::Block, none, &mut [], &mut []);
    cone.newton_point(Scalar, none, pair, one, &mut []);
    assert_eq!(cone.weakly_active(Scalar, none, none, one, &mut []).lane(0), 0.0);
    assert!(cone.settled(Scalar, (none, none), (none, none)).lane(0));
}

#[test]
fn a_nan_stays_a_nan() {
    for n in DIMS {
        for i in 0..n {
            let mut v = unit_vector(n, 0);
            v[i] = f64::NAN;
            for mu in [0.0, 1.0] {
                assert!(Projected::new(&v, mu).s.iter().any(|s| s.is_nan()));
            }
            let e = unit_vector(n, 0);
            for scaling in [Scaled::new(&v, &e), Scaled::new(&e, &v)] {
                assert!(scaling.multiply(&e).iter().any(|y| y.is_nan()));
                assert!(scaling.block().iter().any(|h| h.lane(0).is_nan()));
                assert!(scaling.step(&v, &v, &e, &e, 1.0).is_nan());
            }
        }
    }
}

/// What one lane computes with.
#[derive(Clone)]
struct Lane {
    v: Vec<f64>,
    mu: f64,
    s: Vec<f64>,
    z: Vec<f64>,
    ds: Vec<f64>,
    dz: Vec<f64>,
}

/// All results of each lane, for as many lanes as a register has.
struct Everything<'a>(&'a [Lane]);

impl LaneTask for Everything<'_> {
    type Output = Vec<Vec<f64>>;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let lanes = V::<S>::LANES;
        let n = self.0[0].v.len();
        let cone = SecondOrder::new(n);
        let zero = V::splat(simd, 0.0);
        let mut results = Vec::new();
        for group in self.0.chunks(lanes) {
            let gather = |part: fn(&Lane) -> &[f64]| {
                let mut x = vec![zero; part(&group[0]).len()];
                for (lane, inputs) in group.iter().enumerate() {
                    for (x, &value) in x.iter_mut().zip(part(inputs)) {
                        x.set_lane(lane, value);
                    }
                }
                x
            };
            let v = gather(|l| &l.v);
            let mu = gather(|l| std::slice::from_ref(&l.mu))[0];
            let (s, z) = (gather(|l| &l.s), gather(|l| &l.z));
            let (ds, dz) = (gather(|l| &l.ds), gather(|l| &l.dz));
            let (point, direction) = ((&s[..], &z[..]), (&ds[..], &dz[..]));
            let one = V::splat(simd, 1.0);
            let entries = cone.h_entries().len();
            let scratch = &mut vec![zero; cone.scratch_len()][..];
            let mut all = Vec::new();

            let mut data = vec![zero; cone.scaling_len()];
            let (mut y, mut h) = (vec![zero; n], vec![zero; entries]);
            cone.scaling(simd, point, mu, &mut data, scratch);
            all.extend_from_slice(&data);
            cone.write_scaling_block(simd, &data, &mut h);
            all.extend_from_slice(&h);
            cone.multiply_scaling(simd, &data, &ds, &mut y, scratch);
            all.extend_from_slice(&y);
            cone.combined_constant(simd, &data, point, direction, mu, &mut y, scratch);
            all.extend_from_slice(&y);
            all.push(cone.step_length(simd, &data, point, direction, one, scratch));

            let mut data = vec![zero; cone.projection_len()];
            let mut other = h.clone();
            cone.projection(simd, &v, mu, &mut y, &mut data, scratch);
            all.extend_from_slice(&y);
            all.extend_from_slice(&data);
            cone.write_projection_block(simd, &data, &mut h, scratch);
            all.extend_from_slice(&h);
            for f in FUNCTIONS {
                cone.apply(simd, &data, f, &ds, &mut y, scratch);
                all.extend_from_slice(&y);
            }
            cone.newton_point(simd, &data, point, mu, &mut y);
            all.extend_from_slice(&y);
            all.push(cone.weakly_active(simd, &v, &data, one, scratch));
            all.push(cone.settled(simd, (&v, &h), (&v, &other)).select(one, zero));
            other.copy_from_slice(&h);
            all.push(cone.settled(simd, (&v, &h), (&v, &other)).select(one, zero));
            let (mut s, mut z) = (ds.clone(), v.clone());
            cone.shift_inside(simd, &mut s, &mut z, scratch);
            all.extend_from_slice(&s);
            all.extend_from_slice(&z);
            for lane in 0..group.len() {
                results.push(all.iter().map(|x| x.lane(lane)).collect());
            }
        }
        results
    }
}

#[test]
fn lanes_equal_scalar_results_whatever_their_neighbours() {
    for n in DIMS {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut lanes = Vec::new();
        let all: Vec<Vec<f64>> = points(n).into_iter().chain(kinks(n)).collect();
        for ((v, (s, z)), k) in all.into_iter().zip(pairs(n).into_iter().cycle()).zip(0..) {
            let mu = [0.0, 1e-6, 0.0, 2.0, 0.0][k % 5];
            let (mut ds, dz) = (random(&mut rng, n), random(&mut rng, n));
            if k % 7 == 6 {
                ds[0] = f64::NAN;
            }
            lanes.push(Lane { v, mu, s, z, ds, dz });
        }
        // An exact lane among exact lanes and among smoothed ones, next to NaN, in both orders.
        let reversed: Vec<Lane> = lanes.iter().rev().cloned().collect();
        lanes.extend(reversed);
        lanes[3].v.fill(f64::NAN);
        let together = dispatch(Instructions::Detect, Everything(&lanes));
        let narrow = dispatch(Instructions::Avx2, Everything(&lanes));
        for (k, lane) in lanes.iter().enumerate() {
            let alone = &Everything(std::slice::from_ref(lane)).run(Scalar)[0];
            for ((a, b), c) in alone.iter().zip(&together[k]).zip(&narrow[k]) {
                for x in [b, c] {
                    assert!(a.to_bits() == x.to_bits() || (a.is_nan() && x.is_nan()), "{n} {k}");
                }
            }
        }
    }
}
