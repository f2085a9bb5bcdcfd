//! What every [`Barrier`] must satisfy; `barrier_tests!` makes the tests of one cone.

use pulp::{Scalar, Simd};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{Barrier, Triple, scaling};
use crate::Instructions;
use crate::cones::{FREE, Function, LaneCone, STEEPEST};
use crate::lanes::{LaneTask, V, dispatch};

pub(crate) type Real = [f64; 3];
type Matrix = [Real; 3];

/// The tests of a cone, given an expression for it.
macro_rules! barrier_tests {
    ($cone:expr) => {
        $crate::cones::three_dimensional::tests::barrier_tests!($cone;
            unit_point_is_central
            derivatives_are_consistent
            third_derivative_matches_differences
            shadow_inverts_the_gradient
            scaling_maps_z_to_s_and_shadow_to_shadow
            scaling_near_the_central_path
            scaling_close_to_the_boundary
            combined_constant_matches_its_definition
            combined_step_is_of_third_order
            step_length_matches_membership
            projection_satisfies_moreau
            projection_is_homogeneous_and_idempotent
            derivative_matches_differences
            functions_of_the_derivative_are_consistent
            central_projection_is_central
            central_projection_tends_to_the_projection
            central_derivative_matches_differences
            central_projection_at_extreme_scales
            invalid_numbers_stay_in_their_lane
        );
    };
    ($cone:expr; $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::cones::three_dimensional::tests::$name(&$cone);
        })*
    };
}
pub(crate) use barrier_tests;

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub(crate) fn lift(x: Real) -> Triple<Scalar> {
    x.map(|x| V::splat(Scalar, x))
}

pub(crate) fn lower(x: Triple<Scalar>) -> Real {
    x.map(|x| x.lane(0))
}

pub(crate) fn dot(a: Real, b: Real) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn norm(a: Real) -> f64 {
    a[0].hypot(a[1]).hypot(a[2])
}

pub(crate) fn plus(a: Real, t: f64, b: Real) -> Real {
    [a[0] + t * b[0], a[1] + t * b[1], a[2] + t * b[2]]
}

fn times(m: Matrix, x: Real) -> Real {
    m.map(|row| dot(row, x))
}

fn real(x: f64) -> V<Scalar> {
    V::splat(Scalar, x)
}

pub(crate) fn normal(rng: &mut ChaCha8Rng) -> Real {
    [0; 3].map(|_| rng.sample(StandardNormal))
}

/// Asserts |a - b| <= tolerance * size.
pub(crate) fn assert_near(what: &str, a: Real, b: Real, tolerance: f64) {
    let difference = norm(plus(a, -1.0, b));
    assert!(difference <= tolerance, "{what}: {a:?} and {b:?} differ by {difference:e}");
}

pub(crate) fn inside_primal<B: Barrier>(cone: &B, s: Real) -> bool {
    cone.inside_primal(lift(s)).lane(0)
}

pub(crate) fn inside_dual<B: Barrier>(cone: &B, z: Real) -> bool {
    cone.inside_dual(lift(z)).lane(0)
}

fn gradient<B: Barrier>(cone: &B, z: Real) -> Real {
    lower(cone.gradient(cone.local(lift(z))))
}

fn hessian<B: Barrier>(cone: &B, z: Real) -> Matrix {
    symmetric(&scaling::gram(cone.root(cone.local(lift(z)))).map(|x| x.lane(0)))
}

fn third<B: Barrier>(cone: &B, z: Real, a: Real, b: Real) -> Real {
    lower(cone.third(cone.local(lift(z)), lift(a), lift(b)))
}

fn shadow<B: Barrier>(cone: &B, s: Real) -> Real {
    lower(cone.shadow(lift(s)))
}

/// From the lower triangle, row by row.
fn symmetric(h: &[f64]) -> Matrix {
    [[h[0], h[1], h[3]], [h[1], h[2], h[4]], [h[3], h[4], h[5]]]
}

fn frobenius(m: Matrix) -> f64 {
    norm(m.map(norm))
}

/// Eigenvalue bounds by Cholesky: whether all pivots are positive.
fn is_positive_definite(m: Matrix) -> bool {
    let l10 = m[1][0] / m[0][0];
    let l20 = m[2][0] / m[0][0];
    let d1 = m[1][1] - l10 * m[1][0];
    let l21 = (m[2][1] - l20 * m[1][0]) / d1;
    let d2 = m[2][2] - l20 * m[2][0] - l21 * l21 * d1;
    m[0][0] > 0.0 && d1 > 0.0 && d2 > 0.0
}

/// A random point on a ray from the unit point, `part` of the way to the boundary (or, if the ray
/// never leaves the cone, of a length up to 10).
pub(crate) fn point(
    rng: &mut ChaCha8Rng,
    unit: Real,
    part: f64,
    inside: impl Fn(Real) -> bool,
) -> Real {
    let direction = normal(rng);
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if inside(plus(unit, middle, direction)) { low = middle } else { high = middle }
    }
    plus(unit, low * part, direction)
}

