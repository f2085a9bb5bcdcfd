//! Eigenvalues and eigenvectors of small symmetric matrices, by Jacobi rotations.

/// M = V diag(values) V'.
#[derive(Clone, Debug)]
pub(in super::super) struct SymmetricEigen {
    pub(in super::super) order: usize,
    /// In no particular order.
    pub(in super::super) values: Vec<f64>,
    /// V, row-major: column k belongs to the eigenvalue k.
    pub(in super::super) vectors: Vec<f64>,
}

/// Sweeps over all pairs; convergence is quadratic, and six are many.
const SWEEPS: usize = 30;

impl SymmetricEigen {
    /// Of a symmetric matrix of order n with finite entries.
    pub(in super::super) fn new(matrix: &[f64], n: usize) -> Self {
        let mut m = matrix.to_vec();
        let mut v = vec![0.0; n * n];
        (0..n).for_each(|i| v[i * n + i] = 1.0);
        for _ in 0..SWEEPS {
            let mut rotated = false;
            for p in 0..n {
                for q in p + 1..n {
                    rotated |= rotate(&mut m, &mut v, n, p, q);
                }
            }
            if !rotated {
                break;
            }
        }
        Self { order: n, values: (0..n).map(|i| m[i * n + i]).collect(), vectors: v }
    }

    /// The eigenvector of eigenvalue k.
    pub(in super::super) fn vector(&self, k: usize) -> Vec<f64> {
        (0..self.order).map(|i| self.vectors[i * self.order + k]).collect()
    }

    /// V diag(function(values)) V'.
    pub(in super::super) fn rebuild(&self, function: impl Fn(f64) -> f64) -> Vec<f64> {
        let n = self.order;
        let mut out = vec![0.0; n * n];
        for (k, &value) in self.values.iter().enumerate() {
            let value = function(value);
            for i in 0..n {
                let scaled = value * self.vectors[i * n + k];
                for j in 0..n {
                    out[i * n + j] += scaled * self.vectors[j * n + k];
                }
            }
        }
        out
    }

    /// The index of the least eigenvalue; `None` for order zero.
    pub(in super::super) fn least(&self) -> Option<usize> {
        (0..self.order).min_by(|&a, &b| self.values[a].total_cmp(&self.values[b]))
    }
}

/// Annihilates the entry (p, q), unless it is zero beside the diagonal.
fn rotate(m: &mut [f64], v: &mut [f64], n: usize, p: usize, q: usize) -> bool {
    let (off, at_p, at_q) = (m[p * n + q], m[p * n + p], m[q * n + q]);
    // Beside the larger of the two, since a multiple of the identity must not be rotated for ever.
    if off.abs() <= 0.5 * f64::EPSILON * at_p.abs().max(at_q.abs()) || off == 0.0 {
        return false;
    }
    let tau = (at_q - at_p) / (2.0 * off);
    let t = if tau == 0.0 { 1.0 } else { tau.signum() / (tau.abs() + tau.hypot(1.0)) };
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (a, b) = (m[k * n + p], m[k * n + q]);
        m[k * n + p] = c * a - s * b;
        m[k * n + q] = s * a + c * b;
    }
    for k in 0..n {
        let (a, b) = (m[p * n + k], m[q * n + k]);
        m[p * n + k] = c * a - s * b;
        m[q * n + k] = s * a + c * b;
        let (a, b) = (v[k * n + p], v[k * n + q]);
        v[k * n + p] = c * a - s * b;
        v[k * n + q] = s * a + c * b;
    }
    m[p * n + q] = 0.0;
    m[q * n + p] = 0.0;
    true
}
