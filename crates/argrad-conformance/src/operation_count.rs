//! Useful floating-point operations of an interior-point solve, for a share of the machine's peak.

/// Size of a dense quadratic program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseSize {
    /// Variables, n.
    pub variables: usize,
    /// Equalities, p.
    pub equalities: usize,
    /// Inequalities, m.
    pub inequalities: usize,
}

/// Operations of one factorization of the reduced KKT matrix: `n (n + 1) m` for the lower triangle
/// of `A' W A` (a multiplication and an addition an entry and row), `(n + p)^3 / 3` for the LDL'.
pub fn factorization(size: DenseSize) -> f64 {
    let (n, p, m) = sizes(size);
    n * (n + 1.0) * m + (n + p).powi(3) / 3.0
}

/// Operations of one solve with that factorization: `2 (n + p)^2` for the two triangles, `4 n m`
/// for the eliminated rows, going in and coming out.
pub fn kkt_solve(size: DenseSize) -> f64 {
    let (n, p, m) = sizes(size);
    2.0 * (n + p).powi(2) + 4.0 * n * m
}

/// Operations of one KKT residual: `2 n^2` for `P x`, `4 n (m + p)` for `A x` and `A' z`.
pub fn residual(size: DenseSize) -> f64 {
    let (n, p, m) = sizes(size);
    2.0 * n * n + 4.0 * n * (m + p)
}

/// Useful operations of the forward solve of one instance: an iteration is one factorization,
/// three solves (constant direction, predictor, corrector) and one residual; a polish step is one
/// factorization, one solve and one residual. Refinement, line searches, equilibration and
/// everything linear in n + m count as overhead, so a share of peak from this number is a lower
/// bound.
pub fn forward(size: DenseSize, iterations: u32, polish_steps: u32) -> f64 {
    let iteration = factorization(size) + 3.0 * kkt_solve(size) + residual(size);
    let polish = factorization(size) + kkt_solve(size) + residual(size);
    f64::from(iterations) * iteration + f64::from(polish_steps) * polish
}

fn sizes(size: DenseSize) -> (f64, f64, f64) {
    (size.variables as f64, size.equalities as f64, size.inequalities as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_small_program_by_hand() {
        let size = DenseSize { variables: 2, equalities: 1, inequalities: 3 };
        assert_eq!(factorization(size), 2.0 * 3.0 * 3.0 + 9.0);
        assert_eq!(kkt_solve(size), 18.0 + 24.0);
        assert_eq!(residual(size), 8.0 + 32.0);
        assert_eq!(forward(size, 2, 1), 2.0 * (27.0 + 126.0 + 40.0) + (27.0 + 42.0 + 40.0));
    }
}
