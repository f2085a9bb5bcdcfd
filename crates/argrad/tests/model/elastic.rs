//! Elastic layers: infeasible samples violate their constraints least, the others know nothing.

use argrad::model::{ElasticLayer, Relaxation, ViolationNorm};
use argrad::prelude::*;
use argrad::{Differentiation, Error, OnFailure};

use crate::derivative::numbers;

const NORMS: [ViolationNorm; 2] = [ViolationNorm::L2, ViolationNorm::L1];

/// The projection onto a ball cut by two half-spaces whose distance is a parameter, and the dual of
/// one of them.
fn cut_ball() -> Layer {
    let model = Model::new();
    let (x, point, radius) = (model.variable(3), model.parameter(3), model.parameter(()).nonneg());
    let gap = model.parameter(());
    let above = (x.sum()).geq(gap);
    let rules = [norm2(x).leq(radius), above, x.index(0).leq(0.2)];
    let problem = Problem::minimize(sum_squares(x - point) + x.index(1)).subject_to(rules);
    let layer = problem.compile([point, radius, gap], [Output::from(x), above.dual()]).unwrap();
    layer.with_settings(Settings { tolerance: 1e-12, ..Settings::default() }).unwrap()
}

/// Points and gaps of five samples, of which the second and the last contradict the radius.
fn samples() -> [Vec<f64>; 3] {
    [numbers(15, 5), vec![0.8], vec![0.5, 3.0, -0.4, 0.9, 2.5]]
}

fn elastic(norm: ViolationNorm) -> ElasticLayer {
    cut_ball().elastic(Relaxation { norm, weight: 100.0 }).unwrap()
}

fn slices(values: &[Vec<f64>]) -> Vec<&[f64]> {
    values.iter().map(Vec::as_slice).collect()
}

#[test]
fn feasible_samples_are_bitwise_what_they_are_without_it() {
    let (layer, values) = (cut_ball(), samples());
    let feasible = [0, 2, 3];
    for norm in NORMS {
        let elastic = elastic(norm);
        let (solved, tape) = elastic.forward(&slices(&values)).unwrap();
        assert_eq!(solved.violated, [1, 4]);
        let plain = elastic.solve(&slices(&values)).unwrap();
        assert_eq!(plain.outputs.values, solved.outputs.values);
        assert_eq!(plain.violation, solved.violation);
        let own = [
            feasible.iter().flat_map(|at| &values[0][3 * at..3 * at + 3]).copied().collect(),
            values[1].clone(),
            feasible.iter().map(|at| values[2][*at]).collect(),
        ];
        let (alone, its_tape) = layer.forward(&slices(&own)).unwrap();
        let weights = numbers(15, 9);
        let its_weights: Vec<f64> =
            feasible.iter().flat_map(|at| &weights[3 * at..3 * at + 3]).copied().collect();
        let found = elastic.backward(&tape, &[&weights, &[], &[]]).unwrap();
        let expected = layer.backward(&its_tape, &[&its_weights, &[]]).unwrap();
        for (k, at) in feasible.into_iter().enumerate() {
            assert_eq!(solved.outputs[0][3 * at..3 * at + 3], alone[0][3 * k..3 * k + 3]);
            assert_eq!(found[0][3 * at..3 * at + 3], expected[0][3 * k..3 * k + 3]);
            assert_eq!(found[2][at], expected[2][k]);
            assert!(solved.violation[3 * at..3 * at + 3].iter().all(|e| *e == 0.0));
        }
    }
}