/// Random interior points s and z; `part` as above.
pub(crate) fn interior<B: Barrier>(cone: &B, rng: &mut ChaCha8Rng, part: f64) -> (Real, Real) {
    let unit = Barrier::unit(cone);
    let s = point(rng, unit, part, |s| inside_primal(cone, s));
    let z = point(rng, unit, part, |z| inside_dual(cone, z));
    (s, z)
}

struct Scaled(Vec<V<Scalar>>);

impl Scaled {
    fn new<B: Barrier>(cone: &B, s: Real, z: Real, mu: f64) -> Self {
        let mut data = vec![real(0.0); cone.scaling_len()];
        cone.scaling(Scalar, (&lift(s), &lift(z)), real(mu), &mut data, &mut []);
        Self(data)
    }

    fn block<B: Barrier>(&self, cone: &B) -> Matrix {
        let mut h = [real(0.0); 6];
        cone.write_scaling_block(Scalar, &self.0, &mut h);
        symmetric(&h.map(|x| x.lane(0)))
    }

    fn multiply<B: Barrier>(&self, cone: &B, x: Real) -> Real {
        let mut y = lift([0.0; 3]);
        cone.multiply_scaling(Scalar, &self.0, &lift(x), &mut y, &mut []);
        lower(y)
    }
}

fn combined<B: Barrier>(cone: &B, point: (Real, Real), affine: (Real, Real), target: f64) -> Real {
    let data = vec![real(0.0); cone.scaling_len()];
    let mut c = lift([0.0; 3]);
    cone.combined_constant(
        Scalar,
        &data,
        (&lift(point.0), &lift(point.1)),
        (&lift(affine.0), &lift(affine.1)),
        real(target),
        &mut c,
        &mut [],
    );
    lower(c)
}

pub(crate) struct Projection(pub(crate) Real, Vec<V<Scalar>>);

impl Projection {
    pub(crate) fn new<B: Barrier>(cone: &B, v: Real, mu: f64) -> Self {
        let mut s = lift([0.0; 3]);
        let mut data = vec![real(0.0); cone.projection_len()];
        cone.projection(Scalar, &lift(v), real(mu), &mut s, &mut data, &mut []);
        Self(lower(s), data)
    }

    pub(crate) fn apply<B: Barrier>(&self, cone: &B, f: Function, x: Real) -> Real {
        let mut y = lift([0.0; 3]);
        cone.apply(Scalar, &self.1, f, &lift(x), &mut y, &mut []);
        lower(y)
    }

    pub(crate) fn matrix<B: Barrier>(&self, cone: &B, f: Function) -> Matrix {
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|e| self.apply(cone, f, e))
    }

    fn block<B: Barrier>(&self, cone: &B) -> Matrix {
        let mut h = [real(0.0); 6];
        cone.write_projection_block(Scalar, &self.1, &mut h, &mut []);
        symmetric(&h.map(|x| x.lane(0)))
    }

    fn eigenvalues(&self) -> (Real, Real) {
        let at = |i: usize| self.1[i].lane(0);
        ([at(9), at(10), at(11)], [at(12), at(13), at(14)])
    }
}

/// Derivative along x by central differences of fourth order.
fn difference(f: impl Fn(Real) -> Real, at: Real, x: Real, step: f64) -> Real {
    let d = |t: f64| plus(f(plus(at, t, x)), -1.0, f(plus(at, -t, x)));
    let (one, two) = (d(step), d(2.0 * step));
    plus([0.0; 3], 1.0 / (12.0 * step), plus(one.map(|x| 8.0 * x), -1.0, two))
}

pub(crate) fn unit_point_is_central<B: Barrier>(cone: &B) {
    let e = Barrier::unit(cone);
    assert!(inside_primal(cone, e) && inside_dual(cone, e));
    assert_near("s = -grad f*(z)", gradient(cone, e).map(|x| -x), e, 1e-15);
    assert_near("z = -grad f(s)", shadow(cone, e), e, 4e-15);
    assert_near("H z = s", Scaled::new(cone, e, e, 1.0).multiply(cone, e), e, 4e-15);
    let (mut s, mut z) = (lift([0.0; 3]), lift([0.0; 3]));
    LaneCone::unit(cone, Scalar, &mut s, &mut z);
    assert_eq!((lower(s), lower(z)), (e, e));
    cone.shift_inside(Scalar, &mut s, &mut z, &mut []);
    assert_eq!((lower(s), lower(z)), (e, e));
}

