//! The derivative of the residual by (x, v): assembled, equilibrated and factored.

use qd::Quad;

use super::ReferenceError;
use super::program::{Program, Projected};
use crate::double_double::{
    Lu, SMALLEST_PIVOT, drop_rounding, exact, half_scale, inverse_norm, rescale, rounded,
};

/// Factored `[P A'(D - I); A D]`.
#[derive(Clone, Debug)]
pub(super) struct Jacobian {
    /// Powers of two for rows and for columns, so that scaling rounds nothing.
    row_scale: Vec<f64>,
    column_scale: Vec<f64>,
    /// 1-norm of the scaled matrix.
    norm: f64,
    lu: Lu,
}

impl Jacobian {
    pub(super) fn factor(program: &Program, projected: &Projected) -> Result<Self, ReferenceError> {
        let n = program.variables();
        let order = n + program.rows();
        let mut matrix = vec![Quad::ZERO; order * order];
        for ((i, j), &p) in program.structure.p().entries().zip(&program.p) {
            matrix[i * order + j] = p;
            matrix[j * order + i] = p;
        }
        for ((i, j), &a) in program.structure.a().entries().zip(&program.a) {
            matrix[(n + i) * order + j] = a;
        }
        for (first, block) in &projected.blocks {
            let len = block.point.len();
            for i in 0..len {
                let own = &block.derivative[i * len..][..len];
                matrix[(n + first + i) * order + n + first..][..len].copy_from_slice(own);
            }
        }
        // A'(D - I), entry by entry of A.
        let block_of = projected.block_of_rows();
        for ((i, j), &a) in program.structure.a().entries().zip(&program.a) {
            let (first, block) = &projected.blocks[block_of[i]];
            let len = block.point.len();
            for k in 0..len {
                let mut d = block.derivative[(i - first) * len + k];
                if i == first + k {
                    d = d.sub_accurate(Quad::ONE);
                }
                let entry = &mut matrix[j * order + n + first + k];
                *entry = entry.add_accurate(a * d);
            }
        }
        let (row_scale, column_scale) = equilibrate(&mut matrix, order);
        let mut norm = vec![0.0; order];
        for (k, v) in matrix.iter().enumerate() {
            norm[k % order] += v.0.abs();
        }
        let norm = norm.into_iter().fold(0.0, f64::max);
        let lu = Lu::factor(&matrix, order, SMALLEST_PIVOT).ok_or(ReferenceError::Singular)?;
        Ok(Self { row_scale, column_scale, norm, lu })
    }

    /// Replaces the right-hand side by the solution.
    pub(super) fn solve(&self, rhs: &mut [Quad]) {
        rescale(rhs, &self.row_scale);
        self.lu.solve(rhs);
        drop_rounding(rhs);
        rescale(rhs, &self.column_scale);
    }

    /// Replaces the right-hand side by the solution with the transposed matrix.
    pub(super) fn solve_transposed(&self, rhs: &mut [Quad]) {
        rescale(rhs, &self.column_scale);
        self.lu.solve_transposed(rhs);
        drop_rounding(rhs);
        rescale(rhs, &self.row_scale);
    }

    /// Estimated condition number of the scaled matrix in the 1-norm.
    pub(super) fn condition(&self) -> f64 {
        let apply = |rhs: &[f64], solve: &dyn Fn(&mut [Quad])| {
            let mut solution = exact(rhs);
            solve(&mut solution);
            rounded(&solution)
        };
        self.norm
            * inverse_norm(
                self.row_scale.len(),
                |rhs| apply(rhs, &|v| self.lu.solve(v)),
                |rhs| apply(rhs, &|v| self.lu.solve_transposed(v)),
            )
    }
}

/// Scales rows and columns by powers of two, until the largest entry of each is near 1 (Ruiz 2001).
fn equilibrate(matrix: &mut [Quad], order: usize) -> (Vec<f64>, Vec<f64>) {
    const PASSES: usize = 6;
    let (mut rows, mut columns) = (vec![1.0; order], vec![1.0; order]);
    for _ in 0..PASSES {
        let (mut of_rows, mut of_columns) = (vec![0.0_f64; order], vec![0.0_f64; order]);
        for (k, v) in matrix.iter().enumerate() {
            of_rows[k / order] = of_rows[k / order].max(v.0.abs());
            of_columns[k % order] = of_columns[k % order].max(v.0.abs());
        }
        let of_rows: Vec<f64> = of_rows.into_iter().map(half_scale).collect();
        let of_columns: Vec<f64> = of_columns.into_iter().map(half_scale).collect();
        for (k, v) in matrix.iter_mut().enumerate() {
            let scale = of_rows[k / order] * of_columns[k % order];
            *v = Quad(v.0 * scale, v.1 * scale);
        }
        rows.iter_mut().zip(of_rows).for_each(|(total, scale)| *total *= scale);
        columns.iter_mut().zip(of_columns).for_each(|(total, scale)| *total *= scale);
    }
    (rows, columns)
}
