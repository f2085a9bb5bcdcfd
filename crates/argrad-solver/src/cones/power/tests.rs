use pulp::Scalar;

use super::*;
use crate::cones::three_dimensional::tests::{
    Real, assert_near, interior, lift, lower, norm, normal, plus, rng, sample,
};
use crate::cones::{Function, GeneralizedPower, LaneCone};

/// The tests of all cones in three dimensions.
macro_rules! tests_for {
    ($($name:ident: $alpha:expr,)*) => {
        $(mod $name {
            use crate::cones::power::Power;
            use crate::cones::three_dimensional::tests::barrier_tests;
            barrier_tests!(Power { alpha: $alpha });
        })*
    };
}

tests_for! {
    alpha_001: 0.01,
    alpha_03: 0.3,
    alpha_05: 0.5,
    alpha_09: 0.9,
    alpha_099: 0.99,
}

const ALPHAS: [f64; 5] = [0.01, 0.3, 0.5, 0.9, 0.99];

fn real(x: f64) -> V<Scalar> {
    V::splat(Scalar, x)
}

/// The rows of the root give the entries of the shared Hessian.
#[test]
fn root_is_one_of_the_hessian() {
    let mut rng = rng(40);
    for alpha in ALPHAS {
        let cone = Power { alpha };
        let exponents = cone.exponents();
        for part in [0.0, 0.5, 0.99, 1.0 - 1e-6] {
            for _ in 0..100 {
                let z = interior(&cone, &mut rng, part).1;
                let at = cone.local(lift(z));
                let point = DualPoint::read(&exponents, &at.z, &at.memory);
                let rows = cone.root(at).map(lower);
                let size: f64 = rows.iter().map(|row| norm(*row).powi(2)).sum();
                for i in 0..3 {
                    for j in 0..=i {
                        let entry: f64 = rows.iter().map(|row| row[i] * row[j]).sum();
                        let expected = point.hessian(i, j).lane(0);
                        assert!((entry - expected).abs() < 1e-14 * size, "{alpha} {z:?} {i} {j}");
                    }
                }
            }
        }
    }
}

fn project<C: LaneCone>(cone: &C, v: Real, mu: f64, x: Real) -> (Real, Real) {
    let mut data = vec![real(0.0); cone.projection_len()];
    let scratch = &mut vec![real(0.0); cone.scratch_len()];
    let (mut s, mut y) = ([real(0.0); 3], [real(0.0); 3]);
    cone.projection(Scalar, &lift(v), real(mu), &mut s, &mut data, scratch);
    cone.apply(Scalar, &data, Function::Derivative, &lift(x), &mut y, scratch);
    (lower(s), lower(y))
}

/// The closed form of the third eigenvalue against the diagonalization for any number of exponents,
/// which is tested on its own.
#[test]
fn agrees_with_the_generalized_cone() {
    let mut rng = rng(41);
    for alpha in ALPHAS {
        let cone = Power { alpha };
        let general = GeneralizedPower::new(vec![alpha, 1.0 - alpha], 1);
        for round in 0..2_000 {
            let (v, x) = (sample(&cone, &mut rng), normal(&mut rng));
            let mu = if round % 2 == 0 { 0.0 } else { 1e-4 * norm(v).powi(2) };
            let (s, y) = project(&cone, v, mu, x);
            let (expected_s, expected_y) = project(&general, v, mu, x);
            assert_near("s", s, expected_s, 1e-15 * norm(v));
            assert_near(&format!("D x, {alpha} {v:?} {mu}"), y, expected_y, 1e-13 * norm(x));
        }
    }
}

/// z with w far below what is possible, down to zero, where the equation's two sides are infinite.
#[test]
fn shadow_near_the_axis() {
    for alpha in ALPHAS {
        let cone = Power { alpha };
        for scale in [1e-8, 1.0, 1e8] {
            for w in [0.0, 1e-300, 1e-140, 1e-120, -1e-60, 1e-9] {
                let s = [2.0 * scale, 0.3 * scale, w * scale];
                let z = cone.shadow(lift(s));
                let back = lower(cone.gradient(cone.local(z))).map(|x| -x);
                assert_near("s", back, s, 4e-15 * norm(s));
                // w is found from a logarithm of up to 700.
                let error = (back[2] - s[2]).abs();
                assert!(error <= 4e-13 * s[2].abs() + 1e-320, "{alpha} {s:?} {back:?}");
            }
        }
    }
}

#[test]
fn kinks_are_counted() {
    let count = |alpha: f64, v: Real| Power { alpha }.kinks(Scalar, lift(v), real(1e-6)).lane(0);
    let mut rng = rng(42);
    for alpha in [0.3, 0.5, 0.9] {
        let cone = Power { alpha };
        let (p, q): (Real, Real) = ([2.0, 0.5, 0.0], [2.0 * alpha, 0.5 * (1.0 - alpha), 0.0]);
        let boundary = 2.0_f64.powf(alpha) * 0.5_f64.powf(1.0 - alpha);
        for (near, expected) in [(1e-9, 1.0), (-1e-9, 1.0), (0.3, 0.0), (-0.3, 0.0)] {
            let w = [0.0, 0.0, boundary * (1.0 + near)];
            assert_eq!(count(alpha, plus(p, 1.0, w)), expected);
            assert_eq!(count(alpha, plus(w, -1.0, q)), expected);
        }
        assert_eq!(count(alpha, [0.0; 3]), 3.0);
        assert_eq!(count(alpha, normal(&mut rng).map(|x| 1e-8 * x)), 3.0);
        assert_eq!(count(alpha, [1.0, -1.0, 0.0]), 0.0);
        // Between s and z on a face: w is, too, if the row that stays weighs no more than the
        // other.
        let both = if alpha > 0.5 { 1.0 } else { 2.0 };
        assert_eq!(count(alpha, [1.0, 1e-9, 0.0]), both);
        assert_eq!(count(cone.alpha, [f64::NAN, 1.0, 1.0]), 0.0);
    }
}

#[test]
fn lanes_match_scalars_bitwise() {
    for alpha in [0.01, 0.3, 0.5, 0.9, 0.99] {
        crate::cones::three_dimensional::tests::lanes_match_scalars_bitwise(&Power { alpha });
    }
}
