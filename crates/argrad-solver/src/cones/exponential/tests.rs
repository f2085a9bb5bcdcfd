use pulp::Scalar;
use rand::RngExt;

use super::{Exponential, log_root};
use crate::cones::Function;
use crate::cones::three_dimensional::Barrier;
use crate::cones::three_dimensional::tests::{
    Projection, Real, assert_moreau, assert_near, barrier_tests, dot, inside_dual, inside_primal,
    interior, lift, lower, norm, normal, plus, rng,
};
use crate::lanes::V;

barrier_tests!(Exponential);

const CONE: Exponential = Exponential;

#[test]
fn membership_matches_the_definitions() {
    let mut rng = rng(101);
    for _ in 0..10_000 {
        let [x, y, z] = normal(&mut rng);
        assert_eq!(inside_primal(&CONE, [x, y, z]), y > 0.0 && y * (x / y).exp() < z);
        let dual = x < 0.0 && -x * (y / x).exp() < std::f64::consts::E * z;
        assert_eq!(inside_dual(&CONE, [x, y, z]), dual);
    }
    for boundary in
        [[0.0; 3], [-1.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 1.0, 0.0]]
    {
        assert!(!inside_primal(&CONE, boundary), "{boundary:?}");
    }
    for boundary in [[0.0; 3], [0.0, 1.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]]
    {
        assert!(!inside_dual(&CONE, boundary), "{boundary:?}");
    }
}

#[test]
fn gradient_is_that_of_the_barrier() {
    let mut rng = rng(102);
    let barrier = |[u, v, w]: Real| -(v - u - u * (-w / u).ln()).ln() - (-u).ln() - w.ln();
    for _ in 0..500 {
        let z = interior(&CONE, &mut rng, 0.8).1;
        let direction = normal(&mut rng);
        let rows = CONE.root(CONE.local(lift(z))).map(lower);
        let step = 1e-3 / norm(rows.map(|r| dot(r, direction)));
        let d = |t: f64| barrier(plus(z, t, direction)) - barrier(plus(z, -t, direction));
        let expected = (8.0 * d(step) - d(2.0 * step)) / (12.0 * step);
        let gradient = lower(CONE.gradient(CONE.local(lift(z))));
        let size = norm(gradient).powi(2) * norm(z) * norm(direction);
        assert!((dot(gradient, direction) - expected).abs() < 1e-9 * size);
    }
}

#[test]
fn shadow_equation_is_solved_to_rounding_error() {
    for i in -3000..3000 {
        let k = 10.0_f64.powf(f64::from(i) * 1e-2 / 3.0);
        let rhs = k + k.ln_1p();
        let got = log_root(V::splat(Scalar, rhs)).lane(0);
        assert!((got - k).abs() < 1e-15 * k, "{got:e} {k:e}");
    }
}

/// The point v with a given projection, and the projection.
fn built(rho: f64, sigma: f64, lambda: f64) -> (Real, Real, Real) {
    let (e, e_inverse) = (rho.exp(), (-rho).exp());
    // Scaled so that the largest entries are of order sigma and lambda.
    let s = if rho > 0.0 { [rho * e_inverse, e_inverse, 1.0] } else { [rho, 1.0, e] };
    let z = if rho > 0.0 { [-1.0, rho - 1.0, e_inverse] } else { [-e, (rho - 1.0) * e, 1.0] };
    let (s, z) = (s.map(|x| sigma * x), z.map(|x| lambda * x));
    (plus(s, -1.0, z), s, z)
}

#[test]
fn projection_finds_constructed_points() {
    let mut rng = rng(103);
    for limit in [1.0, 10.0, 50.0, 500.0] {
        for _ in 0..5_000 {
            let rho = rng.random_range(-limit..limit);
            let sigma = 10.0_f64.powf(rng.random_range(-8.0..8.0));
            let lambda = 10.0_f64.powf(rng.random_range(-8.0..8.0));
            let (v, s, _) = built(rho, sigma, lambda);
            let got = Projection::new(&CONE, v, 0.0).0;
            // Projections do not enlarge the rounding error of v.
            assert_near("s", got, s, 1e-15 * norm(v));
            assert_moreau(&CONE, v, got, 1e-15);
        }
    }
}

/// The eigenvalue along the curved direction by the implicit function theorem, in other variables:
/// the Newton system of min |p - v|^2 / 2 on y exp(x/y) = z.
#[test]
fn derivative_matches_the_optimality_system() {
    let mut rng = rng(104);
    for _ in 0..5_000 {
        let rho = rng.random_range(-8.0..8.0_f64);
        let sigma = 10.0_f64.powf(rng.random_range(-2.0..2.0));
        let lambda = 10.0_f64.powf(rng.random_range(-2.0..2.0));
        let (v, s, z) = built(rho, sigma, lambda);
        let e = rho.exp();
        let gradient = [e, (1.0 - rho) * e, -1.0];
        let bend = norm(z) / norm(gradient) * e / s[1];
        // (I + bend h h') dp + gradient m = dv, <gradient, dp> = 0, by elimination of m.
        let h = [1.0, -rho, 0.0];
        let h_size = dot(h, h);
        let inverse = |x: Real| plus(x, -bend * dot(h, x) / (1.0 + bend * h_size), h);
        let x = normal(&mut rng);
        let across = inverse(gradient);
        let m = dot(across, x) / dot(across, gradient);
        let expected = plus(inverse(x), -m, across);
        let got = Projection::new(&CONE, v, 0.0).apply(&CONE, Function::Derivative, x);
        let conditioning = 1.0 + bend * h_size * 1e-2;
        assert_near("D x", got, expected, 1e-12 * conditioning * norm(x));
    }
}