/// Identities of logarithmically homogeneous functions, and H* against differences of the gradient.
pub(crate) fn derivatives_are_consistent<B: Barrier>(cone: &B) {
    let mut rng = rng(1);
    for scale in [1e-8, 1.0, 1e8] {
        for part in [0.1, 0.5, 0.9, 0.999] {
            for _ in 0..50 {
                let z = interior(cone, &mut rng, part).1.map(|x| scale * x);
                let a = normal(&mut rng).map(|x| scale * x);
                let (g, h) = (gradient(cone, z), hessian(cone, z));
                // The rounding error of the distance to the boundary.
                let tolerance = 1e-14 / (1.0 - part);
                assert!((dot(g, z) + 3.0).abs() < tolerance * norm(g) * norm(z));
                let size = norm(g) * tolerance * norm(g) * norm(z);
                assert_near("H* z", times(h, z), g.map(|x| -x), size);
                let ha = times(h, a);
                assert_near(
                    "D3[a, z]",
                    third(cone, z, a, z),
                    ha.map(|x| -2.0 * x),
                    10.0 * tolerance * frobenius(h) * norm(a) * norm(g) * norm(z),
                );
                let step = 1e-3 / dot(a, ha).sqrt();
                let expected = difference(|z| gradient(cone, z), z, a, step);
                let size = (1e-10 + 1e-11 / (1.0 - part)) * frobenius(h) * norm(a);
                assert_near("H* a", ha, expected, size);
            }
        }
    }
}

pub(crate) fn third_derivative_matches_differences<B: Barrier>(cone: &B) {
    let mut rng = rng(2);
    for part in [0.1, 0.5, 0.9] {
        for _ in 0..100 {
            let z = interior(cone, &mut rng, part).1;
            let (a, b) = (normal(&mut rng), normal(&mut rng));
            let step = 1e-3 / dot(b, times(hessian(cone, z), b)).sqrt();
            let expected = difference(|z| times(hessian(cone, z), a), z, b, step);
            let got = third(cone, z, a, b);
            let size = frobenius(hessian(cone, z)).powf(1.5) * norm(a) * norm(b);
            assert_near("D3[a, b]", got, expected, 1e-10 * size);
            assert_near("D3[b, a]", third(cone, z, b, a), got, 1e-13 * size);
        }
    }
}

pub(crate) fn shadow_inverts_the_gradient<B: Barrier>(cone: &B) {
    let mut rng = rng(3);
    for scale in [1e-8, 1.0, 1e8] {
        for part in [0.01, 0.5, 0.9, 0.9999, 1.0 - 1e-9] {
            for _ in 0..100 {
                let (s, z) = interior(cone, &mut rng, part);
                let s = s.map(|x| scale * x);
                let shadow_z = shadow(cone, s);
                assert!(inside_dual(cone, shadow_z));
                let back = gradient(cone, shadow_z).map(|x| -x);
                // Errors relative to the distance of either from its boundary.
                let tolerance = 1e-14 / (1.0 - part);
                assert_near("s", back, s, tolerance * norm(s));
                let back = shadow(cone, gradient(cone, z).map(|x| -x));
                assert_near("z", back, z, tolerance * norm(z));
            }
        }
    }
}

/// H by the formula of Goulart and Chen, with t as a Frobenius norm.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
fn clarabel_block<B: Barrier>(cone: &B, s: Real, z: Real) -> Matrix {
    let (shadow_s, shadow_z) = (gradient(cone, z).map(|x| -x), shadow(cone, s));
    let h = hessian(cone, z);
    let (mu, other) = (dot(s, z) / 3.0, dot(shadow_s, shadow_z) / 3.0);
    let (d, b) = (plus(s, -mu, shadow_s), plus(z, -mu, shadow_z));
    let r = plus(times(h, shadow_z), -other, shadow_s);
    let denominator = dot(shadow_z, times(h, shadow_z)) - 3.0 * other * other;
    let outer = |x: Real, i: usize, j: usize| x[i] * x[j];
    let a = [
        z[1] * shadow_z[2] - z[2] * shadow_z[1],
        z[2] * shadow_z[0] - z[0] * shadow_z[2],
        z[0] * shadow_z[1] - z[1] * shadow_z[0],
    ];
    let a = a.map(|x| x / norm(a));
    let mut rest = [[0.0; 3]; 3];
    let mut result = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            rest[i][j] = h[i][j] - outer(shadow_s, i, j) / 3.0 - outer(r, i, j) / denominator;
        }
    }
    let t = mu * frobenius(rest);
    for i in 0..3 {
        for j in 0..3 {
            result[i][j] =
                outer(s, i, j) / dot(s, z) + outer(d, i, j) / dot(d, b) + t * outer(a, i, j);
        }
    }
    result
}

