//! Everything the power cones share is tested here, for one to five exponents.

use argrad_conformance::dot;
use pulp::{Scalar, Simd};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::*;
use crate::Instructions;
use crate::cones::FREE;
use crate::lanes::{LaneTask, dispatch, lane_count};

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

fn length(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// A number between `low` and `high`, uniform in the logarithm.
fn magnitude(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    rng.random_range(low.ln()..high.ln()).exp()
}

fn cones() -> Vec<GeneralizedPower> {
    let mut exponents: Vec<Vec<f64>> = vec![vec![1.0]];
    for a in [0.01, 0.3, 0.5, 0.9, 0.99] {
        exponents.push(vec![a, 1.0 - a]);
    }
    exponents.push(vec![1.0 / 3.0; 3]);
    exponents.push(vec![0.01, 0.29, 0.7]);
    exponents.push(vec![0.2; 5]);
    exponents.push(vec![0.01, 0.04, 0.25, 0.3, 0.4]);
    let both = exponents.iter().flat_map(|e| [1, 3].map(|norm_dim| (e.clone(), norm_dim)));
    both.map(|(alpha, norm_dim)| GeneralizedPower::new(alpha, norm_dim)).collect()
}

/// prod x_i^a_i, zero outside of x >= 0.
fn product(alpha: &[f64], x: &[f64]) -> f64 {
    if x.iter().any(|&x| x < 0.0) {
        return 0.0;
    }
    alpha.iter().zip(x).map(|(a, x)| a * x.ln()).sum::<f64>().exp()
}

fn dual_part(alpha: &[f64], x: &[f64]) -> Vec<f64> {
    x.iter().zip(alpha).map(|(x, a)| x / a).collect()
}

impl GeneralizedPower {
    /// A point strictly inside of K, with w between 0 and `share` of what is possible.
    fn inner(&self, rng: &mut ChaCha8Rng, share: f64) -> Vec<f64> {
        let k = self.alpha.len();
        let mut x: Vec<f64> = (0..k).map(|_| magnitude(rng, 0.05, 5.0)).collect();
        let w: Vec<f64> = (0..self.norm_dim).map(|_| normal(rng)).collect();
        let factor = share * product(&self.alpha, &x) / length(&w);
        x.extend(w.iter().map(|w| w * factor));
        x
    }

    /// The same for K*.
    fn inner_dual(&self, rng: &mut ChaCha8Rng, share: f64) -> Vec<f64> {
        let mut x = self.inner(rng, share);
        for (x, a) in x.iter_mut().zip(&self.alpha) {
            *x *= a;
        }
        x
    }

    /// A point to project: of any signs, also with small and large entries, near the boundary of
    /// K or of -K*, and of any scale.
    fn sample(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let share = 1.0 + [1.0, -1.0][rng.random_range(0..2)] * magnitude(rng, 1e-9, 0.5);
        let mut v = match rng.random_range(0..5) {
            0 => (0..self.dim()).map(|_| normal(rng)).collect(),
            1 => (0..self.dim()).map(|_| normal(rng) * magnitude(rng, 1e-6, 1.0)).collect(),
            2 => self.inner(rng, share),
            3 => self.inner_dual(rng, share).iter().map(|x| -x).collect(),
            _ => {
                let mut v: Vec<f64> = (0..self.dim()).map(|_| normal(rng)).collect();
                let k = self.alpha.len();
                let small = magnitude(rng, 1e-9, 1e-2);
                v[k..].iter_mut().for_each(|w| *w *= small);
                v
            }
        };
        let scale = [1e-8, 1.0, 1e8][rng.random_range(0..3)];
        v.iter_mut().for_each(|v| *v *= scale);
        v
    }

    fn scratch(&self) -> Vec<R> {
        vec![r(f64::NAN); self.scratch_len()]
    }

    fn project(&self, v: &[f64], mu: f64) -> (Vec<f64>, Vec<R>) {
        let mut s = vec![r(0.0); v.len()];
        let mut data = vec![r(f64::NAN); self.projection_len()];
        self.projection(Scalar, &registers(v), r(mu), &mut s, &mut data, &mut self.scratch());
        (numbers(&s), data)
    }

    fn function(&self, data: &[R], f: Function, x: &[f64]) -> Vec<f64> {
        let mut y = vec![r(f64::NAN); x.len()];
        self.apply(Scalar, data, f, &registers(x), &mut y, &mut self.scratch());
        numbers(&y)
    }

    /// The matrix f(D), from its columns.
    fn matrix(&self, data: &[R], f: Function) -> Vec<Vec<f64>> {
        (0..self.dim())
            .map(|i| {
                let mut unit = vec![0.0; self.dim()];
                unit[i] = 1.0;
                self.function(data, f, &unit)
            })
            .collect()
    }

    fn point(&self, z: &[f64]) -> Vec<R> {
        let mut data = vec![r(f64::NAN); self.scaling_len()];
        let z = registers(z);
        self.scaling(Scalar, (&z, &z), r(1.0), &mut data, &mut []);
        data
    }

    fn gradient(&self, z: &[f64]) -> Vec<f64> {
        let data = self.point(z);
        let point = scaling_point(&self.alpha, &data, self.dim());
        (0..self.dim()).map(|i| point.gradient(i).lane(0)).collect()
    }

    fn multiply(&self, z: &[f64], x: &[f64]) -> Vec<f64> {
        let mut y = vec![r(0.0); x.len()];
        self.multiply_scaling(Scalar, &self.point(z), &registers(x), &mut y, &mut []);
        numbers(&y)
    }
}

fn assert_close(a: &[f64], b: &[f64], tolerance: f64, what: &str) {
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let size = length(&difference);
    assert!(size <= tolerance, "{what}: {a:?} and {b:?} differ by {size:e} > {tolerance:e}");
}

/// The equations of the projection hold to rounding error relative to |v|; they are s - z = v, <s,
/// z> = 0, and that s and z are on the boundaries of K and K*.
#[test]
fn projection_satisfies_its_optimality_conditions() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for cone in cones() {
        let k = cone.alpha.len();
        for _ in 0..400 {
            let v = cone.sample(&mut rng);
            let (s, _) = cone.project(&v, 0.0);
            let z: Vec<f64> = s.iter().zip(&v).map(|(s, v)| s - v).collect();
            let size = length(&v);
            let tolerance = 4e-15 * size;
            let what = format!("{cone:?} {v:?} {s:?} {z:?}");
            assert!(s[..k].iter().all(|&x| x >= 0.0), "{what}");
            assert!(z[..k].iter().all(|&x| x >= -tolerance), "{what}");
            let (ws, wz) = (length(&s[k..]), length(&z[k..]));
            assert!(
                dot(&s, &z).abs() <= 2e-15 * size * size,
                "{what} {:e}",
                dot(&s, &z) / size / size
            );
            let at_s = product(&cone.alpha, &s[..k]) - ws;
            assert!(at_s >= -tolerance, "{what} {at_s:e}");
            let moved: Vec<f64> = z[..k].iter().map(|z| z + tolerance).collect();
            let at_z = product(&cone.alpha, &dual_part(&cone.alpha, &moved)) - wz;
            assert!(at_z >= -tolerance, "{what} {at_z:e}");
            for i in 0..k {
                let error = s[i] * z[i] - cone.alpha[i] * ws * wz;
                assert!(error.abs() <= tolerance * size, "{what} {error:e}");
            }
        }
    }
}

