//! Full squares in plain f64, row by row, are the reference; eigenvectors of test matrices come
//! from Gram-Schmidt, so nothing here leans on the code under test.

use argrad_conformance::dot;
use pulp::{Scalar, Simd};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::*;
use crate::Instructions;
use crate::lanes::{Buffer, LaneTask, dispatch};

type Lane = V<Scalar>;

const FUNCTIONS: [Function; 5] = [
    Function::Derivative,
    Function::Complement,
    Function::RootComplement,
    Function::InverseComplement,
    Function::Block,
];

fn lane(x: f64) -> Lane {
    V::splat(Scalar, x)
}

fn lanes(x: &[f64]) -> Vec<Lane> {
    x.iter().map(|&x| lane(x)).collect()
}

fn plain(x: &[Lane]) -> Vec<f64> {
    x.iter().map(|x| x.lane(0)).collect()
}

fn memory(len: usize) -> Vec<Lane> {
    // What is in the memory must not matter.
    vec![lane(f64::NAN); len]
}

// Dense reference.

fn multiply(n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    (0..n * n).map(|at| (0..n).map(|k| a[at / n * n + k] * b[k * n + at % n]).sum()).collect()
}

fn transposed(n: usize, a: &[f64]) -> Vec<f64> {
    (0..n * n).map(|at| a[at % n * n + at / n]).collect()
}

/// G A G'.
fn sandwich(n: usize, g: &[f64], a: &[f64]) -> Vec<f64> {
    multiply(n, &multiply(n, g, a), &transposed(n, g))
}

fn diagonal(l: &[f64]) -> Vec<f64> {
    let n = l.len();
    (0..n * n).map(|at| if at / n == at % n { l[at / n] } else { 0.0 }).collect()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn plus(x: &[f64], a: f64, y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x + a * y).collect()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    norm(&plus(x, -1.0, y))
}

fn vector(n: usize, a: &[f64]) -> Vec<f64> {
    let mut x = Vec::new();
    for j in 0..n {
        for i in 0..=j {
            let both = 0.5 * (a[i * n + j] + a[j * n + i]);
            x.push(if i == j { both } else { 2f64.sqrt() * both });
        }
    }
    x
}

fn square(n: usize, x: &[f64]) -> Vec<f64> {
    let mut a = vec![0.0; n * n];
    for j in 0..n {
        for i in 0..=j {
            let value = x[j * (j + 1) / 2 + i];
            let value = if i == j { value } else { value / 2f64.sqrt() };
            (a[i * n + j], a[j * n + i]) = (value, value);
        }
    }
    a
}

/// Whether a symmetric matrix is positive definite.
fn is_definite(n: usize, a: &[f64]) -> bool {
    let mut a = a.to_vec();
    for k in 0..n {
        let pivot = a[k * n + k];
        if pivot.is_nan() || pivot <= 0.0 {
            return false;
        }
        for i in k + 1..n {
            let factor = a[i * n + k] / pivot;
            for j in k + 1..n {
                a[i * n + j] -= factor * a[k * n + j];
            }
        }
    }
    true
}

fn random_numbers(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| StandardNormal.sample(rng)).collect()
}

fn random_vector(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    random_numbers(rng, n * (n + 1) / 2)
}

/// A random orthogonal matrix: Gram-Schmidt, twice.
fn random_rotation(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut q: Vec<Vec<f64>> = Vec::new();
    for _ in 0..n {
        let mut x = random_numbers(rng, n);
        for _ in 0..3 {
            for other in &q {
                x = plus(&x, -dot(&x, other), other);
            }
            let size = norm(&x);
            x.iter_mut().for_each(|x| *x /= size);
        }
        q.push(x);
    }
    transposed(n, &q.concat())
}

/// U diag(l) U' as a vector.
fn with_spectrum(u: &[f64], l: &[f64]) -> Vec<f64> {
    vector(l.len(), &sandwich(l.len(), u, &diagonal(l)))
}

// The cone on one lane.

fn scaling_data(n: usize, s: &[f64], z: &[f64]) -> Vec<Lane> {
    let cone = PsdTriangle::new(n, false);
    let mut data = memory(cone.scaling_len());
    let point = (&*lanes(s), &*lanes(z));
    cone.scaling(Scalar, point, lane(1.0), &mut data, &mut memory(cone.scratch_len()));
    data
}

fn multiply_scaling(n: usize, data: &[Lane], x: &[f64]) -> Vec<f64> {
    let cone = PsdTriangle::new(n, false);
    let mut y = memory(cone.dim());
    cone.multiply_scaling(Scalar, data, &lanes(x), &mut y, &mut memory(cone.scratch_len()));
    plain(&y)
}

fn combined_constant(
    n: usize,
    data: &[Lane],
    (s, z): (&[f64], &[f64]),
    (ds, dz): (&[f64], &[f64]),
    target: f64,
) -> Vec<f64> {
    let cone = PsdTriangle::new(n, false);
    let mut c = memory(cone.dim());
    cone.combined_constant(
        Scalar,
        data,
        (&lanes(s), &lanes(z)),
        (&lanes(ds), &lanes(dz)),
        lane(target),
        &mut c,
        &mut memory(cone.scratch_len()),
    );
    plain(&c)
}

