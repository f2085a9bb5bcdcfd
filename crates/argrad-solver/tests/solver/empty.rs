//! Empty parts are legal: no samples, no rows, no equalities, no objective.

use argrad_conformance::generators::{self, ConePrograms, Objective};
use argrad_conformance::{Numbers, ProgramBatch, relative_error};
use argrad_solver::{
    Cone, Cotangent, Differentiation, Method, Pattern, Settings, Slot, Solver, Status, Structure,
    Tangent, Values,
};

use crate::case::{Case, ZERO, gradient_error, size, solver};
use crate::families::{Family, single_cones};

#[test]
fn a_batch_of_none_has_an_empty_solution_and_zero_gradients_of_shared_values() {
    let one = generators::random_qp(size(3, 4, 1, 1), 51);
    let shared = |numbers: &Numbers| Numbers::Shared(numbers.as_slice().to_vec());
    let batch = ProgramBatch {
        batch: 0,
        p: shared(&one.p),
        q: Numbers::Each(vec![]),
        a: shared(&one.a),
        b: Numbers::Each(vec![]),
        structure: one.structure.clone(),
    };
    let case = Case::new(batch, 1);
    let solver = solver(&case.batch);
    let values = case.batch.values();
    let solution = solver.solve(&values).unwrap();
    assert_eq!((solution.x.len(), solution.z.len(), solution.reports.len()), (0, 0, 0));
    assert_eq!(solver.solve_from(&values, &solution).unwrap(), solution);
    let (same, tape) = solver.forward_from(&values, &solution).unwrap();
    assert_eq!((same, tape.batch()), (solution, 0));
    for gradients in [
        tape.vjp(&case.cotangent(), &Default::default()).unwrap(),
        tape.value_gradient(&[], &Default::default()).unwrap(),
    ] {
        assert_eq!((gradients.p, gradients.a), (vec![0.0; 6], vec![0.0; 15]));
        assert_eq!((gradients.q.len(), gradients.b.len()), (0, 0));
    }
    let tangent = Tangent {
        p: Some(Slot::Shared(&[1.0; 6])),
        q: Some(Slot::Each(&[])),
        ..Tangent::default()
    };
    assert_eq!(tape.jvp(&tangent, &Default::default()).unwrap().x.len(), 0);
    assert_eq!(tape.central_points(1e-3).unwrap().0.len(), 0);
}

#[test]
fn a_program_of_nothing_has_empty_derivatives_with_every_method() {
    let none = || Pattern::empty(0, 0);
    let structure = Structure::new(none(), none(), vec![]).unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let nothing = Slot::Each(&[]);
    let values = Values { batch: 3, p: nothing, q: nothing, a: nothing, b: nothing };
    let (solution, tape) = solver.forward(&values).unwrap();
    assert_eq!(solution.reports.len(), 3);
    for method in [Method::Direct, Method::Lsqr { tolerance: 1e-10, max_iterations: 10 }] {
        let how = Differentiation { method, ..Default::default() };
        assert!(tape.vjp(&Cotangent::default(), &how).unwrap().q.is_empty());
        assert!(tape.jvp(&Tangent::default(), &how).unwrap().x.is_empty());
    }
}

#[test]
fn a_program_without_rows_is_a_linear_system() {
    let case = Case::new(generators::random_qp(size(6, 0, 0, 9), 52), 2);
    let (solution, tape) = case.forward();
    let gradients = tape.vjp(&case.cotangent(), &Default::default()).unwrap();
    assert_eq!((gradients.a.len(), gradients.b.len()), (0, 0));
    for i in 0..9 {
        assert_eq!(solution.reports[i].status, Status::Solved);
        let oracle = case.oracle(i, &solution).unwrap();
        assert!(relative_error(&solution.x[i * 6..][..6], &oracle.x) < 1e-12);
        let expected = case.oracle_gradients(i, &oracle);
        assert!(relative_error(&gradients.q[i * 6..][..6], &expected.q) < 1e-11);
        assert!(relative_error(&gradients.p[i * 21..][..21], &expected.p) < 1e-11);
    }
    assert_eq!(tape.jvp(&case.tangent(), &Default::default()).unwrap().z.len(), 0);
}

