//! What is wrong is named, with what was expected and what to do.

use std::sync::Arc;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{Size, random_qp};
use argrad_gpu::{Error, Solver};
use argrad_gpu_host::Host;
use argrad_solver::{
    Cone, Cotangent, Error as SolverError, Interrupt, Method, Pattern, Settings, Slot, Structure,
    Values,
};

use crate::case::{HOW, in_order, solver};

fn batch() -> ProgramBatch {
    random_qp(Size { variables: 3, inequalities: 4, equalities: 1, batch: 5 }, 1)
}

fn message<T>(result: Result<T, Error>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_p_that_is_not_convex_is_named_by_its_sample() {
    let mut batch = batch();
    let len = batch.structure.p().nnz();
    batch.p.as_mut_slice()[2 * len] = -50.0;
    let error = solver(&batch, in_order()).solve(&batch.values()).unwrap_err();
    let Some(SolverError::NotConvex { argument: "P", sample: Some(2), pivot }) = error.of_program()
    else {
        panic!("{error}");
    };
    assert!(*pivot < 0.0, "{pivot}");
    let settings = Settings { check_convexity: false, ..Settings::default() };
    let unchecked = Solver::new(batch.structure.clone(), settings, Arc::new(in_order())).unwrap();
    assert!(unchecked.solve(&batch.values()).is_ok());
}

#[test]
fn numbers_that_are_missing_or_not_finite_are_named() {
    let mut batch = batch();
    let solver = solver(&batch, in_order());
    let short = Values { q: Slot::Each(&[1.0]), ..batch.values() };
    assert!(message(solver.solve(&short)).starts_with("q: expected length 15 (batch 5 x 3"));
    batch.a.as_mut_slice()[17] = f64::NAN;
    let found = message(solver.solve(&batch.values()));
    assert!(found.starts_with("A: entry 2 of sample 1 is NaN"), "{found}");
}

#[test]
fn cotangents_of_the_wrong_length_are_named() {
    let batch = batch();
    let (_, tape) = solver(&batch, in_order()).forward(&batch.values()).unwrap();
    let cotangent = Cotangent { z: Some(&[0.0]), ..Cotangent::default() };
    let found = message(tape.vjp(&cotangent, &HOW));
    assert!(found.starts_with("cotangent.z: expected length 25"), "{found}");
}

#[test]
fn what_is_not_served_on_a_card_is_said_before_anything_is_launched() {
    let batch = batch();
    let curved = Structure::new(
        Pattern::dense_upper(3),
        Pattern::dense(155, 3),
        vec![Cone::Nonnegative(2), Cone::PsdTriangle(17)],
    )
    .unwrap();
    let machine = || Arc::new(in_order());
    let found = message(Solver::new(curved, Settings::default(), machine()));
    assert!(found.contains("semidefinite cones of side 16 at most, and power cones"));
    let settings = Settings { interrupt: Some(Interrupt::default()), ..Settings::default() };
    let found = message(Solver::new(batch.structure.clone(), settings, machine()));
    assert!(found.contains("a launch cannot be ended"), "{found}");
    let settings = Settings { tolerance: -1.0, ..Settings::default() };
    let found = message(Solver::new(batch.structure.clone(), settings, machine()));
    assert!(found.starts_with("setting tolerance"), "{found}");
    let (_, tape) = solver(&batch, in_order()).forward(&batch.values()).unwrap();
    let method = Method::Lsqr { tolerance: 1e-10, max_iterations: 100 };
    let how = argrad_solver::Differentiation { method, ..HOW };
    let found = message(tape.vjp(&Cotangent::default(), &how));
    assert!(found.contains("Method::Direct, found Lsqr"), "{found}");
}

#[test]
fn a_batch_that_does_not_fit_is_refused_with_the_number_that_does() {
    let batch = batch();
    let small = Host { free_bytes: 2500, ..in_order() };
    let solver = solver(&batch, small);
    let error = solver.solve(&batch.values()).unwrap_err();
    let Error::Memory { batch: 5, needed, free: 2500, fits } = error else { panic!("{error}") };
    let memory = |batch| solver.memory(batch, false).unwrap();
    assert_eq!(needed, memory(5));
    assert!(fits >= 1 && memory(fits) <= 2500 && memory(fits + 1) > 2500, "{fits}");
    let part = batch.select(&(0..fits).collect::<Vec<_>>());
    assert!(solver.solve(&part.values()).is_ok());
}
