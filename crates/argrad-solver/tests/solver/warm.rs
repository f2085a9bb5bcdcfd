//! A warm start is accepted on its proven residual, or the solve is the cold one.

use argrad_conformance::generators::{self, perturbed};
use argrad_conformance::{ProgramBatch, relative_error};
use argrad_solver::{Solution, Status};

use crate::case::{Case, differing, size, solution_bits, solver};

fn cold_and_warm(batch: &ProgramBatch, start: &Solution) -> (Solution, Solution) {
    let solver = solver(batch);
    let values = batch.values();
    (solver.solve(&values).unwrap(), solver.solve_from(&values, start).unwrap())
}

/// The same points to 1e-12; beyond a condition of 20, to a residual of 5e-14 times the condition.
fn assert_close(found: &Solution, expected: &Solution, what: &str) {
    let (n, m) = (found.x.len() / found.batch, found.z.len() / found.batch);
    for (i, report) in expected.reports.iter().enumerate() {
        let limit = 1e-12_f64.max(5e-14 * report.condition);
        for (name, found, expected, len) in [
            ("x", &found.x, &expected.x, n),
            ("z", &found.z, &expected.z, m),
            ("s", &found.s, &expected.s, m),
        ] {
            let error = relative_error(&found[i * len..][..len], &expected[i * len..][..len]);
            assert!(error < limit, "{what}: {name} of {i} is off by {error:e}, {report:?}");
        }
    }
}

#[test]
fn the_solution_itself_is_accepted_without_iterations() {
    for (n, equalities) in [(1, 0), (5, 2), (20, 0), (50, 25)] {
        let batch = generators::random_qp(size(n, n, equalities, 24), 101);
        let cold = solver(&batch).solve(&batch.values()).unwrap();
        let (_, warm) = cold_and_warm(&batch, &cold);
        for report in &warm.reports {
            assert_eq!(report.status, Status::Solved);
            assert!(report.warm_started && report.iterations == 0, "{report:?}");
            assert!(report.residual < 1e-13, "{report:?}");
        }
        assert!(cold.reports.iter().all(|report| !report.warm_started));
        assert_close(&warm, &cold, "same data");
    }
}

#[test]
fn a_small_change_is_accepted_and_leads_to_the_cold_solution() {
    for (n, equalities) in [(5, 2), (20, 0), (50, 0), (30, 15)] {
        let before = generators::random_qp(size(n, n, equalities, 40), 102);
        let start = solver(&before).solve(&before.values()).unwrap();
        let after = perturbed(&before, 1e-4, 103);
        let (cold, warm) = cold_and_warm(&after, &start);
        let accepted = warm.reports.iter().filter(|r| r.warm_started && r.iterations == 0).count();
        assert!(accepted >= 38, "n = {n}: {accepted} of 40");
        assert_close(&warm, &cold, "small change");
    }
}

#[test]
fn the_derivative_after_a_warm_start_is_that_after_a_cold_one() {
    let before = generators::random_qp(size(12, 15, 4, 20), 104);
    let start = solver(&before).solve(&before.values()).unwrap();
    let case = Case::new(perturbed(&before, 1e-3, 105), 1);
    let solver = solver(&case.batch);
    let (warm, warm_tape) = solver.forward_from(&case.batch.values(), &start).unwrap();
    let (_, cold_tape) = solver.forward(&case.batch.values()).unwrap();
    assert!(warm.reports.iter().any(|report| report.warm_started));
    let found = warm_tape.vjp(&case.cotangent(), &Default::default()).unwrap();
    let expected = cold_tape.vjp(&case.cotangent(), &Default::default()).unwrap();
    for i in 0..20 {
        let (found, expected) = (case.gradients_of(i, &found), case.gradients_of(i, &expected));
        assert!(relative_error(&found.p, &expected.p) < 1e-11);
        assert!(relative_error(&found.q, &expected.q) < 1e-11);
        assert!(relative_error(&found.a, &expected.a) < 1e-11);
        assert!(relative_error(&found.b, &expected.b) < 1e-11);
    }
}