#[test]
fn a_program_without_rows_and_objective_is_zero() {
    let structure = Structure::new(Pattern::empty(3, 3), Pattern::empty(0, 3), vec![]).unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let solve = |q: &[f64]| {
        let empty = Slot::Shared(&[]);
        solver
            .forward(&Values { batch: 1, p: empty, q: Slot::Shared(q), a: empty, b: empty })
            .unwrap()
    };
    let (solution, tape) = solve(&[0.0; 3]);
    assert_eq!(
        (solution.reports[0].status, solution.reports[0].is_unique()),
        (Status::Solved, false)
    );
    let cotangent = Cotangent { x: Some(&[1.0; 3]), ..Cotangent::default() };
    assert!(tape.vjp(&cotangent, &Default::default()).unwrap().q.iter().all(|q| q.is_finite()));
    assert_eq!(solve(&[0.0, 1.0, 0.0]).0.reports[0].status, Status::DualInfeasible);
}

#[test]
fn a_program_without_variables_does_not_panic() {
    for (cones, b, status) in [
        (vec![], vec![], Status::Solved),
        (vec![Cone::Nonnegative(2)], vec![1.0, 2.0], Status::Solved),
        (vec![Cone::Zero(1)], vec![1.0], Status::PrimalInfeasible),
        (vec![Cone::Nonnegative(2)], vec![1.0, -2.0], Status::PrimalInfeasible),
    ] {
        let structure =
            Structure::new(Pattern::empty(0, 0), Pattern::empty(b.len(), 0), cones).unwrap();
        let solver = Solver::new(structure, Settings::default()).unwrap();
        let empty = Slot::Shared(&[]);
        let values = Values { batch: 3, p: empty, q: empty, a: empty, b: Slot::Shared(&b) };
        let (solution, tape) = solver.forward(&values).unwrap();
        assert_eq!(solution.reports[2].status, status, "b = {b:?}");
        assert_eq!(tape.vjp(&Cotangent::default(), &ZERO).unwrap().b.len(), b.len());
    }
}

#[test]
fn columns_and_rows_without_entries_are_legal() {
    // x0 is bound by x0 <= b0; x1 has a quadratic term only; row 1 says 0 <= b1.
    let structure = Structure::new(
        Pattern::new(2, 2, vec![0, 0, 1], vec![1]).unwrap(),
        Pattern::new(2, 2, vec![0, 1, 1], vec![0]).unwrap(),
        vec![Cone::Nonnegative(2)],
    )
    .unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let values = Values {
        batch: 1,
        p: Slot::Shared(&[2.0]),
        q: Slot::Shared(&[-1.0, 4.0]),
        a: Slot::Shared(&[1.0]),
        b: Slot::Each(&[3.0, 5.0]),
    };
    let (solution, tape) = solver.forward(&values).unwrap();
    assert!(relative_error(&solution.x, &[3.0, -2.0]) < 1e-13);
    assert!(relative_error(&solution.z, &[1.0, 0.0]) < 1e-13);
    assert!(relative_error(&solution.s, &[0.0, 5.0]) < 1e-13);
    assert!(solution.reports[0].is_unique());
    let cotangent = Cotangent { x: Some(&[1.0, 1.0]), ..Cotangent::default() };
    let gradients = tape.vjp(&cotangent, &Default::default()).unwrap();
    assert!(relative_error(&gradients.b, &[1.0, 0.0]) < 1e-13);
    assert!(relative_error(&gradients.q, &[0.0, -0.5]) < 1e-13);
    assert!(relative_error(&gradients.p, &[1.0]) < 1e-13);
    assert!(relative_error(&gradients.a, &[-3.0]) < 1e-13);
}

#[test]
fn cones_may_come_in_any_order_and_be_empty() {
    // x0 <= 1, x0 + x1 = 1, x1 <= 3; twice with the rows in another order.
    let structure =
        |cones| Structure::new(Pattern::diagonal(2), Pattern::dense(3, 2), cones).unwrap();
    let (one, zero) = (Cone::Nonnegative(1), Cone::Zero(1));
    let solve = |cones, a: &[f64], b: &[f64]| {
        let solver = Solver::new(structure(cones), Settings::default()).unwrap();
        let (p, q) = (Slot::Shared(&[1.0, 1.0][..]), Slot::Shared(&[-9.0, 0.0][..]));
        solver.solve(&Values { batch: 1, p, q, a: Slot::Shared(a), b: Slot::Shared(b) }).unwrap()
    };
    let mixed = solve(
        vec![Cone::Zero(0), one.clone(), zero.clone(), Cone::Nonnegative(0), one.clone()],
        &[1.0, 1.0, 0.0, 0.0, 1.0, 1.0],
        &[1.0, 1.0, 3.0],
    );
    assert!(relative_error(&mixed.x, &[1.0, 0.0]) < 1e-13);
    assert!(relative_error(&mixed.z, &[8.0, 0.0, 0.0]) < 1e-13);
    assert!(relative_error(&mixed.s, &[0.0, 0.0, 3.0]) < 1e-13);
    let sorted =
        solve(vec![zero, one.clone(), one], &[1.0, 1.0, 0.0, 1.0, 0.0, 1.0], &[1.0, 1.0, 3.0]);
    assert!(relative_error(&sorted.x, &mixed.x) < 1e-13);
    assert!(relative_error(&sorted.z, &[0.0, 8.0, 0.0]) < 1e-13);
}