pub(crate) fn scaling_maps_z_to_s_and_shadow_to_shadow<B: Barrier>(cone: &B) {
    let mut rng = rng(4);
    for (scale_s, scale_z) in [(1.0, 1.0), (1e-8, 1.0), (1e8, 1e8), (1e8, 1e-8)] {
        for part in [0.3, 0.9] {
            for _ in 0..200 {
                let (s, z) = interior(cone, &mut rng, part);
                let (s, z) = (s.map(|x| scale_s * x), z.map(|x| scale_z * x));
                let scaled = Scaled::new(cone, s, z, 1.0);
                let h = scaled.block(cone);
                let (shadow_s, shadow_z) = (gradient(cone, z).map(|x| -x), shadow(cone, s));
                // A margin for points that happen to be close to central.
                let excess = dot(s, z) * dot(shadow_s, shadow_z) / 9.0 - 1.0;
                if excess < 1e-4 {
                    continue;
                }
                let size = frobenius(h);
                assert_near("H z", scaled.multiply(cone, z), s, 1e-12 * norm(s));
                assert_near("block z", times(h, z), s, 1e-12 * size * norm(z));
                assert_near(
                    "H z~",
                    scaled.multiply(cone, shadow_z),
                    shadow_s,
                    1e-12 / excess.sqrt().min(1.0) * size * norm(shadow_z),
                );
                assert!(is_positive_definite(h), "{h:?}");
                let x = normal(&mut rng);
                assert_near("H x", scaled.multiply(cone, x), times(h, x), 1e-14 * size * norm(x));
                let expected = clarabel_block(cone, s, z);
                for i in 0..3 {
                    let tolerance = 1e-10 / excess.min(1.0) * size;
                    assert_near("H of Goulart and Chen", h[i], expected[i], tolerance);
                }
            }
        }
    }
}

/// At the central path, and at any small distance from it, H is close to mu H* and H z to s.
pub(crate) fn scaling_near_the_central_path<B: Barrier>(cone: &B) {
    let mut rng = rng(5);
    for distance in [0.0, 1e-12, 1e-8, 1e-6, 3e-5, 1e-4, 3e-4, 1e-3] {
        for _ in 0..100 {
            let z = interior(cone, &mut rng, 0.6).1;
            let mu = 10.0_f64.powf(rng.random_range(-6.0..6.0));
            let central = gradient(cone, z).map(|x| -mu * x);
            let s = plus(central, distance * 0.05 * norm(central), normal(&mut rng));
            let scaled = Scaled::new(cone, s, z, 1.0);
            let h = scaled.block(cone);
            let expected = hessian(cone, z).map(|row| row.map(|x| mu * x));
            assert!(is_positive_definite(h));
            for i in 0..3 {
                let tolerance = (1e-10 + 100.0 * distance) * frobenius(expected);
                assert_near("H", h[i], expected[i], tolerance);
            }
            let tolerance = (1e-13 + (10.0 * distance).min(1e-4)) * norm(s);
            assert_near("H z", scaled.multiply(cone, z), s, tolerance);
        }
    }
}

/// Late iterates: |s| and |z| of order 1, <s, z> of order mu, not on the central path. H is of
/// order 1/mu, and H z = s holds to its rounding error.
pub(crate) fn scaling_close_to_the_boundary<B: Barrier>(cone: &B) {
    let mut rng = rng(6);
    for mu in [1e-4, 1e-8, 1e-10] {
        for _ in 0..300 {
            let v = smooth_sample(cone, &mut rng);
            let s = Projection::new(cone, v, mu).0;
            let z = plus(s, -1.0, v);
            // Half a step in the local norms.
            let (x, y) = (normal(&mut rng), normal(&mut rng));
            let h = hessian(cone, z);
            let z = plus(z, 0.5 / dot(x, times(h, x)).sqrt(), x);
            let ds = times(h, y).map(|x| mu * x);
            let s = plus(s, 0.5 / (dot(y, ds) / mu).sqrt(), ds);
            if !inside_primal(cone, s) {
                continue;
            }
            let scaled = Scaled::new(cone, s, z, mu);
            let got = scaled.multiply(cone, z);
            let size = frobenius(scaled.block(cone)) * norm(z);
            assert_near("H z", got, s, 4e-16 * size + 1e-14 * norm(s));
            let x = normal(&mut rng);
            assert!(dot(x, scaled.multiply(cone, x)) > 0.0);
        }
    }
}

pub(crate) fn combined_constant_matches_its_definition<B: Barrier>(cone: &B) {
    let mut rng = rng(7);
    for (scale_s, scale_z) in [(1.0, 1.0), (1e-8, 1e8), (1e8, 1e8)] {
        for _ in 0..200 {
            let (s, z) = interior(cone, &mut rng, 0.7);
            let (s, z) = (s.map(|x| scale_s * x), z.map(|x| scale_z * x));
            let dz = normal(&mut rng).map(|x| scale_z * x);
            let ds = normal(&mut rng).map(|x| scale_s * x);
            let target = scale_s * scale_z * rng.random_range(0.0..1.0);
            let h = hessian(cone, z);
            let pulled = lower(scaling::solve_gram(cone.root(cone.local(lift(z))), lift(ds)));
            assert_near("(H*)^-1 ds", times(h, pulled), ds, 1e-12 * frobenius(h) * norm(pulled));
            let eta = third(cone, z, dz, pulled).map(|x| -0.5 * x);
            let expected = plus(plus(s, target, gradient(cone, z)), 1.0, eta);
            let got = combined(cone, (s, z), (ds, dz), target);
            assert_near("c", got, expected, 1e-13 * (norm(s) + norm(eta) + norm(expected)));
        }
    }
}

