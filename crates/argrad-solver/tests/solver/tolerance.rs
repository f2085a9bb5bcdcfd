//! What a loose tolerance saves, and what it still promises.

use argrad_conformance::generators::ConePrograms;
use argrad_conformance::{ProgramBatch, kkt_residual};
use argrad_solver::{Cone, Settings, Solution, Solver};

use crate::case::solution_bits;

/// Cones on which Newton's method takes several steps.
fn curved() -> ConePrograms {
    let cones = vec![Cone::SecondOrder(5), Cone::PsdTriangle(4), Cone::SecondOrder(4)];
    ConePrograms::dense(cones, 9, 24, 71)
}

fn solver(batch: &ProgramBatch, tolerance: f64) -> Solver {
    let settings = Settings { tolerance, ..Settings::default() };
    Solver::new(batch.structure.clone(), settings).unwrap()
}

fn all_solved(solution: &Solution) -> bool {
    solution.failures().next().is_none()
}

fn factorizations(solution: &Solution) -> u32 {
    solution.reports.iter().map(|report| report.factorizations).sum()
}

/// The largest residual of a solution, measured anew.
fn worst(batch: &ProgramBatch, solution: &Solution) -> f64 {
    let (n, m) = (batch.variables(), batch.rows());
    (0..batch.batch)
        .map(|i| {
            let (x, z) = (&solution.x[i * n..][..n], &solution.z[i * m..][..m]);
            kkt_residual(batch, i, x, z, &solution.s[i * m..][..m]).worst()
        })
        .fold(0.0, f64::max)
}

#[test]
fn a_loose_tolerance_saves_factorizations() {
    let batch = curved().known_solution().batch;
    let solve = |tolerance| solver(&batch, tolerance).solve(&batch.values()).unwrap();
    let (strict, loose) = (solve(1e-9), solve(1e-3));
    assert!(all_solved(&strict) && all_solved(&loose));
    let (before, after) = (factorizations(&strict), factorizations(&loose));
    // At least one for each sample.
    assert!(after + 24 <= before, "{before} at 1e-9, {after} at 1e-3");
    let residual = worst(&batch, &loose);
    assert!(residual <= 1e-3, "{residual:e}");
}

#[test]
fn a_loose_tolerance_saves_factorizations_of_a_warm_start() {
    let before = curved().known_solution().batch;
    let after = argrad_conformance::generators::perturbed(&before, 1e-3, 72);
    let start = solver(&before, 1e-9).solve(&before.values()).unwrap();
    let solve = |tolerance| solver(&after, tolerance).solve_from(&after.values(), &start).unwrap();
    let (strict, loose) = (solve(1e-9), solve(1e-4));
    assert!(loose.reports.iter().all(|report| report.warm_started));
    let (strict, loose) = (factorizations(&strict), factorizations(&loose));
    assert!(loose < strict, "{strict} at 1e-9, {loose} at 1e-4");
}

#[test]
fn each_tolerance_is_kept() {
    let batch = curved().known_solution().batch;
    for tolerance in [1e-2, 1e-4, 1e-6, 1e-8] {
        let solution = solver(&batch, tolerance).solve(&batch.values()).unwrap();
        assert!(all_solved(&solution), "{tolerance:e}");
        let residual = worst(&batch, &solution);
        assert!(residual <= tolerance, "{residual:e} at {tolerance:e}");
    }
}

#[test]
fn a_tolerance_tighter_than_the_default_changes_no_solution() {
    let batch = curved().known_solution().batch;
    let solve = |tolerance| solver(&batch, tolerance).solve(&batch.values()).unwrap();
    let (default, tight) = (solve(1e-9), solve(1e-12));
    assert!(all_solved(&tight));
    for i in 0..batch.batch {
        assert_eq!(solution_bits(&default, i), solution_bits(&tight, i), "sample {i}");
    }
}
