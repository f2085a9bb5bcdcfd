//! The KKT matrix of an active set: assembled, equilibrated and factored.

use qd::Quad;

use super::ActiveSetError;
use crate::DenseProgram;
use crate::double_double::{
    Lu, SMALLEST_PIVOT, drop_rounding, exact, half_scale, inverse_norm, norm1, rescale, rounded,
};

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
        let lu = Lu::factor(&exact(&matrix), order, SMALLEST_PIVOT)
            .ok_or(ActiveSetError::Singular { active: active.len() })?;
        Ok(Self { active, scale, norm, lu })
    }

    /// The active rows, ascending.
    pub(super) fn active(&self) -> &[usize] {
        &self.active
    }

    /// Replaces the right-hand side by the solution. The matrix is symmetric, so this is also the
    /// adjoint solve.
    pub(super) fn solve(&self, rhs: &mut [Quad]) {
        rescale(rhs, &self.scale);
        self.lu.solve(rhs);
        drop_rounding(rhs);
        rescale(rhs, &self.scale);
    }

    /// Estimated condition number of the scaled matrix in the 1-norm.
    pub(super) fn condition(&self) -> f64 {
        let solve = |rhs: &[f64]| {
            let mut solution = exact(rhs);
            self.lu.solve(&mut solution);
            rounded(&solution)
        };
        self.norm * inverse_norm(self.scale.len(), solve, solve)
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
                let row = &matrix[i * order..][..order];
                half_scale(row.iter().fold(0.0_f64, |m, v| m.max(v.abs())))
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