fn step_length(n: usize, (s, z): (&[f64], &[f64]), (ds, dz): (&[f64], &[f64]), limit: f64) -> f64 {
    let cone = PsdTriangle::new(n, false);
    let data = scaling_data(n, s, z);
    let point = (&*lanes(s), &*lanes(z));
    let direction = (&*lanes(ds), &*lanes(dz));
    let scratch = &mut memory(cone.scratch_len());
    cone.step_length(Scalar, &data, point, direction, lane(limit), scratch).lane(0)
}

fn project(n: usize, v: &[f64], mu: f64) -> (Vec<f64>, Vec<Lane>) {
    let cone = PsdTriangle::new(n, false);
    let (mut s, mut data) = (memory(cone.dim()), memory(cone.projection_len()));
    let scratch = &mut memory(cone.scratch_len());
    cone.projection(Scalar, &lanes(v), lane(mu), &mut s, &mut data, scratch);
    (plain(&s), data)
}

fn apply(n: usize, data: &[Lane], f: Function, x: &[f64]) -> Vec<f64> {
    let cone = PsdTriangle::new(n, false);
    let mut y = memory(cone.dim());
    cone.apply(Scalar, data, f, &lanes(x), &mut y, &mut memory(cone.scratch_len()));
    plain(&y)
}

fn weakly_active(n: usize, v: &[f64], margin: f64) -> f64 {
    let cone = PsdTriangle::new(n, false);
    let (_, data) = project(n, v, 0.0);
    let scratch = &mut memory(cone.scratch_len());
    cone.weakly_active(Scalar, &lanes(v), &data, lane(margin), scratch).lane(0)
}

/// A full square from the entries of a block.
fn full_block(n: usize, h: &[Lane]) -> Vec<f64> {
    let cone = PsdTriangle::new(n, false);
    let m = cone.dim();
    let mut full = vec![f64::NAN; m * m];
    for (&(i, j), h) in cone.h_entries().iter().zip(h) {
        (full[i * m + j], full[j * m + i]) = (h.lane(0), h.lane(0));
    }
    full
}

fn scaling_block(n: usize, data: &[Lane]) -> Vec<f64> {
    let cone = PsdTriangle::new(n, false);
    let mut h = memory(cone.h_entries().len());
    cone.write_scaling_block(Scalar, data, &mut h);
    full_block(n, &h)
}

fn projection_block(n: usize, data: &[Lane]) -> Vec<f64> {
    let cone = PsdTriangle::new(n, false);
    let mut h = memory(cone.h_entries().len());
    cone.write_projection_block(Scalar, data, &mut h, &mut memory(cone.scratch_len()));
    full_block(n, &h)
}

/// Pairs (s, z) inside the cone, with the error that the scaling may have: the condition of the
/// scaled point is moderate throughout, that of s and z is not.
fn interior_points(n: usize, rng: &mut ChaCha8Rng) -> Vec<(Vec<f64>, Vec<f64>, f64)> {
    let mut points = Vec::new();
    for (s_scale, z_scale) in [(1.0, 1.0), (1e-8, 1e8), (1e8, 1e-8), (1e8, 1e8), (1e-8, 1e-8)] {
        let scaled = |x: Vec<f64>, a: f64| x.iter().map(|x| a * x).collect::<Vec<_>>();
        let (u, w) = (random_rotation(rng, n), random_rotation(rng, n));
        let l: Vec<f64> = (0..n).map(|k| 0.5 + k as f64).collect();
        let s = with_spectrum(&u, &l);
        points.push((scaled(s.clone(), s_scale), scaled(with_spectrum(&w, &l), z_scale), 1e-13));
        // All eigenvalues of the scaled point equal, and S = Z = I.
        let inverse: Vec<f64> = l.iter().map(|l| 1.0 / l).collect();
        points.push((scaled(s, s_scale), scaled(with_spectrum(&u, &inverse), z_scale), 1e-13));
        let unit = vector(n, &diagonal(&vec![1.0; n]));
        points.push((scaled(unit.clone(), s_scale), scaled(unit, z_scale), 1e-14));
        // Near the boundary: strictly complementary with mu about 1e-9. S and Z are known to
        // rounding errors of their norm, so what the scaling does in the small directions has a
        // relative error of 1e-16 / 1e-9.
        let (mut small, mut large) = (l.clone(), l.clone());
        for k in 0..n {
            let side = if k % 2 == 0 { &mut small } else { &mut large };
            side[k] *= 1e-9;
        }
        let s = with_spectrum(&u, &small);
        let z = with_spectrum(&u, &large);
        points.push((scaled(s, s_scale), scaled(z, z_scale), 1e-6));
    }
    points
}

#[test]
fn dimensions() {
    for n in [0, 1, 2, 6, 10] {
        let cone = PsdTriangle::new(n, false);
        assert_eq!((cone.dim(), cone.degree()), (n * (n + 1) / 2, n));
        assert_eq!(cone.h_entries().len(), cone.dim() * (cone.dim() + 1) / 2);
        assert!(cone.is_symmetric() && !cone.rows_scale_freely() && cone.auxiliary().is_empty());
    }
}

#[test]
fn unit_is_the_central_point_with_mu_one() {
    for n in 0..7 {
        let cone = PsdTriangle::new(n, false);
        let (mut s, mut z) = (memory(cone.dim()), memory(cone.dim()));
        cone.unit(Scalar, &mut s, &mut z);
        let identity = vector(n, &diagonal(&vec![1.0; n]));
        assert_eq!((plain(&s), plain(&z)), (identity.clone(), identity.clone()));
        assert_eq!(dot(&identity, &identity), n as f64);
        let data = scaling_data(n, &identity, &identity);
        assert_eq!(scaling_block(n, &data), diagonal(&vec![1.0; cone.dim()]));
    }
}