/// Exponents, v, mu, s.
type Projection = (&'static [f64], &'static [f64], f64, &'static [f64]);

/// Computed with 60 digits.
const PROJECTIONS: [Projection; 17] = [
    (
        &[0.5, 0.5],
        &[1.0, -2.0, 3.0],
        0.0,
        &[1.542202777754639, 0.355059640738918, 0.7399824080450316],
    ),
    (
        &[0.25, 0.75],
        &[1.5, -0.25, 1.0],
        0.0,
        &[1.5405057939484328, 0.3253590021284427, 0.4799411132953222],
    ),
    (&[0.01, 0.99], &[1.0, -1.0, 0.5], 0.0, &[1.0, 2.887486040769663e-31, 5.8333051328680065e-31]),
    (&[0.99, 0.01], &[1.0, -1.0, 0.5], 0.0, &[1.0, 7.888609052210572e-31, 0.5]),
    (&[0.01, 0.99], &[-0.5, 0.25, 0.001], 0.0, &[4.0173451106494405e-241, 0.25, 0.001]),
    (
        &[0.5, 0.5],
        &[1.0, 1e-06, 0.125],
        0.0,
        &[1.0002172051920686, 0.014739983383554844, 0.12142151779843949],
    ),
    (
        &[0.3, 0.7],
        &[2.0, 3.0, 2.75],
        0.0,
        &[2.0241785010446463, 3.037594573136279, 2.689338741215447],
    ),
    (
        &[0.25, 0.25, 0.5],
        &[-1.0, -2.0, -0.5, 3.5, 1.0, 0.0],
        0.0,
        &[
            0.16943131957632518,
            0.0945950354490468,
            0.4273304830431006,
            0.22364415459455406,
            0.0638983298841583,
            0.0,
        ],
    ),
    (
        &[0.2, 0.3, 0.5],
        &[100000000.0, -30000000.0, 200000000.0, 100000000.0],
        0.0,
        &[103416938.48277678, 12478245.491827482, 204323646.85047153, 77076805.86103554],
    ),
    (&[1.0], &[0.5, 1.0, 2.0], 0.0, &[1.368033988749895, 0.6118033988749895, 1.223606797749979]),
    (
        &[0.3, 0.7],
        &[2.0, 3.0, 2.75],
        1e-08,
        &[2.0241785891599515, 3.037594705750476, 2.6893385288252176],
    ),
    (
        &[0.3, 0.7],
        &[2.0, 3.0, 1.75],
        1e-08,
        &[2.0000000111673373, 3.0000000129269693, 1.7499999822196664],
    ),
    (
        &[0.3, 0.7],
        &[-2.0, -3.0, 1.75],
        0.001,
        &[0.0006937247619129407, 0.0006349228959829641, 0.00016750322870602008],
    ),
    (
        &[0.5, 0.5],
        &[1.0, -2.0, 3.0],
        0.5,
        &[1.8396209045263088, 0.5951752780945063, 0.6870844666804374],
    ),
    (
        &[0.01, 0.99],
        &[1.0, -1.0, 0.5],
        1e-12,
        &[1.0000000000010227, 3.246575242250892e-12, 2.5385358429652766e-12],
    ),
    (
        &[0.01, 0.29, 0.7],
        &[0.1, 0.2, 0.3, 0.05, -0.05],
        4.0,
        &[
            2.060599421227893,
            2.373827378368061,
            2.762126008625078,
            0.013892889522621021,
            -0.013892889522621021,
        ],
    ),
    (
        &[0.25, 0.25, 0.5],
        &[-1.0, -2.0, -0.5, 3.5, 1.0, 0.0],
        1e-06,
        &[
            0.16943246806236872,
            0.0945957378393515,
            0.4273320150355722,
            0.22364450307913022,
            0.06389842945118006,
            0.0,
        ],
    ),
];

#[test]
fn projection_agrees_with_multiprecision() {
    for (alpha, v, mu, expected) in PROJECTIONS {
        let cone = GeneralizedPower::new(alpha.to_vec(), v.len() - alpha.len());
        let (s, _) = cone.project(v, mu);
        let size = length(v);
        assert_close(
            &s,
            expected,
            1e-15 * size.max(length(expected)),
            &format!("{alpha:?} {v:?} {mu:e}"),
        );
        for (s, e) in s.iter().zip(expected) {
            // Also the small ones: they are not differences.
            let tolerance = 4e-15 * (1.0 + e.abs().ln().abs());
            assert!(
                *s == *e || (s - e).abs() <= tolerance * e.abs(),
                "{alpha:?} {v:?} {s:e} {e:e}"
            );
        }
    }
}

#[test]
fn points_of_the_cone_and_of_the_polar_cone() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for cone in cones() {
        for _ in 0..50 {
            let v = cone.inner(&mut rng, 0.999);
            let (s, data) = cone.project(&v, 0.0);
            assert_eq!(s, v);
            assert_eq!(cone.function(&data, Function::Derivative, &v), v);
            let block = cone.function(&data, Function::Block, &v);
            assert_close(&block, &v.iter().map(|v| FREE * v).collect::<Vec<_>>(), 1e16, "free");
            let v: Vec<f64> = cone.inner_dual(&mut rng, 0.999).iter().map(|x| -x).collect();
            let (s, data) = cone.project(&v, 0.0);
            assert!(s.iter().all(|&s| s == 0.0));
            assert!(cone.function(&data, Function::Block, &v).iter().all(|&y| y == 0.0));
            assert_eq!(cone.function(&data, Function::InverseComplement, &v), v);
        }
    }
}

