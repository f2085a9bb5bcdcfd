//! A card against `argrad_solver`; where there is none, what is said of that.
#![cfg(feature = "cuda")]

use std::sync::Arc;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{self, ConePrograms, Penalty, Size, normal_vector};
use argrad_gpu::cuda::Card;
use argrad_gpu::{Error, Solver};
use argrad_solver::{Cotangent, Differentiation, Mode, OnFailure, Settings, Slot, Tangent};

/// A card, or `None` after a line that says why the test is skipped.
fn card() -> Option<Arc<Card>> {
    match Card::new(0) {
        Ok(card) => Some(card),
        Err(error) => {
            assert!(matches!(error, Error::Device { .. }), "{error}");
            println!("skipped, no card: {error}");
            None
        }
    }
}

const fn size(variables: usize, inequalities: usize, equalities: usize, batch: usize) -> Size {
    Size { variables, inequalities, equalities, batch }
}

/// Batches of every mapping: one warp to eight, shared memory and that of the card.
fn batches() -> Vec<(&'static str, ProgramBatch)> {
    vec![
        ("one variable", generators::random_qp(size(1, 1, 0, 33), 1)),
        ("small", generators::random_qp(size(10, 10, 4, 1000), 2)),
        ("medium", generators::random_qp(size(30, 32, 8, 300), 3)),
        ("shared", generators::shared_qp(size(50, 50, 10, 200), 4)),
        ("sudoku", generators::sudoku_layer(150, 5)),
        ("large", generators::random_qp(size(100, 100, 0, 140), 6)),
        ("larger than shared memory", generators::random_qp(size(200, 200, 10, 4), 7)),
        ("vertices", generators::vertex_programs(size(6, 12, 3, 200), 8)),
        ("total variation", generators::total_variation(12, 0.3, 100, 9)),
        ("no solution", generators::conflicting_inequalities(size(6, 8, 2, 100), 10)),
        ("unbounded", generators::unbounded(size(20, 30, 8, 100), 11)),
        ("portfolio", generators::portfolio(20, 5, 100, 12)),
        ("logistic", generators::logistic_regression(20, 5, Penalty::Ridge(0.1), 100, 13)),
        ("softmax", generators::entropy_softmax(20, 100, 14).batch),
        ("nearest semidefinite matrix", generators::psd_projection(6, 100, 15)),
        ("all cones", all_cones().known_solution().batch),
        ("all cones, no solution", all_cones().infeasible()),
        ("all cones, unbounded", all_cones().unbounded()),
    ]
}

/// Programs over every cone, in which A has few entries.
fn all_cones() -> ConePrograms {
    ConePrograms::sparse_over_every_cone(100, 16)
}

/// All that is said of a batch, as numbers: x, z, s, gradients of P, q, A, b, tangents.
fn answers(batch: &ProgramBatch, card: Option<&Arc<Card>>) -> (Vec<String>, Vec<Vec<f64>>) {
    let (n, m, count) = (batch.variables(), batch.rows(), batch.batch);
    let draw = |len: usize, seed| normal_vector(len, 1, seed);
    let (x, z, q) = (draw(count * n, 1), draw(count * m, 2), draw(count * n, 3));
    let p = draw(batch.p.as_slice().len(), 4);
    let cotangent = Cotangent { x: Some(&x), z: Some(&z), s: None };
    let of_p = if batch.p.slot().is_shared() { Slot::Shared(&p) } else { Slot::Each(&p) };
    let tangent = Tangent { p: Some(of_p), q: Some(Slot::Each(&q)), ..Tangent::default() };
    let how = Differentiation { on_failure: OnFailure::Zero, ..Differentiation::default() };
    let (structure, settings) = (batch.structure.clone(), Settings::default());
    let (solution, gradients, tangent) = if let Some(card) = card {
        let solver = Solver::new(structure, settings, Arc::clone(card)).unwrap();
        let (solution, tape) = solver.forward(&batch.values()).unwrap();
        (solution, tape.vjp(&cotangent, &how).unwrap(), tape.jvp(&tangent, &how).unwrap())
    } else {
        let solver = argrad_solver::Solver::new(structure, settings).unwrap();
        let (solution, tape) = solver.forward(&batch.values()).unwrap();
        (solution, tape.vjp(&cotangent, &how).unwrap(), tape.jvp(&tangent, &how).unwrap())
    };
    let statuses = solution.reports.iter().map(|report| report.status.to_string()).collect();
    let gradients = [gradients.p, gradients.q, gradients.a, gradients.b];
    let numbers = [solution.x, solution.z, solution.s].into_iter().chain(gradients);
    (statuses, numbers.chain([tangent.x, tangent.z, tangent.s]).collect())
}

