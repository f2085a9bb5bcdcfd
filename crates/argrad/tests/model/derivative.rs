//! Derivatives of whole layers: the adjoint dot product, and central finite differences.

use argrad::atoms::*;
use argrad::prelude::*;

/// Numbers between -1 and 1 that look random, the same on every machine.
pub fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn dot(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| a * b).sum()
}

fn slices(values: &[Vec<f64>]) -> Vec<&[f64]> {
    values.iter().map(Vec::as_slice).collect()
}

/// Checks backward against jvp, and both against central differences, at these values: to 1e-8,
/// relative. `symmetric` lists the parameters that are moved along symmetric directions.
pub fn check(layer: Layer, values: &[Vec<f64>], symmetric: &[usize]) {
    let settings = Settings { tolerance: 1e-12, ..Settings::default() };
    let layer = layer.with_settings(settings).unwrap();
    let (outputs, tape) = layer.forward(&slices(values)).unwrap();
    for report in &outputs.reports {
        assert!(report.is_solved(), "{report:?}");
        assert_eq!(report.weakly_active, 0, "choose a point away from kinks");
    }
    let cotangents: Vec<Vec<f64>> =
        outputs.values.iter().enumerate().map(|(k, v)| numbers(v.len(), 100 + k as u64)).collect();
    let mut tangents: Vec<Vec<f64>> =
        values.iter().enumerate().map(|(k, v)| numbers(v.len(), 200 + k as u64)).collect();
    for &at in symmetric {
        let n = (tangents[at].len() as f64).sqrt() as usize;
        for i in 0..n {
            for j in 0..i {
                tangents[at][i * n + j] = tangents[at][j * n + i];
            }
        }
    }
    let gradients = layer.backward(&tape, &slices(&cotangents)).unwrap();
    let moved = layer.jvp(&tape, &slices(&tangents)).unwrap();
    let (forward, adjoint) = (dot(&moved, &cotangents), dot(&gradients, &tangents));
    let scale = 1.0
        + moved
            .iter()
            .zip(&cotangents)
            .flat_map(|(a, b)| a.iter().zip(b))
            .map(|(a, b)| (a * b).abs())
            .sum::<f64>();
    assert!((forward - adjoint).abs() <= 1e-9 * scale, "adjoint: {forward} against {adjoint}");

    let shifted = |t: f64| -> Vec<Vec<f64>> {
        let along = values.iter().zip(&tangents);
        along.map(|(v, d)| v.iter().zip(d).map(|(v, d)| v + t * d).collect()).collect()
    };
    let at = |t: f64| {
        let (outputs, _) = layer.forward(&slices(&shifted(t))).unwrap();
        assert!(outputs.reports.iter().all(Report::is_solved));
        dot(&outputs.values, &cotangents)
    };
    // Two central differences, extrapolated: the error is of order h^4.
    let difference = |h: f64| (at(h) - at(-h)) / (2.0 * h);
    let h = 2e-4;
    let extrapolated = (4.0 * difference(h / 2.0) - difference(h)) / 3.0;
    assert!(
        (forward - extrapolated).abs() <= 1e-8 * scale,
        "differences: {forward} against {extrapolated}, off by {:e}",
        (forward - extrapolated).abs() / scale
    );

    let at = |t: f64| {
        let (_, tape) = layer.forward(&slices(&shifted(t))).unwrap();
        Vec::from(layer.backward(&tape, &slices(&cotangents)).unwrap())
    };
    let found = layer.backward_tangent(
        &tape,
        &slices(&cotangents),
        &vec![&[][..]; cotangents.len()],
        &slices(&tangents),
    );
    if outputs.reports.iter().any(Report::is_degenerate) {
        assert!(
            matches!(found, Err(ModelError::Solver(argrad::Error::NotSmooth { .. }))),
            "{found:?}"
        );
        return;
    }
    check_second(&found.unwrap(), &gradients, at);
}

