//! Atoms: the value of the expression at the solution is the value of the graph, and affine
//! operations are what they say.

use argrad::atoms::*;
use argrad::prelude::*;

/// An expression of a variable that is fixed at `at`, by the solver and by evaluation.
#[track_caller]
fn is(
    at: &[f64],
    shape: impl Into<Shape>,
    build: impl for<'m> Fn(Expr<'m>) -> Expr<'m>,
    expected: &[f64],
) {
    let model = Model::new();
    let x = model.variable(shape);
    let value = model.constant(at).reshape(x.shape());
    let result = build(x);
    let out = model.variable(result.shape());
    let objective = sum_squares(out - result);
    let answer = Problem::minimize(objective).subject_to([x.equals(value)]).solve(&[]).unwrap();
    for found in
        [answer.get(result).unwrap(), answer.get(out).unwrap(), answer.get(build(value)).unwrap()]
    {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-7, "{result}: {found:?} against {expected:?}");
        }
    }
}

#[test]
fn affine_operations() {
    let v = [1.0, 2.0, 4.0];
    let m = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    is(&v, 3, |x| 2.0 * x - [1.0, 0.0, 1.0] + 1, &[2.0, 5.0, 8.0]);
    is(&v, 3, |x| -x / 2.0, &[-0.5, -1.0, -2.0]);
    is(&v, 3, |x| [3.0, 0.0, 1.0] * x, &[3.0, 0.0, 4.0]);
    is(&v, 3, |x| 1.0 - x, &[0.0, -1.0, -3.0]);
    is(&v, 3, |x| x.sum(), &[7.0]);
    is(&v, 3, |x| x.mean(), &[7.0 / 3.0]);
    is(&v, 3, |x| x.dot([1.0, 1.0, 2.0]), &[11.0]);
    is(&v, 3, |x| x.diag(), &[1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 4.0]);
    is(&v, 3, |x| x.diff(), &[1.0, 2.0]);
    is(&v, 3, |x| x.cumsum(), &[1.0, 3.0, 7.0]);
    is(&v, 3, |x| x.index(1), &[2.0]);
    is(&v, 3, |x| x.slice(1..), &[2.0, 4.0]);
    is(&v, 3, |x| x.gather(&[2, 0]), &[4.0, 1.0]);
    is(&v, 3, |x| conv([1.0, -1.0], x), &[1.0, 1.0, 2.0, -4.0]);
    is(&v, 3, |x| outer([1.0, 2.0], x), &[1.0, 2.0, 4.0, 2.0, 4.0, 8.0]);
    is(&v, 3, |x| hstack(&[x, x.index(0)]), &[1.0, 2.0, 4.0, 1.0]);
    is(&v, 3, |x| vstack(&[x, x]), &[1.0, 2.0, 4.0, 1.0, 2.0, 4.0]);
    is(&v, 3, |x| broadcast_to(x, (2, 3)), &[1.0, 2.0, 4.0, 1.0, 2.0, 4.0]);
    is(&m, (2, 3), |x| x.t(), &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    is(&m, (2, 3), |x| x.flatten(), &m);
    is(&m, (2, 3), |x| x.reshape((3, 2)).index(1), &[3.0, 4.0]);
    is(&m, (2, 3), |x| x.sum_axis(0), &[5.0, 7.0, 9.0]);
    is(&m, (2, 3), |x| x.sum_axis(1), &[6.0, 15.0]);
    is(&m, (2, 3), |x| x.mean_axis(1), &[2.0, 5.0]);
    is(&m, (2, 3), |x| x.at(1, 0), &[4.0]);
    is(&m, (2, 3), |x| x.col(2), &[3.0, 6.0]);
    is(&m, (2, 3), |x| x.block(.., 1..3), &[2.0, 3.0, 5.0, 6.0]);
    is(&m, (2, 3), |x| x.diff(), &[3.0, 3.0, 3.0]);
    is(&m, (2, 3), |x| x.cumsum(), &[1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
    is(&m, (2, 3), |x| x.block(.., ..2).trace(), &[6.0]);
    is(&m, (2, 3), |x| x.block(.., ..2).diag(), &[1.0, 5.0]);
    is(&m, (2, 3), |x| x.block(.., ..2).upper_tri(true), &[1.0, 2.0, 5.0]);
    is(&m, (2, 3), |x| matmul([[1.0, -1.0]], x), &[-3.0, -3.0, -3.0]);
    is(&m, (2, 3), |x| x.matmul([1.0, 0.0, 1.0]), &[4.0, 10.0]);
    is(&m, (2, 3), |x| matmul([1.0, 1.0], x), &[5.0, 7.0, 9.0]);
    is(&m, (2, 3), |x| x + [10.0, 20.0, 30.0], &[11.0, 22.0, 33.0, 14.0, 25.0, 36.0]);
    is(&m, (2, 3), |x| kron([[1.0, 2.0]], x.block(.., ..1)), &[1.0, 2.0, 4.0, 8.0]);
    is(&m, (2, 3), |x| bmat(&[&[x, x.col(0)], &[x, x.col(1)]]).index(3), &[4.0, 5.0, 6.0, 5.0]);
}

/// The optimal value of an atom at a fixed argument.
#[track_caller]
fn optimal(at: &[f64], concave: bool, build: impl for<'m> Fn(Expr<'m>) -> Expr<'m>, expected: f64) {
    let model = Model::new();
    let x = model.variable(at.len());
    let objective = build(x);
    let problem = if concave { Problem::maximize(objective) } else { Problem::minimize(objective) };
    let in_objective = problem.subject_to([x.equals(at)]).solve(&[]).unwrap();
    // And in a constraint.
    let t = model.variable(());
    let bound = if concave { t.leq(objective) } else { t.geq(objective) };
    let problem = if concave { Problem::maximize(t) } else { Problem::minimize(t) };
    let in_constraint = problem.subject_to([x.equals(at), bound]).solve(&[]).unwrap();
    let direct = in_objective.get(objective).unwrap()[0];
    for found in [in_objective.value, in_constraint.value, direct] {
        assert!(
            (found - expected).abs() < 1e-7 * (1.0 + expected.abs()),
            "{objective}: {found} against {expected}"
        );
    }
}

#[test]
fn convex_and_concave_atoms() {
    let v = [1.0, -2.0, 4.0];
    optimal(&v, false, |x| abs(x).sum(), 7.0);
    optimal(&v, false, |x| maximum(x, 0.5).sum(), 5.5);
    optimal(&v, true, |x| minimum(x, 0.5).sum(), -1.0);
    optimal(&v, false, |x| norm2(x), 21f64.sqrt());
    optimal(&v, false, |x| sum_squares(x), 21.0);
    optimal(&v, false, |x| square(x - 1.0).sum(), 18.0);
    optimal(&v, false, |x| 2.0 * sum_squares(matmul([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]], x)), 26.0);
    let tall = [[1.0, 1.0], [2.0, 0.0], [0.0, 1.0], [1.0, -1.0]];
    optimal(&[1.0, 2.0], false, |x| sum_squares(matmul(tall, x) - 1.0), 4.0 + 1.0 + 1.0 + 4.0);
    optimal(&v, false, |x| quad_over_lin(x.slice(..2), x.index(2)), 1.25);
    optimal(&v, false, |x| quad_form(x, [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.5]]), 9.0);
    optimal(&v, false, |x| exp(0.5 * x).sum(), 0.5f64.exp() + (-1f64).exp() + 2f64.exp());
    optimal(&[1.0, 2.0], true, |x| log(x).sum(), 2f64.ln());
    optimal(&v, false, |x| exp(norm2(x) / 10.0), (21f64.sqrt() / 10.0).exp());
    optimal(&v, false, |x| square(maximum(x, 0.0)).sum(), 17.0);
}
