//! Limits of time and of iterations end a solve with its best point, and harm no other sample.

use std::time::Duration;

use argrad_conformance::ProgramBatch;
use argrad_solver::{
    Cotangent, Differentiation, Error, Interrupt, Method, Settings, Solver, Status,
};

use crate::case::{Case, NAN, differing};
use crate::families::{Family, families, mixtures};

fn limited(batch: &ProgramBatch, max_iterations: usize, time_limit: Option<Duration>) -> Solver {
    let settings = Settings { max_iterations, time_limit, ..Settings::default() };
    Solver::new(batch.structure.clone(), settings).unwrap()
}

fn assert_all_end_with(case: &Case, solver: &Solver, status: Status, name: &str) {
    let answer = case.answer(solver, &NAN).unwrap();
    for (i, report) in answer.solution.reports.iter().enumerate() {
        assert_eq!(report.status, status, "{name} {i}: {report:?}");
        assert!(!report.is_unique() && report.is_degenerate(), "{name} {i}: {report:?}");
        assert!(report.residual.is_finite(), "{name} {i}: {report:?}");
    }
    let solution = &answer.solution;
    let all_finite = |values: &[f64]| values.iter().all(|v| v.is_finite());
    assert!(
        all_finite(&solution.x) && all_finite(&solution.z) && all_finite(&solution.s),
        "{name}"
    );
    let all_nan = |values: &[f64]| values.iter().all(|v| v.is_nan());
    assert!(all_nan(&answer.gradients.q) && all_nan(&answer.gradients.b), "{name}");
    assert!(all_nan(&answer.tangent.x) && all_nan(&answer.tangent.z), "{name}");

    let (_, tape) = solver.forward(&case.batch.values()).unwrap();
    match tape.vjp(&case.cotangent(), &Default::default()).unwrap_err() {
        Error::Unsolved { batch, failures } => {
            assert_eq!(failures, (0..batch).map(|i| (i, status)).collect::<Vec<_>>(), "{name}");
        }
        error => panic!("{name}: {error}"),
    }
}

#[test]
fn no_time_at_all_gives_finite_points_and_no_derivative() {
    for Family { name, programs } in families(5) {
        // One Newton step solves what has equalities only.
        if name != "zero" {
            let case = Case::new(programs.known_solution().batch, 1);
            let solver = limited(&case.batch, 100, Some(Duration::ZERO));
            assert_all_end_with(&case, &solver, Status::TimeLimit, name);
        }
    }
}

/// Newton steps may finish what one iteration began; all else ends at the limit.
#[test]
fn one_iteration_gives_finite_points_and_no_derivative() {
    for Family { name, programs } in mixtures(9) {
        let all = Case::new(programs.known_solution().batch, 2);
        let (solution, _) = limited(&all.batch, 1, None).forward(&all.batch.values()).unwrap();
        for (i, report) in solution.reports.iter().enumerate() {
            assert!(report.iterations <= 1, "{name} {i}: {report:?}");
            assert!(!report.is_solved() || report.residual < 1e-9, "{name} {i}: {report:?}");
        }
        let unsolved: Vec<usize> = (0..9).filter(|&i| !solution.reports[i].is_solved()).collect();
        assert!(!unsolved.is_empty() || name == "sparse mixture", "{name}");
        if !unsolved.is_empty() {
            let case = all.select(&unsolved);
            let solver = limited(&case.batch, 1, None);
            assert_all_end_with(&case, &solver, Status::IterationLimit, name);
        }
    }
}

#[test]
fn enough_time_changes_nothing() {
    for Family { name, programs } in mixtures(9) {
        let case = Case::new(programs.known_solution().batch, 3);
        let hour = Duration::from_secs(3600);
        let timed = case.answer(&limited(&case.batch, 100, Some(hour)), &NAN).unwrap();
        let free = case.answer(&limited(&case.batch, 100, None), &NAN).unwrap();
        for i in 0..9 {
            let different = differing(&timed.bits(i), &free.bits(i));
            assert!(different.is_empty(), "{name}: {different:?} of sample {i}");
        }
    }
}

