//! What the tests share: points, and the cone's operations on plain numbers.

mod lanes;
mod projection;
mod scaling;
mod steps;
mod written;

use pulp::Scalar;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::block::DENSE_LIMIT;
use super::*;

type R = V<Scalar>;
type Matrix = Vec<Vec<f64>>;

const EPS: f64 = f64::EPSILON;
const SCALES: [f64; 3] = [1e-8, 1.0, 1e8];
/// Dense and expanded blocks, and the degenerate dimensions.
const DIMS: [usize; 7] = [1, 2, 3, 5, DENSE_LIMIT, DENSE_LIMIT + 1, 20];

const FUNCTIONS: [Function; 5] = [
    Function::Derivative,
    Function::Complement,
    Function::RootComplement,
    Function::InverseComplement,
    Function::Block,
];

fn r(x: f64) -> R {
    V::splat(Scalar, x)
}

fn registers(x: &[f64]) -> Vec<R> {
    x.iter().map(|&x| r(x)).collect()
}

fn numbers(x: &[R]) -> Vec<f64> {
    x.iter().map(|x| x.lane(0)).collect()
}

fn blank(len: usize) -> Vec<R> {
    vec![r(f64::NAN); len]
}

/// Of arbitrary contents.
fn scratch(cone: &SecondOrder) -> Vec<R> {
    blank(cone.scratch_len())
}

fn norm(x: &[f64]) -> f64 {
    inner(x, x).sqrt()
}

fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn product(a: &Matrix, x: &[f64]) -> Vec<f64> {
    a.iter().map(|row| inner(row, x)).collect()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}

fn combination(x: &[f64], a: f64, d: &[f64]) -> Vec<f64> {
    x.iter().zip(d).map(|(x, d)| x + a * d).collect()
}

/// t - |u|.
fn least(x: &[f64]) -> f64 {
    x[0] - norm(&x[1..])
}

fn unit_vector(n: usize, i: usize) -> Vec<f64> {
    (0..n).map(|k| f64::from(u8::from(k == i))).collect()
}

fn random(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| StandardNormal.sample(rng)).collect()
}

fn jordan(x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut p: Vec<f64> = (0..x.len()).map(|i| x[0] * y[i] + y[0] * x[i]).collect();
    p[0] = inner(x, y);
    p
}

/// A point inside, at the relative distance `share` from the boundary.
fn inside(rng: &mut ChaCha8Rng, n: usize, share: f64) -> Vec<f64> {
    let mut x = random(rng, n);
    x[0] = if n == 1 { x[0].abs() } else { norm(&x[1..]) * (1.0 + share) };
    x
}

/// Points on all sides of the kinks, at and near them (but for `exact`, not on them).
fn points(n: usize) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
    let mut points = Vec::new();
    for scale in SCALES {
        for ratio in
            [-3.0, -1.0 - 1e-9, -1.0 + 1e-9, -0.999, -0.5, 0.0, 0.3, 1.0 - 1e-9, 1.0 + 1e-9, 4.0]
        {
            let mut v = random(&mut rng, n);
            let u = norm(&v[1..]);
            v[0] = ratio * if u > 0.0 { u } else { 1.0 };
            points.push(v.iter().map(|v| scale * v).collect());
        }
        for t in [-scale, scale] {
            points.push(unit_vector(n, 0).iter().map(|e| t * e).collect());
        }
    }
    points
}

/// ... and on the kinks: the boundary of K, that of its polar, and the tip. Norms are exact.
fn kinks(n: usize) -> Vec<Vec<f64>> {
    let mut points = vec![vec![0.0; n]];
    for t in [-5.0, 5.0] {
        let mut v = vec![0.0; n];
        v[0] = t;
        match n {
            1 => continue,
            2 => v[1] = -5.0,
            _ => (v[1], v[n - 1]) = (3.0, -4.0),
        }
        points.push(v);
    }
    points
}

/// The projection at one point.
struct Projected {
    cone: SecondOrder,
    s: Vec<f64>,
    data: Vec<R>,
}

impl Projected {
    fn new(v: &[f64], mu: f64) -> Self {
        let cone = SecondOrder::new(v.len());
        let (mut s, mut data) = (blank(v.len()), blank(cone.projection_len()));
        cone.projection(Scalar, &registers(v), r(mu), &mut s, &mut data, &mut []);
        Self { cone, s: numbers(&s), data }
    }

    fn apply(&self, f: Function, x: &[f64]) -> Vec<f64> {
        let mut y = blank(x.len());
        self.cone.apply(Scalar, &self.data, f, &registers(x), &mut y, &mut []);
        numbers(&y)
    }

    /// f(D), by columns; it is symmetric.
    fn matrix(&self, f: Function) -> Matrix {
        let n = self.cone.dim;
        (0..n).map(|i| self.apply(f, &unit_vector(n, i))).collect()
    }

    fn block(&self) -> Vec<R> {
        let mut h = blank(self.cone.h_entries().len());
        self.cone.write_projection_block(Scalar, &self.data, &mut h, &mut []);
        h
    }

    fn datum(&self, k: usize) -> f64 {
        self.data[k].lane(0)
    }
}

/// The scaling at one point.
struct Scaled {
    cone: SecondOrder,
    data: Vec<R>,
}

impl Scaled {
    fn new(s: &[f64], z: &[f64]) -> Self {
        let cone = SecondOrder::new(s.len());
        let mut data = blank(cone.scaling_len());
        let (s, z) = (registers(s), registers(z));
        cone.scaling(Scalar, (&s, &z), r(f64::NAN), &mut data, &mut scratch(&cone));
        Self { cone, data }
    }

    fn multiply(&self, x: &[f64]) -> Vec<f64> {
        let mut y = blank(x.len());
        self.cone.multiply_scaling(Scalar, &self.data, &registers(x), &mut y, &mut []);
        numbers(&y)
    }

