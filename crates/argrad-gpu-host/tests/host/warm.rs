//! Solves that begin at points of the caller, and tapes at solutions of others.

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{Size, perturbed, random_qp};
use argrad_solver::{Settings, Solution, Status};

use crate::case::{Directions, HOW, difference, in_order, solver, statuses};
use crate::families::{Family, curved, solvable};

fn families() -> Vec<Family> {
    let mut families = solvable(20);
    families.extend(curved(20));
    families.retain(|family| family.is_z_unique);
    families
}

/// The solution of the CPU engine.
fn of_lanes(batch: &ProgramBatch) -> Solution {
    let solver = argrad_solver::Solver::new(batch.structure.clone(), Settings::default()).unwrap();
    solver.solve(&batch.values()).unwrap()
}

#[test]
fn the_own_solution_and_one_nearby_are_starts_from_which_nothing_iterates() {
    for family in families() {
        let batch = &family.batch;
        let own = solver(batch, in_order());
        let cold = own.solve(&batch.values()).unwrap();
        let warm = own.solve_from(&batch.values(), &cold).unwrap();
        assert_eq!(statuses(&warm), statuses(&cold), "{}", family.name);
        for (sample, report) in warm.reports.iter().enumerate() {
            let place = format!("{}, sample {sample}: {report:?}", family.name);
            // One that is so ill-conditioned that its residual is not that small starts anew.
            let is_started = report.warm_started && report.iterations == 0;
            assert!(is_started || cold.reports[sample].condition > 1e6, "{place}");
        }
        let x = difference(&cold.x, &warm.x, batch.variables());
        assert!(x <= 1e-9, "{}: {x:e}", family.name);
    }
    let batch = random_qp(Size { variables: 10, inequalities: 10, equalities: 4, batch: 50 }, 1);
    let nearby = perturbed(&batch, 1e-6, 2);
    let start = solver(&batch, in_order()).solve(&batch.values()).unwrap();
    let warm = solver(&nearby, in_order()).solve_from(&nearby.values(), &start).unwrap();
    let cold = solver(&nearby, in_order()).solve(&nearby.values()).unwrap();
    assert!(warm.reports.iter().filter(|report| report.warm_started).count() > 40);
    assert!(difference(&cold.x, &warm.x, 10) <= 1e-10);
}

#[test]
fn a_start_that_leads_nowhere_changes_nothing() {
    for family in families() {
        let batch = &family.batch;
        let own = solver(batch, in_order());
        let cold = own.solve(&batch.values()).unwrap();
        let far = |numbers: &[f64]| numbers.iter().map(|v| -50.0 * v + 3.0).collect::<Vec<f64>>();
        let start = Solution { x: far(&cold.x), z: far(&cold.z), s: far(&cold.s), ..cold.clone() };
        let found = own.solve_from(&batch.values(), &start).unwrap();
        assert_eq!(statuses(&found), statuses(&cold), "{}", family.name);
        let n = batch.variables();
        for (sample, (report, expected)) in found.reports.iter().zip(&cold.reports).enumerate() {
            if !report.warm_started {
                assert_eq!(report, expected, "{}, sample {sample}", family.name);
                let range = sample * n..(sample + 1) * n;
                assert_eq!(found.x[range.clone()], cold.x[range], "{}", family.name);
            }
        }
    }
}

#[test]
fn a_start_without_numbers_is_as_none() {
    let batch = random_qp(Size { variables: 6, inequalities: 8, equalities: 2, batch: 4 }, 3);
    let own = solver(&batch, in_order());
    let cold = own.solve(&batch.values()).unwrap();
    let start = Solution { x: vec![f64::NAN; 24], ..cold.clone() };
    assert_eq!(own.solve_from(&batch.values(), &start).unwrap(), cold);
    let short = Solution { z: vec![0.0; 3], ..cold };
    let error = own.solve_from(&batch.values(), &short).unwrap_err().to_string();
    assert!(error.starts_with("start.z: expected length 40"), "{error}");
}

#[test]
fn a_tape_at_the_solutions_of_the_cpu_engine_has_their_derivatives() {
    for family in families() {
        let batch = &family.batch;
        let directions = Directions::new(&family);
        let (found, tape) =
            solver(batch, in_order()).tape_at(&batch.values(), &of_lanes(batch)).unwrap();
        assert!(found.reports.iter().all(|report| report.status == Status::Solved));
        assert!(found.reports.iter().all(|report| report.iterations == 0));
        let expected = crate::case::of_lanes(batch, &directions);
        let gradients = tape.vjp(&directions.cotangent(), &HOW).unwrap();
        let n = batch.variables();
        for sample in 0..batch.batch {
            let report = &expected.solution.reports[sample];
            let range = sample * n..(sample + 1) * n;
            if report.weakly_active > 0 || gradients.q.len() < batch.batch * n {
                continue;
            }
            let (own, other) = (&gradients.q[range.clone()], &expected.gradients.q[range]);
            let tolerance = 1e-9 + 1e-12 * report.condition;
            assert!(difference(other, own, n) <= tolerance, "{}, sample {sample}", family.name);
        }
    }
}
