//! Estimate of a condition number.

use super::norm1;

/// Estimated 1-norm of the inverse of a matrix of this order (Hager 1984, Higham 1988), from
/// solutions with the matrix and its transpose.
pub(crate) fn inverse_norm(
    order: usize,
    solve: impl Fn(&[f64]) -> Vec<f64>,
    solve_transposed: impl Fn(&[f64]) -> Vec<f64>,
) -> f64 {
    let mut vector = vec![1.0 / order as f64; order];
    let mut inverse_norm = 0.0_f64;
    for _ in 0..5 {
        let image = solve(&vector);
        let estimate = norm1(&image);
        if estimate <= inverse_norm {
            break;
        }
        inverse_norm = estimate;
        let signs: Vec<f64> = image.iter().map(|v| 1.0_f64.copysign(*v)).collect();
        let gradient = solve_transposed(&signs);
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
    inverse_norm.max(norm1(&solve(&alternating)) / norm1(&alternating).max(1.0))
}
