//! A tape that went through an array has the derivatives of the one that did not, bit for bit.

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators;
use argrad_solver::{
    Differentiation, Engine, Error, Gradients, Method, Mode, OnFailure, Settings, Slot, Solver,
    Tape,
};

use crate::bitwise::{mixed, mixed_over};
use crate::case::{Case, NAN, ZERO, size, solver};
use crate::families::{mixtures, single_cones};

fn flat(solver: &Solver, tape: &Tape) -> Vec<f64> {
    let mut rows = vec![f64::NAN; tape.batch() * solver.flat_tape_len()];
    tape.write_flat(&mut rows).unwrap();
    rows
}

fn again(solver: &Solver, batch: &ProgramBatch, tape: &Tape) -> Tape {
    solver.tape_from_flat(&batch.values(), &flat(solver, tape)).unwrap().1
}

/// The text of a float is unambiguous, and NaN is one text.
fn text(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

fn assert_same(case: &Case, solver: &Solver, how: &Differentiation) {
    let (solution, tape) = solver.forward(&case.batch.values()).unwrap();
    let rows = flat(solver, &tape);
    let (same, restored) = solver.tape_from_flat(&case.batch.values(), &rows).unwrap();
    assert_eq!(text(&solution), text(&same), "solution");
    let both = [&tape, &restored];
    let [one, other] = both.map(|tape| tape.vjp(&case.cotangent(), how).unwrap());
    let worst = solution.reports.iter().map(|r| r.condition).fold(0.0, f64::max);
    assert_eq!(text(&one), text(&other), "vjp, condition {worst:e}");
    let [one, other] = both.map(|tape| tape.jvp(&case.tangent(), how).unwrap());
    assert_eq!(text(&one), text(&other), "jvp, condition {worst:e}");
    let weights = vec![1.5; case.batch.batch];
    let [one, other] = both.map(|tape| tape.value_gradient(&weights, how).unwrap());
    assert_eq!(text(&one), text(&other), "value gradient");
    if how.mode == Mode::Exact && how.method == Method::Direct && how.on_failure != OnFailure::Error
    {
        let [one, other]: [Gradients; 2] = both.map(|tape| {
            let cotangent = case.cotangent();
            tape.vjp_tangent(&cotangent, &cotangent, &case.tangent(), how).unwrap()
        });
        assert_eq!(text(&one), text(&other), "second derivative");
    }
}

#[test]
fn every_kind_of_sample_of_a_quadratic_program_is_restored() {
    let case = Case::new(mixed(), 31);
    assert_same(&case, &solver(&case.batch), &NAN);
    assert_same(&case, &solver(&case.batch), &ZERO);
    for n in [1, 3, 10, 26] {
        let case = Case::new(generators::random_qp(size(n, n, n / 2, 17), 11), 12);
        assert_same(&case, &solver(&case.batch), &Differentiation::default());
    }
}

#[test]
fn samples_over_every_cone_and_every_mixture_are_restored() {
    for family in single_cones(9).into_iter().chain(mixtures(9)) {
        let case = Case::new(family.programs.known_solution().batch, 24);
        assert_same(&case, &solver(&case.batch), &NAN);
    }
    // Dense ones, whose samples of all kinds have one structure.
    for family in single_cones(4).iter().chain(mixtures(4).iter().take(2)) {
        let case = Case::new(mixed_over(family, 11), 23);
        assert_same(&case, &solver(&case.batch), &ZERO);
    }
}

#[test]
fn every_kind_of_derivative_is_restored() {
    let lsqr = Method::Lsqr { tolerance: 1e-12, max_iterations: 500 };
    for (mode, method) in [
        (Mode::Smoothed(1e-2), Method::Direct),
        (Mode::Lpgd(1e-3), Method::Direct),
        (Mode::Exact, lsqr),
    ] {
        let how = Differentiation { mode, on_failure: OnFailure::Nan, method };
        let case = Case::new(mixtures(9)[0].programs.known_solution().batch, 25);
        assert_same(&case, &solver(&case.batch), &how);
        let case = Case::new(generators::random_qp(size(10, 10, 5, 17), 17), 18);
        assert_same(&case, &solver(&case.batch), &how);
    }
}

#[test]
fn ill_conditioned_samples_are_restored_with_their_closer_factor() {
    for exponent in [6, 8, 10, 12] {
        let known = generators::ill_conditioned(size(20, 6, 0, 9), 10_f64.powi(exponent), 181);
        let case = Case::new(known.batch, 1);
        assert_same(&case, &solver(&case.batch), &NAN);
    }
}

#[test]
fn batches_that_share_their_matrices_are_restored() {
    let programs = generators::random_qp(size(12, 20, 3, 1), 41);
    let shared = generators::sudoku_layer(17, 4);
    for batch in [shared, programs] {
        let case = Case::new(batch, 42);
        assert_same(&case, &solver(&case.batch), &NAN);
    }
}

#[test]
fn samples_of_the_sparse_engine_are_restored() {
    let settings = Settings { engine: Engine::Sparse, ..Settings::default() };
    let batches = mixtures(5).into_iter().map(|family| family.programs.known_solution().batch);
    for batch in batches.chain([mixed(), generators::random_qp(size(150, 130, 61, 2), 13)]) {
        let case = Case::new(batch, 16);
        let solver = Solver::new(case.batch.structure.clone(), settings.clone()).unwrap();
        assert_same(&case, &solver, &NAN);
    }
}

/// Rows belong to samples: they can be cut and put in another order with them.
#[test]
fn rows_go_with_their_samples() {
    let case = Case::new(mixed(), 51);
    let solver = solver(&case.batch);
    let (_, tape) = case.forward();
    let all = tape.vjp(&case.cotangent(), &NAN).unwrap();
    let (rows, len) = (flat(&solver, &tape), solver.flat_tape_len());
    let order = [7, 2, 2, 19];
    let some = case.select(&order);
    let chosen: Vec<f64> =
        order.iter().flat_map(|&i| rows[i * len..(i + 1) * len].to_vec()).collect();
    let (_, tape) = solver.tape_from_flat(&some.batch.values(), &chosen).unwrap();
    let gradients = tape.vjp(&some.cotangent(), &NAN).unwrap();
    for (place, &i) in order.iter().enumerate() {
        let [found, expected] =
            [some.gradients_of(place, &gradients), case.gradients_of(i, &all)].map(|g| text(&g.a));
        assert_eq!(found, expected, "sample {i}");
    }
}

/// What the batch shares may differ on the way back, as in a gradient for each sample of a matrix
/// that all of them share.
#[test]
fn matrices_that_were_shared_may_come_back_for_each_sample() {
    let case = Case::new(generators::sudoku_layer(9, 4), 61);
    let solver = solver(&case.batch);
    let (_, tape) = case.forward();
    let apart = Case { batch: case.batch.join(&case.batch.select(&[])), ..case.clone() };
    assert!(matches!(apart.batch.values().a, Slot::Each(_)));
    let restored = again(&solver, &apart.batch, &tape);
    let expected = tape.vjp(&case.cotangent(), &ZERO).unwrap();
    let found = restored.vjp(&apart.cotangent(), &ZERO).unwrap();
    let largest = expected.q.iter().fold(0.0_f64, |all, q| all.max(q.abs()));
    for (found, expected) in found.q.iter().zip(&expected.q) {
        assert!((found - expected).abs() <= 1e-11 * largest, "{found} {expected}");
    }
}

#[test]
fn rows_of_another_size_or_without_a_status_are_refused() {
    let case = Case::new(generators::random_qp(size(4, 5, 1, 3), 71), 72);
    let solver = solver(&case.batch);
    let (_, tape) = case.forward();
    let mut rows = flat(&solver, &tape);
    let len = solver.flat_tape_len();
    assert_eq!(len, 11 + 4 + 2 * 6);
    let short = solver.tape_from_flat(&case.batch.values(), &rows[1..]).unwrap_err().to_string();
    assert_eq!(short, "flat tape: expected length 81 (3 samples x 27 numbers), found 80");
    assert!(tape.write_flat(&mut rows[1..]).is_err());
    for bad in [0.5, 7.0, 128.0, -1.0, 1e300, f64::NAN] {
        rows[2 * len] = bad;
        let error = solver.tape_from_flat(&case.batch.values(), &rows).unwrap_err();
        let Error::Shape { argument: "flat tape", found, .. } = error else { panic!("{error}") };
        assert!(found.ends_with("of sample 2"), "{found}");
    }
    rows.fill(0.0);
    let (_, empty) = solver.tape_from_flat(&case.batch.values(), &rows).unwrap();
    empty.vjp(&case.cotangent(), &Differentiation::default()).unwrap();
}
