//! What is refused, and that the message says what, where and what to write instead.

use argrad::atoms::*;
use argrad::prelude::*;

#[track_caller]
fn says<T>(result: Result<T, ModelError>, parts: &[&str]) -> ModelError {
    let Err(error) = result else { panic!("accepted") };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    error
}

#[test]
fn shape_errors_are_collected_with_their_places() {
    let model = Model::new();
    let (x, y) = (model.variable(3), model.variable(4));
    let first = x + y;
    let line = line!() - 1;
    let second = x.index(7);
    let third = matmul([[1.0, 2.0]], x);
    let problem = Problem::minimize(first.sum() + second + third.sum());
    let error = says(problem.check(), &["refusals.rs", "vector of 3", "vector of 4", "index 7"]);
    let ModelError::Invalid(issues) = error else { panic!("{error}") };
    assert_eq!(issues.len(), 3);
    assert_eq!((issues[0].line, issues[1].line, issues[2].line), (line, line + 2, line + 3));
}

#[test]
fn sizes_that_cannot_be_counted_are_refused() {
    let model = Model::new();
    let x = model.variable(3);
    let wraps_to_zero = x.slice(3..).reshape((1 << 32, 1 << 32));
    let from_there_on = x.reshape(usize::MAX).cumsum().sum() + x.slice(..=usize::MAX).sum();
    let problem = Problem::minimize(from_there_on + wraps_to_zero.sum());
    says(problem.check(), &["reshape: a vector of 0", "reshape: a vector of 3", "slice 0.."]);
}

#[test]
fn every_operator_says_where_it_was_written() {
    let model = Model::new();
    let (x, y, m) = (model.variable(3), model.variable(4), model.variable((2, 3)));
    let first = line!() + 1;
    let _ = x - y;
    let _ = x * y;
    let _ = x / [1.0, 0.0, 2.0];
    let _ = [1.0, 2.0] + x;
    let _ = x.dot(y);
    let _ = m.matmul(y);
    let _ = m.trace();
    let _ = x.slice(2..9);
    let _ = m.col(3);
    let _ = x.reshape((2, 2));
    let _ = quad_form(x, m);
    let _ = maximum(x, y);
    let _ = x.equals(y);
    let _ = x.leq(y);
    let _ = m.psd_geq(0.0);
    let _ = m.symmetric();
    let _ = vstack(&[x, y]);
    let _ = x + f64::NAN;
    let error = Problem::minimize(x.sum()).check().unwrap_err();
    let ModelError::Invalid(issues) = error else { panic!("{error}") };
    let lines: Vec<u32> = issues.iter().map(|issue| issue.line).collect();
    assert_eq!(lines, (first..first + 18).collect::<Vec<u32>>(), "{issues:#?}");
}

#[test]
fn curvature_errors_name_the_subexpression_and_a_rewrite() {
    let model = Model::new();
    let (x, y, p) = (model.variable(3), model.variable(3), model.parameter(()).named("p"));
    let minimize = |objective| Problem::minimize(objective).check();
    says(minimize(1.0 + x.dot(y)), &["var0 @ var1", "two expressions with variables"]);
    says(minimize((x * x).sum()), &["var0 * var0", "square"]);
    says(minimize(p * norm2(x)), &["p * norm2(var0)", "unknown sign", ".nonneg()"]);
    says(minimize(log(x).sum()), &["must be convex", "concave"]);
    says(minimize(exp(log(x)).sum()), &["exp is convex and increasing in log(var0)", "concave"]);
    says(minimize((1.0 / x).sum()), &["inv_pos"]);
    says(minimize(exp(x).sum() + log(x).sum()), &["convex", "concave", "move one of them"]);
    says(minimize(sum_squares(abs(x) - 1.0)), &["sum_squares is convex", "pos("]);
    says(
        minimize(quad_form(x, [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])),
        &["positive semidefinite"],
    );
    says(minimize(x), &["vector of 3", "scalar"]);
    let constrained = |c| Problem::minimize(x.sum()).subject_to([c]).check();
    says(constrained(norm2(x).equals(1.0)), &["equality", "affine"]);
    says(constrained(norm2(x).geq(1.0)), &["concave", "refusals.rs"]);
    assert!(constrained(norm2(x).leq(1.0)).is_ok());
}