/// From a central point with H = mu H*: the affine direction (ds, dz) and its correction (ds_2,
/// dz_2) follow s + mu(a) grad f* = 0, mu(a) = (1 - a) mu, with an error of order a^3; and c is
/// what makes the single combined step with target (1 - a) mu do the same at a = 1.
pub(crate) fn combined_step_is_of_third_order<B: Barrier>(cone: &B) {
    let mut rng = rng(8);
    for _ in 0..100 {
        let z = interior(cone, &mut rng, 0.5).1;
        let mu = rng.random_range(0.1..10.0);
        let s = gradient(cone, z).map(|x| -mu * x);
        let h = hessian(cone, z).map(|row| row.map(|x| mu * x));
        let dz = normal(&mut rng);
        let ds = plus(s.map(|x| -x), -1.0, times(h, dz));
        let c = combined(cone, (s, z), (ds, dz), 0.0);
        let eta = plus(c, -1.0, s);
        let residual = |a: f64| {
            let z = plus(z, a, dz);
            let s = plus(plus(s, a, ds), -a * a, eta);
            norm(plus(s, (1.0 - a) * mu, gradient(cone, z)))
        };
        let local = dot(dz, times(h, dz)).sqrt() / mu.sqrt();
        let a = 0.01 / local.max(1.0);
        let (coarse, fine) = (residual(a), residual(0.5 * a));
        let ratio = coarse / fine;
        assert!((6.0..10.5).contains(&ratio) || coarse < 1e-12 * norm(s), "{coarse:e} {fine:e}");
    }
}

pub(crate) fn step_length_matches_membership<B: Barrier>(cone: &B) {
    let mut rng = rng(9);
    let step = |s: Real, z: Real, ds: Real, dz: Real, limit: f64| {
        cone.step_length(
            Scalar,
            &[],
            (&lift(s), &lift(z)),
            (&lift(ds), &lift(dz)),
            real(limit),
            &mut [],
        )
        .lane(0)
    };
    for part in [0.5, 0.99, 1.0 - 1e-6] {
        for _ in 0..300 {
            let (s, z) = interior(cone, &mut rng, part);
            let (ds, dz) = (normal(&mut rng), normal(&mut rng));
            let limit = rng.random_range(0.5..2.0);
            let got = step(s, z, ds, dz, limit);
            let inside =
                |a: f64| inside_primal(cone, plus(s, a, ds)) && inside_dual(cone, plus(z, a, dz));
            let (mut low, mut high) = (0.0, limit);
            for _ in 0..200 {
                let middle = 0.5 * (low + high);
                if inside(middle) { low = middle } else { high = middle }
            }
            let largest = if inside(limit) { limit } else { low };
            assert!(got > 0.0 && got <= largest && got >= 0.799 * largest, "{got} {largest}");
        }
    }
    let e = Barrier::unit(cone);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(step(e, e, [0.0, bad, 0.0], e, 1.0), 0.0);
        assert_eq!(step(e, e, e, [bad, 0.0, 0.0], 1.0), 0.0);
        assert_eq!(step(e, e, e, e, bad), 0.0);
    }
    // No step stays inside from a point outside.
    assert_eq!(step(e.map(|x| -x), e, [0.0; 3], e, 1.0), 0.0);
}

/// Points v of all kinds: anywhere, near the cones' boundaries from either side, at any scale.
pub(crate) fn sample<B: Barrier>(cone: &B, rng: &mut ChaCha8Rng) -> Real {
    let unit = Barrier::unit(cone);
    let v = match rng.random_range(0..5) {
        0 => normal(rng),
        1 => [0; 3]
            .map(|_| rng.random_range(-1.0..1.0_f64) * 10.0_f64.powf(rng.random_range(-8.0..0.0))),
        2 => {
            let s = point(rng, unit, 1.0, |s| inside_primal(cone, s));
            plus(s, 10.0_f64.powf(rng.random_range(-12.0..0.0)), normal(rng))
        }
        3 => {
            let z = point(rng, unit, 1.0, |z| inside_dual(cone, z));
            plus(z.map(|x| -x), 10.0_f64.powf(rng.random_range(-12.0..0.0)), normal(rng))
        }
        _ => {
            let mut v = normal(rng);
            v[rng.random_range(0..3)] = 0.0;
            v
        }
    };
    let scale = [1e-8, 1.0, 1e8][rng.random_range(0..3)];
    v.map(|x| scale * x)
}