/// Checks the change of the gradients against their differences, to 1e-7 of the larger.
fn check_second(found: &[Vec<f64>], gradients: &[Vec<f64>], at: impl Fn(f64) -> Vec<Vec<f64>>) {
    let h = 1e-3;
    // Sixth order.
    let weights = [(1.0, 45.0), (2.0, -9.0), (3.0, 1.0)];
    let mut difference: Vec<Vec<f64>> = found.iter().map(|own| vec![0.0; own.len()]).collect();
    for (place, weight) in weights.into_iter().flat_map(|(k, w)| [(k, w), (-k, -w)]) {
        for (sum, own) in difference.iter_mut().zip(&at(place * h)) {
            sum.iter_mut().zip(own).for_each(|(sum, g)| *sum += weight * g / (60.0 * h));
        }
    }
    let size = |vectors: &[Vec<f64>]| dot(vectors, vectors).sqrt();
    let off: Vec<Vec<f64>> = difference
        .iter()
        .zip(found)
        .map(|(one, other)| one.iter().zip(other).map(|(a, b)| a - b).collect())
        .collect();
    let (error, scale) = (size(&off), size(&difference).max(size(gradients)));
    assert!(error <= 1e-7 * scale, "second derivative: off by {:e}", error / scale);
}

#[test]
fn markowitz_with_a_batch_and_a_shared_parameter() -> Result<(), ModelError> {
    let model = Model::new();
    let (mu, gamma) = (model.parameter(4), model.parameter(()).nonneg());
    let w = model.variable(4);
    let factor = dense_rows(3, 4, 7);
    let risk = sum_squares(matmul(&factor, w)) + 0.1 * sum_squares(w);
    let budget = w.sum().equals(1.0);
    let limit = w.leq(0.9);
    let problem = Problem::maximize(mu.dot(w) - gamma * risk).subject_to([budget, limit]);
    let outputs = [Output::from(w), budget.dual(), limit.dual(), Output::from(w.sum() + w)];
    let layer = problem.compile([mu, gamma], outputs)?;
    check(layer, &[numbers(12, 3), vec![1.3]], &[]);
    Ok(())
}

fn dense_rows(rows: usize, cols: usize, seed: u64) -> Vec<Vec<f64>> {
    numbers(rows * cols, seed).chunks(cols).map(<[f64]>::to_vec).collect()
}

#[test]
fn every_place_of_an_optnet_program() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(5);
    let q = model.parameter((5, 5)).psd();
    let (p, a, b) = (model.parameter(5), model.parameter((2, 5)), model.parameter(2));
    let (g, h) = (model.parameter((3, 5)), model.parameter(3));
    let equal = a.matmul(x).equals(b);
    let less = g.matmul(x).leq(h);
    let problem = Problem::minimize(0.5 * quad_form(x, q) + p.dot(x)).subject_to([equal, less]);
    let layer =
        problem.compile([q, p, a, b, g, h], [Output::from(x), equal.dual(), less.dual()])?;
    let half = numbers(25, 11);
    let mut gram = vec![0.0; 25];
    for k in 0..25 {
        gram[k] = (0..5).map(|l| half[k / 5 * 5 + l] * half[k % 5 * 5 + l]).sum::<f64>();
    }
    (0..5).for_each(|i| gram[i * 6] += 0.5);
    let values =
        [gram, numbers(5, 12), numbers(10, 13), numbers(2, 14), numbers(15, 15), vec![0.4; 3]];
    check(layer, &values, &[0]);
    Ok(())
}

#[test]
fn least_squares_with_a_parametric_matrix() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, a, b) = (model.variable(3), model.parameter((5, 3)), model.parameter(5));
    let problem = Problem::minimize(sum_squares(a.matmul(x) - b)).subject_to([x.geq(0.0)]);
    let layer = problem.compile([a, b], [x])?;
    check(layer, &[numbers(15, 21), numbers(5, 22)], &[]);
    Ok(())
}

#[test]
fn squares_of_a_matrix_of_parameters_are_a_quadratic_form() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, l, q) = (model.variable(6), model.parameter((7, 6)), model.parameter(6));
    let weight = model.parameter(()).nonneg();
    let cost = weight * sum_squares(l.matmul(x)) + (q * x).sum();
    let layer = Problem::minimize(cost).subject_to([x.geq(-1.0)]).compile([l, q, weight], [x])?;
    // P = 2 w L'L, and no variable for Lx.
    assert_eq!((layer.structure().variables(), layer.structure().rows()), (6, 6));
    assert_eq!(layer.structure().p().nnz(), 21);
    check(layer, &[numbers(42, 41), numbers(6, 42), vec![0.7]], &[]);

    // Weights of the rows: parameters, different numbers, one number.
    let of_rows = model.parameter(7).nonneg();
    let constant = model.constant([1.0, 2.0, 0.5, 0.8, 1.5, 3.0, 1.0]);
    let same = model.constant([0.7; 7]);
    for (weights, own) in [(of_rows, Some(of_rows)), (constant, None), (same, None)] {
        let cost = (weights * square(l.matmul(x))).sum() + (q * x).sum();
        let problem = Problem::minimize(cost).subject_to([x.geq(-1.0)]);
        let layer = problem.compile([l, q].into_iter().chain(own), [x])?;
        assert_eq!(layer.structure().p().nnz(), 21);
        let sizes = own.map(|_| vec![0.4, 1.3, 0.6, 0.9, 1.1, 0.2, 0.8]);
        let values = [numbers(42, 41), numbers(6, 42)].into_iter().chain(sizes);
        check(layer, &values.collect::<Vec<_>>(), &[]);
    }

    // With something added the product would square the condition of L.
    let b = model.parameter(7);
    let layer = Problem::minimize(sum_squares(l.matmul(x) - b)).compile([l, b], [x])?;
    assert_eq!(layer.structure().variables(), 6 + 7);
    check(layer, &[numbers(42, 41), numbers(7, 43)], &[]);
    Ok(())
}