#[test]
fn without_w_the_projection_is_that_of_the_orthant() {
    for (alpha, x, share) in [
        (vec![0.3, 0.7], vec![1.0, -2.0], 0.0),
        (vec![0.3, 0.7], vec![-1.0, 2.0], 1.0),
        (vec![0.3, 0.7], vec![0.0, -2.0], 0.0),
        (vec![0.2; 5], vec![1.0, 2.0, 0.0, 1.0, -1.0], 1.0),
    ] {
        for norm_dim in [1, 3] {
            let cone = GeneralizedPower::new(alpha.clone(), norm_dim);
            let mut v = x.clone();
            v.resize(cone.dim(), 0.0);
            let (s, data) = cone.project(&v, 0.0);
            let expected: Vec<f64> = v.iter().map(|v| v.max(0.0)).collect();
            assert_eq!(s, expected);
            let d = cone.matrix(&data, Function::Derivative);
            for (i, row) in d.iter().enumerate() {
                for (j, &d) in row.iter().enumerate() {
                    let diagonal = if i < x.len() { f64::from(x[i] > 0.0) } else { share };
                    // D is not defined in the coordinates that are zero in x.
                    let expected = if i == j { diagonal } else { 0.0 };
                    assert!(d == expected, "{v:?} {i} {j} {d}");
                }
            }
        }
    }
    // Where the weights are equal the limit is that of the second-order cone.
    let cone = GeneralizedPower::new(vec![0.5, 0.5], 1);
    let (_, data) = cone.project(&[1.0, -2.0, 0.0], 0.0);
    let (_, near) = cone.project(&[1.0, -2.0, 1e-9], 0.0);
    let d = |data: &[R]| cone.function(data, Function::Derivative, &[0.0, 0.0, 1.0])[2];
    assert!((d(&data) - d(&near)).abs() < 1e-12 && d(&data) > 0.1, "{} {}", d(&data), d(&near));
}

/// The differentiated equations: with dX - dZ = dx, dr + dt = dw along ŵ,
/// Z dX + X dZ = a (t dr + r dt), dr = r sum a dX / X, dt = t sum a dZ / Z.
#[test]
fn derivative_satisfies_the_linearized_conditions() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut curved = 0;
    for cone in cones() {
        let k = cone.alpha.len();
        for _ in 0..200 {
            let v = cone.sample(&mut rng);
            let (s, data) = cone.project(&v, 0.0);
            let (r, t) = (data[data.len() - 2].lane(0), data[data.len() - 1].lane(0));
            if r == 0.0 || t == 0.0 {
                continue;
            }
            curved += 1;
            let start = data.len() - 5 - 2 * k;
            let (x, z) =
                (numbers(&data[start..start + k]), numbers(&data[start + k..start + 2 * k]));
            let norm = length(&v[k..]);
            let axis: Vec<f64> = v[k..].iter().map(|w| w / norm).collect();
            for e in 0..cone.dim() {
                let mut unit = vec![0.0; cone.dim()];
                unit[e] = 1.0;
                let ds = cone.function(&data, Function::Derivative, &unit);
                let dz: Vec<f64> =
                    cone.function(&data, Function::Complement, &unit).iter().map(|x| -x).collect();
                let what = format!("{cone:?} {v:?} {s:?} {e}");
                let (dr, dt) = (dot(&axis, &ds[k..]), -dot(&axis, &dz[k..]));
                let tolerance = 2e-14 / cone.alpha[0].min(cone.alpha[k - 1]).min(1.0);
                assert!((dr + dt - dot(&axis, &unit[k..])).abs() < 1e-14, "{what}");
                for i in 0..k {
                    assert!((ds[i] - dz[i] - unit[i]).abs() < 1e-14, "{what}");
                    let error = z[i] * ds[i] + x[i] * dz[i] - cone.alpha[i] * (t * dr + r * dt);
                    let size = x[i].max(z[i]).max(cone.alpha[i] * r.max(t));
                    assert!(error.abs() <= tolerance * size, "{what}: {error:e} of {size:e}");
                }
                // The boundary, divided by the largest coefficient.
                let slopes: Vec<f64> = (0..k).map(|i| cone.alpha[i] * r / x[i]).collect();
                let size = length(&slopes).max(1.0);
                let error = dr - dot(&slopes, &ds[..k]);
                assert!(error.abs() <= tolerance * size, "{what}: {error:e} of {size:e}");
                // Across ŵ.
                for j in 0..cone.norm_dim {
                    let across = r / norm * (unit[k + j] - axis[j] * dot(&axis, &unit[k..]));
                    let error = ds[k + j] - axis[j] * dr - across;
                    assert!(error.abs() < 1e-14, "{what}: {error:e}");
                }
            }
        }
    }
    assert!(curved > 1000);
}

