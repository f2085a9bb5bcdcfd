//! Relaxed layers: the least violation of an infeasible sample, and its derivative.

use argrad::atoms::*;
use argrad::model::{Relaxation, ViolationNorm};
use argrad::prelude::*;

use crate::derivative::{check, numbers};

const L1: ViolationNorm = ViolationNorm::L1;
const L2: ViolationNorm = ViolationNorm::L2;

fn of(norm: ViolationNorm) -> Relaxation {
    Relaxation { norm, ..Relaxation::default() }
}

/// minimize x^2 + q x subject to x >= low, x <= high; relaxed, with the violation as an output.
fn interval(relaxation: Relaxation) -> Layer {
    let model = Model::new();
    let (x, q) = (model.variable(()), model.parameter(()));
    let (low, high) = (model.parameter(()), model.parameter(()));
    let problem = Problem::minimize(square(x) + q * x).subject_to([x.geq(low), x.leq(high)]);
    problem.compile([q, low, high], [x]).unwrap().relaxed(relaxation).unwrap()
}

#[test]
fn squares_share_what_is_missing_and_sizes_do_not() {
    for (norm, x, violation) in [(L2, 1.5, [0.5, 0.5]), (L1, 1.0, [1.0, 0.0])] {
        let outputs = interval(of(norm)).solve(&[&[0.5], &[2.0], &[1.0]]).unwrap();
        assert!(outputs.reports[0].is_solved());
        assert!((outputs[0][0] - x).abs() < 1e-3, "{norm:?}: {:?}", outputs.values);
        for (found, expected) in outputs[1].iter().zip(violation) {
            assert!((found - expected).abs() < 1e-3, "{norm:?}: {:?}", outputs.values);
        }
        let total: f64 = outputs[1].iter().sum();
        assert!((total - 1.0).abs() < 1e-9, "{norm:?}: together they are what is missing");
    }
}

#[test]
fn a_heavier_price_comes_nearer_to_the_least_violation() {
    let away = |weight| {
        let layer = interval(Relaxation { norm: L2, weight });
        let outputs = layer.solve(&[&[0.5], &[2.0], &[1.0]]).unwrap();
        (outputs[0][0] - 1.5).abs()
    };
    let found = [1e2, 1e4, 1e6].map(away);
    assert!(found[0] < 0.1 && found[1] < 0.02 * found[0] && found[2] < 0.02 * found[1]);
    assert!(found[2] > 0.0);
}

#[test]
fn the_one_norm_leaves_feasible_samples_as_they_are() {
    let outputs = interval(of(L1)).solve(&[&[-3.0, 4.0], &[-1.0], &[1.0]]).unwrap();
    for (found, expected) in outputs[0].iter().zip([1.0, -1.0]) {
        assert!((found - expected).abs() < 1e-9);
    }
    assert!(outputs[1].iter().all(|e| e.abs() < 1e-9), "{:?}", &outputs[1]);
}

/// Other units of the objective and of the constraints: the price goes with them.
#[test]
fn units_do_not_matter() {
    for norm in [L2, L1] {
        let solve = |objective: f64, constraint: f64| {
            let model = Model::new();
            let (x, low) = (model.variable(()), model.parameter(()));
            let problem = Problem::minimize(objective * (square(x) + 0.5 * x))
                .subject_to([(constraint * x).geq(low), (constraint * x).leq(constraint)]);
            let layer = problem.compile([low], [x]).unwrap().relaxed(of(norm)).unwrap();
            let outputs = layer.solve(&[&[2.0 * constraint]]).unwrap();
            (outputs[0][0], outputs[1].iter().map(|e| e / constraint).collect::<Vec<_>>())
        };
        let (x, violation) = solve(1.0, 1.0);
        for (objective, constraint) in [(1e6, 1.0), (1e-6, 1.0), (1.0, 1e4), (1e3, 1e-4)] {
            let found = solve(objective, constraint);
            // A price is a power of two: as far as rounding it to one moves the solution.
            assert!((found.0 - x).abs() < 1e-3, "{norm:?}: {found:?} {x}");
            for (one, other) in found.1.iter().zip(&violation) {
                assert!((one - other).abs() < 1e-3, "{norm:?}: {found:?} {violation:?}");
            }
        }
    }
}

/// A linear objective, so that the sizes of the bounds have a say in the price.
#[test]
fn bounds_that_are_none_have_no_say() {
    let model = Model::new();
    let (x, low) = (model.variable(()), model.parameter(()));
    let (high, more) = (model.parameter(()), model.parameter(()));
    let problem = Problem::minimize(1.0 * x).subject_to([x.geq(low), x.leq(high), x.leq(more)]);
    for norm in [L2, L1] {
        let layer = problem.compile([low, high, more], [x]).unwrap().relaxed(of(norm)).unwrap();
        let solve = |more: f64| layer.solve(&[&[2.0], &[1.0], &[more]]).unwrap().values;
        let expected = solve(2.0);
        for none in [1e19, 1e30] {
            let found = solve(none);
            assert!((found[0][0] - expected[0][0]).abs() < 1e-9, "{norm:?} {none}: {found:?}");
        }
    }
}

/// A norm is a norm, however much its bound is violated.
#[test]
fn atoms_are_not_relaxed() {
    let model = Model::new();
    let (x, point) = (model.variable(2), model.parameter(2));
    let place = x.equals(point);
    let bound = norm2(x).leq(1.0);
    let problem = Problem::minimize(x.sum()).subject_to([place, bound]);
    let layer = problem.compile([point], [x]).unwrap();
    let relaxed = layer.relaxed(of(L2)).unwrap();
    assert_eq!(layer.relaxed_rows().len(), 3);
    let outputs = relaxed.solve(&[&[3.0, 4.0]]).unwrap();
    let (x, e) = (&outputs[0], &outputs[1]);
    let norm = x[0].hypot(x[1]);
    assert!((norm - 1.0 - e[2]).abs() < 1e-9, "{:?}", outputs.values);
    assert!((x[0] - 3.0).hypot(x[1] - 4.0) - e[0].hypot(e[1]) < 1e-9);
    // Halfway between the point, at distance 5, and the ball.
    assert!((norm - 3.0).abs() < 1e-2 && (e[2] - 2.0).abs() < 1e-2, "{:?}", outputs.values);
}

#[test]
fn derivatives_match_differences_the_second_ones_too() {
    for norm in [L2, L1] {
        let values = [vec![0.5, -0.3], vec![2.0, 1.7], vec![1.0, 0.4]];
        check(interval(of(norm)), &values, &[]);
    }
    let model = Model::new();
    let (x, a, b) = (model.variable(3), model.parameter((4, 3)), model.parameter(4));
    let scale = model.parameter(()).nonneg();
    let rows = a.matmul(x).equals(b);
    let ball = norm2(x).leq(square(scale));
    let problem = Problem::minimize(sum_squares(x) + x.sum()).subject_to([rows, ball]);
    let outputs = [Output::from(x), rows.dual()];
    let layer = problem.compile([a, b, scale], outputs).unwrap().relaxed(of(L2)).unwrap();
    check(layer, &[numbers(12, 3), numbers(8, 4), vec![0.5]], &[]);
}

#[test]
fn a_price_must_be_positive_and_finite() {
    let model = Model::new();
    let (x, low) = (model.variable(()), model.parameter(()));
    let problem = Problem::minimize(x).subject_to([x.geq(low)]);
    let layer = problem.compile([low], [x]).unwrap();
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = layer.relaxed(Relaxation { norm: L2, weight }).unwrap_err().to_string();
        assert!(refused.contains("weight") && refused.contains("positive finite"), "{refused}");
    }
}
