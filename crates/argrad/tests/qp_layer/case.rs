//! Random programs with a known, nondegenerate solution.

use argrad::{MatrixShape, QpLayer, QpShape, QpValues, Settings, Slot};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Arguments in the order P, q, A, b, G, h.
pub const NAMES: [&str; 6] = ["P", "q", "A", "b", "G", "h"];

/// A batch of programs, and the solution they were made from.
#[derive(Clone, Debug)]
pub struct Case {
    pub shape: QpShape,
    pub batch: usize,
    pub shared: [bool; 6],
    pub numbers: [Vec<f64>; 6],
    pub x: Vec<f64>,
    pub equality_duals: Vec<f64>,
    pub inequality_duals: Vec<f64>,
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub fn normal(rng: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

pub fn normals(rng: &mut StdRng, len: usize) -> Vec<f64> {
    (0..len).map(|_| normal(rng)).collect()
}

/// Dense row-major matrix from numbers in the order of `shape`.
pub fn dense(shape: &MatrixShape, numbers: &[f64]) -> Vec<f64> {
    let mut matrix = vec![0.0; shape.rows() * shape.cols()];
    for ((i, j), v) in shape.entries().into_iter().zip(numbers) {
        matrix[i * shape.cols() + j] = *v;
    }
    matrix
}

/// `M x`, for numbers in the order of `shape`.
pub fn product(shape: &MatrixShape, numbers: &[f64], x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; shape.rows()];
    for ((i, j), v) in shape.entries().into_iter().zip(numbers) {
        y[i] += v * x[j];
    }
    y
}

/// `M' y`.
pub fn transposed_product(shape: &MatrixShape, numbers: &[f64], y: &[f64]) -> Vec<f64> {
    let mut x = vec![0.0; shape.cols()];
    for ((i, j), v) in shape.entries().into_iter().zip(numbers) {
        x[j] += v * y[i];
    }
    x
}

impl Case {
    /// Each sample has its own numbers. `active` of the inequalities hold with equality; duals
    /// and slacks are 0 or in [0.5, 1.5].
    pub fn random(shape: QpShape, active: usize, batch: usize, seed: u64) -> Self {
        let rng = &mut rng(seed);
        let n = shape.variables();
        let (equalities, inequalities) = (shape.a.rows(), shape.g.rows());
        let mut case = Self {
            batch,
            shared: [false; 6],
            numbers: Default::default(),
            x: vec![],
            equality_duals: vec![],
            inequality_duals: vec![],
            shape,
        };
        for _ in 0..batch {
            let p = positive_definite(&case.shape.p, rng);
            let a = normals(rng, case.shape.a.len());
            let g = normals(rng, case.shape.g.len());
            let x = normals(rng, n);
            let y = normals(rng, equalities);
            let bounds: Vec<f64> = (0..inequalities).map(|_| rng.random_range(0.5..1.5)).collect();
            // Spread the active ones evenly.
            let is_active = |i: usize| (i + 1) * active / inequalities > i * active / inequalities;
            let pick = |want: bool| -> Vec<f64> {
                let all = 0..inequalities;
                all.map(|i| if is_active(i) == want { bounds[i] } else { 0.0 }).collect()
            };
            let (z, slack) = (pick(true), pick(false));
            let b = product(&case.shape.a, &a, &x);
            let h: Vec<f64> =
                product(&case.shape.g, &g, &x).iter().zip(&slack).map(|(gx, s)| gx + s).collect();
            let px = product(&case.shape.p, &p, &x);
            let ay = transposed_product(&case.shape.a, &a, &y);
            let gz = transposed_product(&case.shape.g, &g, &z);
            let q: Vec<f64> = (0..n).map(|j| -(px[j] + ay[j] + gz[j])).collect();
            for (numbers, new) in case.numbers.iter_mut().zip([p, q, a, b, g, h]) {
                numbers.extend(new);
            }
            case.x.extend(x);
            case.equality_duals.extend(y);
            case.inequality_duals.extend(z);
        }
        case
    }

    pub fn lens(&self) -> [usize; 6] {
        let shape = &self.shape;
        [
            shape.p.len(),
            shape.variables(),
            shape.a.len(),
            shape.a.rows(),
            shape.g.len(),
            shape.g.rows(),
        ]
    }

    /// The same program for each sample in `argument`, given once.
    pub fn share(mut self, argument: usize) -> Self {
        let len = self.lens()[argument];
        self.numbers[argument].truncate(len);
        self.shared[argument] = true;
        self
    }

    pub fn slot(&self, argument: usize) -> Slot<'_> {
        let numbers = &self.numbers[argument];
        if self.shared[argument] { Slot::Shared(numbers) } else { Slot::Each(numbers) }
    }

    pub fn values(&self) -> QpValues<'_> {
        QpValues::new(self.batch, self.slot(0), self.slot(1))
            .equalities(self.slot(2), self.slot(3))
            .inequalities(self.slot(4), self.slot(5))
    }

    pub fn layer(&self) -> QpLayer {
        let settings = Settings { tolerance: 1e-11, ..Settings::default() };
        QpLayer::new(self.shape.clone(), settings).unwrap()
    }
}

/// P of this shape, with eigenvalues of at least 0.5.
fn positive_definite(shape: &MatrixShape, rng: &mut StdRng) -> Vec<f64> {
    let n = shape.cols();
    match shape {
        MatrixShape::Dense { .. } => {
            let l = normals(rng, n * n);
            let mut p = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..=i {
                    let sum: f64 = (0..n).map(|k| l[i * n + k] * l[j * n + k]).sum();
                    p[i * n + j] = sum / n as f64 + if i == j { 0.5 } else { 0.0 };
                    p[j * n + i] = p[i * n + j];
                }
            }
            p
        }
        // Diagonally dominant; the same number for an entry and its mirror image.
        _ => {
            let entries = shape.entries();
            let values: Vec<f64> = normals(rng, n * n);
            entries
                .iter()
                .map(|&(i, j)| {
                    if i == j {
                        let off: f64 = entries
                            .iter()
                            .filter(|&&(r, c)| r == i && c != i)
                            .map(|&(r, c)| values[r.min(c) * n + r.max(c)].abs())
                            .sum();
                        off + 0.5 + values[i * n + i].abs()
                    } else {
                        values[i.min(j) * n + i.max(j)]
                    }
                })
                .collect()
        }
    }
}

/// Largest difference, relative to the largest entry of `expected`.
pub fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let error = found.iter().zip(expected).fold(0.0, |m: f64, (a, b)| {
        assert!(a.is_finite() && b.is_finite(), "{a} against {b}");
        m.max((a - b).abs())
    });
    if size > 0.0 { error / size } else { error }
}