/// Central differences, extrapolated once.
fn differences(f: impl Fn(&[f64]) -> Vec<f64>, v: &[f64], direction: &[f64], h: f64) -> Vec<f64> {
    let at = |h: f64| {
        let moved: Vec<f64> = v.iter().zip(direction).map(|(v, d)| v + h * d).collect();
        f(&moved)
    };
    let quotient = |h: f64| -> Vec<f64> {
        at(h).iter().zip(at(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect()
    };
    quotient(h / 2.0).iter().zip(quotient(h)).map(|(a, b)| a + (a - b) / 3.0).collect()
}

#[test]
fn derivative_matches_finite_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for cone in cones() {
        let k = cone.alpha.len();
        let mut count = 0;
        while count < 100 {
            let mut v: Vec<f64> = (0..cone.dim()).map(|_| normal(&mut rng)).collect();
            let mu = if rng.random_bool(0.5) { 0.0 } else { magnitude(&mut rng, 1e-4, 10.0) };
            // Away from kinks and from the strong curvature near them.
            let value = product(&cone.alpha, &v[..k]).max(product(
                &cone.alpha,
                &dual_part(&cone.alpha, &v[..k].iter().map(|x| -x).collect::<Vec<_>>()),
            ));
            if v.iter().any(|v| v.abs() < 0.1) || (value - length(&v[k..])).abs() < 0.1 {
                continue;
            }
            count += 1;
            let scale = [1e-8, 1.0, 1e8][rng.random_range(0..3)];
            v.iter_mut().for_each(|v| *v *= scale);
            let mu = mu * scale * scale;
            let direction: Vec<f64> = (0..cone.dim()).map(|_| normal(&mut rng)).collect();
            let (_, data) = cone.project(&v, mu);
            let exact = cone.function(&data, Function::Derivative, &direction);
            let numeric = differences(|v| cone.project(v, mu).0, &v, &direction, 1e-4 * scale);
            assert_close(&exact, &numeric, 1e-9, &format!("{cone:?} {v:?} {mu:e}"));
        }
    }
}

/// D symmetric with eigenvalues in [0, 1]; D s = s and D z = 0 where mu = 0; the functions of D
/// agree with each other, and the written block with the applied one.
#[test]
fn functions_of_the_derivative_are_consistent() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for cone in cones() {
        let (k, dim) = (cone.alpha.len(), cone.dim());
        for trial in 0..200 {
            let v = cone.sample(&mut rng);
            let size = length(&v);
            let mu =
                if trial % 2 == 0 { 0.0 } else { magnitude(&mut rng, 1e-12, 10.0) * size * size };
            let (s, data) = cone.project(&v, mu);
            let what = format!("{cone:?} {v:?} {mu:e}");
            let matrices = [
                Function::Derivative,
                Function::Complement,
                Function::RootComplement,
                Function::InverseComplement,
                Function::Block,
            ]
            .map(|f| cone.matrix(&data, f));
            let [d, complement, root, inverse, block] = &matrices;
            let n = k + 1;
            let delta = data[data.len() - 3].lane(0);
            let values = numbers(&data[n * n..n * n + 2 * n]);
            for j in 0..n {
                assert!(
                    (0.0..=1.0).contains(&values[j]) && (0.0..=1.0).contains(&values[n + j]),
                    "{what}"
                );
                assert!((values[j] + values[n + j] - 1.0).abs() <= 2e-16, "{what}");
            }
            let basis = numbers(&data[..n * n]);
            for i in 0..n {
                for j in 0..n {
                    let product = dot(&basis[i * n..(i + 1) * n], &basis[j * n..(j + 1) * n]);
                    let expected = if i == j { 1.0 } else { 0.0 };
                    assert!((product - expected).abs() < 4e-15, "{what} {i} {j} {product:e}");
                }
            }
            let largest = block.iter().flatten().fold(0.0_f64, |m, x| m.max(x.abs()));
            let mut h = vec![r(f64::NAN); dim * (dim + 1) / 2];
            cone.write_projection_block(Scalar, &data, &mut h, &mut cone.scratch());
            let mut entries = numbers(&h).into_iter();
            for i in 0..dim {
                for j in 0..dim {
                    let unit = if i == j { 1.0 } else { 0.0 };
                    assert!((d[i][j] - d[j][i]).abs() < 1e-15, "{what}");
                    assert!((d[i][j] + complement[i][j] - unit).abs() < 4e-15, "{what}");
                    let square = dot(&root[i], &root[j]);
                    assert!((square - complement[i][j]).abs() < 4e-15, "{what}");
                    // (I - D + delta) inverse = I.
                    let product = dot(&complement[i], &inverse[j]) + delta * inverse[i][j];
                    let scale = length(&inverse[j]).max(1.0);
                    assert!((product - unit).abs() < 4e-15 * scale, "{what} {product}");
                    let product = dot(&d[i], &inverse[j]);
                    assert!(
                        (product - block[i][j]).abs() < 4e-15 * scale,
                        "{what} {product} {}",
                        block[i][j]
                    );
                    if j <= i {
                        let h = entries.next().unwrap();
                        assert!(
                            (h - block[i][j]).abs() <= 4e-15 * largest,
                            "{what} {h} {}",
                            block[i][j]
                        );
                    }
                }
            }
            if mu == 0.0 {
                let fixed = cone.function(&data, Function::Derivative, &s);
                assert_close(&fixed, &s, 4e-15 * size, &what);
                let z: Vec<f64> = s.iter().zip(&v).map(|(s, v)| s - v).collect();
                let gone = cone.function(&data, Function::Derivative, &z);
                assert_close(&gone, &vec![0.0; dim], 1e-14 * size, &what);
            }
        }
    }
}