#[test]
fn the_tree_marks_the_culprit() {
    let model = Model::new();
    let x = model.variable(2).named("x");
    let text = Problem::minimize(sum_squares(x) + x.index(0) * x.index(1)).explain();
    let marked: Vec<&str> = text.lines().filter(|line| line.contains("<-- breaks")).collect();
    assert_eq!(marked.len(), 1, "{text}");
    assert!(marked[0].contains("x[0] * x[1]"), "{text}");
    assert!(text.contains("sum_squares(x): convex, nonnegative"), "{text}");
}

#[test]
fn parameters_missing_unknown_twice() {
    let model = Model::new();
    let (x, p) = (model.variable(2), model.parameter(2).named("price"));
    let other = model.parameter(2);
    let problem = Problem::minimize(sum_squares(x - p));
    says(problem.compile([], [x]), &["missing", "price", "refusals.rs"]);
    says(problem.compile([p, other], [x]), &["param1", "does not occur"]);
    says(problem.compile([p, p], [x]), &["price", "twice"]);
    says(problem.compile([x], [x]), &["expected a parameter", "var0"]);
    says(problem.compile([p + 1.0], [x]), &["expected a parameter", "price + 1"]);
    says(problem.compile([p], [norm2(x)]), &["outputs are affine"]);
    let foreign = x.leq(1.0);
    says(problem.compile([p], [foreign.dual()]), &["does not have"]);
}

#[test]
fn values_that_are_not_those_of_their_parameter() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    let g = model.parameter(()).nonneg().named("gamma");
    let c = model.parameter((2, 2)).symmetric().named("C");
    let p = model.parameter((2, 2)).psd().named("P");
    let b = model.parameter(2).bounds(-1.0, 1.0).named("b");
    let problem = Problem::minimize(g * quad_form(x, p) + (c.matmul(x) + b * x).sum());
    let layer = problem.compile([g, c, p, b], [x])?;
    let eye: &[f64] = &[1.0, 0.0, 0.0, 1.0];
    let forward = |values: [&[f64]; 4]| layer.forward(&values).map(|_| ());
    assert!(forward([&[1.0], eye, eye, &[0.0, 0.0]]).is_ok());
    says(forward([&[-1.0], eye, eye, &[0.0, 0.0]]), &["gamma", "refusals.rs", "nonneg", "-1"]);
    says(forward([&[1.0], &[1.0, 2.0, 3.0, 1.0], eye, &[0.0, 0.0]]), &["C", "symmetric", "(0, 1)"]);
    says(forward([&[1.0], eye, &[1.0, 2.0, 2.0, 1.0], &[0.0, 0.0]]), &["P", "semidefinite"]);
    says(forward([&[1.0], eye, eye, &[0.0, 2.0]]), &["b", "upper bound", "2 at entry 1"]);
    says(forward([&[f64::NAN], eye, eye, &[0.0, 0.0]]), &["gamma", "finite"]);
    says(forward([&[1.0], eye, eye, &[0.0, 0.0, 0.0]]), &["b", "multiple of 2", "3 numbers"]);
    says(forward([&[1.0, 1.0, 1.0], eye, eye, &[0.0; 4]]), &["b", "3 x 2", "4 numbers"]);
    says(layer.forward(&[eye]), &["gamma, C, P, b", "found 1"]);
    Ok(())
}

