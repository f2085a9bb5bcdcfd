//! Every form of the lists in `docs/dpp.md`: affine in the parameters, lifted, derived. Each is
//! compared with the same problem with the parameters' values written in, and differentiated.

use argrad::atoms::*;
use argrad::prelude::*;

use super::derivative::check;

const P: [f64; 1] = [1.7];
const Q: [f64; 1] = [0.6];
const A: [f64; 3] = [0.8, -0.5, 1.4];
const M: [f64; 9] = [1.1, 0.3, -0.2, 0.4, 0.9, 0.5, -0.1, 0.2, 1.3];

/// The parameters p, q (nonnegative), a (a vector), A (a matrix), or their values.
struct Data<'m> {
    p: Expr<'m>,
    q: Expr<'m>,
    a: Expr<'m>,
    m: Expr<'m>,
}

/// Builds a problem with parameters and with their values, compares the two, and checks
/// derivatives. `used` says which of p, q, a, A occur; returns the number of derived parameters.
fn agrees(used: [bool; 4], build: impl for<'m> Fn(&Data<'m>, Expr<'m>) -> Problem<'m>) -> usize {
    let model = Model::new();
    let x = model.variable(3);
    let data = Data {
        p: model.parameter(()).nonneg().named("p"),
        q: model.parameter(()).nonneg().named("q"),
        a: model.parameter(3).named("a"),
        m: model.parameter((3, 3)).named("A"),
    };
    let problem = build(&data, x);
    let values: [&[f64]; 4] = [&P, &Q, &A, &M];
    let given: Vec<(Expr<'_>, &[f64])> = [data.p, data.q, data.a, data.m]
        .into_iter()
        .zip(values)
        .zip(used)
        .filter_map(|(given, used)| used.then_some(given))
        .collect();
    let answer = problem.solve(&given).unwrap();
    assert_eq!(answer.status, Status::Solved);

    let model = Model::new();
    let y = model.variable(3);
    let data = Data {
        p: model.constant(P[0]),
        q: model.constant(Q[0]),
        a: model.constant(A),
        m: model.constant(dense(3, 3, &M)),
    };
    let fixed = build(&data, y).solve(&[]).unwrap();
    assert!(
        (fixed.value - answer.value).abs() < 1e-8 * (1.0 + answer.value.abs()),
        "value {} against {}",
        answer.value,
        fixed.value
    );
    let (found, expected) = (answer.get(x).unwrap(), fixed.get(y).unwrap());
    for (f, e) in found.iter().zip(&expected) {
        assert!((f - e).abs() < 1e-6, "{found:?} against {expected:?}");
    }
    let layer = problem.compile(given.iter().map(|g| g.0), [x]).unwrap();
    let derived = layer.derived_parameters();
    let values: Vec<Vec<f64>> = given.iter().map(|g| g.1.to_vec()).collect();
    check(layer, &values, &[]);
    derived
}

/// A strongly convex term, so that the solution is unique.
fn anchor(x: Expr<'_>) -> Expr<'_> {
    sum_squares(x - [0.3, -0.7, 0.9])
}

const ONLY_P: [bool; 4] = [true, false, false, false];
const ONLY_A: [bool; 4] = [false, false, true, false];
const ONLY_M: [bool; 4] = [false, false, false, true];
const P_AND_Q: [bool; 4] = [true, true, false, false];

#[test]
fn affine_in_the_parameters_needs_nothing_derived() {
    let none = [
        // p x and (2 p + 1) x
        agrees(ONLY_P, |d, x| Problem::minimize(anchor(x) + (d.p * x).sum())),
        agrees(ONLY_P, |d, x| Problem::minimize(anchor(x) + ((2.0 * d.p + 1.0) * x).sum())),
        // A @ C @ x
        agrees(ONLY_M, |d, x| {
            let c = [[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [1.0, 0.0, 1.0]];
            Problem::minimize(anchor(x) + d.m.matmul(c).matmul(x).sum())
        }),
        // norm(A @ x - a) + g norm(x)
        agrees([true, false, true, true], |d, x| {
            Problem::minimize(anchor(x) + norm2(d.m.matmul(x) - d.a) + d.p * norm2(x))
        }),
        // sum_squares(A @ x), g sum_squares(x), g quad_form(x, C)
        agrees(ONLY_M, |d, x| Problem::minimize(anchor(x) + sum_squares(d.m.matmul(x)))),
        agrees(ONLY_P, |d, x| Problem::minimize(x.sum() + d.p * sum_squares(x))),
        agrees(ONLY_P, |d, x| {
            let c = [[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 1.5]];
            Problem::minimize(x.sum() + d.p * quad_form(x, c))
        }),
        // maximum(x, a), diag(a) @ x, trace(A) x
        agrees(ONLY_A, |d, x| Problem::minimize(0.1 * anchor(x) + maximum(x, d.a).sum() - x.sum())),
        agrees(ONLY_A, |d, x| Problem::minimize(anchor(x) + d.a.diag().matmul(x).sum())),
        agrees(ONLY_M, |d, x| Problem::minimize(anchor(x) + (d.m.trace() * x).sum())),
        // g sum(square(x)), elementwise weights
        agrees(ONLY_P, |d, x| Problem::minimize(x.sum() + (d.p * square(x)).sum())),
    ];
    assert_eq!(none, [0; 11]);
}

#[test]
fn products_with_both_are_lifted() {
    let none = [
        // p (q x)
        agrees(P_AND_Q, |d, x| Problem::minimize(anchor(x) + (d.p * (d.q * x)).sum())),
        // p (a + x)
        agrees([true, false, true, false], |d, x| {
            Problem::minimize(anchor(x) + (d.p * (d.a + x)).sum())
        }),
        // g norm(A @ x), g sum_squares(A @ x), g sum_squares(x - a)
        agrees([true, false, false, true], |d, x| {
            Problem::minimize(anchor(x) + d.p * norm2(d.m.matmul(x)))
        }),
        agrees([true, false, false, true], |d, x| {
            Problem::minimize(x.sum() + d.p * sum_squares(d.m.matmul(x)))
        }),
        agrees([true, false, true, false], |d, x| {
            Problem::minimize(x.sum() + d.p * sum_squares(x - d.a))
        }),
        // sum_squares(A @ (x - a))
        agrees([false, false, true, true], |d, x| {
            Problem::minimize(x.sum() + sum_squares(d.m.matmul(x - d.a)))
        }),
        // A @ (A @ x)
        agrees(ONLY_M, |d, x| Problem::minimize(anchor(x) + d.m.matmul(d.m.matmul(x)).sum())),
        // quad_form(x - a, C) and the same with a factor g
        agrees([true, false, true, false], |d, x| {
            let c = [[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 1.5]];
            Problem::minimize(x.sum() + d.p * quad_form(x - d.a, c))
        }),
        // In a constraint: g norm(A @ x) <= 1
        agrees([true, false, false, true], |d, x| {
            Problem::minimize(anchor(x)).subject_to([(d.p * norm2(d.m.matmul(x))).leq(1.0)])
        }),
    ];
    assert_eq!(none, [0; 9]);
}

#[test]
fn functions_of_parameters_are_derived() {
    let some = [
        // p q x
        agrees(P_AND_Q, |d, x| Problem::minimize(anchor(x) + (d.p * d.q * x).sum())),
        // x / p, p^2 x, exp(p) x, exp(p) + x
        agrees(ONLY_P, |d, x| Problem::minimize(anchor(x) + (x / d.p).sum())),
        agrees(ONLY_P, |d, x| Problem::minimize(anchor(x) + (d.p * d.p * x).sum())),
        agrees(ONLY_P, |d, x| Problem::minimize(anchor(x) + (square(d.p) * x).sum())),
        agrees(ONLY_P, |d, x| Problem::minimize(anchor(x) + (exp(d.p) * x).sum())),
        agrees(ONLY_P, |d, x| Problem::minimize(anchor(x) + sum_squares(exp(d.p) + x))),
        // max(a) x, A @ A @ x
        agrees(ONLY_A, |d, x| {
            let largest = maximum(maximum(d.a.index(0), d.a.index(1)), d.a.index(2));
            Problem::minimize(anchor(x) + (largest * x).sum())
        }),
        agrees(ONLY_M, |d, x| Problem::minimize(anchor(x) + d.m.matmul(d.m).matmul(x).sum())),
        // x <= abs(a)
        agrees(ONLY_A, |d, x| {
            Problem::minimize(anchor(x) - 3.0 * x.sum()).subject_to([x.leq(abs(d.a))])
        }),
        // norm(x) <= g h
        agrees(P_AND_Q, |d, x| {
            Problem::minimize(anchor(x) - 3.0 * x.sum()).subject_to([norm2(x).leq(d.p * d.q)])
        }),
        // norm(a) in place of a radius
        agrees(ONLY_A, |d, x| {
            Problem::minimize(anchor(x) - 3.0 * x.sum()).subject_to([norm2(x).leq(norm2(d.a))])
        }),
        // quad_over_lin with a parameter as denominator
        agrees(ONLY_P, |d, x| Problem::minimize(x.sum() + quad_over_lin(x, d.p))),
        // (p q) quadratic, with a parametric matrix too
        agrees([true, true, false, true], |d, x| {
            Problem::minimize(x.sum() + d.p * d.q * sum_squares(d.m.matmul(x)))
        }),
    ];
    assert!(some.iter().all(|derived| *derived > 0), "{some:?}");
}

/// `g quad_form(x - a, P)` with everything a parameter: P times g is derived, x - a lifted.
#[test]
fn quadratic_form_with_a_parametric_matrix() {
    let model = Model::new();
    let (x, g, a) = (model.variable(2), model.parameter(()).nonneg(), model.parameter(2));
    let p = model.parameter((2, 2)).psd();
    let problem = Problem::minimize(x.sum() + g * quad_form(x - a, p));
    let layer = problem.compile([g, a, p], [x]).unwrap();
    assert_eq!(layer.derived_parameters(), 4);
    check(layer, &[vec![0.7], vec![0.3, -1.0], vec![2.0, 0.5, 0.5, 1.0]], &[2]);
}

/// `quad_form(x - a, P) <= g` with everything a parameter: a factor of P is derived.
#[test]
fn quadratic_form_with_a_parametric_matrix_in_a_constraint() {
    let model = Model::new();
    let (x, g, a) = (model.variable(2), model.parameter(()).nonneg(), model.parameter(2));
    let p = model.parameter((2, 2)).psd();
    let inside = quad_form(x - a, p).leq(g);
    let problem = Problem::minimize(x.sum() + sum_squares(x)).subject_to([inside]);
    let layer = problem.compile([g, a, p], [Output::from(x), inside.dual()]).unwrap();
    assert_eq!(layer.derived_parameters(), 3);
    check(layer, &[vec![0.7], vec![0.9, 1.0], vec![2.0, 0.5, 0.5, 1.0]], &[2]);
}

/// The objective's value holds terms of parameters alone, and so do its sensitivities.
#[test]
fn terms_without_variables_count_in_the_value() {
    let model = Model::new();
    let (x, p) = (model.variable(()), model.parameter(()).nonneg());
    let problem = Problem::minimize(square(x - 1.0) + sum_squares(p) + exp(p) + 2.0);
    let answer = problem.solve(&[(p, &[0.5])]).unwrap();
    assert!((answer.value - (0.25 + 0.5f64.exp() + 2.0)).abs() < 1e-9);
    assert!((answer.sensitivity(p).unwrap()[0] - (1.0 + 0.5f64.exp())).abs() < 1e-9);
}

/// One factor shared, one per sample, one function of each, in a batch of three.
#[test]
fn derived_parameters_in_a_batch() {
    let model = Model::new();
    let x = model.variable(2);
    let (p, q) = (model.parameter(()).nonneg(), model.parameter(2));
    let mixed = exp(p) * sum_squares(x - q) + (p * q * x).sum() + log(p) * x.index(0);
    let limit = x.sum().leq(square(p));
    let problem = Problem::minimize(mixed + sum_squares(exp(q) * x)).subject_to([limit]);
    let layer = problem.compile([p, q], [Output::from(x), limit.dual()]).unwrap();
    let q_values = vec![0.3, -0.4, 2.0, 1.0, -1.0, 0.5];
    check(layer.clone(), &[vec![0.7], q_values.clone()], &[]);
    check(layer.clone(), &[vec![0.7, 0.3, 1.2], q_values.clone()], &[]);
    check(layer, &[vec![0.7, 0.3, 1.2], q_values[..2].to_vec()], &[]);
}
