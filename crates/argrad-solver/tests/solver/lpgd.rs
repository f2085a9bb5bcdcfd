//! Lagrangian proximal gradients: finite steps that tend to the exact derivative.

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators;
use argrad_conformance::relative_error;
use argrad_solver::{
    Cone, Cotangent, Differentiation, Error, Method, Mode, OnFailure, Pattern, Settings, Slot,
    Solver, Status, Structure, Tangent, Tape, Values,
};

use crate::case::{Case, ZERO, gradient_error, largest, size};
use crate::families::{Family, families};

fn lpgd(tau: f64, on_failure: OnFailure) -> Differentiation {
    Differentiation { mode: Mode::Lpgd(tau), on_failure, method: Method::Direct }
}

/// Errors of VJP and JVP of the well-conditioned samples at a step.
fn errors(case: &Case, tau: f64) -> Vec<(usize, f64, f64)> {
    let (solution, tape) = case.forward();
    let how = lpgd(tau, OnFailure::Zero);
    let gradients = tape.vjp(&case.cotangent(), &how).unwrap();
    let moved = tape.jvp(&case.tangent(), &how).unwrap();
    (0..case.batch.batch)
        .filter_map(|i| {
            let exact = case.reference(i, &solution).ok()?;
            // Within reach of the step there must be no kink.
            if solution.reports[i].is_degenerate() || exact.margin < 0.05 || exact.condition > 100.0
            {
                return None;
            }
            let [gx, gz, gs] = case.cotangent_of(i);
            let vjp = gradient_error(&case.gradients_of(i, &gradients), &exact.vjp(gx, gz, gs));
            let expected = exact.jvp(&case.direction_of(i));
            let (n, m) = (case.batch.variables(), case.batch.rows());
            let jvp = largest(&[
                relative_error(&moved.x[i * n..][..n], &expected.x),
                relative_error(
                    &[&moved.z[i * m..][..m], &moved.s[i * m..][..m]].concat(),
                    &[expected.z, expected.s].concat(),
                ),
            ]);
            Some((i, vjp, jvp))
        })
        .collect()
}

/// A quarter of the step has a sixteenth of the error, until rounding takes over. Returns how many
/// samples were checked.
fn assert_second_order(name: &str, batch: ProgramBatch) -> usize {
    let case = Case::new(batch, 1);
    let (long, short) = (errors(&case, 4e-4), errors(&case, 1e-4));
    let checked = short.len();
    for ((i, vjp_long, jvp_long), (_, vjp, jvp)) in long.into_iter().zip(short) {
        for (what, long, short) in [("VJP", vjp_long, vjp), ("JVP", jvp_long, jvp)] {
            assert!(short < 1e-3, "{name} {i}: {what} is off by {short:e}");
            assert!(
                short < long / 10.0 || short < 1e-8,
                "{name} {i}: {what} is off by {long:e}, then {short:e}"
            );
        }
    }
    checked
}

#[test]
fn the_error_is_of_second_order_in_the_step_for_quadratic_programs() {
    assert!(assert_second_order("dense", generators::random_qp(size(6, 8, 2, 20), 2)) > 0);
}

#[test]
fn the_error_is_of_second_order_in_the_step_for_every_cone() {
    let mut checked = 0;
    for Family { name, programs } in families(20) {
        checked += assert_second_order(name, programs.known_solution().batch);
    }
    assert!(checked > 40, "only {checked} are well conditioned");
}

/// minimize c'x over the unit square, one sample for each c.
fn square(costs: &[[f64; 2]]) -> Tape {
    let structure =
        Structure::new(Pattern::empty(2, 2), Pattern::dense(4, 2), vec![Cone::Nonnegative(4)])
            .unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let values = Values {
        batch: costs.len(),
        p: Slot::Shared(&[]),
        q: Slot::Each(costs.as_flattened()),
        a: Slot::Shared(&[1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0]),
        b: Slot::Shared(&[1.0, 1.0, 0.0, 0.0]),
    };
    let (solution, tape) = solver.forward(&values).unwrap();
    assert!(solution.reports.iter().all(|report| report.is_solved() && report.is_unique()));
    tape
}

/// At (0, 0), where c = (1, 2): larger x_0 is better by one a unit. With 3 times that cotangent c
/// becomes (-2, 2), whose solution is (1, 0), or (4, 2), whose solution is (0, 0).
#[test]
fn at_a_vertex_the_direction_is_found_where_the_exact_derivative_is_zero() {
    let tape = square(&[[1.0, 2.0]]);
    let cotangent = Cotangent { x: Some(&[-1.0, 0.0]), ..Cotangent::default() };
    let exact = tape.vjp(&cotangent, &Differentiation::default()).unwrap();
    assert!(exact.q.iter().all(|q| q.abs() < 1e-12), "{:?}", exact.q);
    let found = tape.vjp(&cotangent, &lpgd(3.0, OnFailure::Error)).unwrap();
    assert!(relative_error(&found.q, &[1.0 / 6.0, 0.0]) < 1e-9, "{:?}", found.q);
    // Too short to reach another vertex.
    let short = tape.vjp(&cotangent, &lpgd(0.5, OnFailure::Error)).unwrap();
    assert!(short.q.iter().all(|q| q.abs() < 1e-9), "{:?}", short.q);
    let direction = Tangent { q: Some(Slot::Shared(&[-1.0, 0.0])), ..Tangent::default() };
    let moved = tape.jvp(&direction, &lpgd(3.0, OnFailure::Error)).unwrap();
    assert!(relative_error(&moved.x, &[1.0 / 6.0, 0.0]) < 1e-9, "{:?}", moved.x);
}

