//! The KKT matrix of an active set: assembled, equilibrated and factored.

use qd::Quad;

use super::ActiveSetError;
use super::lu::Lu;
use crate::DenseProgram;

/// Factored `[P A_W'; A_W 0]`.
#[derive(Clone, Debug)]
pub(super) struct Kkt {
    active: Vec<usize>,
    /// Powers of two, so that scaling rounds nothing.
    scale: Vec<f64>,
    /// 1-norm of the scaled matrix.
    norm: f64,
    lu: Lu,
}

/// A pivot below this, the largest entry of the matrix being about 1, is rounding.
const SMALLEST_PIVOT: f64 = 1e-26;

/// Entries of a solution below this, relative to the largest, are rounding.
const ROUNDING: f64 = 1e-25;

impl Kkt {
    /// Factors the matrix of the rows `active`.
    pub(super) fn factor(
        program: &DenseProgram,
        active: Vec<usize>,
    ) -> Result<Self, ActiveSetError> {
        let n = program.variables;
        let order = n + active.len();
        let mut matrix = vec![0.0; order * order];
        for i in 0..n {
            matrix[i * order..][..n].copy_from_slice(&program.p[i * n..][..n]);
        }
        for (k, &row) in active.iter().enumerate() {
            for (j, &value) in program.row(row).iter().enumerate() {
                matrix[(n + k) * order + j] = value;
                matrix[j * order + n + k] = value;
            }
        }
        let scale = equilibrate(&mut matrix, order);
        let norm = (0..order).map(|i| norm1(&matrix[i * order..][..order])).fold(0.0, f64::max);
        let lu = Lu::factor(matrix, order, SMALLEST_PIVOT)
            .ok_or(ActiveSetError::Singular { active: active.len() })?;
        Ok(Self { active, scale, norm, lu })
    }

    /// The active rows, ascending.
    pub(super) fn active(&self) -> &[usize] {
        &self.active
    }

    /// Replaces the right-hand side by the solution. The matrix is symmetric, so this is also the
    /// adjoint solve. Entries that are rounding become zero: a derivative that vanishes, as that of
    /// a vertex with respect to q, vanishes exactly.
    pub(super) fn solve(&self, rhs: &mut [Quad]) {
        self.rescale(rhs);
        self.lu.solve(rhs);
        let largest = rhs.iter().fold(0.0_f64, |largest, v| largest.max(v.0.abs()));
        for v in rhs.iter_mut().filter(|v| v.0.abs() < ROUNDING * largest) {
            *v = Quad::ZERO;
        }
        self.rescale(rhs);
    }

    fn rescale(&self, vector: &mut [Quad]) {
        for (v, &scale) in vector.iter_mut().zip(&self.scale) {
            *v = Quad(v.0 * scale, v.1 * scale);
        }
    }

    /// Estimated condition number of the scaled matrix in the 1-norm (Hager 1984, Higham 1988).
    pub(super) fn condition(&self) -> f64 {
        let order = self.scale.len();
        let mut vector = vec![1.0 / order as f64; order];
        let mut inverse_norm = 0.0_f64;
        for _ in 0..5 {
            let image = self.solve_scaled(&vector);
            let estimate = norm1(&image);
            if estimate <= inverse_norm {
                break;
            }
            inverse_norm = estimate;
            let signs: Vec<f64> = image.iter().map(|v| 1.0_f64.copysign(*v)).collect();
            let gradient = self.solve_scaled(&signs);
            let steepest = (0..order)
                .max_by(|&i, &j| gradient[i].abs().total_cmp(&gradient[j].abs()))
                .unwrap_or(0);
            vector.fill(0.0);
            if let Some(entry) = vector.get_mut(steepest) {
                *entry = 1.0;
            }
        }
        // A vector that the sign iteration misses (Higham 1988, equation 4.7).
        let alternating: Vec<f64> = (0..order)
            .map(|i| {
                let size = 1.0 + i as f64 / order.max(2) as f64;
                if i % 2 == 0 { size } else { -size }
            })
            .collect();
        let estimate = norm1(&self.solve_scaled(&alternating)) / norm1(&alternating).max(1.0);
        self.norm * inverse_norm.max(estimate)
    }

    fn solve_scaled(&self, rhs: &[f64]) -> Vec<f64> {
        let mut solution: Vec<Quad> = rhs.iter().map(|&v| Quad::from_f64(v)).collect();
        self.lu.solve(&mut solution);
        solution.iter().map(|v| v.0).collect()
    }
}

/// Scales rows and columns by the same powers of two, until the largest entry of each is near 1
/// (Ruiz 2001). Returns the factors.
fn equilibrate(matrix: &mut [f64], order: usize) -> Vec<f64> {
    const PASSES: usize = 6;
    let mut total = vec![1.0; order];
    for _ in 0..PASSES {
        let factors: Vec<f64> = (0..order)
            .map(|i| {
                let largest =
                    matrix[i * order..][..order].iter().fold(0.0_f64, |m, v| m.max(v.abs()));
                if largest > 0.0 { (-0.5 * largest.log2()).round().exp2() } else { 1.0 }
            })
            .collect();
        for i in 0..order {
            for j in 0..order {
                matrix[i * order + j] *= factors[i] * factors[j];
            }
            total[i] *= factors[i];
        }
    }
    total
}

fn norm1(vector: &[f64]) -> f64 {
    vector.iter().map(|v| v.abs()).sum()
}
