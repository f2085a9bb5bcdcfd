//! Problems whose stationary points are known, with their derivatives.

use argrad::atoms::*;
use argrad::convex_concave::{PointKind, Sequence};
use argrad::prelude::*;

use super::case::{check, near};

#[test]
fn the_nearest_point_outside_of_a_disc() -> Result<(), ModelError> {
    let model = Model::new();
    let (p, radius) = (model.parameter(2), model.parameter(()).nonneg());
    let x = model.variable(2);
    let problem = Problem::minimize(sum_squares(x - p)).subject_to([sum_squares(x).geq(radius)]);
    let layer = problem.compile_convex_concave([p, radius], [x])?;
    let ps: &[f64] = &[0.3, 0.4, -0.1, 0.5, 4.0, 4.0];
    let (outputs, _) = layer.forward(&[ps, &[2.25]])?;
    for k in 0..2 {
        let length = (ps[2 * k].powi(2) + ps[2 * k + 1].powi(2)).sqrt();
        for j in 0..2 {
            near(outputs[0][2 * k + j], 1.5 * ps[2 * k + j] / length, 1e-9);
        }
        near(outputs.objective[k], (1.5 - length).powi(2), 1e-9);
    }
    near(outputs[0][4], 4.0, 1e-9);
    check(&layer, &[x], &[ps.to_vec(), vec![2.25]], &[outputs[0].to_vec()])
}

/// x^4 / 4 - p x^2 / 2 has the minima +-sqrt(p); the derivative there is 1 / (2 sqrt(p)), half of
/// which is the curvature of what is linearized.
#[test]
fn a_double_well() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p) = (model.variable(()), model.parameter(()).nonneg());
    let problem = Problem::minimize(power(x, 4.0) / 4.0 - p * square(x) / 2.0);
    let layer = problem.compile_convex_concave([p], [x])?;
    let (outputs, tape) = layer.forward_from(&[&[4.0, 2.0]], &[(x, &[1.0, -0.5])])?;
    near(outputs[0][0], 2.0, 1e-9);
    near(outputs[0][1], -(2f64.sqrt()), 1e-9);
    near(outputs.objective[0], -4.0, 1e-9);
    let gradients = layer.backward(&tape, &[&[1.0, 1.0]])?;
    near(gradients[0][0], 0.25, 1e-8);
    near(gradients[0][1], -0.5 / 2f64.sqrt(), 1e-8);
    check(&layer, &[x], &[vec![4.0, 2.0]], &[vec![1.0, -0.5]])
}

/// Maximizing a convex function over a polyhedron ends at a vertex; over a ball, at the leading
/// eigenvector.
#[test]
fn maximizing_a_convex_function() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(3);
    let a = model.parameter((3, 3));
    let problem = Problem::maximize(sum_squares(a.matmul(x))).subject_to([norm2(x).leq(1.0)]);
    let layer = problem.compile_convex_concave([a], [x])?;
    let matrix = vec![2.0, 0.3, 0.1, -0.2, 1.0, 0.4, 0.5, 0.1, 0.7];
    let (outputs, _) = layer.forward_from(&[&matrix], &[(x, &[1.0, 0.2, 0.3])])?;
    // A'A x = s x with s the objective.
    let row = |v: &[f64], i: usize| (0..3).map(|j| matrix[3 * i + j] * v[j]).sum::<f64>();
    let column = |v: &[f64], j: usize| (0..3).map(|i| matrix[3 * i + j] * v[i]).sum::<f64>();
    let x_found = outputs[0].to_vec();
    let ax: Vec<f64> = (0..3).map(|i| row(&x_found, i)).collect();
    for (j, x) in x_found.iter().enumerate() {
        near(column(&ax, j), outputs.objective[0] * x, 1e-8);
    }
    check(&layer, &[x], std::slice::from_ref(&matrix), &[x_found])
}

/// Tangents of vectors, of several variables, of functions of parameters, in both kinds of
/// constraints.
#[test]
fn every_kind_of_tangent() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(3), model.variable(()).nonneg());
    let p = model.parameter(3).nonneg().named("p");
    let q = model.parameter(()).nonneg().named("q");
    let target = model.parameter(3);
    let problem =
        Problem::minimize(sum_squares(x - target) + square(y - 1.0) - q * log_sum_exp(x - p))
            .subject_to([
                // A vector of concave bounds, of which each element has its own entry.
                (p * exp(0.5 * x)).geq(0.5 + 0.2 * square(x)),
                // Of both variables, and of a parameter inside of what is convex.
                (norm2(x + p) + y).geq(4.0 - 0.1 * square(y)),
            ]);
    let layer = problem.compile_convex_concave([p, q, target], [x, y])?;
    let values = vec![vec![0.9, 1.1, 0.8], vec![0.6], vec![1.2, -0.8, 0.9, 0.3, 1.5, -0.4]];
    let start = vec![vec![0.5, 0.4, 0.3], vec![1.0]];
    check(&layer, &[x, y], &values, &start)
}