#[test]
fn exponential_second_order_and_semidefinite_cones() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, a) = (model.variable(3), model.parameter(3));
    let rate = model.parameter(()).nonneg();
    let problem = Problem::minimize(exp(x).sum() + rate * norm2(x - a)).subject_to([x.geq(-2.0)]);
    check(problem.compile([a, rate], [x])?, &[vec![0.3, -0.2, 0.7], vec![0.8]], &[]);
    let problem = Problem::maximize((a * log(x)).sum()).subject_to([x.sum().equals(rate)]);
    // Needs a sign: refused. With it: x = rate a / sum a.
    assert!(!problem.is_dcp());
    let a = model.parameter(3).nonneg();
    let problem = Problem::maximize((a * log(x)).sum()).subject_to([x.sum().equals(rate)]);
    check(problem.compile([a, rate], [x])?, &[vec![0.3, 0.2, 0.7], vec![0.8]], &[]);
    let (s, c) = (model.variable((3, 3)).psd(), model.parameter((3, 3)).symmetric());
    let problem = Problem::minimize(sum_squares(s - c));
    let mut values = numbers(9, 31);
    (0..3).for_each(|i| (0..i).for_each(|j| values[i * 3 + j] = values[j * 3 + i]));
    check(problem.compile([c], [s])?, &[values], &[0]);
    Ok(())
}

#[test]
fn diagonal_and_sparse_parameters() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, d) = (model.variable(3), model.parameter((3, 3)).diagonal());
    let s = model.parameter((3, 3)).sparse(&[(2, 0), (0, 1)]);
    let problem = Problem::minimize(sum_squares(d.matmul(x) - 1.0) + sum_squares(s.matmul(x)));
    let layer = problem.compile([d, s], [x])?;
    assert_eq!(layer.parameters().map(|p| p.1).collect::<Vec<_>>(), [3, 2]);
    check(layer, &[vec![1.0, 2.0, -1.5], vec![0.4, 0.7]], &[]);
    Ok(())
}

#[test]
fn duals_of_cones_are_outputs_too() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, t, a) = (model.variable(3), model.variable(()), model.parameter(3));
    let cone = second_order(t, x - a);
    let limit = t.leq(0.4);
    let problem = Problem::minimize(sum_squares(x)).subject_to([cone, limit]);
    let outputs = [Output::from(x), cone.dual(), limit.dual()];
    check(problem.compile([a], outputs)?, &[vec![1.0, -0.7, 0.2]], &[]);

    let (y, b) = (model.variable(3), model.parameter(3));
    let cone = exponential_cone(y.index(0), y.index(1), y.index(2));
    let problem = Problem::minimize(sum_squares(y - b)).subject_to([cone]);
    let outputs = [Output::from(y), cone.dual()];
    check(problem.compile([b], outputs)?, &[vec![1.0, 0.7, 0.2]], &[]);

    let cone = power_cone(y.index(0), y.index(1), y.index(2), 0.3);
    let problem = Problem::minimize(sum_squares(y - b)).subject_to([cone]);
    let outputs = [Output::from(y), cone.dual()];
    check(problem.compile([b], outputs)?, &[vec![0.5, 0.7, 1.2]], &[]);

    let (s, c) = (model.variable((3, 3)).symmetric(), model.parameter((3, 3)));
    let cone = s.psd_geq(0.0);
    let problem = Problem::minimize(sum_squares(s - c)).subject_to([cone]);
    let outputs = [Output::from(s), cone.dual()];
    check(problem.compile([c], outputs)?, &[numbers(9, 41)], &[]);
    Ok(())
}
