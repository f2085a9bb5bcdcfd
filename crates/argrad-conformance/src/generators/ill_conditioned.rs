//! Quadratic programs with a P of any condition number.

use super::Size;
use super::draws::gram;
use super::known_solution::{KnownSolution, known_solution_with};

/// Random programs with `P = V diag(1, .., 1/condition) V'`, V a random orthogonal matrix and the
/// eigenvalues evenly spaced on a logarithmic scale. Every other inequality is active, multipliers
/// and slacks are from 0.5 to 1: nothing but P is ill-conditioned.
///
/// Known up to the rounding of q times the condition number.
pub fn ill_conditioned(size: Size, condition: f64, seed: u64) -> KnownSolution {
    let n = size.variables;
    let root = |k: usize| condition.powf(-0.5 * k as f64 / (n.max(2) - 1) as f64);
    known_solution_with(size, 0, seed, |program, v, draws| {
        let mut factor = draws.orthogonal(n);
        for row in factor.chunks_exact_mut(n) {
            row.iter_mut().enumerate().for_each(|(k, entry)| *entry *= root(k));
        }
        let scale = (n as f64).sqrt();
        factor.iter_mut().for_each(|entry| *entry *= scale);
        program.p = gram(&factor, n, n);
        for (i, v) in v.iter_mut().enumerate().skip(size.equalities) {
            let size = 0.5 + 0.5 * draws.uniform();
            *v = if i % 2 == 0 { size } else { -size };
        }
    })
}
