//! Small dense matrices, row-major: what one sample's KKT system needs.

mod eigen;
mod householder;

pub(super) use eigen::SymmetricEigen;
pub(super) use householder::PivotedQr;

use crate::algebra::dot;

/// Largest absolute value.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}

/// `matrix * vector` with `columns` columns.
pub(super) fn product(matrix: &[f64], columns: usize, vector: &[f64]) -> Vec<f64> {
    matrix.chunks(columns.max(1)).map(|row| dot(row, vector)).collect()
}

/// `matrix' * vector` with `columns` columns.
pub(super) fn transposed_product(matrix: &[f64], columns: usize, vector: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; columns];
    for (row, v) in matrix.chunks(columns.max(1)).zip(vector) {
        out.iter_mut().zip(row).for_each(|(out, a)| *out += a * v);
    }
    out
}

/// `left' * matrix * right` for a square matrix of order n; `left` is n x l, `right` is n x r.
pub(super) fn congruence(
    left: &[f64],
    l: usize,
    matrix: &[f64],
    n: usize,
    right: &[f64],
    r: usize,
) -> Vec<f64> {
    let mut half = vec![0.0; n * r];
    for i in 0..n {
        for k in 0..n {
            let v = matrix[i * n + k];
            for j in 0..r {
                half[i * r + j] += v * right[k * r + j];
            }
        }
    }
    let mut out = vec![0.0; l * r];
    for k in 0..n {
        for i in 0..l {
            let v = left[k * l + i];
            for j in 0..r {
                out[i * r + j] += v * half[k * r + j];
            }
        }
    }
    out
}

/// Whether the symmetric matrix minus `shift` times the identity is positive definite.
pub(super) fn exceeds(matrix: &[f64], n: usize, shift: f64) -> bool {
    let mut factor = matrix.to_vec();
    for i in 0..n {
        for j in 0..=i {
            let shifted = matrix[i * n + j] - if i == j { shift } else { 0.0 };
            let v = shifted - dot(&factor[i * n..i * n + j], &factor[j * n..j * n + j]);
            if i > j {
                factor[i * n + j] = v / factor[j * n + j];
            } else if v > 0.0 {
                factor[i * n + i] = v.sqrt();
            } else {
                return false;
            }
        }
    }
    true
}