#[test]
fn a_singular_matrix_of_a_quadratic_form_in_a_constraint() {
    let model = Model::new();
    let (x, p) = (model.variable(2), model.parameter((2, 2)).psd().named("P"));
    let problem = Problem::minimize(x.sum()).subject_to([quad_form(x, p).leq(1.0)]);
    let layer = problem.compile([p], [x]).unwrap();
    let batch = [2.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    says(layer.forward(&[&batch]), &["sample 1", "cholesky([1, ..., 1])", "positive definite"]);
}

#[test]
fn expressions_of_two_models_do_not_mix() {
    let (one, two) = (Model::new(), Model::new());
    let (x, y) = (one.variable(2), two.variable(2));
    let problem = Problem::minimize((x + y).sum());
    says(problem.check(), &["another model"]);
    let (one, two) = (Model::new(), Model::new());
    let (x, p) = (one.variable(2), one.parameter(2));
    let (y, q) = (two.variable(2), two.parameter(2));
    let (z, limit) = (two.variable(3), y.leq(1.0));
    let problem = Problem::minimize(sum_squares(x - p));
    says(problem.compile([q], [x]), &["of another model"]);
    says(problem.compile([p], [z]), &["of another model"]);
    says(problem.compile([p], [limit.dual()]), &["does not have"]);
    says(problem.clone().subject_to([limit]).check(), &["of another model"]);
    says(problem.clone().subject_to([limit]).solve(&[(p, &[0.0; 2])]), &["of another model"]);
    let answer = problem.solve(&[(p, &[1.0, 2.0])]).unwrap();
    let mixed = second_order(x.index(0), y);
    says(problem.clone().subject_to([mixed]).check(), &["an expression of another model"]);
    says(answer.get(y), &["of another model"]);
    says(answer.get(one.variable(2).named("stray") + x), &["stray does not occur"]);
    says(answer.dual(limit), &["does not have this constraint"]);
    says(answer.sensitivity(q), &["is no parameter of the problem"]);
}

#[test]
fn functions_of_parameters_outside_of_their_domain() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p, q) = (model.variable(2), model.parameter(()), model.parameter(2));
    let problem = Problem::minimize(sum_squares(x - log(p)) + (x / q).sum());
    let layer = problem.compile([p, q], [x])?;
    says(layer.forward(&[&[-1.0], &[1.0, 1.0]]), &["log(-1) is NaN", "x > 0"]);
    let batch = [1.0, 1.0, 1.0, 0.0];
    says(layer.forward(&[&[1.0], &batch]), &["sample 1", "recip([1, ..., 0]) is inf", "x != 0"]);
    Ok(())
}

#[test]
fn long_and_deep_expressions_do_no_harm() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(()).named("x");
    let (mut doubled, mut long) = (x, x);
    for _ in 0..60 {
        doubled = doubled + doubled;
    }
    for _ in 0..3000 {
        long = long + 1.0;
    }
    assert!(format!("{doubled}{long}").len() < 300);
    let scale = 2f64.powi(-60);
    let problem = Problem::minimize(square(scale * doubled - 1.0) + 0.5 * square(long - 3002.0));
    assert!((problem.solve(&[])?.get(x).unwrap()[0] - 4.0 / 3.0).abs() < 1e-8);
    let mut squares = square(x);
    for _ in 0..60 {
        squares = squares + squares;
    }
    let problem = Problem::minimize(scale * squares - 2.0 * x);
    assert!((problem.solve(&[])?.get(x).unwrap()[0] - 1.0).abs() < 1e-8);
    Ok(())
}

#[test]
fn nothing_stacked_and_nothing_to_choose() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    says(Problem::minimize(hstack(&[]).sum()).check(), &["hstack: expected at least one"]);
    says(Problem::minimize((x + vstack(&[])).sum()).check(), &["vstack: expected at least one"]);
    let model = Model::new();
    assert_eq!(Problem::minimize(model.constant(3.0)).solve(&[])?.value, 3.0);
    let empty = model.variable(0);
    assert_eq!(Problem::minimize(sum_squares(empty) + 1.0).solve(&[])?.value, 1.0);
    Ok(())
}