    fn matrix(&self) -> Matrix {
        let n = self.cone.dim;
        (0..n).map(|i| self.multiply(&unit_vector(n, i))).collect()
    }

    fn block(&self) -> Vec<R> {
        let mut h = blank(self.cone.h_entries().len());
        self.cone.write_scaling_block(Scalar, &self.data, &mut h);
        h
    }

    fn datum(&self, k: usize) -> f64 {
        self.data[k].lane(0)
    }

    fn w(&self) -> Vec<f64> {
        let n = self.cone.dim;
        let mut w = vec![self.datum(scaled::W0)];
        w.extend((0..n - 1).map(|i| self.datum(scaled::HEADER + i)));
        w
    }

    fn constant(&self, s: &[f64], z: &[f64], ds: &[f64], dz: &[f64], target: f64) -> Vec<f64> {
        let mut c = blank(s.len());
        let (s, z, ds, dz) = (registers(s), registers(z), registers(ds), registers(dz));
        let (point, affine) = ((&s[..], &z[..]), (&ds[..], &dz[..]));
        let scratch = &mut scratch(&self.cone);
        self.cone.combined_constant(Scalar, &self.data, point, affine, r(target), &mut c, scratch);
        numbers(&c)
    }

    fn step(&self, s: &[f64], z: &[f64], ds: &[f64], dz: &[f64], limit: f64) -> f64 {
        let (s, z, ds, dz) = (registers(s), registers(z), registers(ds), registers(dz));
        let (point, direction) = ((&s[..], &z[..]), (&ds[..], &dz[..]));
        let scratch = &mut scratch(&self.cone);
        self.cone.step_length(Scalar, &self.data, point, direction, r(limit), scratch).lane(0)
    }
}

/// The block of all nodes from its written entries, both triangles.
fn full(cone: &SecondOrder, h: &[R]) -> Matrix {
    let order = cone.dim + cone.auxiliary().len();
    let mut full = vec![vec![0.0; order]; order];
    let entries = cone.h_entries();
    assert_eq!(entries.len(), h.len());
    for ((i, j), h) in entries.into_iter().zip(h) {
        assert!(i >= j && full[i][j] == 0.0);
        (full[i][j], full[j][i]) = (h.lane(0), h.lane(0));
    }
    full
}

/// H: the rows' part of a block once the auxiliary nodes are eliminated.
fn eliminated(cone: &SecondOrder, h: &[R]) -> Matrix {
    let mut full = full(cone, h);
    let n = cone.dim;
    for (k, sign) in cone.auxiliary().into_iter().enumerate() {
        // The pivot of the KKT matrix, which holds the negative.
        assert!(full[n + k][n + k] * sign <= -1.0);
        for i in 0..n {
            for j in 0..n {
                let change = full[i][n + k] * full[n + k][j] / full[n + k][n + k];
                full[i][j] -= change;
            }
        }
    }
    full.truncate(n);
    full.iter_mut().for_each(|row| row.truncate(n));
    full
}

/// Eigenvalues of a symmetric matrix, by Jacobi's rotations.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
fn eigenvalues_of(mut a: Matrix) -> Vec<f64> {
    let (n, size) = (a.len(), largest(&a));
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() <= 0.01 * EPS * size {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (1.0 + theta * theta).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                for k in 0..n {
                    (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]);
                }
            }
        }
    }
    (0..n).map(|i| a[i][i]).collect()
}

fn largest(a: &Matrix) -> f64 {
    a.iter().flatten().fold(0.0, |m, x| x.abs().max(m))
}

fn assert_close(a: &Matrix, b: &Matrix, tolerance: f64, what: &str) {
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        assert!((a - b).abs() <= tolerance, "{what}: {a} {b}");
    }
}

/// Pairs (s, z) of all degrees of centrality, near the boundary and at several scales.
fn pairs(n: usize) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(100 + n as u64);
    let mut pairs = Vec::new();
    for (s_scale, z_scale) in [(1.0, 1.0), (1e-8, 1.0), (1e8, 1e-8), (1e8, 1e8)] {
        for (s_share, z_share) in [(1.0, 1.0), (0.1, 3.0), (1e-4, 1.0), (1e-9, 1e-9), (1e-9, 1.0)] {
            let s: Vec<f64> = inside(&mut rng, n, s_share).iter().map(|x| s_scale * x).collect();
            let z: Vec<f64> = inside(&mut rng, n, z_share).iter().map(|x| z_scale * x).collect();
            pairs.push((s, z));
        }
        // Near the central path, nearly complementary: z is J s / det s, disturbed.
        for share in [1e-2, 1e-6, 1e-9] {
            let s: Vec<f64> = inside(&mut rng, n, share).iter().map(|x| s_scale * x).collect();
            let noise = random(&mut rng, n);
            let mut z: Vec<f64> = (0..n)
                .map(|i| z_scale * (if i == 0 { s[0] } else { -s[i] }) / s[0])
                .zip(noise)
                .map(|(z, noise)| z * (1.0 + 0.1 * share * noise))
                .collect();
            z[0] = if n == 1 { z[0].abs() } else { norm(&z[1..]) * (1.0 + share) };
            pairs.push((s, z));
        }
    }
    pairs
}

/// |x|^2 / det x: how much a point's distance to the boundary magnifies rounding errors.
fn steepness(x: &[f64]) -> f64 {
    if x.len() == 1 { 1.0 } else { x[0] / least(x) }
}

/// Gaussian elimination with pivoting.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
fn solve(mut a: Matrix, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..n {
            let l = a[i][k] / a[k][k];
            for j in k..n {
                a[i][j] -= l * a[k][j];
            }
            b[i] -= l * b[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}
