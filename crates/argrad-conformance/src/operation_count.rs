//! Useful floating-point operations of an interior-point solve, for a share of the machine's peak.

use argrad_solver::Report;

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

/// Operations of one factorization of the KKT matrix, all rows eliminated before the variables:
/// `n (n + 1) (m + p)` for the lower triangle of `A' W A` (a multiplication and an addition an
/// entry and row), `n^3 / 3` for the LDL'.
pub fn factorization(size: DenseSize) -> f64 {
    let (n, p, m) = sizes(size);
    n * (n + 1.0) * (m + p) + n.powi(3) / 3.0
}

/// Operations of one solve with that factorization: `2 n^2` for the two triangles, `4 n (m + p)`
/// for the eliminated rows, going in and coming out.
pub fn kkt_solve(size: DenseSize) -> f64 {
    let (n, p, m) = sizes(size);
    2.0 * n * n + 4.0 * n * (m + p)
}

/// Operations of one KKT residual: `2 n^2` for `P x`, `4 n (m + p)` for `A x` and `A' z`.
pub fn residual(size: DenseSize) -> f64 {
    let (n, p, m) = sizes(size);
    2.0 * n * n + 4.0 * n * (m + p)
}

/// Useful operations of the forward solve of one sample: the factorizations it needed, three
/// solves (constant direction, predictor, corrector) and one residual an iteration, one solve and
/// one residual a polish step. Condition estimates, line searches, equilibration and everything
/// linear in n + m count as overhead, so a share of peak from this number is a lower bound.
pub fn forward(size: DenseSize, report: &Report) -> f64 {
    let (iterations, steps) = (f64::from(report.iterations), f64::from(report.polish_steps));
    f64::from(report.factorizations) * factorization(size)
        + iterations * (3.0 * kkt_solve(size) + residual(size))
        + steps * (kkt_solve(size) + residual(size))
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
        assert_eq!(factorization(size), 2.0 * 3.0 * 4.0 + 8.0 / 3.0);
        assert_eq!(kkt_solve(size), 8.0 + 32.0);
        assert_eq!(residual(size), 8.0 + 32.0);
        let mut report = Report::default();
        report.iterations = 2;
        report.polish_steps = 1;
        report.factorizations = 4;
        assert_eq!(forward(size, &report), 4.0 * (24.0 + 8.0 / 3.0) + 2.0 * 160.0 + 80.0);
    }
}