#[test]
fn a_step_that_is_not_positive_and_finite_is_refused() {
    let tape = square(&[[1.0, 2.0]]);
    for tau in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let how = lpgd(tau, OnFailure::Zero);
        for error in [
            tape.vjp(&Cotangent::default(), &how).unwrap_err(),
            tape.jvp(&Tangent::default(), &how).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Setting { .. }), "{error}");
            for part in ["Lpgd", "positive", &tau.to_string()] {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
    }
}

#[test]
fn samples_without_a_solution_are_errors_or_nan_or_zero_and_harm_no_other() {
    let programs = families(3).pop().unwrap().programs;
    let case = Case::new(programs.known_solution().batch.join(&programs.infeasible()), 3);
    let (solution, tape) = case.forward();
    assert!(solution.reports[..3].iter().all(|report| report.is_solved()));
    let failures: Vec<(usize, Status)> = (3..6).map(|i| (i, Status::PrimalInfeasible)).collect();
    let how = lpgd(1e-3, OnFailure::Error);
    for error in [
        tape.vjp(&case.cotangent(), &how).unwrap_err(),
        tape.jvp(&case.tangent(), &how).unwrap_err(),
    ] {
        assert_eq!(error, Error::Unsolved { batch: 6, failures: failures.clone() });
    }
    let alone = case.select(&[0, 1, 2]);
    let (_, alone_tape) = alone.forward();
    let expected = alone_tape.vjp(&alone.cotangent(), &how).unwrap();
    let expected_moved = alone_tape.jvp(&alone.tangent(), &how).unwrap();
    let (n, m) = (case.batch.variables(), case.batch.rows());
    for (on_failure, is_expected) in [
        (OnFailure::Nan, &f64::is_nan as &dyn Fn(f64) -> bool),
        (OnFailure::Zero, &|value: f64| value == 0.0),
    ] {
        let how = lpgd(1e-3, on_failure);
        let found = tape.vjp(&case.cotangent(), &how).unwrap();
        let moved = tape.jvp(&case.tangent(), &how).unwrap();
        assert_eq!(found.q[..3 * n], expected.q);
        assert_eq!(found.b[..3 * m], expected.b);
        assert_eq!(moved.z[..3 * m], expected_moved.z);
        for values in [&found.q[3 * n..], &found.b[3 * m..], &moved.x[3 * n..], &moved.s[3 * m..]] {
            assert!(values.iter().all(|v| is_expected(*v)), "{on_failure:?}: {values:?}");
        }
    }
}

/// A cotangent of z shifts b; where that leaves no feasible point there is no gradient.
#[test]
fn a_step_out_of_the_feasible_set_is_a_failure() {
    let tape = square(&[[1.0, 2.0], [1.0, 2.0]]);
    // x_0 <= 1 - tau and -x_0 <= -tau conflict at tau = 0.6.
    let gz = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let cotangent = Cotangent { x: Some(&[0.0; 4]), z: Some(&gz), s: None };
    let error = tape.vjp(&cotangent, &lpgd(0.6, OnFailure::Error)).unwrap_err();
    let failures = vec![(0, Status::PrimalInfeasible)];
    assert_eq!(error, Error::Unsolved { batch: 2, failures });
    let nan = tape.vjp(&cotangent, &lpgd(0.6, OnFailure::Nan)).unwrap();
    assert!(nan.q[..2].iter().all(|q| q.is_nan()), "{:?}", nan.q);
    assert!(nan.q[2..].iter().all(|q| *q == 0.0), "{:?}", nan.q);
    let zero = tape.vjp(&cotangent, &lpgd(0.6, OnFailure::Zero)).unwrap();
    assert!(zero.q.iter().all(|q| *q == 0.0), "{:?}", zero.q);
    // A shorter step stays inside.
    let inside = tape.vjp(&cotangent, &lpgd(0.3, OnFailure::Error)).unwrap();
    let exact = tape.vjp(&cotangent, &ZERO).unwrap();
    assert!(inside.a.iter().chain(&exact.a).all(|a| a.is_finite()));
}

#[test]
fn a_tangent_of_the_wrong_length_is_an_error_in_every_mode() {
    let case = Case::new(generators::random_qp(size(4, 5, 1, 3), 1), 1);
    let (_, tape) = case.forward();
    let (short, exact) = (vec![0.0; 11], Differentiation::default());
    for mode in [Mode::Exact, Mode::Smoothed(1e-3), Mode::Lpgd(1e-3)] {
        let tangent = Tangent { q: Some(Slot::Each(&short)), ..Tangent::default() };
        let found = tape.jvp(&tangent, &Differentiation { mode, ..exact });
        let expected = matches!(
            found,
            Err(Error::Length { argument: "tangent.q", expected: 12, found: 11, .. })
        );
        assert!(expected, "{mode:?}: {found:?}");
    }
}