/// s - z = v, s = -mu grad f*(z), and D = I - (I + mu H*)^-1, that is (I - D) (x + mu H* x) = x.
#[test]
fn smoothed_projection_is_on_the_central_path() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for cone in cones() {
        let k = cone.alpha.len();
        let least = cone.alpha.iter().fold(1.0_f64, |m, &a| m.min(a));
        for _ in 0..200 {
            let v = cone.sample(&mut rng);
            let size = length(&v);
            let mu = magnitude(&mut rng, 1e-6, 1e3) * size * size;
            let (s, data) = cone.project(&v, mu);
            let start = data.len() - 5 - 2 * k;
            // z without the cancellation of s - v.
            let t = data[data.len() - 1].lane(0);
            let mut z = numbers(&data[start + k..start + 2 * k]);
            z.extend(v[k..].iter().map(|w| -t * w / length(&v[k..])));
            let what = format!("{cone:?} {v:?} {mu:e} {s:?} {z:?}");
            let difference: Vec<f64> = s.iter().zip(&z).map(|(s, z)| s - z).collect();
            assert_close(&difference, &v, 4e-15 * length(&s).max(size), &what);
            let image: Vec<f64> = cone.gradient(&z).iter().map(|g| -mu * g).collect();
            let gap = cone.point(&z)[1 + cone.dim() + 2].lane(0);
            let tolerance = 4e-14 / gap * length(&s);
            assert_close(&image, &s, tolerance, &what);

            let x: Vec<f64> = (0..cone.dim()).map(|_| normal(&mut rng)).collect();
            let hx: Vec<f64> = cone.multiply(&z, &x).iter().map(|y| mu * y).collect();
            let sum: Vec<f64> = x.iter().zip(&hx).map(|(x, h)| x + h).collect();
            let back = cone.function(&data, Function::Complement, &sum);
            assert_close(&back, &x, 1e-14 / gap / least * length(&sum), &what);
        }
    }
}

#[test]
fn small_mu_approaches_the_projection() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for cone in cones() {
        for _ in 0..100 {
            let v = cone.sample(&mut rng);
            let size = length(&v);
            let (s, _) = cone.project(&v, 0.0);
            for mu in [1e-8, 1e-16, 1e-24, 1e-200] {
                let (smooth, _) = cone.project(&v, mu * size * size);
                // |s_mu - s|^2 <= degree mu.
                let bound = (mu * cone.degree() as f64).sqrt() + 4e-15;
                assert_close(&s, &smooth, bound * size, &format!("{cone:?} {v:?} {mu:e}"));
            }
        }
    }
}

#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[test]
fn barrier_identities() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for cone in cones() {
        let dim = cone.dim();
        for _ in 0..50 {
            let scale = [1e-8, 1.0, 1e8][rng.random_range(0..3)];
            let gap = magnitude(&mut rng, 1e-6, 1.0);
            let z: Vec<f64> =
                cone.inner_dual(&mut rng, 1.0 - gap).iter().map(|z| z * scale).collect();
            let what = format!("{cone:?} {z:?}");
            let gradient = cone.gradient(&z);
            let degree = cone.degree() as f64;
            assert!((dot(&gradient, &z) + degree).abs() < 1e-14 / gap, "{what}");
            // H z = -gradient.
            let hz: Vec<f64> = cone.multiply(&z, &z).iter().map(|y| -y).collect();
            assert_close(&hz, &gradient, 1e-14 / gap * length(&gradient), &what);
            // Hessian against differences of the gradient.
            let mut relative = || -> Vec<f64> { z.iter().map(|z| z * normal(&mut rng)).collect() };
            let (direction, other) = (relative(), relative());
            let step = 5e-3 * gap;
            let numeric = differences(|z| cone.gradient(z), &z, &direction, step);
            let exact = cone.multiply(&z, &direction);
            // Differences tell little where the point's own rounding moves it far.
            let tolerance = if gap > 1e-2 { 1e-7 } else { f64::INFINITY };
            assert_close(&exact, &numeric, tolerance * length(&exact), &what);
            // The block.
            let data = cone.point(&z);
            let mut h = vec![r(f64::NAN); dim * (dim + 1) / 2];
            cone.write_scaling_block(Scalar, &data, &mut h);
            let mut entries = numbers(&h).into_iter();
            let mut matrix = vec![vec![0.0; dim]; dim];
            for i in 0..dim {
                for j in 0..=i {
                    matrix[i][j] = entries.next().unwrap();
                    matrix[j][i] = matrix[i][j];
                }
            }
            let product: Vec<f64> = matrix.iter().map(|row| dot(row, &direction)).collect();
            assert_close(&product, &exact, 1e-14 * length(&exact) / gap, &what);
            assert!(is_positive_definite(matrix), "{what}");
            // Its inverse.
            let point = scaling_point(&cone.alpha, &data, dim);
            let mut scaled = vec![r(0.0); dim];
            point.solve_hessian(&registers(&exact), &mut scaled);
            let k = cone.alpha.len();
            let unscale = |y: &[R]| -> Vec<f64> {
                let factor = |i: usize| if i < k { z[i] } else { point.q.lane(0) };
                y.iter().enumerate().map(|(i, y)| y.lane(0) * factor(i)).collect()
            };
            let solution = unscale(&scaled);
            // The eigenvalues of the scaled Hessian are between 1 and 1 / gap^2.
            assert_close(&solution, &direction, 4e-15 / (gap * gap) * length(&direction), &what);
            // The third derivative against differences of the Hessian, and on z: -2 H.
            let numeric = differences(|z| cone.multiply(z, &direction), &z, &other, step);
            let (mut a, mut b) = (registers(&direction), registers(&other));
            for i in 0..dim {
                let factor = if i < k { point.inverse[i] } else { point.inverse_q };
                a[i] *= factor;
                b[i] *= factor;
            }
            let mut third = vec![0.0; dim];
            point.third(&a, &b, |i, value| third[i] = value.lane(0));
            assert_close(&third, &numeric, tolerance * length(&third), &what);
            let own: Vec<R> =
                (0..dim).map(|i| if i < k { r(1.0) } else { point.omega[i - k] }).collect();
            point.third(&a, &own, |i, value| third[i] = value.lane(0));
            let expected: Vec<f64> = exact.iter().map(|h| -2.0 * h).collect();
            assert_close(&third, &expected, 1e-13 / gap * length(&expected), &what);
        }
    }
}