/// Largest difference, relative to the largest entry and at least to one.
fn difference(one: &[f64], other: &[f64]) -> f64 {
    let size = one.iter().filter(|v| v.is_finite()).fold(1.0_f64, |size, v| size.max(v.abs()));
    let distance = |(a, b): (&f64, &f64)| if a == b { 0.0 } else { (a - b).abs() / size };
    one.iter().zip(other).map(distance).fold(0.0, |most, d| if d <= most { most } else { d })
}

#[test]
fn answers_and_derivatives_are_those_of_the_cpu() {
    let Some(card) = card() else { return };
    println!("{}", card.name().unwrap());
    let mut complaints = Vec::new();
    for (name, batch) in batches() {
        let (statuses, numbers) = answers(&batch, Some(&card));
        let (expected_statuses, expected) = answers(&batch, None);
        let wrong = statuses.iter().zip(&expected_statuses).filter(|(a, b)| a != b).count();
        let has_solution = expected_statuses[0] == "solved";
        let worst = expected
            .iter()
            .zip(&numbers)
            .map(|(a, b)| difference(a, b))
            .fold(0.0, |most, d| if d <= most { most } else { d });
        println!("{name}: {wrong} statuses differ, numbers by {worst:.1e}");
        if wrong > 0 || (has_solution && (worst > 1e-9 || worst.is_nan())) {
            complaints.push(format!("{name}: {wrong} statuses, {worst:.1e}"));
        }
    }
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn the_same_batch_gives_the_same_bits_and_so_does_a_part_of_it() {
    let Some(card) = card() else { return };
    // So many that they get kernels with fewer registers than a few of them.
    let whole = generators::random_qp(size(10, 12, 2, 20_000), 12);
    let part = whole.select(&[3, 19_999, 0]);
    let (_, first) = answers(&whole, Some(&card));
    let (_, second) = answers(&whole, Some(&card));
    assert_eq!(first, second);
    let solver = |batch: &ProgramBatch| {
        Solver::new(batch.structure.clone(), Settings::default(), Arc::clone(&card)).unwrap()
    };
    let alone = solver(&part).solve(&part.values()).unwrap();
    for (row, sample) in [3, 19_999, 0].into_iter().enumerate() {
        assert_eq!(alone.x[row * 10..][..10], first[0][sample * 10..][..10], "sample {sample}");
    }
}

/// What layers of `argrad` ask of it, in every mode of the derivative.
#[test]
fn it_is_a_device_of_layers() {
    let Some(card) = card() else { return };
    let batch = generators::random_qp(size(10, 10, 4, 50), 2);
    let settings = Settings::default();
    let there = argrad_gpu::device(card).solver(&batch.structure, &settings).unwrap();
    let here = argrad_solver::Solver::new(batch.structure.clone(), settings).unwrap();
    let (solution, tape) = there.forward(&batch.values(), None).unwrap();
    let (expected, expected_tape) = here.forward(&batch.values()).unwrap();
    assert!(difference(&expected.x, &solution.x) < 1e-10);
    let again = there.solve(&batch.values(), Some(&solution)).unwrap();
    assert!(again.reports.iter().all(|report| report.warm_started));
    let x = normal_vector(50 * 10, 1, 1);
    let cotangent = Cotangent { x: Some(&x), z: None, s: None };
    for mode in [Mode::Exact, Mode::Smoothed(1e-3), Mode::Lpgd(1e-2)] {
        let how = Differentiation { mode, ..Differentiation::default() };
        let found = tape.vjp(&cotangent, &how).unwrap();
        let wanted = expected_tape.vjp(&cotangent, &how).unwrap();
        assert!(difference(&wanted.q, &found.q) < 1e-9, "{mode:?}");
        assert!(difference(&wanted.a, &found.a) < 1e-9, "{mode:?}");
    }
}

#[test]
fn a_card_that_is_not_there_is_named() {
    let error = Card::new(4000).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("taking card 4000: "), "{error}");
    assert!(error.contains("nvidia-smi") || error.contains("install the driver"), "{error}");
}