#[test]
fn projection_onto_the_flat_parts_is_exact() {
    let cases = [
        // Inside K, inside the polar cone, the face y = 0, and edges.
        ([1.0, 1.0, 3.0], [1.0, 1.0, 3.0], [1.0, 1.0, 1.0]),
        ([-1e3, 1.0, 1e-3], [-1e3, 1.0, 1e-3], [1.0, 1.0, 1.0]),
        ([1.0, 1.0, -3.0], [0.0; 3], [0.0; 3]),
        ([1e-3, -1e3, -1.0], [0.0; 3], [0.0; 3]),
        ([-2.0, -1.0, 3.0], [-2.0, 0.0, 3.0], [1.0, 0.0, 1.0]),
        ([-2.0, -1.0, -3.0], [-2.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([-2.0, 0.0, 3.0], [-2.0, 0.0, 3.0], [1.0, 0.0, 1.0]),
        ([0.0; 3], [0.0; 3], [1.0, 0.0, 0.0]),
    ];
    for (v, expected, diagonal) in cases {
        for scale in [1e-300, 1e-8, 1.0, 1e8, 1e300] {
            let projection = Projection::new(&CONE, v.map(|x| scale * x), 0.0);
            assert_eq!(projection.0, expected.map(|x| scale * x));
            let x = [0.5, 3.0, -7.0];
            let y: Real = std::array::from_fn(|i| diagonal[i] * x[i]);
            assert_eq!(projection.apply(&CONE, Function::Derivative, x), y);
        }
    }
}

/// Points at which rho is beyond the range of the exponential, or an entry next to nothing.
#[test]
fn projection_at_the_limits_of_the_exponential() {
    let small = [1e-300, 1e-100, 1e-20, 1e-8, 1e-3, 0.0];
    for a in small {
        for b in small {
            for signs in 0..8 {
                for order in 0..3 {
                    let mut v = [1.0, a, b];
                    v.rotate_right(order);
                    for (i, x) in v.iter_mut().enumerate() {
                        *x *= if signs >> i & 1 == 1 { -1.0 } else { 1.0 };
                    }
                    let projection = Projection::new(&CONE, v, 0.0);
                    assert_moreau(&CONE, v, projection.0, 1e-15);
                    let x = projection.apply(&CONE, Function::Derivative, v);
                    assert_near("D v", x, projection.0, 2e-15);
                }
            }
        }
    }
}

#[test]
fn weakly_active_counts_the_directions_that_jump() {
    let count =
        |v: Real, margin: f64| CONE.kinks(Scalar, lift(v), V::splat(Scalar, margin)).lane(0);
    let mut rng = rng(105);
    // Away from kinks; across the smooth boundaries one direction jumps, on both sides.
    for _ in 0..2_000 {
        let rho = rng.random_range(-2.0..3.0);
        let (v, s, z) = built(rho, 1.0, 1.0);
        assert_eq!(count(v, 1e-3), 0.0);
        for t in [0.0, 1e-6, -1e-6] {
            assert_eq!(count(plus(s, -t / norm(z), z), 1e-5), 1.0);
            assert_eq!(count(plus(s, -t / norm(z), z), 1e-7), f64::from(t == 0.0));
            let v = plus([0.0; 3], t / norm(s), s);
            assert_eq!(count(plus(v, -1.0, z), 1e-5), 1.0);
            assert_eq!(count(plus(v, -1.0, z), 1e-7), f64::from(t == 0.0));
        }
    }
    for (v, expected) in [
        ([0.0, 0.0, 0.0], 3.0),
        ([1e-9, -1e-9, 1e-9], 3.0),
        // The wedge of K along (-1, 0, 0), and its faces.
        ([-1.0, 0.0, 0.0], 2.0),
        ([-1.0, 1e-9, -1e-9], 2.0),
        ([-1.0, 0.0, 1.0], 1.0),
        ([-1.0, 0.0, -1.0], 1.0),
        ([-1.0, -1.0, 0.0], 1.0),
        ([-1.0, 0.05, 0.0], 1.0),
        ([-1.0, -1.0, 1.0], 0.0),
        ([-1.0, -1.0, -1.0], 0.0),
        // The wedge of the polar cone along (0, -1, 0), and its faces.
        ([0.0, -1.0, 0.0], 2.0),
        ([1e-9, -1.0, -1e-9], 2.0),
        ([0.0, -1.0, -1.0], 1.0),
        ([0.0, -1.0, 1.0], 1.0),
        ([0.05, -1.0, 0.0], 1.0),
        // Inside.
        ([1.0, 1.0, 3.0], 0.0),
        ([1.0, 1.0, -3.0], 0.0),
        ([-1.0, 1.0, 1.0], 0.0),
    ] {
        assert_eq!(count(v, 1e-7), expected, "{v:?}");
    }
}

#[test]
fn lanes_match_scalars_bitwise() {
    crate::cones::three_dimensional::tests::lanes_match_scalars_bitwise(&Exponential);
}