/// Whether the elimination has positive pivots.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
fn is_positive_definite(mut m: Vec<Vec<f64>>) -> bool {
    let n = m.len();
    for k in 0..n {
        if m[k][k] <= 0.0 {
            return false;
        }
        for i in k + 1..n {
            let factor = m[i][k] / m[k][k];
            for j in k..n {
                m[i][j] -= factor * m[k][j];
            }
        }
    }
    true
}

#[test]
fn unit_is_on_the_central_path() {
    for cone in cones() {
        let (mut s, mut z) = (vec![r(0.0); cone.dim()], vec![r(0.0); cone.dim()]);
        cone.unit(Scalar, &mut s, &mut z);
        let image: Vec<f64> = cone.gradient(&numbers(&z)).iter().map(|g| -g).collect();
        assert_close(&numbers(&s), &image, 2e-15, "unit");
        let degree = dot(&numbers(&s), &numbers(&z));
        assert!((degree - cone.degree() as f64).abs() < 1e-14);
    }
}

/// Solves m x = b by elimination with pivoting.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
fn solve(mut m: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| m[i][k].abs().total_cmp(&m[j][k].abs())).unwrap();
        m.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..n {
            let factor = m[i][k] / m[k][k];
            for j in k..n {
                m[i][j] -= factor * m[k][j];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let sum = dot(&m[k][k + 1..], &b[k + 1..]);
        b[k] = (b[k] - sum) / m[k][k];
    }
    b
}

fn combined(
    cone: &GeneralizedPower,
    point: (&[f64], &[f64]),
    affine: (&[f64], &[f64]),
    target: f64,
) -> Vec<f64> {
    let (s, z, ds, dz) =
        (registers(point.0), registers(point.1), registers(affine.0), registers(affine.1));
    let mut c = vec![r(f64::NAN); s.len()];
    let data = cone.point(point.1);
    cone.combined_constant(
        Scalar,
        &data,
        (&s, &z),
        (&ds, &dz),
        r(target),
        &mut c,
        &mut cone.scratch(),
    );
    numbers(&c)
}

#[test]
fn combined_constant_matches_its_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for cone in cones() {
        let (k, dim) = (cone.alpha.len(), cone.dim());
        for _ in 0..50 {
            let z = cone.inner_dual(&mut rng, 0.9);
            let s = cone.inner(&mut rng, 0.9);
            let ds: Vec<f64> = (0..dim).map(|_| normal(&mut rng)).collect();
            let dz: Vec<f64> = z.iter().map(|z| z * normal(&mut rng)).collect();
            let c = combined(&cone, (&s, &z), (&ds, &dz), 0.7);
            let columns = (0..dim).map(|i| {
                let mut unit = vec![0.0; dim];
                unit[i] = 1.0;
                cone.multiply(&z, &unit)
            });
            let pulled = solve(columns.collect(), ds);
            let data = cone.point(&z);
            let point = scaling_point(&cone.alpha, &data, dim);
            let scaled = |x: &[f64]| -> Vec<R> {
                let factor = |i: usize| if i < k { point.inverse[i] } else { point.inverse_q };
                x.iter().enumerate().map(|(i, &x)| r(x) * factor(i)).collect()
            };
            let mut expected = s.clone();
            point.third(&scaled(&dz), &scaled(&pulled), |i, third| {
                expected[i] += 0.7 * point.gradient(i).lane(0) - 0.5 * third.lane(0);
            });
            assert_close(
                &c,
                &expected,
                1e-10 * length(&expected),
                &format!("{cone:?} {s:?} {z:?}"),
            );
        }
    }
}