/// Equalities with curvature: on a sphere.
#[test]
fn the_nearest_point_on_a_sphere() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p, radius) = (model.variable(3), model.parameter(3), model.parameter(()).nonneg());
    let problem = Problem::minimize(sum_squares(x - p)).subject_to([norm2(x).equals(radius)]);
    let layer = problem.compile_convex_concave([p, radius], [x])?;
    let ps: &[f64] = &[1.3, 1.4, 1.1, 3.0, -1.0, 2.0];
    let (outputs, _) = layer.forward_from(&[ps, &[1.5]], &[(x, &[1.0, 0.2, -0.3])])?;
    for k in 0..2 {
        assert_eq!(outputs.sequences[k].kind, PointKind::Stationary, "{:?}", outputs.sequences);
        let own = &ps[3 * k..3 * k + 3];
        let length = own.iter().map(|v| v * v).sum::<f64>().sqrt();
        for j in 0..3 {
            near(outputs[0][3 * k + j], 1.5 * own[j] / length, 1e-7);
        }
    }
    Ok(())
}

#[test]
fn a_convex_problem_is_solved_in_its_first_step() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p) = (model.variable(2), model.parameter(2));
    let problem = Problem::minimize(sum_squares(x - p)).subject_to([x.leq(1.0)]);
    let layer = problem.compile_convex_concave([p], [x])?;
    let outputs = layer.solve(&[&[2.0, 0.5]])?;
    near(outputs[0][0], 1.0, 1e-9);
    assert!(outputs.sequences[0].steps <= 2);
    check(&layer, &[x], &[vec![2.0, 0.5]], &[vec![0.0, 0.0]])
}

/// Each kind of point is told from the others, and a sample's result does not depend on the rest
/// of the batch, to the last bit.
#[test]
fn kinds_of_points_and_independent_samples() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    let (p, radius, side) = (model.parameter(2), model.parameter(()).nonneg(), model.parameter(()));
    let problem = Problem::minimize(sum_squares(x - p)).subject_to([
        norm2(x).geq(radius),
        x.leq(side),
        x.geq(-1.0),
    ]);
    let layer = problem.compile_convex_concave([p, radius, side], [x])?;
    let ps: &[f64] = &[0.3, 0.2, 0.3, 0.2, 0.3, 0.2, -0.5, 0.6];
    let radii: &[f64] = &[1.2, 9.0, 1.0, 1.0];
    let sides: &[f64] = &[1.0, 1.0, -2.0, 1.0];
    let (outputs, tape) = layer.forward(&[ps, radii, sides])?;
    let kinds: Vec<PointKind> = outputs.sequences.iter().map(|s| s.kind).collect();
    assert_eq!(kinds[0], PointKind::Stationary);
    assert_eq!(kinds[1], PointKind::SlackLeft);
    assert_eq!(kinds[2], PointKind::NoPoint(Status::PrimalInfeasible));
    assert_eq!(kinds[3], PointKind::Stationary);
    assert!(outputs.sequences[1].slack > 0.1 && outputs[0][4].is_nan());
    for k in [0, 1, 3] {
        let own: [&[f64]; 3] = [&ps[2 * k..2 * k + 2], &radii[k..k + 1], &sides[k..k + 1]];
        let alone = layer.solve(&own)?;
        for j in 0..2 {
            assert_eq!(alone[0][j].to_bits(), outputs[0][2 * k + j].to_bits());
        }
        assert_eq!(alone.sequences[0], outputs.sequences[k]);
    }
    let message = layer.backward(&tape, &[&[1.0; 8]]).unwrap_err().to_string();
    assert!(message.contains("sample 1 (constraints violated"), "{message}");
    assert!(message.contains("sample 2") && !message.contains("sample 3"), "{message}");
    let how = Differentiation { on_failure: argrad::OnFailure::Nan, ..Default::default() };
    let layer = layer.with_differentiation(how);
    let gradient = layer.backward(&tape, &[&[1.0; 8]])?;
    assert!(gradient[1][1].is_nan() && gradient[0][4].is_nan() && gradient[0][0].is_finite());
    let slow = Sequence { limit: 1, ..Sequence::default() };
    let outputs = layer.with_sequence(slow)?.solve(&[&[0.3, 0.2], &[1.2], &[1.0]])?;
    assert_eq!(outputs.sequences[0].kind, PointKind::IterationLimit);
    Ok(())
}

/// The same start numbers for the same seed, others for another.
#[test]
fn starts_are_seeded() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(4).bounds(-1.0, 1.0);
    let p = model.parameter(4);
    let problem = Problem::maximize(sum_squares(x) + p.dot(x));
    let layer = problem.compile_convex_concave([p], [x])?;
    let one = Sequence { starts: 1, ..Sequence::default() };
    let of = |seed: u64| -> Result<Vec<f64>, ModelError> {
        let layer = layer.clone().with_sequence(Sequence { seed, ..one })?;
        Ok(layer.solve(&[&[0.1, -0.1, 0.2, 0.0]])?[0].to_vec())
    };
    assert_eq!(of(1)?, of(1)?);
    let ends: Vec<Vec<f64>> = (0..8).map(of).collect::<Result<_, _>>()?;
    assert!(ends.iter().any(|end| (end[3] - ends[0][3]).abs() > 1.0));
    // More starts are never worse: the best vertex has the signs of p.
    let many = layer.clone().with_sequence(Sequence { starts: 64, ..one })?;
    let best = many.solve(&[&[0.1, -0.1, 0.2, 0.0]])?;
    near(best.objective[0], 4.4, 1e-9);
    Ok(())
}
