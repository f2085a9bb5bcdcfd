//! Zeros in dense matrices that the batch shares are left out of the computation, and of nothing
//! else.

use argrad::{
    Differentiation, MatrixShape, Mode, QpCotangent, QpGradients, QpLayer, QpShape, QpSolution,
    QpTangent, QpTape, Slot,
};

use crate::case::{Case, dense, normals, relative_error, rng};
use crate::derivative::parts;

const N: usize = 12;
const BATCH: usize = 5;

/// Diagonal P and G, dense A, with the numbers of one program in all samples but for q, passed as
/// dense matrices.
fn bounded(rows: usize) -> Case {
    let shape = QpShape {
        p: MatrixShape::Diagonal(N),
        a: MatrixShape::Dense { rows, cols: N },
        g: MatrixShape::Diagonal(N),
    };
    let mut case = Case::random(shape, 4, 1, 301);
    for argument in [0, 2, 4] {
        let shape = [&case.shape.p, &case.shape.a, &case.shape.g];
        case.numbers[argument] = dense(shape[argument / 2], &case.numbers[argument]);
    }
    case.shape = QpShape::dense(N, rows, N);
    case.batch = BATCH;
    let q = case.numbers[1].repeat(BATCH);
    let noise = normals(&mut rng(302), q.len());
    case.numbers[1] = q.iter().zip(noise).map(|(q, noise)| q + 0.1 * noise).collect();
    for argument in [0, 2, 3, 4, 5] {
        case.shared[argument] = true;
    }
    case
}

/// The same numbers for each sample of its own, in which no zeros are looked for.
fn spelled_out(case: &Case) -> Case {
    let mut out = case.clone();
    for argument in 0..6 {
        if case.shared[argument] {
            out.numbers[argument] = case.numbers[argument].repeat(BATCH);
            out.shared[argument] = false;
        }
    }
    out
}

fn gradients(layer: &QpLayer, case: &Case, mode: Mode) -> (QpSolution, QpTape, QpGradients) {
    let how = Differentiation { mode, ..Differentiation::default() };
    let layer = layer.clone().with_differentiation(how);
    let (solution, tape) = layer.forward(&case.values()).unwrap();
    let weights = normals(&mut rng(303), 3 * BATCH * N);
    let part = |k: usize| Some(&weights[k * BATCH * N..(k + 1) * BATCH * N]);
    let cotangent = QpCotangent {
        x: part(0),
        inequality_duals: part(1),
        slacks: part(2),
        ..Default::default()
    };
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    (solution, tape, gradients)
}

/// Sum over the samples.
fn summed(numbers: &[f64], len: usize) -> Vec<f64> {
    let mut sum = vec![0.0; len];
    for (k, value) in numbers.iter().enumerate() {
        sum[k % len] += value;
    }
    sum
}

#[test]
fn solutions_and_gradients_of_every_entry_are_those_without_looking() {
    for rows in [0, 3] {
        let case = bounded(rows);
        let plain = spelled_out(&case);
        // The differences of lpgd are taken over a step of 1e-3, which divides rounding errors.
        for (mode, tolerance) in
            [(Mode::Exact, 1e-12), (Mode::Smoothed(1e-2), 1e-11), (Mode::Lpgd(1e-3), 1e-9)]
        {
            let (solution, _, found) = gradients(&case.layer(), &case, mode);
            let (expected_solution, _, expected) = gradients(&plain.layer(), &plain, mode);
            assert!(relative_error(&solution.x, &expected_solution.x) < 1e-13);
            for ((found, expected), shared) in
                parts(&found).into_iter().zip(parts(&expected)).zip([0, 1, 2, 3, 4, 5])
            {
                // In the order P, q, A, b, G, h, as the case has them.
                let expected = match case.shared[shared] {
                    true => summed(expected, found.len().max(1)),
                    false => expected.clone(),
                };
                if found.is_empty() {
                    continue;
                }
                let error = relative_error(found, &expected);
                assert!(error < tolerance, "argument {shared}, {mode:?}: {error:e}");
            }
            // The gradient off the diagonal is there.
            assert!(found.p[1].abs() > 1e-6 && found.g[1].abs() > 1e-6);
        }
    }
}

#[test]
fn only_shared_matrices_are_looked_at() {
    // Zeros in the numbers of one sample are no structure.
    let mut case = bounded(3);
    let plain = spelled_out(&case);
    for argument in [0, 4] {
        case = case.clone();
        case.shared[argument] = false;
        case.numbers[argument] = plain.numbers[argument].clone();
        let (solution, _, found) = gradients(&case.layer(), &case, Mode::Exact);
        let (expected_solution, _, expected) = gradients(&plain.layer(), &plain, Mode::Exact);
        assert!(relative_error(&solution.x, &expected_solution.x) < 1e-13);
        assert!(relative_error(&found.q, &expected.q) < 1e-12);
        if argument == 4 {
            assert!(relative_error(&found.g, &expected.g) < 1e-12);
        }
    }
}

#[test]
fn forward_derivative_feels_changes_of_zeros() {
    let case = bounded(3);
    let layer = case.layer();
    let (_, tape, gradients) = gradients(&layer, &case, Mode::Exact);
    let weights = normals(&mut rng(303), 3 * BATCH * N);
    let dg = normals(&mut rng(304), N * N);
    let dp = normals(&mut rng(305), N * N);
    let tangent = QpTangent {
        g: Some(Slot::Shared(&dg)),
        p: Some(Slot::Shared(&dp)),
        ..QpTangent::default()
    };
    let out = layer.jvp(&tape, &tangent).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let moved = dot(&out.x, &weights[..BATCH * N])
        + dot(&out.inequality_duals, &weights[BATCH * N..2 * BATCH * N])
        + dot(&out.slacks, &weights[2 * BATCH * N..]);
    let felt = dot(&gradients.g, &dg) + dot(&gradients.p, &dp);
    assert!((moved - felt).abs() < 1e-11 * moved.abs().max(1.0), "{moved} against {felt}");
}

#[test]
fn zeros_that_change_from_call_to_call_are_no_trouble() {
    let mut case = bounded(0);
    let layer = case.layer();
    let first = layer.solve(&case.values()).unwrap();
    let unchanged = case.clone();
    for k in 0..30 {
        // One bound after the other gets a second variable.
        case.numbers[4][(k % N) * N + (k / N + k + 1) % N] = 0.5;
        let solution = layer.solve(&case.values()).unwrap();
        let expected = layer.solve(&spelled_out(&case).values()).unwrap();
        assert!(relative_error(&solution.x, &expected.x) < 1e-13);
    }
    // What was met in between has left no trace.
    let again = layer.solve(&unchanged.values()).unwrap();
    assert_eq!(first.x, again.x);
}
