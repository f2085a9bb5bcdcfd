//! Problems whose optimum is known in closed form, with their derivatives.

use argrad::atoms::*;
use argrad::prelude::*;

use super::case::{check, near};

/// Boyd and Vandenberghe, Convex Optimization, section 4.3.2: linear-fractional programs.
#[test]
fn a_linear_fractional_program_in_the_plane() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    let (c, d) = (model.parameter(2).named("c"), model.parameter(()).named("d"));
    let objective = ratio(c.dot(x) + d, x.sum() + 1.0);
    let problem =
        Problem::minimize(objective).subject_to([x.geq(0.0), (x.sum() + x.index(0)).leq(4.0)]);
    let layer = problem.compile_quasiconvex([c, d], [x])?;
    // At the vertices (0, 0), (2, 0), (0, 4).
    let (outputs, tape) = layer.forward(&[&[-1.0, 2.0, 3.0, 1.0], &[1.0]])?;
    near(outputs.objective[0], (1.0 - 2.0) / 3.0, 1e-9);
    near(outputs.objective[1], 1.0, 1e-9);
    near(outputs[0][0], 2.0, 1e-8);
    // t = (2 c_1 + d) / 3 at (2, 0).
    let gradient = layer.value_gradient(&tape, &[1.0, 0.0])?;
    near(gradient[0][0], 2.0 / 3.0, 1e-9);
    near(gradient[1][0], 1.0 / 3.0, 1e-9);
    Ok(())
}

/// The tangency portfolio: w is a multiple of S^-1 mu, and the ratio is sqrt(mu' S^-1 mu).
#[test]
fn the_largest_sharpe_ratio() -> Result<(), ModelError> {
    let model = Model::new();
    let mu = model.parameter(3).nonneg().named("mu");
    let w = model.variable(3).nonneg();
    let scale = model.parameter(()).nonneg();
    let deviations = [0.2, 0.3, 0.5];
    let diagonal = [[0.2, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.5]];
    let sharpe = scale * mu.dot(w) / norm2(matmul(diagonal, w));
    let problem = Problem::maximize(sharpe).subject_to([w.sum().equals(1.0)]);
    let layer = problem.compile_quasiconvex([mu, scale], [w])?;
    let returns = [[0.1, 0.2, 0.15], [0.2, 0.1, 0.3]];
    let (outputs, _) = layer.forward(&[&returns.concat(), &[1.0]])?;
    for (sample, mu) in returns.iter().enumerate() {
        let scores: Vec<f64> = mu.iter().zip(deviations).map(|(m, s)| m / (s * s)).collect();
        let total: f64 = scores.iter().sum();
        let squares: f64 = mu.iter().zip(deviations).map(|(m, s)| (m / s).powi(2)).sum();
        near(outputs.objective[sample], squares.sqrt(), 1e-9);
        for k in 0..3 {
            near(outputs[0][3 * sample + k], scores[k] / total, 1e-8);
        }
    }
    check(&layer, &[returns.concat(), vec![1.5]])
}

/// Agrawal and Boyd, section 6: the ratio of a norm and an affine function, with bounds.
#[test]
fn a_norm_over_an_affine_function() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(3);
    let (a, b) = (model.parameter((4, 3)), model.parameter(4));
    let bottom = model.parameter(3);
    let objective = ratio(norm2(a.matmul(x) - b), bottom.dot(x) + 6.0);
    let problem = Problem::minimize(objective).subject_to([norm_inf(x).leq(0.4)]);
    let layer = problem.compile_quasiconvex([a, b, bottom], [x])?;
    let values = |n: usize, shift: f64| -> Vec<f64> {
        (0..n).map(|k| ((k * k) as f64 * 1.3 + shift).sin()).collect()
    };
    check(&layer, &[values(24, 0.3), values(4, 0.1), values(3, 2.0)])
}