/// A cone of one row is a half line, or with no row nothing: the same as nonnegative rows.
#[test]
fn cones_of_one_row_and_of_none_are_legal() {
    let nonnegative = Case::new(generators::random_qp(size(4, 3, 1, 9), 53), 3);
    let (expected, tape) = nonnegative.forward();
    let how = Differentiation::default();
    let expected_gradients = tape.vjp(&nonnegative.cotangent(), &how).unwrap();
    let expected_moved = tape.jvp(&nonnegative.tangent(), &how).unwrap();
    let mut mixed = nonnegative.clone();
    mixed.batch.structure = Structure::new(
        nonnegative.batch.structure.p().clone(),
        nonnegative.batch.structure.a().clone(),
        vec![
            Cone::SecondOrder(0),
            Cone::Zero(1),
            Cone::PsdTriangle(0),
            Cone::SecondOrder(1),
            Cone::PsdTriangle(1),
            Cone::Nonnegative(0),
            Cone::Nonnegative(1),
            Cone::SecondOrder(0),
        ],
    )
    .unwrap();
    let (found, tape) = mixed.forward();
    let gradients = tape.vjp(&mixed.cotangent(), &how).unwrap();
    let moved = tape.jvp(&mixed.tangent(), &how).unwrap();
    for i in 0..9 {
        assert_eq!(found.reports[i].status, Status::Solved, "{:?}", found.reports[i]);
        assert!(!expected.reports[i].is_degenerate() && !found.reports[i].is_degenerate());
    }
    for (what, found, expected) in [
        ("x", &found.x, &expected.x),
        ("z", &found.z, &expected.z),
        ("s", &found.s, &expected.s),
        ("dP", &gradients.p, &expected_gradients.p),
        ("dq", &gradients.q, &expected_gradients.q),
        ("dA", &gradients.a, &expected_gradients.a),
        ("db", &gradients.b, &expected_gradients.b),
        ("tangent x", &moved.x, &expected_moved.x),
        ("tangent z", &moved.z, &expected_moved.z),
        ("tangent s", &moved.s, &expected_moved.s),
    ] {
        let error = relative_error(found, expected);
        assert!(error < 1e-10, "{what} is off by {error:e}");
    }
}

#[test]
fn linear_programs_over_every_cone_have_no_p_to_store() {
    for Family { name, programs } in single_cones(5) {
        let zero = programs.cones == [Cone::Zero(3)];
        let variables = if zero { 3 } else { 4 };
        let programs = ConePrograms { objective: Objective::Linear, variables, ..programs };
        let case = Case::new(programs.known_solution().batch, 4);
        let (solution, tape) = case.forward();
        let gradients = tape.vjp(&case.cotangent(), &ZERO).unwrap();
        assert!(gradients.p.is_empty());
        for (i, report) in solution.reports.iter().enumerate() {
            assert_eq!(report.status, Status::Solved, "{name} {i}: {report:?}");
            let exact = case.reference(i, &solution).unwrap();
            let error = relative_error(&solution.x[i * variables..][..variables], &exact.x);
            assert!(error < 1e-10, "{name} {i}: x is off by {error:e}, {report:?}");
        }
    }
}

#[test]
fn a_program_with_equalities_only_is_one_linear_system() {
    for programs in [
        ConePrograms::dense(vec![Cone::Zero(3)], 5, 9, 5),
        ConePrograms::dense(vec![Cone::Zero(1), Cone::Zero(0), Cone::Zero(2)], 5, 9, 6),
        ConePrograms {
            objective: Objective::Linear,
            ..ConePrograms::dense(vec![Cone::Zero(4)], 4, 9, 7)
        },
    ] {
        let case = Case::new(programs.known_solution().batch, 5);
        let (solution, tape) = case.forward();
        let gradients = tape.vjp(&case.cotangent(), &Differentiation::default()).unwrap();
        for (i, report) in solution.reports.iter().enumerate() {
            assert!(report.is_solved() && !report.is_degenerate(), "{i}: {report:?}");
            let exact = case.reference(i, &solution).unwrap();
            let [gx, gz, gs] = case.cotangent_of(i);
            let error = gradient_error(&case.gradients_of(i, &gradients), &exact.vjp(gx, gz, gs));
            assert!(error < 1e-10, "{i}: off by {error:e}");
        }
    }
}