#[test]
fn scaling_takes_both_points_to_the_same_diagonal_matrix() {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    for n in [0, 1, 2, 3, 6, 7, 10] {
        for (s, z, _) in interior_points(n, rng) {
            let data = scaling_data(n, &s, &z);
            let scaling = ScalingData::of(n, &data);
            let (r, r_inverse) = (plain(scaling.r), plain(scaling.r_inverse));
            let lambda = diagonal(&plain(scaling.lambda));
            assert_eq!(plain(scaling.r_transposed), transposed(n, &r));
            // The points are known to eps times their norms, which bounds what can be asked for.
            let tolerance = |g: &[f64], x: &[f64]| 1e-15 * n as f64 * norm(g).powi(2) * norm(x);
            let scaled = sandwich(n, &r_inverse, &square(n, &s));
            assert!(
                distance(&scaled, &lambda) <= 1e-14 * norm(&lambda) + tolerance(&r_inverse, &s)
            );
            let scaled = sandwich(n, &transposed(n, &r), &square(n, &z));
            assert!(distance(&scaled, &lambda) <= 1e-14 * norm(&lambda) + tolerance(&r, &z));
            let identity = diagonal(&vec![1.0; n]);
            let product = multiply(n, &r_inverse, &r);
            assert!(distance(&product, &identity) <= 1e-15 * norm(&r) * norm(&r_inverse));
        }
    }
}

#[test]
fn scaling_block_maps_z_to_s_and_is_positive_definite() {
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    for n in [0, 1, 2, 3, 6, 7, 10] {
        let m = n * (n + 1) / 2;
        for (s, z, tolerance) in interior_points(n, rng) {
            let data = scaling_data(n, &s, &z);
            let image = multiply_scaling(n, &data, &z);
            assert!(distance(&image, &s) <= tolerance * norm(&s));

            let h = scaling_block(n, &data);
            let x = random_vector(rng, n);
            let product: Vec<f64> = (0..m).map(|i| dot(&h[i * m..(i + 1) * m], &x)).collect();
            let y = multiply_scaling(n, &data, &x);
            assert!(distance(&y, &product) <= 1e-14 * norm(&h) * norm(&x));
            for k in 0..m {
                let mut unit = vec![0.0; m];
                unit[k] = 1.0;
                let column = multiply_scaling(n, &data, &unit);
                assert!(distance(&column, &h[k * m..(k + 1) * m]) <= 3e-15 * norm(&h));
            }
            if tolerance <= 1e-13 {
                assert!(is_definite(m, &h));
            }
        }
    }
}