#[test]
fn the_largest_product_of_two_variables() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(()).nonneg(), model.variable(()).nonneg());
    let (budget, price) = (model.parameter(()), model.parameter(()).nonneg());
    let problem = Problem::maximize(x * y).subject_to([(x + price * y).leq(budget)]);
    let layer = problem.compile_quasiconvex([budget, price], [x, y])?;
    let (outputs, _) = layer.forward(&[&[3.0, 10.0], &[2.0]])?;
    for (sample, budget) in [3.0f64, 10.0].into_iter().enumerate() {
        near(outputs.objective[sample], budget * budget / 8.0, 1e-9);
        near(outputs[0][sample], budget / 2.0, 1e-8);
        near(outputs[1][sample], budget / 4.0, 1e-8);
    }
    check(&layer, &[vec![3.0, 10.0], vec![2.0]])?;
    // With signs turned around, and the other side.
    let problem = Problem::minimize((-x) * y).subject_to([(x + price * y).leq(budget)]);
    let layer = problem.compile_quasiconvex([budget, price], [x, y])?;
    near(layer.solve(&[&[3.0], &[2.0]])?.objective[0], -9.0 / 8.0, 1e-9);
    check(&layer, &[vec![3.0, 10.0], vec![2.0]])
}

type Monotone = for<'m> fn(Expr<'m>) -> Expr<'m>;
type Case = (Monotone, fn(f64) -> f64);

#[test]
fn monotone_functions_move_the_level_and_not_the_solution() -> Result<(), ModelError> {
    let build = |of: Monotone| -> Result<_, ModelError> {
        let model = Model::new();
        let x = model.variable(2).nonneg();
        let p = model.parameter(2).nonneg();
        let quotient = (p.dot(square(x)) + 1.0) / (x.sum() + 0.5);
        let problem = Problem::minimize(of(quotient));
        problem.compile_quasiconvex([p], [x])
    };
    let plain = build(|q| q)?;
    let at: &[f64] = &[1.0, 2.0, 0.5, 0.7];
    let expected = plain.solve(&[at])?;
    let cases: [Case; 9] = [
        (|q| exp(q) + 5.0, |t| t.exp() + 5.0),
        (|q| 2.0 * log(q) - 1.0, |t| 2.0 * t.ln() - 1.0),
        (|q| sqrt(q), f64::sqrt),
        (|q| square(q), |t| t * t),
        (|q| power(q, 1.5), |t| t.powf(1.5)),
        (|q| -inv_pos(q), |t| -1.0 / t),
        (|q| maximum(exp(q), 0.1 * q), f64::exp),
        (|q| -(3.0 - q), |t| t - 3.0),
        (|q| exp(-inv_pos(sqrt(q))), |t| (-1.0 / t.sqrt()).exp()),
    ];
    for (case, (of, value)) in cases.into_iter().enumerate() {
        let layer = build(of)?;
        let found = layer.solve(&[at])?;
        for sample in 0..2 {
            assert!(found.reports[sample].is_solved(), "case {case}: {:?}", found);
            near(found.objective[sample], value(expected.objective[sample]), 1e-9);
            near(found[0][2 * sample], expected[0][2 * sample], 1e-7);
        }
        check(&layer, &[at.to_vec()])?;
    }
    Ok(())
}

/// The smaller of two speeds is as large as possible: both are equal there.
#[test]
fn the_largest_of_several_quotients() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2).nonneg();
    let p = model.parameter(2).nonneg();
    let [a, b] = [0, 1].map(|k| p.index(k) * (x.index(k) + 1.0) / (3.0 - x.index(1 - k)));
    let problem = Problem::maximize(minimum(a, b)).subject_to([x.sum().leq(1.0)]);
    assert!(problem.check_quasiconvex().is_err()); // the sign of 3 - x is not known
    let [a, b] = [0, 1].map(|k| ratio(p.index(k) * (x.index(k) + 1.0), 3.0 - x.index(1 - k)));
    let problem = Problem::maximize(minimum(a, b)).subject_to([x.sum().leq(1.0)]);
    let layer = problem.compile_quasiconvex([p], [x])?;
    let outputs = layer.solve(&[&[1.0, 1.2]])?;
    let (x0, x1) = (outputs[0][0], outputs[0][1]);
    near(x0 + x1, 1.0, 1e-9);
    near((x0 + 1.0) / (3.0 - x1), outputs.objective[0], 1e-9);
    near(1.2 * (x1 + 1.0) / (3.0 - x0), outputs.objective[0], 1e-9);
    check(&layer, &[vec![1.0, 1.2]])
}

