//! Eigenvalues of small symmetric matrices, for values and gradients of atoms.

/// Sweeps after which Jacobi's method stops in any case.
const SWEEPS: usize = 60;

/// Eigenvalues, descending, and eigenvectors (row k belongs to value k) of the symmetric part of a
/// matrix of order n, by Jacobi's method.
pub(super) fn symmetric_eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a: Vec<f64> =
        (0..n * n).map(|k| 0.5 * (matrix[k] + matrix[k % n * n + k / n])).collect();
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                rotated |= rotate(&mut a, &mut vectors, n, p, q);
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|i| a[i * n + i]).collect();
    let vectors = order.iter().flat_map(|i| vectors[i * n..(i + 1) * n].to_vec()).collect();
    (values, vectors)
}

/// Makes entry (p, q) zero; false where it is already.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) -> bool {
    let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
    let negligible = apq.abs() <= f64::EPSILON * 0.01 * (app.abs() * aqq.abs()).sqrt();
    if apq == 0.0 || negligible || !apq.is_finite() {
        return false;
    }
    let tau = (aqq - app) / (2.0 * apq);
    let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (vectors[p * n + k], vectors[q * n + k]);
        (vectors[p * n + k], vectors[q * n + k]) = (c * x - s * y, s * x + c * y);
    }
    (a[p * n + q], a[q * n + p]) = (0.0, 0.0);
    true
}

/// `sum_k f(value_k) v_k v_k'`.
pub(super) fn spectral(matrix: &[f64], n: usize, f: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    let (values, vectors) = symmetric_eigen(matrix, n);
    let mut out = vec![0.0; n * n];
    for (k, value) in values.into_iter().enumerate() {
        let (factor, v) = (f(k, value), &vectors[k * n..(k + 1) * n]);
        if factor != 0.0 {
            (0..n * n).for_each(|at| out[at] += factor * v[at / n] * v[at % n]);
        }
    }
    out
}

/// Singular values, descending, each with u and v (of length 1 / sqrt 2) one after the other:
/// eigenvalues of `[0, X; X', 0]`.
pub(super) fn singular(x: &[f64], m: usize, n: usize) -> Vec<(f64, Vec<f64>)> {
    let side = m + n;
    let mut dilation = vec![0.0; side * side];
    for (k, value) in x.iter().enumerate() {
        let (i, j) = (k / n, m + k % n);
        (dilation[i * side + j], dilation[j * side + i]) = (*value, *value);
    }
    let (values, vectors) = symmetric_eigen(&dilation, side);
    let vector = |k: usize| vectors[k * side..(k + 1) * side].to_vec();
    (0..m.min(n)).map(|k| (values[k].max(0.0), vector(k))).collect()
}
