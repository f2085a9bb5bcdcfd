//! Is a constant matrix positive semidefinite, and a factor of it.

use super::inner_product::dot;

/// Largest pivot that counts as zero, relative to the largest diagonal entry.
const ZERO: f64 = 1e-11;

/// Whether a symmetric matrix is positive semidefinite, up to rounding.
pub(crate) fn is_semidefinite(p: &[f64], n: usize) -> bool {
    is_symmetric(p, n) && is_definite(p, n) || pivoted_cholesky(p, n).is_some()
}

fn is_symmetric(p: &[f64], n: usize) -> bool {
    let largest = p.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    (0..n).all(|i| (0..i).all(|j| (p[i * n + j] - p[j * n + i]).abs() <= 1e-10 * largest))
}

/// Whether the factorization without pivots succeeds; fast.
fn is_definite(p: &[f64], n: usize) -> bool {
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        let (above, row) = factor.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..j * n + j];
            row[j] = (p[i * n + j] - dot(&row[..j], other)) / above[j * n + j];
        }
        let pivot = p[i * n + i] - dot(&row[..i], &row[..i]);
        if pivot.is_nan() || pivot <= ZERO * p[i * n + i] {
            return false;
        }
        row[i] = pivot.sqrt();
    }
    true
}

/// Rows of F with `P = F'F` for a symmetric positive semidefinite matrix (row-major, of order n),
/// as many as its rank; `None` where P is not symmetric or has a negative eigenvalue.
pub(crate) fn pivoted_cholesky(p: &[f64], n: usize) -> Option<Vec<f64>> {
    let scale = (0..n).map(|i| p[i * n + i].abs()).fold(0.0, f64::max);
    if !is_symmetric(p, n) || p.iter().any(|v| v.abs() > scale * (1.0 + 1e-10)) {
        return None;
    }
    let mut rest = p.to_vec();
    let mut rows = Vec::new();
    for _ in 0..n {
        let pivot = |i: &usize| rest[i * n + i];
        let Some(k) = (0..n).max_by(|a, b| pivot(a).total_cmp(&pivot(b))) else { break };
        if rest[k * n + k] <= ZERO * scale {
            break;
        }
        let root = rest[k * n + k].sqrt();
        let row: Vec<f64> = (0..n).map(|j| rest[k * n + j] / root).collect();
        for i in 0..n {
            if row[i] != 0.0 {
                (0..n).for_each(|j| rest[i * n + j] -= row[i] * row[j]);
            }
        }
        // What is eliminated stays exactly zero.
        (0..n).for_each(|j| {
            rest[k * n + j] = 0.0;
            rest[j * n + k] = 0.0;
        });
        rows.extend(row);
    }
    let left = rest.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    (left <= 1e-9 * scale).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::{is_semidefinite, pivoted_cholesky};

    #[test]
    fn factors_of_low_rank_and_full_rank() {
        for p in [
            vec![2.0, 1.0, 0.0, 1.0, 2.0, 0.5, 0.0, 0.5, 1.0],
            vec![1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 3.0, 6.0, 9.0],
            vec![0.0; 9],
        ] {
            let factor = pivoted_cholesky(&p, 3).unwrap();
            for k in 0..9 {
                let found: f64 = factor.chunks(3).map(|row| row[k / 3] * row[k % 3]).sum();
                assert!((found - p[k]).abs() < 1e-12);
            }
            assert!(is_semidefinite(&p, 3));
        }
    }

    #[test]
    fn indefinite_and_asymmetric_matrices_are_seen() {
        for p in [
            [1.0, 2.0, 2.0, 1.0],
            [0.0, 1.0, 1.0, 0.0],
            [1.0, 0.5, 0.0, 1.0],
            [-1.0, 0.0, 0.0, 1.0],
            [1.0, f64::NAN, f64::NAN, 1.0],
        ] {
            assert!(!is_semidefinite(&p, 2), "{p:?}");
        }
    }
}