#[test]
fn quasiconvex_constraints() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2).nonneg();
    let (limit, target) = (model.parameter(()).nonneg(), model.parameter(2));
    let problem = Problem::minimize(sum_squares(x - target)).subject_to([
        (square(x.index(0)) / (x.index(1) + 1.0)).leq(limit),
        (x.index(0) * x.index(1)).geq(0.5),
        exp(ratio(x.index(1), x.index(0) + 0.1)).leq(20.0),
    ]);
    assert!(!problem.is_dcp());
    let layer = problem.compile_quasiconvex([limit, target], [x])?;
    let outputs = layer.solve(&[&[0.5], &[2.0, 0.3, 0.2, 0.4]])?;
    near(outputs[0][0].powi(2) / (outputs[0][1] + 1.0), 0.5, 1e-9);
    near(outputs[0][2] * outputs[0][3], 0.5, 1e-9);
    let value = (outputs[0][0] - 2.0).powi(2) + (outputs[0][1] - 0.3).powi(2);
    near(outputs.objective[0], value, 1e-8);
    check(&layer, &[vec![0.5], vec![2.0, 0.3, 0.2, 0.4]])
}

/// Agrawal and Boyd, section 6.2: the shortest filter that fits to an accuracy.
#[test]
fn least_squares_of_minimum_length() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(5);
    let (b, accuracy) = (model.parameter(6), model.parameter(()).nonneg());
    let entry = |i: usize, j: usize| ((3 * i + 5 * j * j + i * i * j) as f64).cos();
    let a: Vec<Vec<f64>> = (0..6).map(|i| (0..5).map(|j| entry(i, j)).collect()).collect();
    let fit = sum_squares(matmul(a.clone(), x) - b).leq(accuracy);
    let problem = Problem::minimize(length(x)).subject_to([fit]);
    let layer = problem.compile_quasiconvex([b, accuracy], [x])?;
    // b is made of the first columns, so that these suffice.
    let target = |count: usize| -> Vec<f64> {
        (0..6).map(|i| (0..count).map(|j| a[i][j] * (1.0 + j as f64)).sum()).collect()
    };
    let b: Vec<f64> = [target(1), target(3), target(5), vec![0.0; 6]].concat();
    let outputs = layer.solve(&[&b, &[1e-3]])?;
    assert_eq!(outputs.objective, [1.0, 3.0, 5.0, 0.0]);
    assert!(outputs.levels.iter().all(|level| !level.moves));
    for k in 3..5 {
        assert!(outputs[0][5 + k].abs() < 1e-8);
    }
    Ok(())
}

#[test]
fn integers_are_levels_that_do_not_move() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p) = (model.variable(()), model.parameter(()));
    let least = Problem::minimize(ceil(x + 0.25)).subject_to([x.geq(p)]);
    let outputs = least.compile_quasiconvex([p], [x])?.solve(&[&[1.3, 2.9, -4.25, -0.6]])?;
    assert_eq!(outputs.objective, [2.0, 4.0, -4.0, 0.0]);
    let most = Problem::maximize(floor(2.0 * x)).subject_to([x.leq(p)]);
    let outputs = most.compile_quasiconvex([p], [x])?.solve(&[&[1.3, 2.9, -4.25]])?;
    assert_eq!(outputs.objective, [2.0, 5.0, -9.0]);
    Ok(())
}

#[test]
fn a_convex_problem_is_quasiconvex() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p) = (model.variable(2), model.parameter(2));
    let problem = Problem::minimize(sum_squares(x - p)).subject_to([x.leq(1.0)]);
    let values: &[f64] = &[2.0, 3.0, 0.5, 4.0];
    let expected = problem.compile([p], [x])?.solve(&[values])?;
    let layer = problem.compile_quasiconvex([p], [x])?;
    let found = layer.solve(&[values])?;
    for sample in 0..2 {
        near(found.objective[sample], expected.objective[sample], 1e-10);
        near(found[0][sample], expected[0][sample], 1e-8);
    }
    check(&layer, &[values.to_vec()])
}