/// Asserts that s in K, z = s - v in K* and <s, z> = 0 up to `tolerance` times |v|.
pub(crate) fn assert_moreau<B: Barrier>(cone: &B, v: Real, s: Real, tolerance: f64) {
    let (z, size) = (plus(s, -1.0, v), norm(v));
    let e = Barrier::unit(cone);
    let tolerance = tolerance * size;
    assert!(s.iter().all(|x| x.is_finite()), "{v:?} {s:?}");
    assert!(inside_primal(cone, plus(s, tolerance, e)) || size == 0.0, "s outside: {v:?} {s:?}");
    assert!(inside_dual(cone, plus(z, tolerance, e)) || size == 0.0, "z outside: {v:?} {z:?}");
    let product = dot(s, z).abs();
    assert!(product <= tolerance * size, "<s, z> = {product:e}: {v:?} {s:?}");
}

pub(crate) fn projection_satisfies_moreau<B: Barrier>(cone: &B) {
    let mut rng = rng(10);
    for _ in 0..20_000 {
        let v = sample(cone, &mut rng);
        assert_moreau(cone, v, Projection::new(cone, v, 0.0).0, 1e-15);
    }
    for v in [[0.0; 3], [-0.0; 3], Barrier::unit(cone), Barrier::unit(cone).map(|x| -x)] {
        assert_moreau(cone, v, Projection::new(cone, v, 0.0).0, 1e-15);
    }
}

pub(crate) fn projection_is_homogeneous_and_idempotent<B: Barrier>(cone: &B) {
    let mut rng = rng(11);
    for _ in 0..5_000 {
        let v = sample(cone, &mut rng);
        let s = Projection::new(cone, v, 0.0).0;
        let size = norm(v);
        let doubled = Projection::new(cone, v.map(|x| 1024.0 * x), 0.0).0;
        assert_near("homogeneous", doubled, s.map(|x| 1024.0 * x), 1e-15 * 1024.0 * size);
        assert_near("idempotent", Projection::new(cone, s, 0.0).0, s, 2e-15 * size);
        let z = plus(s, -1.0, v);
        let zero = Projection::new(cone, z.map(|x| -x), 0.0).0;
        assert_near("polar", zero, [0.0; 3], 4e-15 * size);
        let between = plus(plus([0.0; 3], 3.0, s), -0.3, z);
        let tripled = Projection::new(cone, between, 0.0).0;
        assert_near("normal cone", tripled, s.map(|x| 3.0 * x), 2e-14 * size);
    }
}

/// Points at which the projection is smooth on a scale of 1e-3.
fn smooth_sample<B: Barrier>(cone: &B, rng: &mut ChaCha8Rng) -> Real {
    loop {
        let v = normal(rng);
        if cone.kinks(Scalar, lift(v), real(0.05)).lane(0) == 0.0 {
            return v;
        }
    }
}

pub(crate) fn derivative_matches_differences<B: Barrier>(cone: &B) {
    let mut rng = rng(12);
    for scale in [1e-8, 1.0, 1e8] {
        let mut precise = 0;
        for _ in 0..500 {
            let v = smooth_sample(cone, &mut rng).map(|x| scale * x);
            let x = normal(&mut rng).map(|x| scale * x);
            let f = |v: Real| Projection::new(cone, v, 0.0).0;
            let coarse = difference(f, v, x, 2e-4);
            let expected = difference(f, v, x, 1e-4);
            // Where the boundary bends sharply, differences are less exact, and tell so.
            let error = norm(plus(coarse, -1.0, expected));
            let got = Projection::new(cone, v, 0.0).apply(cone, Function::Derivative, x);
            assert_near("D x", got, expected, 1e-10 * norm(x) + error);
            precise += usize::from(error < 1e-9 * norm(x));
        }
        assert!(precise > 400, "{precise}");
    }
}

pub(crate) fn functions_of_the_derivative_are_consistent<B: Barrier>(cone: &B) {
    let mut rng = rng(13);
    for round in 0..4_000 {
        let v = sample(cone, &mut rng);
        let mu = if round % 2 == 0 { 0.0 } else { 1e-3 * dot(v, v) };
        let projection = Projection::new(cone, v, mu);
        check_functions(cone, &projection, mu == 0.0);
        if mu == 0.0 {
            let s = projection.apply(cone, Function::Derivative, v);
            assert_near("D v = P(v)", s, projection.0, 2e-15 * norm(v));
        }
    }
}