/// From a point on the central path, with ds = B dz + b as the other equations: a step that aims at
/// (1 - a) mu has an error of order a^3 with the correction, and of order a^2 without it.
#[test]
fn combined_step_is_of_third_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    for cone in cones() {
        let dim = cone.dim();
        let z = cone.inner_dual(&mut rng, 0.7);
        let mu = magnitude(&mut rng, 0.1, 10.0);
        let s: Vec<f64> = cone.gradient(&z).iter().map(|g| -mu * g).collect();
        // B and H together, where B is the Hessian with other entries.
        let matrix: Vec<Vec<f64>> = (0..dim)
            .map(|i| {
                let mut unit = vec![0.0; dim];
                unit[i] = 1.0;
                let mut column: Vec<f64> =
                    cone.multiply(&z, &unit).iter().map(|h| mu * h).collect();
                column[i] *= 1.5;
                column
            })
            .collect();
        let b: Vec<f64> = s.iter().map(|s| s * normal(&mut rng) * 0.5).collect();
        let step = |constant: &[f64], b: &[f64]| -> (Vec<f64>, Vec<f64>) {
            let right = constant.iter().zip(b).map(|(c, b)| -(c + b)).collect();
            let dz = solve(matrix.clone(), right);
            let hdz = cone.multiply(&z, &dz);
            let ds = hdz.iter().zip(constant).map(|(h, c)| -(mu * h + c)).collect();
            (ds, dz)
        };
        let (ds, dz) = step(&s, &b);
        let residual = |a: f64, corrected: bool| -> f64 {
            let share = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| a * x).collect() };
            let factor = if corrected { a } else { 0.0 };
            let affine: Vec<Vec<f64>> =
                [&ds, &dz].map(|x| x.iter().map(|x| factor * x).collect()).into();
            let c = combined(&cone, (&s, &z), (&affine[0], &affine[1]), (1.0 - a) * mu);
            let (ds, dz) = step(&c, &share(&b));
            let next: Vec<f64> = z.iter().zip(&dz).map(|(z, d)| z + d).collect();
            let gradient = cone.gradient(&next);
            let rest: Vec<f64> =
                (0..dim).map(|i| s[i] + ds[i] + (1.0 - a) * mu * gradient[i]).collect();
            length(&rest)
        };
        let a = 1e-3;
        let order = |corrected| (residual(2.0 * a, corrected) / residual(a, corrected)).log2();
        assert!((order(true) - 3.0).abs() < 0.1, "{cone:?} {}", order(true));
        assert!((order(false) - 2.0).abs() < 0.1, "{cone:?} {}", order(false));
    }
}

#[test]
fn step_length_matches_membership() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for cone in cones() {
        let k = cone.alpha.len();
        let mut full = 0;
        for _ in 0..300 {
            let scale = [1e-8, 1.0, 1e8][rng.random_range(0..3)];
            let share = 1.0 - magnitude(&mut rng, 1e-7, 1.0);
            let s: Vec<f64> = cone.inner(&mut rng, share).iter().map(|x| x * scale).collect();
            let z: Vec<f64> = cone.inner_dual(&mut rng, share).iter().map(|x| x * scale).collect();
            let size = scale * magnitude(&mut rng, 1e-2, 10.0);
            let mut direction =
                || (0..cone.dim()).map(|_| size * normal(&mut rng)).collect::<Vec<f64>>();
            let (ds, dz) = (direction(), direction());
            let inside = |a: f64| {
                let moved = |x: &[f64], d: &[f64]| -> Vec<f64> {
                    x.iter().zip(d).map(|(x, d)| x + a * d).collect()
                };
                let (s, z) = (moved(&s, &ds), moved(&z, &dz));
                product(&cone.alpha, &s[..k]) > length(&s[k..])
                    && product(&cone.alpha, &dual_part(&cone.alpha, &z[..k])) > length(&z[k..])
            };
            let limit = [1.0, 1e-3, 4.0][rng.random_range(0..3)];
            let step = cone
                .step_length(
                    Scalar,
                    &[],
                    (&registers(&s), &registers(&z)),
                    (&registers(&ds), &registers(&dz)),
                    r(limit),
                    &mut cone.scratch(),
                )
                .lane(0);
            let (mut low, mut high) = (0.0, limit);
            if inside(limit) {
                low = limit;
            }
            for _ in 0..100 {
                let middle = 0.5 * (low + high);
                if inside(middle) { low = middle } else { high = middle }
            }
            full += usize::from(step == limit);
            let what = format!("{cone:?} {s:?} {z:?} {ds:?} {dz:?}: {step} of {low}");
            assert!(step <= low * (1.0 + 1e-6) && step >= 0.8 * low * (1.0 - 1e-6), "{what}");
        }
        assert!((20..280).contains(&full), "{full}");
        // No direction at all, and one that is not finite.
        let (mut s, mut z) = (vec![r(0.0); cone.dim()], vec![r(0.0); cone.dim()]);
        cone.unit(Scalar, &mut s, &mut z);
        let length =
            |d: &[R]| cone.step_length(Scalar, &[], (&s, &z), (d, d), r(1.0), &mut []).lane(0);
        assert_eq!(length(&vec![r(0.0); cone.dim()]), 1.0);
        for x in [f64::NAN, f64::INFINITY] {
            let mut d = vec![r(0.0); cone.dim()];
            d[k] = r(x);
            assert!(length(&d).is_nan());
        }
    }
}