#[test]
fn samples_that_need_fewer_iterations_are_the_same_bit_for_bit() {
    for Family { name, programs } in mixtures(23) {
        let case = Case::new(programs.known_solution().batch, 4);
        let free = case.answer(&limited(&case.batch, 100, None), &NAN).unwrap();
        let mut iterations: Vec<u32> =
            free.solution.reports.iter().map(|report| report.iterations).collect();
        iterations.sort_unstable();
        let limit = iterations[11];
        let short = case.answer(&limited(&case.batch, limit as usize, None), &NAN).unwrap();
        let mut unaffected = 0;
        for i in 0..23 {
            let report = &short.solution.reports[i];
            assert!(
                matches!(report.status, Status::Solved | Status::IterationLimit),
                "{name} {i}: {report:?}"
            );
            if free.solution.reports[i].iterations < limit {
                unaffected += 1;
                let different = differing(&short.bits(i), &free.bits(i));
                assert!(different.is_empty(), "{name}: {different:?} of sample {i}");
            }
        }
        assert!(unaffected > 0, "{name}: {iterations:?}");
    }
}

/// Ended from the start: nothing is solved, nothing is lost, and the next solve is as ever.
#[test]
fn an_interrupt_ends_what_is_under_way_and_nothing_later() {
    for Family { name, programs } in mixtures(9) {
        let case = Case::new(programs.known_solution().batch, 4);
        let interrupt = Interrupt::default();
        let settings = Settings { interrupt: Some(interrupt.clone()), ..Settings::default() };
        let solver = Solver::new(case.batch.structure.clone(), settings).unwrap();
        let expected = solver.solve(&case.batch.values()).unwrap();
        let ended = std::thread::scope(|scope| {
            let solve = scope.spawn(|| {
                // Until one is caught under way.
                (0..1000).find_map(|_| {
                    let solution = solver.solve(&case.batch.values()).unwrap();
                    let ended = solution.failures().count() > 0;
                    ended.then_some(solution)
                })
            });
            while !solve.is_finished() {
                interrupt.interrupt();
            }
            solve.join().unwrap()
        });
        let ended = ended.expect(name);
        assert!(ended.failures().all(|(_, status)| status == Status::TimeLimit), "{name}");
        assert!(ended.x.iter().all(|v| v.is_finite()), "{name}");
        let after = solver.solve(&case.batch.values()).unwrap();
        assert!(after.x == expected.x && after.z == expected.z, "{name}");
    }
}

#[test]
fn an_interrupt_ends_the_iterations_of_a_derivative() {
    let family = mixtures(3).swap_remove(0);
    let batch = family.programs.known_solution().batch;
    let interrupt = Interrupt::default();
    let settings = Settings { interrupt: Some(interrupt.clone()), ..Settings::default() };
    let solver = Solver::new(batch.structure.clone(), settings).unwrap();
    let (solution, tape) = solver.forward(&batch.values()).unwrap();
    let ones = vec![1.0; solution.x.len()];
    let cotangent = Cotangent { x: Some(&ones), ..Cotangent::default() };
    // A goal that cannot be met.
    let method = Method::Lsqr { tolerance: f64::MIN_POSITIVE, max_iterations: usize::MAX };
    let how = Differentiation { method, ..Differentiation::default() };
    let gradients = std::thread::scope(|scope| {
        let derivative = scope.spawn(|| {
            // Until one is caught under way.
            (0..1000).find_map(|_| {
                let gradients = tape.vjp(&cotangent, &how).unwrap();
                (!gradients.unfinished.is_empty()).then_some(gradients)
            })
        });
        while !derivative.is_finished() {
            interrupt.interrupt();
        }
        derivative.join().unwrap()
    });
    let gradients = gradients.expect("one of them was under way");
    assert!(gradients.q.iter().all(|v| v.is_finite()));
}