#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
fn check_functions<B: Barrier>(cone: &B, projection: &Projection, exact: bool) {
    let (d, complement) = projection.eigenvalues();
    for k in 0..3 {
        assert!((0.0..=1.0).contains(&d[k]) && (0.0..=1.0).contains(&complement[k]));
        assert!((d[k] + complement[k] - 1.0).abs() < 3e-16);
    }
    let derivative = projection.matrix(cone, Function::Derivative);
    let complement = projection.matrix(cone, Function::Complement);
    let root = projection.matrix(cone, Function::RootComplement);
    let inverse = projection.matrix(cone, Function::InverseComplement);
    let block = projection.block(cone);
    let delta = projection.1[15].lane(0);
    assert!(delta == 1.0 / STEEPEST || (exact && delta == 1.0 / FREE));
    for i in 0..3 {
        let identity: Real = std::array::from_fn(|j| f64::from(i == j));
        let sum = plus(derivative[i], 1.0, complement[i]);
        assert_near("D + (I - D)", sum, identity, 4e-15);
        let square = times(root, root[i]);
        assert_near("square of the root", square, complement[i], 2e-15);
        let shifted = plus(complement[i], delta, identity);
        let size = frobenius(inverse);
        assert_near("inverse", times(inverse, shifted), identity, 1e-15 * size + 4e-15);
        assert_near("block", times(inverse, derivative[i]), block[i], 2e-15 * size);
        let unit = projection.apply(cone, Function::Block, identity);
        assert_near("block entries", unit, block[i], 1e-15 * frobenius(block));
        for j in 0..3 {
            assert!((derivative[i][j] - derivative[j][i]).abs() < 1e-15);
        }
    }
}

/// s - z = v and s = -mu grad f*(z).
pub(crate) fn central_projection_is_central<B: Barrier>(cone: &B) {
    let mut rng = rng(14);
    for scale in [1e-8, 1.0, 1e8] {
        for mu in [1e3, 1.0, 1e-3, 1e-5, 1e-7] {
            for _ in 0..300 {
                let v = normal(&mut rng).map(|x| scale * x);
                let mu = mu * scale * scale;
                let s = Projection::new(cone, v, mu).0;
                let z = plus(s, -1.0, v);
                assert!(inside_primal(cone, s) && inside_dual(cone, z));
                let product = dot(s, z);
                let size = norm(v) + mu.sqrt();
                assert!((product - 3.0 * mu).abs() < 2e-15 * size * size, "{product} {mu}");
                // z is known to the rounding of v, which is much where z is close to the boundary.
                let h = frobenius(hessian(cone, z));
                let expected = gradient(cone, z).map(|x| -mu * x);
                let tolerance = 1e-14 * norm(s) + 4e-16 * mu * h * size;
                assert_near("-mu grad f*", s, expected, tolerance);
            }
        }
    }
    // v = 0 is the unit point.
    let s = Projection::new(cone, [0.0; 3], 4.0).0;
    assert_near("v = 0", s, Barrier::unit(cone).map(|x| 2.0 * x), 1e-14);
}

/// |P_mu(v) - P(v)|^2 <= 3 mu: the duality gap bounds the distance.
pub(crate) fn central_projection_tends_to_the_projection<B: Barrier>(cone: &B) {
    let mut rng = rng(15);
    for mu in [1e-2, 1e-4, 1e-8, 1e-12, 1e-20, 1e-40] {
        for _ in 0..500 {
            let v = normal(&mut rng);
            let exact = Projection::new(cone, v, 0.0).0;
            let s = Projection::new(cone, v, mu).0;
            let distance = norm(plus(s, -1.0, exact));
            assert!(distance <= (3.0 * mu).sqrt() + 4e-15 * norm(v), "{v:?} {mu} {distance:e}");
        }
    }
}

pub(crate) fn central_derivative_matches_differences<B: Barrier>(cone: &B) {
    let mut rng = rng(16);
    for scale in [1e-8, 1.0, 1e8] {
        for (mu, step, tolerance) in [(1.0, 1e-3, 1e-10), (1e-2, 1e-4, 1e-9), (1e-4, 1e-5, 1e-8)] {
            let mu = mu * scale * scale;
            for _ in 0..200 {
                let v = normal(&mut rng).map(|x| scale * x);
                let x = normal(&mut rng).map(|x| scale * x);
                let f = |v: Real| Projection::new(cone, v, mu).0;
                let expected = difference(f, v, x, step);
                let got = Projection::new(cone, v, mu).apply(cone, Function::Derivative, x);
                assert_near("D x", got, expected, tolerance * norm(x));
            }
        }
    }
}

/// Numbers stay finite, D a derivative, and s inside, for any ratio of mu to |v|^2.
pub(crate) fn central_projection_at_extreme_scales<B: Barrier>(cone: &B) {
    let mut rng = rng(17);
    for _ in 0..3_000 {
        let v = sample(cone, &mut rng);
        let mu = 10.0_f64.powf(rng.random_range(-40.0..20.0));
        let projection = Projection::new(cone, v, mu);
        assert!(projection.0.iter().all(|x| x.is_finite()), "{v:?} {mu}");
        let (d, _) = projection.eigenvalues();
        let basis: Vec<f64> = projection.1.iter().map(|x| x.lane(0)).collect();
        assert!(basis.iter().all(|d| d.is_finite()), "{v:?} {mu:e} {d:?} {basis:?}");
        check_functions(cone, &projection, true);
        let exact = Projection::new(cone, v, 0.0).0;
        let distance = norm(plus(projection.0, -1.0, exact));
        let bound = (3.0 * mu).sqrt() * (1.0 + 1e-14) + 1e-14 * norm(v);
        assert!(distance <= bound, "{v:?} {mu:e} {distance:e}");
    }
}