#[test]
fn weakly_active_directions_are_counted_at_kinks() {
    let count = |cone: &GeneralizedPower, v: &[f64]| {
        let (_, data) = cone.project(v, 0.0);
        cone.weakly_active(Scalar, &registers(v), &data, r(1e-6), &mut cone.scratch()).lane(0)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for cone in cones() {
        let k = cone.alpha.len();
        let least = cone.alpha.iter().fold(1.0_f64, |m, &a| m.min(a));
        for _ in 0..50 {
            // The boundaries of K and of -K*, from both sides, and clearly away from them.
            for (near, expected) in [(1e-9, 1.0), (-1e-9, 1.0), (0.2, 0.0), (-0.2, 0.0)] {
                let v = cone.inner(&mut rng, 1.0 + near);
                if least > 0.05 || near != -0.2 {
                    assert_eq!(count(&cone, &v), expected, "{cone:?} {v:?}");
                }
                let v: Vec<f64> =
                    cone.inner_dual(&mut rng, 1.0 + near).iter().map(|x| -x).collect();
                if least > 0.05 {
                    assert_eq!(count(&cone, &v), expected, "{cone:?} {v:?}");
                }
            }
        }
        // The apex.
        assert_eq!(count(&cone, &vec![0.0; cone.dim()]), cone.dim() as f64);
        assert_eq!(count(&cone, &vec![1e-8; cone.dim()]), cone.dim() as f64);
        // The middle of K: one exponent makes it a second-order cone.
        let mut v = vec![1.0; cone.dim()];
        v[k..].fill(1e-9);
        assert_eq!(count(&cone, &v), 0.0);
    }
    // On a face, with x_2 between s and z; w belongs to s on both sides unless x_1 weighs less.
    for (alpha, expected) in [(0.7, 1.0), (0.3, 4.0)] {
        let cone = GeneralizedPower::new(vec![alpha, 1.0 - alpha], 3);
        for x in [1e-9, 0.0, -1e-9] {
            assert_eq!(count(&cone, &[1.0, x, 0.0, 0.0, 1e-12]), expected, "{alpha} {x}");
        }
        assert_eq!(count(&cone, &[1.0, -1.0, 0.0, 0.0, 0.0]), 0.0);
    }
}

#[test]
fn invalid_numbers_give_nan() {
    for cone in cones() {
        for i in 0..cone.dim() {
            for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for mu in [0.0, 1.0] {
                    let mut v = vec![1.0; cone.dim()];
                    v[i] = x;
                    let (s, data) = cone.project(&v, mu);
                    assert!(s.iter().all(|s| s.is_nan()), "{cone:?} {v:?} {s:?}");
                    let y = cone.function(&data, Function::Block, &vec![1.0; cone.dim()]);
                    assert!(y.iter().all(|y| y.is_nan()), "{cone:?} {v:?} {y:?}");
                }
            }
        }
        let (s, _) = cone.project(&vec![1.0; cone.dim()], f64::NAN);
        assert!(s.iter().all(|s| s.is_nan()));
    }
}

/// Numbers of the lanes of registers, one vector per lane.
fn lanes<S: Simd>(x: &[V<S>]) -> Vec<Vec<f64>> {
    (0..V::<S>::LANES).map(|lane| x.iter().map(|x| x.lane(lane)).collect()).collect()
}

/// Everything that is computed for one point to project, one s and z inside, and one direction.
struct Everything<'a> {
    cone: &'a GeneralizedPower,
    /// The vectors v, s, z, ds, dz and (mu), one after the other, for each lane.
    input: &'a [Vec<f64>],
}

impl LaneTask for Everything<'_> {
    type Output = Vec<Vec<f64>>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<Vec<f64>> {
        let (cone, dim) = (self.cone, self.cone.dim());
        let mut input = vec![V::splat(simd, 0.0); 5 * dim + 1];
        for (i, input) in input.iter_mut().enumerate() {
            for lane in 0..V::<S>::LANES {
                input.set_lane(lane, self.input[lane % self.input.len()][i]);
            }
        }
        let zero = V::splat(simd, 0.0);
        let part = |i: usize| &input[i * dim..(i + 1) * dim];
        let (v, s, z, ds, dz, mu) = (part(0), part(1), part(2), part(3), part(4), input[5 * dim]);
        let scratch = &mut vec![V::splat(simd, f64::NAN); cone.scratch_len()];
        let mut output = Vec::new();
        let mut point = vec![zero; dim];
        let mut data = vec![zero; cone.projection_len()];
        let mut h = vec![zero; dim * (dim + 1) / 2];
        cone.projection(simd, v, mu, &mut point, &mut data, scratch);
        output.extend(lanes(&point));
        output.extend(lanes(&data));
        cone.write_projection_block(simd, &data, &mut h, scratch);
        output.extend(lanes(&h));
        cone.apply(simd, &data, Function::RootComplement, ds, &mut point, scratch);
        output.extend(lanes(&point));
        output.extend(lanes(&[cone.weakly_active(simd, v, &data, zero.like(1e-6), scratch)]));
        let mut data = vec![zero; cone.scaling_len()];
        cone.scaling(simd, (s, z), mu, &mut data, scratch);
        output.extend(lanes(&data));
        cone.write_scaling_block(simd, &data, &mut h);
        output.extend(lanes(&h));
        cone.multiply_scaling(simd, &data, ds, &mut point, scratch);
        output.extend(lanes(&point));
        cone.combined_constant(simd, &data, (s, z), (ds, dz), mu, &mut point, scratch);
        output.extend(lanes(&point));
        output.extend(lanes(&[cone.step_length(
            simd,
            &data,
            (s, z),
            (ds, dz),
            mu.like(1.0),
            scratch,
        )]));
        output
    }
}

#[test]
fn lanes_match_scalars_bitwise() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for cone in cones() {
        let lanes = lane_count(Instructions::Detect);
        for _ in 0..20 {
            let input: Vec<Vec<f64>> = (0..lanes)
                .map(|lane| {
                    let mut all = cone.sample(&mut rng);
                    if lane == 3 {
                        all[0] = f64::NAN;
                    }
                    let size = length(&all);
                    all.extend(cone.inner(&mut rng, 0.9));
                    all.extend(cone.inner_dual(&mut rng, 0.99));
                    all.extend((0..2 * cone.dim()).map(|_| normal(&mut rng)));
                    let mu = magnitude(&mut rng, 1e-12, 1.0) * size * size;
                    all.push(if rng.random_bool(0.5) { 0.0 } else { mu });
                    all
                })
                .collect();
            for instructions in [Instructions::Detect, Instructions::Avx2] {
                let width = lane_count(instructions);
                let together = dispatch(instructions, Everything { cone: &cone, input: &input });
                for (lane, own) in input.iter().enumerate().take(width) {
                    let alone = dispatch(
                        Instructions::Scalar,
                        Everything { cone: &cone, input: std::slice::from_ref(own) },
                    );
                    for (part, expected) in alone.iter().enumerate() {
                        for (a, b) in together[part * width + lane].iter().zip(expected) {
                            let equal = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                            assert!(equal, "{cone:?} {own:?} part {part}: {a:e} {b:e}");
                        }
                    }
                }
            }
        }
    }
}