/// Values and gradients do not depend on who else is in the batch, to the last bit; samples without
/// a solution are named.
#[test]
fn samples_are_independent() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(());
    let (low, high, p) = (model.parameter(()), model.parameter(()), model.parameter(()));
    let objective = ratio(p * x, x + 10.0);
    let problem = Problem::minimize(objective).subject_to([x.geq(low), x.leq(high)]);
    let layer = problem.compile_quasiconvex([low, high, p], [x])?;
    let lows: &[f64] = &[1.0, 3.0, 2.0, -5.0];
    let highs: &[f64] = &[2.0, 2.0, 4.0, 7.0];
    let ps: &[f64] = &[1.0, 1.0, -2.0, 0.5];
    let outputs = layer.solve(&[lows, highs, ps])?;
    let solved: Vec<bool> = outputs.reports.iter().map(Report::is_solved).collect();
    assert_eq!(solved, [true, false, true, true]);
    assert_eq!(outputs.reports[1].status, Status::PrimalInfeasible);
    assert!(outputs.objective[1] == f64::INFINITY && outputs[0][1].is_nan());
    near(outputs.objective[0], 1.0 / 11.0, 1e-10);
    near(outputs.objective[2], -8.0 / 14.0, 1e-10);
    near(outputs.objective[3], -2.5 / 5.0, 1e-10);
    for k in [0, 2, 3] {
        let own = [k..k + 1; 1].map(|at| [&lows[at.clone()], &highs[at.clone()], &ps[at]])[0];
        let alone = layer.solve(&own)?;
        assert_eq!(alone.objective[0].to_bits(), outputs.objective[k].to_bits());
        assert_eq!(alone[0][0].to_bits(), outputs[0][k].to_bits());
    }
    let (_, tape) = layer.forward(&[lows, highs, ps])?;
    let message = layer.value_gradient(&tape, &[1.0; 4]).unwrap_err().to_string();
    assert!(message.contains('1') && message.contains("infeasible"), "{message}");
    let how = Differentiation { on_failure: argrad::OnFailure::Nan, ..Default::default() };
    let layer = layer.with_differentiation(how);
    let gradient = layer.value_gradient(&tape, &[1.0; 4])?;
    near(gradient[0][0], 10.0 / 121.0, 1e-9);
    assert!(gradient[0][1].is_nan() && gradient[2][1].is_nan());
    near(gradient[2][3], -1.0, 1e-9);
    Ok(())
}

#[test]
fn an_unbounded_problem_says_so() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p) = (model.variable(()), model.parameter(()));
    let layer = Problem::minimize(exp(x) + 0.0 * p + log(exp(x - p)) - x - exp(x) + x)
        .compile_quasiconvex([p], [x]);
    assert!(layer.is_err()); // convex plus concave
    let y = model.variable(()).nonneg();
    let problem = Problem::minimize(ratio(x - p, y + 1.0)).subject_to([y.leq(1.0)]);
    let outputs = problem.compile_quasiconvex([p], [x])?.solve(&[&[1.0]])?;
    assert_eq!(outputs.reports[0].status, Status::DualInfeasible);
    assert_eq!(outputs.objective[0], f64::NEG_INFINITY);
    Ok(())
}

/// In any unit of the numerator and the denominator.
#[test]
fn units_do_not_matter() -> Result<(), ModelError> {
    for (top, bottom) in [(1e-6, 1.0), (1e6, 1.0), (1.0, 1e-5), (1e4, 1e6)] {
        let model = Model::new();
        let x = model.variable(2);
        let p = model.parameter(2);
        let objective = ratio(top * (sum_squares(x - p) + 1.0), bottom * (x.sum() + 5.0));
        let problem = Problem::minimize(objective).subject_to([x.geq(-1.0)]);
        let layer = problem.compile_quasiconvex([p], [x])?;
        let (outputs, tape) = layer.forward(&[&[1.0, 2.0]])?;
        // With x = p + t bottom / (2 top) and s = sum p + 5, the least t solves
        // t^2 / 2 + s t - 1 = 0 in units of one.
        let s = 8.0f64;
        let t = (s * s + 2.0).sqrt() - s;
        near(outputs.objective[0] * bottom / top, t, 1e-9);
        near(outputs[0][0], 1.0 + t / 2.0, 1e-8);
        // dt/ds = -t / (t + s).
        let gradient = layer.value_gradient(&tape, &[bottom / top])?;
        near(gradient[0][0], -t / (t + s), 1e-8);
    }
    Ok(())
}