pub(crate) fn invalid_numbers_stay_in_their_lane<B: Barrier>(cone: &B) {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for i in 0..3 {
            for mu in [0.0, 1.0] {
                let mut v = [1.0, -1.0, 0.5];
                v[i] = bad;
                let s = Projection::new(cone, v, mu).0;
                assert!(s.iter().any(|x| x.is_nan()), "{v:?} {s:?}");
            }
        }
    }
    assert!(Projection::new(cone, [1.0; 3], f64::NAN).0.iter().any(|x| x.is_nan()));
    for point in [[f64::NAN; 3], [f64::NAN, 1.0, 1.0], [-1.0, f64::NAN, 1.0], [-1.0, 1.0, f64::NAN]]
    {
        assert!(!inside_primal(cone, point) && !inside_dual(cone, point));
    }
}

/// All functions of the cone on one column of 20 numbers per lane: s, z, ds, dz, v, x, mu, target.
struct Everything<'a, B: Barrier>(&'a B, &'a [f64], &'a mut [f64]);

const INPUTS: usize = 20;
const OUTPUTS: usize = 9 + 6 + 3 + 3 + 1 + 3 + 16 + 6 + 3 + 1;

impl<B: Barrier> LaneTask for Everything<'_, B> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(cone, input, output) = self;
        let (input, output) = (V::slice(simd, input), V::slice_mut(simd, output));
        for (x, y) in input.chunks_exact(INPUTS).zip(output.chunks_exact_mut(OUTPUTS)) {
            let (s, z, ds, dz) = (&x[..3], &x[3..6], &x[6..9], &x[9..12]);
            let (v, direction, mu, target) = (&x[12..15], &x[15..18], x[18], x[19]);
            let (data, y) = y.split_at_mut(9);
            let (h, y) = y.split_at_mut(6);
            let (product, y) = y.split_at_mut(3);
            let (c, y) = y.split_at_mut(3);
            let (step, y) = y.split_at_mut(1);
            cone.scaling(simd, (s, z), mu, data, &mut []);
            cone.write_scaling_block(simd, data, h);
            cone.multiply_scaling(simd, data, direction, product, &mut []);
            cone.combined_constant(simd, data, (s, z), (ds, dz), target, c, &mut []);
            let limit = V::splat(simd, 1.0);
            step[0] = cone.step_length(simd, data, (s, z), (ds, dz), limit, &mut []);
            let (point, y) = y.split_at_mut(3);
            let (data, y) = y.split_at_mut(16);
            let (block, y) = y.split_at_mut(6);
            let (applied, kinks) = y.split_at_mut(3);
            cone.projection(simd, v, mu, point, data, &mut []);
            cone.write_projection_block(simd, data, block, &mut []);
            cone.apply(simd, data, Function::RootComplement, direction, applied, &mut []);
            kinks[0] = cone.weakly_active(simd, v, data, V::splat(simd, 0.1), &mut []);
        }
    }
}

pub(crate) fn lanes_match_scalars_bitwise<B: Barrier>(cone: &B) {
    let mut rng = rng(18);
    let cases = 512;
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for case in 0..cases {
        let (s, z) = interior(cone, &mut rng, if case % 5 == 0 { 1.0 - 1e-9 } else { 0.8 });
        let mut column: Vec<f64> = [s, z].concat();
        column.extend(normal(&mut rng));
        column.extend(normal(&mut rng));
        column.extend(sample(cone, &mut rng));
        column.extend(normal(&mut rng));
        column.push(if case % 3 == 0 { 1e-3 } else { 0.0 });
        column.push(0.1);
        if case % 17 == 0 {
            let length = column.len();
            column[rng.random_range(0..length)] = f64::NAN;
        }
        columns.push(column);
    }
    let run = |instructions: Instructions, lanes: usize| {
        let mut input = vec![0.0; cases * INPUTS];
        let mut output = vec![0.0; cases * OUTPUTS];
        for (case, column) in columns.iter().enumerate() {
            for (i, &x) in column.iter().enumerate() {
                input[(case / lanes * INPUTS + i) * lanes + case % lanes] = x;
            }
        }
        dispatch(instructions, Everything(cone, &input, &mut output));
        let at =
            |case: usize, i: usize| output[(case / lanes * OUTPUTS + i) * lanes + case % lanes];
        (0..cases)
            .map(|case| (0..OUTPUTS).map(|i| at(case, i)).collect())
            .collect::<Vec<Vec<f64>>>()
    };
    let expected = run(Instructions::Scalar, 1);
    for instructions in [Instructions::Detect, Instructions::Avx2] {
        let got = run(instructions, crate::lanes::lane_count(instructions));
        for case in 0..cases {
            for (i, (a, b)) in got[case].iter().zip(&expected[case]).enumerate() {
                let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                assert!(same, "case {case}, output {i}: {a:e} and {b:e}");
            }
        }
    }
}
