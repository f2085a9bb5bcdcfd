//! Programs at whose solution the derivative does not exist, nearly does not, or is not unique.

use super::Size;
use super::known_solution::{KnownSolution, known_solution_with};

/// The first `weak` inequalities have s and z both within `margin`: v = margin and -margin in
/// turn. With `margin` 0 the solution is unique but not differentiable; with a small one it is, and
/// ill-conditioned solvers take the wrong side.
///
/// # Panics
/// When `weak` exceeds the number of inequalities.
pub fn weakly_active(size: Size, weak: usize, margin: f64, seed: u64) -> KnownSolution {
    assert!(weak <= size.inequalities, "{weak} of {} inequalities", size.inequalities);
    known_solution_with(size, size.variables, seed, |program, v, _| {
        for (k, v) in v[program.equalities..][..weak].iter_mut().enumerate() {
            *v = if k % 2 == 0 { margin } else { -margin };
        }
    })
}

/// The second half of the equalities repeats the first half: x is unique, the multipliers are not
/// (those given are one choice).
///
/// # Panics
/// With fewer than two equalities.
pub fn duplicate_equalities(size: Size, seed: u64) -> KnownSolution {
    assert!(size.equalities >= 2, "at least two equalities");
    known_solution_with(size, size.variables, seed, |program, _, _| {
        let half = program.equalities / 2;
        let n = program.variables;
        let start = (program.equalities - half) * n;
        program.a.copy_within(0..half * n, start);
    })
}

/// The second half of the inequalities is twice the first half: x is unique; where such a pair is
/// active, its multipliers are not (those given are one choice).
///
/// # Panics
/// With fewer than two inequalities.
pub fn redundant_inequalities(size: Size, seed: u64) -> KnownSolution {
    assert!(size.inequalities >= 2, "at least two inequalities");
    known_solution_with(size, size.variables, seed, |program, v, draws| {
        let half = program.inequalities / 2;
        for k in 0..half {
            let row = program.equalities + k;
            let copy = program.rows() - half + k;
            let twice: Vec<f64> = program.row(row).iter().map(|a| 2.0 * a).collect();
            program.row_mut(copy).copy_from_slice(&twice);
            // The slack doubles with the row; the multiplier of an active copy is free.
            v[copy] = if v[row] > 0.0 { 2.0 * v[row] } else { -draws.uniform() };
        }
    })
}
