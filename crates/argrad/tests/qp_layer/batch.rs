//! What the samples of a batch share, and what they do not.

use argrad::{Differentiation, Error, OnFailure, QpCotangent, QpLayer, QpShape, QpTape, Status};

use crate::case::{Case, normals, relative_error, rng};
use crate::derivative::parts;

fn backward(layer: &QpLayer, tape: &QpTape, w: &[f64], on_failure: OnFailure) -> [Vec<f64>; 6] {
    let cotangent = QpCotangent { x: Some(w), ..Default::default() };
    let how = Differentiation { on_failure, ..Default::default() };
    let layer = layer.clone().with_differentiation(how);
    let gradients = layer.backward(tape, &cotangent).unwrap();
    parts(&gradients).map(Clone::clone)
}

/// Samples `range` of a case in which nothing is shared.
fn samples(case: &Case, picked: &[usize]) -> Case {
    let mut part = Case { batch: picked.len(), ..case.clone() };
    for (numbers, len) in part.numbers.iter_mut().zip(case.lens()) {
        *numbers = picked.iter().flat_map(|&k| numbers[k * len..(k + 1) * len].to_vec()).collect();
    }
    part
}

#[test]
fn gradient_of_a_shared_argument_is_the_sum() {
    for argument in 0..6 {
        let shared = Case::random(QpShape::dense(5, 2, 6), 2, 4, 71).share(argument);
        let mut each = shared.clone();
        each.shared[argument] = false;
        each.numbers[argument] = shared.numbers[argument].repeat(4);
        let w = normals(&mut rng(72), 4 * 5);
        // A shared dual part may well make a sample infeasible: zero either way.
        let [sum, apart] = [&shared, &each].map(|case| {
            let layer = case.layer();
            let (_, tape) = layer.forward(&case.values()).unwrap();
            backward(&layer, &tape, &w, OnFailure::Zero)
        });
        let len = shared.lens()[argument];
        let mut expected = vec![0.0; len];
        for part in apart[argument].chunks(len) {
            expected.iter_mut().zip(part).for_each(|(sum, g)| *sum += g);
        }
        let error = relative_error(&sum[argument], &expected);
        assert!(error < 1e-12, "argument {argument}: {error:.1e}");
        for other in (0..6).filter(|&other| other != argument) {
            assert!(relative_error(&sum[other], &apart[other]) < 1e-12);
        }
    }
}

#[test]
fn infeasible_and_unbounded_neighbours_change_nothing() {
    let case = Case::random(QpShape::dense(4, 1, 5), 2, 9, 81);
    let mut spoiled = case.clone();
    // Sample 3: g'x <= -1 and -g'x <= -1. Sample 6: P = 0 and G = 0, q not in the range of A'.
    for j in 0..4 {
        spoiled.numbers[4][3 * 20 + 4 + j] = -spoiled.numbers[4][3 * 20 + j];
    }
    spoiled.numbers[5][15] = -1.0;
    spoiled.numbers[5][16] = -1.0;
    spoiled.numbers[0][6 * 16..7 * 16].fill(0.0);
    spoiled.numbers[4][6 * 20..7 * 20].fill(0.0);
    spoiled.numbers[5][6 * 5..7 * 5].fill(1.0);
    let w = normals(&mut rng(82), 9 * 4);

    let layer = spoiled.layer();
    let (solution, tape) = layer.forward(&spoiled.values()).unwrap();
    let failures: Vec<_> = solution.failures().collect();
    assert_eq!(failures, [(3, Status::PrimalInfeasible), (6, Status::DualInfeasible)]);

    let good = [0, 1, 2, 4, 5, 7, 8];
    let rest = samples(&case, &good);
    let rest_layer = rest.layer();
    let (reference, rest_tape) = rest_layer.forward(&rest.values()).unwrap();
    for (k, &index) in good.iter().enumerate() {
        let same = |found: &[f64], expected: &[f64], len: usize| {
            for (a, b) in found[index * len..][..len].iter().zip(&expected[k * len..][..len]) {
                assert_eq!(a.to_bits(), b.to_bits(), "sample {index}");
            }
        };
        same(&solution.x, &reference.x, 4);
        same(&solution.equality_duals, &reference.equality_duals, 1);
        same(&solution.inequality_duals, &reference.inequality_duals, 5);
        same(&solution.slacks, &reference.slacks, 5);
    }

    let rest_w: Vec<f64> = good.iter().flat_map(|&k| w[k * 4..][..4].to_vec()).collect();
    let expected = backward(&rest_layer, &rest_tape, &rest_w, OnFailure::Error);
    for on_failure in [OnFailure::Nan, OnFailure::Zero] {
        let found = backward(&layer, &tape, &w, on_failure);
        for ((found, expected), len) in found.iter().zip(&expected).zip(case.lens()) {
            for (k, &index) in good.iter().enumerate() {
                for (a, b) in found[index * len..][..len].iter().zip(&expected[k * len..][..len]) {
                    assert_eq!(a.to_bits(), b.to_bits());
                }
            }
            for index in [3, 6] {
                let part = &found[index * len..][..len];
                match on_failure {
                    OnFailure::Nan => assert!(part.iter().all(|g| g.is_nan())),
                    _ => assert!(part.iter().all(|&g| g == 0.0)),
                }
            }
        }
    }

    let cotangent = QpCotangent { x: Some(&w), ..Default::default() };
    let found = layer.backward(&tape, &cotangent);
    let Err(Error::Unsolved { batch: 9, failures: named }) = &found else { panic!("{found:?}") };
    assert_eq!(named, &failures);
    assert_eq!(
        found.unwrap_err().to_string(),
        "2 of 9 samples not solved: sample 3: primal infeasible; \
         sample 6: dual infeasible (unbounded)"
    );
}

#[test]
fn failed_samples_add_nothing_to_shared_gradients() {
    // A, G shared; h per sample makes sample 1 infeasible. Then G alone per sample, so that
    // the sum over A is taken on this side of the solver.
    let base = Case::random(QpShape::dense(4, 1, 2), 1, 1, 91);
    for g_each in [false, true] {
        let mut case =
            Case { batch: 3, shared: [true, true, true, true, !g_each, false], ..base.clone() };
        for j in 0..4 {
            case.numbers[4][4 + j] = -case.numbers[4][j];
        }
        if g_each {
            case.numbers[4] = case.numbers[4].repeat(3);
        }
        case.numbers[5] = vec![1.0, 1.0, -1.0, -1.0, 0.7, 0.9];
        let mut without = Case { batch: 2, ..case.clone() };
        without.numbers[5] = vec![1.0, 1.0, 0.7, 0.9];
        if g_each {
            without.numbers[4].truncate(16);
        }
        let w = normals(&mut rng(92), 12);
        let w_without = [&w[..4], &w[8..]].concat();
        let layer = case.layer();
        let (solution, tape) = layer.forward(&case.values()).unwrap();
        assert_eq!(solution.failures().collect::<Vec<_>>(), [(1, Status::PrimalInfeasible)]);
        let without_layer = without.layer();
        let (_, reference) = without_layer.forward(&without.values()).unwrap();
        let expected = backward(&without_layer, &reference, &w_without, OnFailure::Error);
        for on_failure in [OnFailure::Nan, OnFailure::Zero] {
            let found = backward(&layer, &tape, &w, on_failure);
            for argument in 0..4 {
                assert_eq!(found[argument], expected[argument], "argument {argument}");
            }
        }
    }
}