#[test]
fn points_that_are_not_inside_have_no_scaling() {
    let n = 3;
    let identity = vector(n, &diagonal(&[1.0; 3]));
    for bad in [diagonal(&[1.0, -1.0, 2.0]), diagonal(&[1.0, 2.0, 0.0]), vec![f64::NAN; 9]] {
        let bad = vector(n, &bad);
        assert!(
            multiply_scaling(n, &scaling_data(n, &bad, &identity), &identity)
                .iter()
                .all(|x| x.is_nan())
        );
        let h = multiply_scaling(n, &scaling_data(n, &identity, &bad), &identity);
        assert!(h.iter().any(|x| x.is_nan()) || !h.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn combined_constant_solves_its_equation_in_scaled_coordinates() {
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    for n in [0, 1, 2, 3, 6, 7, 10] {
        for (s, z, tolerance) in interior_points(n, rng) {
            let data = scaling_data(n, &s, &z);
            let scaling = ScalingData::of(n, &data);
            let (r, r_inverse) = (plain(scaling.r), plain(scaling.r_inverse));
            let lambda = diagonal(&plain(scaling.lambda));
            let mu = dot(&s, &z) / n.max(1) as f64;
            // Directions of the order of the point in scaled coordinates.
            let scaled_ds: Vec<f64> =
                square(n, &random_vector(rng, n)).iter().map(|x| mu.sqrt() * x).collect();
            let scaled_dz: Vec<f64> =
                square(n, &random_vector(rng, n)).iter().map(|x| mu.sqrt() * x).collect();
            let ds = vector(n, &sandwich(n, &r, &scaled_ds));
            let dz = vector(n, &sandwich(n, &transposed(n, &r_inverse), &scaled_dz));
            let target = 0.3 * mu;
            let c = combined_constant(n, &data, (&s, &z), (&ds, &dz), target);

            let c = sandwich(n, &r_inverse, &square(n, &c));
            let jordan = |a: &[f64], b: &[f64]| {
                let (ab, ba) = (multiply(n, a, b), multiply(n, b, a));
                (0..n * n).map(|k| 0.5 * (ab[k] + ba[k])).collect::<Vec<_>>()
            };
            let left = jordan(&lambda, &c);
            let mut right = plus(&jordan(&lambda, &lambda), 1.0, &jordan(&scaled_ds, &scaled_dz));
            for k in 0..n {
                right[k * n + k] -= target;
            }
            assert!(distance(&left, &right) <= 10.0 * tolerance * norm(&right));

            // Without direction and target it is the constant of the affine step.
            let none = vec![0.0; s.len()];
            assert_eq!(combined_constant(n, &data, (&s, &z), (&none, &none), 0.0), s);
        }
    }
}

#[test]
fn steps_reach_the_boundary_and_no_further() {
    let rng = &mut ChaCha8Rng::seed_from_u64(4);
    for n in [1, 2, 3, 6, 7, 10] {
        for (s, z, tolerance) in interior_points(n, rng) {
            let data = scaling_data(n, &s, &z);
            let scaling = ScalingData::of(n, &data);
            let (r, r_inverse) = (plain(scaling.r), plain(scaling.r_inverse));
            let size = (dot(&s, &z) / n as f64).sqrt();
            for _ in 0..3 {
                let mut random = || -> Vec<f64> {
                    square(n, &random_vector(rng, n)).iter().map(|x| size * x).collect()
                };
                let ds = vector(n, &sandwich(n, &r, &random()));
                let dz = vector(n, &sandwich(n, &transposed(n, &r_inverse), &random()));
                let step = step_length(n, (&s, &z), (&ds, &dz), 1e3);
                let inside = |a: f64| {
                    is_definite(n, &square(n, &plus(&s, a, &ds)))
                        && is_definite(n, &square(n, &plus(&z, a, &dz)))
                };
                if inside(1e3) {
                    assert_eq!(step, 1e3);
                } else {
                    let (mut low, mut high) = (0.0, 1e3);
                    while high - low > 1e-15 * high {
                        let middle = 0.5 * (low + high);
                        if inside(middle) { low = middle } else { high = middle }
                    }
                    assert!((step / low - 1.0).abs() <= 30.0 * tolerance, "{n} {step} {low}");
                }
                assert_eq!(step_length(n, (&s, &z), (&ds, &dz), 0.9 * step), 0.9 * step);
            }
        }
    }
}

#[test]
fn steps_inwards_take_the_limit_and_multiple_roots_stay_inside() {
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    for n in [1, 2, 3, 6, 10] {
        let u = random_rotation(rng, n);
        let one = with_spectrum(&u, &vec![1.0; n]);
        let none = vec![0.0; one.len()];
        assert_eq!(step_length(n, (&one, &one), (&one, &none), 1.0), 1.0);
        assert_eq!(step_length(n, (&one, &one), (&none, &none), 1.0), 1.0);
        assert_eq!(step_length(n, (&one, &one), (&none, &none), f64::INFINITY), f64::INFINITY);
        let back: Vec<f64> = one.iter().map(|x| -2.0 * x).collect();
        assert!((step_length(n, (&one, &one), (&none, &back), 1.0) - 0.5).abs() <= 1e-14);
        let l: Vec<f64> = (0..n).map(|k| if k % 2 == 0 { -4.0 } else { 1.0 }).collect();
        let step = step_length(n, (&one, &one), (&with_spectrum(&u, &l), &none), 1.0);
        assert!((0.25 * (1.0 - 3e-6)..=0.25 * (1.0 + 1e-14)).contains(&step));
    }
    for bad in [f64::NAN, f64::INFINITY] {
        for n in [1, 2, 3, 6] {
            let one = vector(n, &diagonal(&vec![1.0; n]));
            let mut direction = one.clone();
            direction[one.len() / 2] = bad;
            assert!(step_length(n, (&one, &one), (&direction, &one), 1.0).is_nan());
            assert!(step_length(n, (&one, &one), (&one, &direction), 1.0).is_nan());
        }
    }
}

/// Spectra of v: generic, on and near the boundary, inside, outside, equal eigenvalues.
fn spectra(n: usize) -> Vec<Vec<f64>> {
    let of = |f: &dyn Fn(usize) -> f64| (0..n).map(f).collect::<Vec<_>>();
    let sign = |k: usize| [1.0, -1.0][k % 2];
    vec![
        of(&|k| sign(k) * (1.0 + 0.3 * k as f64)),
        of(&|k| 1.0 + k as f64),
        of(&|k| -1.0 - k as f64),
        of(&|k| sign(k)),
        of(&|_| 1.0),
        of(&|_| -1.0),
        of(&|_| 0.0),
        of(&|k| if k % 3 == 0 { 0.0 } else { sign(k) }),
        of(&|k| if k % 3 == 0 { 1e-9 * sign(k) } else { sign(k) * k as f64 }),
        of(&|k| if k == 0 { -1e-9 } else { 1.0 }),
    ]
}

#[test]
fn projection_splits_v_by_the_signs_of_its_eigenvalues() {
    let rng = &mut ChaCha8Rng::seed_from_u64(6);
    for n in 0..=10 {
        for scale in [1.0, 1e-8, 1e8] {
            for l in spectra(n) {
                let l: Vec<f64> = l.iter().map(|l| scale * l).collect();
                let u = random_rotation(rng, n);
                let v = with_spectrum(&u, &l);
                let (s, _) = project(n, &v, 0.0);
                let z = plus(&s, -1.0, &v);
                let size = norm(&v);
                let exact = with_spectrum(&u, &l.iter().map(|l| l.max(0.0)).collect::<Vec<_>>());
                assert!(distance(&s, &exact) <= 1e-14 * size);
                // Moreau: both parts in the cone and orthogonal.
                let edge = vector(n, &diagonal(&vec![1e-14 * size + f64::MIN_POSITIVE; n]));
                assert!(is_definite(n, &square(n, &plus(&s, 1.0, &edge))));
                assert!(is_definite(n, &square(n, &plus(&z, 1.0, &edge))));
                assert!(dot(&s, &z).abs() <= 1e-14 * size * size);
                if l.iter().all(|&l| l > 0.5 * scale) {
                    assert_eq!(s, v);
                }
                if l.iter().all(|&l| l < -0.5 * scale) {
                    assert!(s.iter().all(|&s| s == 0.0));
                }
            }
        }
    }
}

#[test]
fn smoothed_projection_solves_the_equation_of_the_central_path() {
    let rng = &mut ChaCha8Rng::seed_from_u64(7);
    for n in 0..=10 {
        for scale in [1.0, 1e-8, 1e8] {
            for mu in [1.0, 1e-4, 1e-10] {
                let mu = mu * scale * scale;
                for l in spectra(n) {
                    let l: Vec<f64> = l.iter().map(|l| scale * l).collect();
                    let u = random_rotation(rng, n);
                    let v = with_spectrum(&u, &l);
                    let (s, _) = project(n, &v, mu);
                    // s - z = v by definition of z; s z = mu in all eigenvalues.
                    let z = plus(&s, -1.0, &v);
                    let product = multiply(n, &square(n, &s), &square(n, &z));
                    let error = distance(&product, &diagonal(&vec![mu; n]));
                    assert!(
                        error <= 2e-14 * (norm(&s) + norm(&z)).powi(2),
                        "{n} {scale} {mu} {error}"
                    );
                    let exact = |l: f64| {
                        let r = (l * l + 4.0 * mu).sqrt();
                        if l >= 0.0 { 0.5 * (l + r) } else { 2.0 * mu / (r - l) }
                    };
                    let exact = with_spectrum(&u, &l.iter().map(|&l| exact(l)).collect::<Vec<_>>());
                    assert!(distance(&s, &exact) <= 1e-14 * (norm(&s) + norm(&z)));
                }
            }
        }
    }
}

#[test]
fn derivative_matches_finite_differences_of_the_projection() {
    let rng = &mut ChaCha8Rng::seed_from_u64(8);
    for n in [1, 2, 3, 6, 7, 10] {
        for scale in [1.0, 1e-8, 1e8] {
            for mu in [0.0, 1e-2, 1.0] {
                let mu = mu * scale * scale;
                // Away from kinks; with equal eigenvalues too.
                for l in &spectra(n)[..6] {
                    let l: Vec<f64> = l.iter().map(|l| scale * l).collect();
                    let v = with_spectrum(&random_rotation(rng, n), &l);
                    let x = random_vector(rng, n);
                    let (_, data) = project(n, &v, mu);
                    let dx = apply(n, &data, Function::Derivative, &x);
                    let h = 1e-5 * scale;
                    let (above, _) = project(n, &plus(&v, h, &x), mu);
                    let (below, _) = project(n, &plus(&v, -h, &x), mu);
                    let difference: Vec<f64> =
                        plus(&above, -1.0, &below).iter().map(|d| d / (2.0 * h)).collect();
                    let error = distance(&dx, &difference) / norm(&x);
                    assert!(error <= 1e-8, "{n} {scale} {mu} {l:?} {error:e}");
                }
            }
        }
    }
}

#[test]
fn smoothed_derivative_matches_finite_differences_near_kinks() {
    let rng = &mut ChaCha8Rng::seed_from_u64(9);
    for n in [1, 2, 6] {
        // At a kink the smoothing is the scale.
        for (mu, h) in [(1e-2, 1e-5), (1e-6, 1e-6)] {
            for l in &spectra(n)[6..] {
                let v = with_spectrum(&random_rotation(rng, n), l);
                let x = random_vector(rng, n);
                let (_, data) = project(n, &v, mu);
                let dx = apply(n, &data, Function::Derivative, &x);
                let (above, _) = project(n, &plus(&v, h, &x), mu);
                let (below, _) = project(n, &plus(&v, -h, &x), mu);
                let difference: Vec<f64> =
                    plus(&above, -1.0, &below).iter().map(|d| d / (2.0 * h)).collect();
                // The third derivative is of order 1 / mu.
                let error = distance(&dx, &difference) / norm(&x);
                assert!(error <= h * h / mu * norm(&x).powi(2) + 1e-9, "{n} {mu} {error:e}");
            }
        }
    }
}

#[test]
fn derivative_is_exact_at_diagonal_points() {
    // Of diagonal matrices the eigenvectors are exact, so every d_ij shows.
    let values = [3.0, 1e-9, 0.0, -1e-9, -2.0, 1e-14];
    let n = values.len();
    let v = vector(n, &diagonal(&values));
    for mu in [0.0, 1e-30, 1e-18, 1e-6, 1.0] {
        let (_, data) = project(n, &v, mu);
        for j in 0..n {
            for i in 0..=j {
                // The larger of the two eigenvalues of (S, Z) has no cancellation, the other one
                // follows.
                let parts = |l: f64| {
                    let large = 0.5 * (l.abs() + (l * l + 4.0 * mu).sqrt());
                    let small = if mu > 0.0 { mu / large } else { 0.0 };
                    if l > 0.0 { (large, small) } else { (small, large) }
                };
                let ((si, zi), (sj, zj)) = (parts(values[i]), parts(values[j]));
                let sum = (si + sj) + (zi + zj);
                let (d, complement) =
                    if sum == 0.0 { (0.0, 1.0) } else { ((si + sj) / sum, (zi + zj) / sum) };
                let mut x = vec![0.0; n * (n + 1) / 2];
                let at = j * (j + 1) / 2 + i;
                x[at] = 1.0;
                for (f, exact) in [(Function::Derivative, d), (Function::Complement, complement)] {
                    let y = apply(n, &data, f, &x);
                    assert!(
                        (y[at] - exact).abs() <= 2e-15 * exact,
                        "{i} {j} {mu} {} {exact}",
                        y[at]
                    );
                    assert!(y.iter().enumerate().all(|(k, &y)| k == at || y == 0.0));
                }
                if mu == 0.0 && values[i] > 0.0 && values[j] > 0.0 {
                    assert_eq!((d, complement), (1.0, 0.0));
                }
            }
        }
    }
}

#[test]
fn derivative_is_symmetric_with_eigenvalues_between_zero_and_one() {
    let rng = &mut ChaCha8Rng::seed_from_u64(10);
    for n in [0, 1, 2, 3, 6, 10] {
        for scale in [1.0, 1e-8, 1e8] {
            for mu in [0.0, 1e-12, 1.0] {
                for l in spectra(n) {
                    let l: Vec<f64> = l.iter().map(|l| scale * l).collect();
                    let v = with_spectrum(&random_rotation(rng, n), &l);
                    let (_, data) = project(n, &v, mu * scale * scale);
                    let projection = ProjectionData::of(n, &data);
                    let values = plain(projection.d);
                    let complements = plain(projection.complement);
                    for (d, complement) in values.iter().zip(&complements) {
                        assert!((0.0..=1.0).contains(d) && (0.0..=1.0).contains(complement));
                        assert!((d + complement - 1.0).abs() <= 4e-16);
                    }
                    let (x, y) = (random_vector(rng, n), random_vector(rng, n));
                    for f in FUNCTIONS {
                        let (fx, fy) = (apply(n, &data, f, &x), apply(n, &data, f, &y));
                        let tolerance = 1e-14 * (norm(&fx) * norm(&y) + norm(&x) * norm(&fy));
                        assert!((dot(&fx, &y) - dot(&x, &fy)).abs() <= tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn functions_of_the_derivative_are_consistent() {
    let rng = &mut ChaCha8Rng::seed_from_u64(11);
    for n in [0, 1, 2, 3, 6, 10] {
        for mu in [0.0, 1e-12, 1e-2] {
            for l in spectra(n) {
                let v = with_spectrum(&random_rotation(rng, n), &l);
                let (_, data) = project(n, &v, mu);
                let delta = data[0].lane(0);
                let inside = mu == 0.0 && plain(&data[1..n + 1]).iter().all(|&l| l > 0.0);
                assert_eq!(delta, if inside { 1.0 / FREE } else { 1.0 / STEEPEST });
                let x = random_vector(rng, n);
                let f = |f, x: &[f64]| apply(n, &data, f, x);
                let dx = f(Function::Derivative, &x);
                let complement = f(Function::Complement, &x);
                assert!(distance(&plus(&dx, 1.0, &complement), &x) <= 1e-14 * norm(&x));
                let root = f(Function::RootComplement, &x);
                let twice = f(Function::RootComplement, &root);
                assert!(distance(&twice, &complement) <= 1e-14 * norm(&x));
                let inverse = f(Function::InverseComplement, &x);
                let back = plus(&f(Function::Complement, &inverse), delta, &inverse);
                assert!(distance(&back, &x) <= 1e-14 * (norm(&x) + norm(&inverse)));
                let block = f(Function::Block, &x);
                let product = f(Function::Derivative, &inverse);
                assert!(distance(&block, &product) <= 1e-14 * norm(&inverse));
            }
        }
    }
}

#[test]
fn projection_block_is_that_of_apply() {
    let rng = &mut ChaCha8Rng::seed_from_u64(12);
    for n in (0..=7).chain([10]) {
        let m = n * (n + 1) / 2;
        for mu in [0.0, 1e-12, 1e-2] {
            for l in spectra(n) {
                let v = with_spectrum(&random_rotation(rng, n), &l);
                let (_, data) = project(n, &v, mu);
                let h = projection_block(n, &data);
                let size = (0..m)
                    .map(|k| {
                        let mut unit = vec![0.0; m];
                        unit[k] = 1.0;
                        let column = apply(n, &data, Function::Block, &unit);
                        let h = &h[k * m..(k + 1) * m];
                        assert!(distance(&column, h) <= 3e-15 * largest(&data, n));
                        norm(h)
                    })
                    .fold(0.0, f64::max);
                assert!(size <= FREE * (1.0 + 1e-14));
                if l.iter().all(|&l| l > 0.5) && mu == 0.0 {
                    assert_eq!(h, diagonal(&vec![1.0 / (1.0 / FREE); m]));
                }
            }
        }
    }
}

/// The largest eigenvalue of the block.
fn largest(data: &[Lane], n: usize) -> f64 {
    let data = ProjectionData::of(n, data);
    let values = data.d.iter().zip(data.complement);
    values.map(|(&d, &c)| Function::Block.at(d, c, data.delta).lane(0)).fold(0.0, f64::max)
}

#[test]
fn weakly_active_counts_the_block_of_eigenvalues_near_zero() {
    let rng = &mut ChaCha8Rng::seed_from_u64(13);
    for n in [0, 1, 2, 3, 6] {
        for near in 0..=n {
            let l: Vec<f64> = (0..n)
                .map(|k| match (k < near, k % 2 == 0) {
                    (true, even) => {
                        if even {
                            1e-9
                        } else {
                            -2e-9
                        }
                    }
                    (false, even) => {
                        if even {
                            1.0
                        } else {
                            -1.0
                        }
                    }
                })
                .collect();
            let v = with_spectrum(&random_rotation(rng, n), &l);
            assert_eq!(weakly_active(n, &v, 1e-7), (near * (near + 1) / 2) as f64);
            assert_eq!(weakly_active(n, &v, 1e-12), 0.0);
        }
    }
}

#[test]
fn weakly_active_is_the_number_of_directions_in_which_the_derivative_jumps() {
    // v with k eigenvalues zero, moved by +-h in those: D of the two sides differs on k (k + 1) / 2
    // directions.
    let rng = &mut ChaCha8Rng::seed_from_u64(14);
    let n = 5;
    for zeros in 0..=3 {
        let u = random_rotation(rng, n);
        let at = |h: f64| -> Vec<f64> {
            let l: Vec<f64> =
                (0..n).map(|k| if k < zeros { h } else { [1.0, -2.0][k % 2] }).collect();
            with_spectrum(&u, &l)
        };
        let (_, above) = project(n, &at(1e-8), 0.0);
        let (_, below) = project(n, &at(-1e-8), 0.0);
        let m = n * (n + 1) / 2;
        // The difference is a projection up to 1e-8, so its trace is its rank.
        let mut trace = 0.0;
        for k in 0..m {
            let mut unit = vec![0.0; m];
            unit[k] = 1.0;
            trace += apply(n, &above, Function::Derivative, &unit)[k]
                - apply(n, &below, Function::Derivative, &unit)[k];
        }
        assert!((trace - weakly_active(n, &at(0.0), 1e-7)).abs() <= 1e-6);
    }
}

#[test]
fn shift_moves_inside_only_what_is_not_well_inside() {
    let rng = &mut ChaCha8Rng::seed_from_u64(15);
    for n in [0, 1, 2, 6, 10] {
        let cone = PsdTriangle::new(n, false);
        let shifted = |s: &[f64], z: &[f64]| {
            let (mut s, mut z) = (lanes(s), lanes(z));
            cone.shift_inside(Scalar, &mut s, &mut z, &mut memory(cone.scratch_len()));
            (plain(&s), plain(&z))
        };
        let u = random_rotation(rng, n);
        let inside = with_spectrum(&u, &(0..n).map(|k| 2.0 + 0.1 * k as f64).collect::<Vec<_>>());
        let l: Vec<f64> = (0..n).map(|k| 30.0 * k as f64 - 5.0).collect();
        let positive: f64 = l.iter().map(|l| l.max(0.0)).sum();
        let target = 0.1 * (positive / n.max(1) as f64).max(1.0);
        let exact = with_spectrum(&u, &l.iter().map(|l| l + 5.0 + target).collect::<Vec<_>>());
        let (s, z) = shifted(&inside, &with_spectrum(&u, &l));
        assert_eq!(s, inside);
        assert!(distance(&z, &exact) <= 1e-13 * norm(&exact));
        let none = vec![0.0; cone.dim()];
        let tenth = vector(n, &diagonal(&vec![0.1; n]));
        assert_eq!(shifted(&none, &none), (tenth.clone(), tenth));
    }
}

#[test]
fn side_one_is_the_half_line() {
    let (s, z, ds, dz) = (3.0, 0.5, -2.0, 0.1);
    let data = scaling_data(1, &[s], &[z]);
    assert!((scaling_block(1, &data)[0] - s / z).abs() <= 1e-14);
    let c = combined_constant(1, &data, (&[s], &[z]), (&[ds], &[dz]), 0.2)[0];
    assert!((c - (s + (ds * dz - 0.2) / z)).abs() <= 1e-14);
    assert!((step_length(1, (&[s], &[z]), (&[ds], &[dz]), 10.0) - 1.5).abs() <= 1e-14);
    for (v, s, d) in [(2.0, 2.0, 1.0), (-2.0, 0.0, 0.0), (0.0, 0.0, 0.0)] {
        let (found, data) = project(1, &[v], 0.0);
        assert_eq!(found, [s]);
        assert_eq!(apply(1, &data, Function::Derivative, &[1.0]), [d]);
        assert_eq!(projection_block(1, &data), [d / (1.0 / FREE)]);
    }
    assert_eq!(weakly_active(1, &[1e-9], 1e-8), 1.0);
}

#[test]
fn what_is_not_finite_ends_as_nan() {
    for n in [1, 2, 6] {
        for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY] {
            for mu in [0.0, 1.0] {
                let mut v = vec![1.0; n * (n + 1) / 2];
                v[n - 1] = bad;
                let (s, data) = project(n, &v, mu);
                assert!(s.iter().all(|s| s.is_nan()));
                let x = vec![1.0; v.len()];
                for f in FUNCTIONS {
                    assert!(apply(n, &data, f, &x).iter().all(|y| y.is_nan()));
                }
                assert!(projection_block(n, &data).iter().all(|h| h.is_nan()));
            }
        }
    }
}

#[test]
fn large_sides_work() {
    let rng = &mut ChaCha8Rng::seed_from_u64(16);
    let n = 60;
    let l: Vec<f64> = (0..n).map(|k| k as f64 - 30.5).collect();
    let u = random_rotation(rng, n);
    let v = with_spectrum(&u, &l);
    let (s, data) = project(n, &v, 0.0);
    let exact = with_spectrum(&u, &l.iter().map(|l| l.max(0.0)).collect::<Vec<_>>());
    assert!(distance(&s, &exact) <= 1e-14 * norm(&v));
    let x = random_vector(rng, n);
    let once = apply(n, &data, Function::Complement, &x);
    let other = plus(&x, -1.0, &apply(n, &data, Function::Derivative, &x));
    assert!(distance(&once, &other) <= 1e-13 * norm(&x));

    let p = with_spectrum(&u, &(0..n).map(|k| 1.0 + k as f64).collect::<Vec<_>>());
    let z = with_spectrum(&random_rotation(rng, n), &vec![2.0; n]);
    let data = scaling_data(n, &p, &z);
    assert!(distance(&multiply_scaling(n, &data, &z), &p) <= 1e-12 * norm(&p));
    let none = vec![0.0; p.len()];
    let step = step_length(n, (&p, &z), (&v, &none), 100.0);
    assert!((step - 1.0 / 30.5).abs() <= 1e-10);
}

/// Everything the cone does, on groups of samples: vectors s, z, ds, dz, v, x one after the
/// other.
struct Everything<'a> {
    side: usize,
    samples: &'a [Vec<f64>],
}

impl LaneTask for Everything<'_> {
    type Output = Vec<Vec<u64>>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let cone = PsdTriangle::new(self.side, false);
        let (m, lanes) = (cone.dim(), V::<S>::LANES);
        let mut outputs = Vec::new();
        for group in self.samples.chunks(lanes) {
            let zeros = |len: usize| Buffer::zeros(len * lanes);
            let mut inputs = zeros(6 * m);
            for (lane, sample) in group.iter().enumerate() {
                for (k, &x) in sample.iter().enumerate() {
                    inputs.as_mut_slice()[k * lanes + lane] = x;
                }
            }
            let input = |k: usize| &V::slice(simd, inputs.as_slice())[k * m..(k + 1) * m];
            let (s, z, ds, dz, v, x) = (input(0), input(1), input(2), input(3), input(4), input(5));
            let mut scratch = zeros(cone.scratch_len());
            let mut scratch = V::slice_mut(simd, scratch.as_mut_slice());
            let scratch = &mut scratch;
            let mut out: Vec<V<S>> = Vec::new();
            let zero = V::splat(simd, 0.0);
            let mut mu = zero;
            mu.set_lane(0, 1e-3);
            let mut y = vec![zero; m];
            let mut h = vec![zero; m * (m + 1) / 2];

            let mut data = vec![zero; cone.scaling_len()];
            cone.scaling(simd, (s, z), mu, &mut data, scratch);
            out.extend(&data);
            cone.write_scaling_block(simd, &data, &mut h);
            out.extend(&h);
            cone.multiply_scaling(simd, &data, x, &mut y, scratch);
            out.extend(&y);
            let target = V::splat(simd, 0.1);
            cone.combined_constant(simd, &data, (s, z), (ds, dz), target, &mut y, scratch);
            out.extend(&y);
            let one = V::splat(simd, 1.0);
            out.push(cone.step_length(simd, &data, (s, z), (ds, dz), one, scratch));

            for mu in [zero, V::splat(simd, 1e-2)] {
                let mut data = vec![zero; cone.projection_len()];
                cone.projection(simd, v, mu, &mut y, &mut data, scratch);
                out.extend(&data);
                out.extend(&y);
                cone.write_projection_block(simd, &data, &mut h, scratch);
                out.extend(&h);
                for f in FUNCTIONS {
                    cone.apply(simd, &data, f, x, &mut y, scratch);
                    out.extend(&y);
                }
                out.push(cone.weakly_active(simd, v, &data, V::splat(simd, 1e-6), scratch));
            }
            let (mut s, mut z) = (ds.to_vec(), dz.to_vec());
            cone.shift_inside(simd, &mut s, &mut z, scratch);
            out.extend(&s);
            out.extend(&z);
            for lane in 0..group.len() {
                let bits = |x: &V<S>| {
                    let x = x.lane(lane);
                    if x.is_nan() { u64::MAX } else { x.to_bits() }
                };
                outputs.push(out.iter().map(bits).collect());
            }
        }
        outputs
    }
}

#[test]
fn lanes_agree_bitwise_with_single_samples() {
    let rng = &mut ChaCha8Rng::seed_from_u64(17);
    for side in [0, 1, 2, 3, 6, 7] {
        let points = interior_points(side, rng);
        let spectra = spectra(side);
        let samples: Vec<Vec<f64>> = (0..20)
            .map(|k| {
                let (mut s, z, _) = points[k].clone();
                let mut v = with_spectrum(&random_rotation(rng, side), &spectra[k % spectra.len()]);
                let (ds, mut dz) = (random_vector(rng, side), random_vector(rng, side));
                // Lanes that are done at once or never get anywhere, next to the others.
                match k {
                    5 => v.fill(0.0),
                    6 => v.fill(f64::NAN),
                    9 => v = vector(side, &diagonal(&vec![-0.0; side])),
                    11 => s.iter_mut().for_each(|s| *s = -*s),
                    13 => dz.fill(f64::INFINITY),
                    14 => dz.fill(0.0),
                    _ => {}
                }
                let x = random_vector(rng, side);
                [s, z, ds, dz, v, x].concat()
            })
            .collect();
        let run = |instructions| dispatch(instructions, Everything { side, samples: &samples });
        let scalar = run(Instructions::Scalar);
        assert_eq!(scalar, run(Instructions::Detect));
        assert_eq!(scalar, run(Instructions::Avx2));
    }
}