/// Starts that lead nowhere, or happen to lead to the solution.
#[test]
fn a_far_start_ends_in_the_cold_solution_bit_for_bit_or_in_an_accepted_one() {
    let size = size(15, 20, 5, 40);
    let batch = generators::random_qp(size, 106);
    let other = generators::random_qp(size, 107);
    let start = solver(&other).solve(&other.values()).unwrap();
    let (cold, warm) = cold_and_warm(&batch, &start);
    let mut fallen_back = 0;
    for i in 0..40 {
        if !warm.reports[i].warm_started {
            fallen_back += 1;
            let different = differing(&solution_bits(&warm, i), &solution_bits(&cold, i));
            assert!(different.is_empty(), "{different:?} of sample {i}");
        }
    }
    assert!(fallen_back > 0);
    assert_close(&warm, &cold, "far start");
}

#[test]
fn a_start_that_is_not_finite_ends_in_the_cold_solution_bit_for_bit() {
    let batch = generators::random_qp(size(6, 7, 2, 9), 108);
    let good = solver(&batch).solve(&batch.values()).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        let mut start = good.clone();
        start.x[4 * 6] = value;
        start.z[5 * 9 + 2] = value;
        start.s[6 * 9 + 5] = value;
        let (cold, warm) = cold_and_warm(&batch, &start);
        for i in 0..9 {
            assert_eq!(warm.reports[i].status, Status::Solved, "{value}");
            if !warm.reports[i].warm_started {
                let different = differing(&solution_bits(&warm, i), &solution_bits(&cold, i));
                assert!(different.is_empty(), "{different:?} of sample {i} from {value}");
            }
        }
        assert_close(&warm, &cold, "not finite");
        assert!([0, 1, 2, 3, 7, 8].iter().all(|&i| warm.reports[i].warm_started));
    }
}

#[test]
fn rows_removed_before_or_after_do_not_spoil_a_start() {
    let mut before = generators::random_qp(size(6, 7, 2, 9), 109);
    let after = before.clone();
    before.b.as_mut_slice().chunks_mut(9).for_each(|b| b[4] = f64::INFINITY);
    for (first, second) in [(&before, &after), (&after, &before)] {
        let start = solver(first).solve(&first.values()).unwrap();
        let (cold, warm) = cold_and_warm(second, &start);
        assert!(warm.reports.iter().all(|report| report.status == Status::Solved));
        assert_close(&warm, &cold, "removed row");
    }
}

#[test]
fn an_infeasible_program_is_found_infeasible_from_any_start() {
    let size = size(6, 7, 2, 9);
    let good = generators::random_qp(size, 110);
    let start = solver(&good).solve(&good.values()).unwrap();
    for bad in [generators::conflicting_inequalities(size, 110), generators::unbounded(size, 110)] {
        let (cold, warm) = cold_and_warm(&bad, &start);
        for (i, report) in cold.reports.iter().enumerate() {
            assert_ne!(report.status, Status::Solved);
            let different = differing(&solution_bits(&warm, i), &solution_bits(&cold, i));
            assert!(
                different.is_empty(),
                "{different:?} of {i}: {report:?}, {:?}",
                warm.reports[i]
            );
        }
        // And back: a certificate as the start of a program with a solution.
        let (cold, warm) = cold_and_warm(&good, &cold);
        assert!(warm.reports.iter().all(|report| report.status == Status::Solved));
        assert_close(&warm, &cold, "from a certificate");
    }
}

#[test]
fn a_warm_solve_is_the_same_alone_and_in_a_batch() {
    let before = generators::random_qp(size(10, 14, 3, 17), 111);
    let start = solver(&before).solve(&before.values()).unwrap();
    let after = perturbed(&before, 3e-2, 112);
    let (_, together) = cold_and_warm(&after, &start);
    let warm_started = together.reports.iter().filter(|report| report.warm_started).count();
    assert!(warm_started > 0 && warm_started < 17, "{warm_started}");
    for i in 0..17 {
        let take = |values: &[f64], len: usize| values[i * len..][..len].to_vec();
        let own = Solution {
            batch: 1,
            x: take(&start.x, 10),
            z: take(&start.z, 17),
            s: take(&start.s, 17),
            reports: vec![start.reports[i]],
        };
        let (_, alone) = cold_and_warm(&after.select(&[i]), &own);
        let different = differing(&solution_bits(&together, i), &solution_bits(&alone, 0));
        assert!(different.is_empty(), "{different:?} of sample {i}");
    }
}