#[test]
fn derivatives_are_the_differences_those_of_the_size_too() {
    for norm in NORMS {
        let (layer, values) = (elastic(norm), samples());
        let (solved, tape) = layer.forward(&slices(&values)).unwrap();
        let weights = [numbers(15, 1), numbers(5, 2)];
        let of_sizes = numbers(5, 3);
        let scalar = |values: &[Vec<f64>]| -> f64 {
            let solved = layer.solve(&slices(values)).unwrap();
            let parts = weights.iter().chain([&of_sizes]);
            let sizes = layer.violation_sizes(&solved);
            let outputs = solved.outputs.values.iter().chain([&sizes]);
            parts.zip(outputs).flat_map(|(w, v)| w.iter().zip(v)).map(|(w, v)| w * v).sum()
        };
        let violation = layer.violation_gradient(&solved, &of_sizes);
        let cotangents = [&weights[0][..], &weights[1], &violation];
        let gradients = layer.backward(&tape, &cotangents).unwrap();
        let tangents: Vec<Vec<f64>> =
            values.iter().enumerate().map(|(k, v)| numbers(v.len(), 20 + k as u64)).collect();
        let dot = |a: &[Vec<f64>], b: &[&[f64]]| -> f64 {
            a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(*b)).map(|(a, b)| a * b).sum()
        };
        let found = dot(&gradients, &slices(&tangents));
        let along = layer.jvp(&tape, &slices(&tangents)).unwrap();
        assert!((dot(&along, &cotangents) - found).abs() <= 1e-9 * found.abs());

        let at = |step: f64| {
            let moved: Vec<Vec<f64>> = values
                .iter()
                .zip(&tangents)
                .map(|(v, t)| v.iter().zip(t).map(|(v, t)| v + step * t).collect())
                .collect();
            scalar(&moved)
        };
        let step = 1e-4;
        let expected =
            (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
        let error = (found - expected).abs() / expected.abs();
        assert!(error <= 1e-7, "{norm:?}: {found} and {expected}, {error:.1e}");
    }
}

#[test]
fn other_failures_are_what_they_were() {
    let model = Model::new();
    let (x, cost, low) = (model.variable(()), model.parameter(()), model.parameter(()));
    let problem = Problem::minimize(cost * x).subject_to([x.geq(low), x.geq(-1.0), x.leq(1.0)]);
    let layer = problem.compile([cost, low], [x]).unwrap();
    let free = Problem::minimize(cost * x).subject_to([x.geq(low), x.geq(low + 1.0)]);
    let free = free.compile([cost, low], [x]).unwrap();

    // Unbounded, whatever is violated.
    let layer = layer.elastic(Relaxation::default()).unwrap();
    let (solved, tape) = layer.forward(&[&[1.0], &[2.0, 0.0]]).unwrap();
    assert_eq!(solved.violated, [0]);
    assert!(layer.backward(&tape, &[&[1.0, 1.0], &[]]).is_ok());
    let unbounded = free.elastic(Relaxation::default()).unwrap();
    let (solved, tape) = unbounded.forward(&[&[-1.0, 1.0], &[0.0]]).unwrap();
    assert!(solved.violated.is_empty() && !solved.outputs.reports[0].is_solved());
    let refused = unbounded.backward(&tape, &[&[1.0, 1.0], &[]]).unwrap_err();
    assert!(matches!(
        refused,
        ModelError::Solver(Error::Unsolved { batch: 2, ref failures }) if failures.len() == 1
    ));
    let how = Differentiation { on_failure: OnFailure::Zero, ..Default::default() };
    let lenient = free.with_differentiation(how).elastic(Relaxation::default()).unwrap();
    let (_, tape) = lenient.forward(&[&[-1.0, 1.0], &[0.0]]).unwrap();
    assert_eq!(lenient.backward(&tape, &[&[1.0, 1.0], &[]]).unwrap()[0][0], 0.0);
}

#[test]
fn cotangents_of_another_length_are_named() {
    let layer = elastic(ViolationNorm::L2);
    let (_, tape) = layer.forward(&slices(&samples())).unwrap();
    let refused = layer.backward(&tape, &[&[], &[], &[1.0]]).unwrap_err().to_string();
    assert!(refused.contains("cotangents") && refused.contains("15 numbers"), "{refused}");
}
