//! Models with random expressions: shapes that do not fit, rules that are broken, atoms at the ends
//! of their ranges. What can be compiled is solved and differentiated.

use std::time::Duration;

use argrad::atoms::*;
use argrad::prelude::*;

use crate::Outcome;
use crate::draw::Draw;

pub fn run(draw: &mut Draw) -> Outcome {
    match attempt(draw) {
        Ok(()) => Outcome::Accepted,
        Err(_) => Outcome::Refused,
    }
}

fn attempt(draw: &mut Draw) -> Result<(), ModelError> {
    let model = Model::new();
    let x = variable(draw, &model);
    let y = model.variable(3);
    let parameter = parameter(draw, &model);
    let leaves = [x, y, parameter, model.constant(0.5)];
    let objective = expression(draw, &leaves, 2).sum() + 0.1 * sum_squares(y);
    let objective =
        if draw.once_in(4) { objective } else { objective + 0.1 * sum_squares(x.flatten()) };
    let mut constraints = vec![x.leq(3.0), x.geq(-3.0), y.geq(-1.0), y.leq(2.0)];
    for _ in 0..draw.below(2) {
        constraints.push(constraint(draw, &leaves));
    }
    let problem =
        if draw.once_in(4) { Problem::maximize(objective) } else { Problem::minimize(objective) };
    let settings = Settings {
        max_iterations: 30,
        time_limit: Some(Duration::from_secs(1)),
        ..Default::default()
    };
    let problem = problem.subject_to(constraints).with_settings(settings);
    let _ = problem.explain();
    let layer = problem.compile([parameter], [x, y])?;
    let values = draw.parameter(2 * parameter.size());
    let (outputs, tape) = layer.forward(&[&values])?;
    let cotangents: Vec<Vec<f64>> =
        outputs.values.iter().map(|output| draw.numbers(output.len(), 100)).collect();
    let cotangents: Vec<&[f64]> = cotangents.iter().map(Vec::as_slice).collect();
    layer.jvp(&tape, &[&values])?;
    layer.backward(&tape, &cotangents).map(drop)
}

fn variable<'m>(draw: &mut Draw, model: &'m Model) -> Expr<'m> {
    match draw.below(8) {
        0 => model.variable(()),
        1 => model.variable((2, 3)),
        2 => model.variable((3, 3)).symmetric(),
        3 => model.variable((3, 3)).psd(),
        4 => model.variable(0),
        _ => model.variable(3),
    }
}

fn parameter<'m>(draw: &mut Draw, model: &'m Model) -> Expr<'m> {
    match draw.below(8) {
        0 => model.parameter(()).nonneg(),
        1 => model.parameter((3, 3)),
        2 => model.parameter((3, 3)).psd(),
        3 => model.parameter(3).nonpos(),
        4 => model.parameter(3).bounds(0.1, draw.number_or_edge(2)),
        5 => model.parameter(0),
        _ => model.parameter(3).nonneg(),
    }
}

/// A random expression of this depth at most; nothing sees to it that its shapes fit.
fn expression<'m>(draw: &mut Draw, leaves: &[Expr<'m>], depth: usize) -> Expr<'m> {
    if depth == 0 || draw.once_in(6) {
        return *draw.one_of(leaves);
    }
    let e = expression(draw, leaves, depth - 1);
    match draw.below(6) {
        0 => shaped(draw, e),
        1 => reduced(draw, e),
        2 => elementwise(draw, e),
        3 => of_matrices(draw, e),
        _ => {
            let other = expression(draw, leaves, depth - 1);
            of_two(draw, e, other)
        }
    }
}

fn shaped<'m>(draw: &mut Draw, e: Expr<'m>) -> Expr<'m> {
    let (i, j) = (draw.below(4), draw.below(4));
    match draw.below(16) {
        0 => e.t(),
        1 => e.flatten(),
        2 => e.reshape((draw.size_or_edge(3), draw.size_or_edge(1))),
        3 => e.index(draw.size_or_edge(i)),
        4 => e.at(i, draw.size_or_edge(j)),
        5 => e.col(draw.size_or_edge(j)),
        6 => e.slice(i..draw.size_or_edge(j)),
        7 => e.slice(..=draw.size_or_edge(j)),
        8 => e.gather(&[i, draw.size_or_edge(j)]),
        9 => e.diff(),
        10 => e.cumsum(),
        11 => e.upper_tri(draw.once_in(2)),
        12 => e.diag(),
        13 => broadcast_to(e, (3, 3)),
        14 => hstack(&[e, e]),
        _ => vstack(&[e, e.t()]),
    }
}

fn reduced<'m>(draw: &mut Draw, e: Expr<'m>) -> Expr<'m> {
    let axis = draw.below(3);
    let k = 1.5 + draw.number_or_edge(3);
    match draw.below(20) {
        0 => e.sum(),
        1 => e.mean(),
        2 => e.sum_axis(axis),
        3 => max(e),
        4 => min_axis(e, axis),
        5 => sum_largest(e, k),
        6 => log_sum_exp(e),
        7 => geo_mean(e),
        8 => weighted_geo_mean(e, &draw.numbers(3, 5)),
        9 => norm1(e),
        10 => norm2(e),
        11 => norm_inf(e),
        12 => pnorm(e, k),
        13 => pnorm_axis(e, k, axis),
        14 => mixed_norm(e, k, 2.0),
        15 => harmonic_mean(e),
        16 => cvar(e, k),
        17 => tv(e),
        18 => var(e),
        _ => sum_squares(e),
    }
}

fn elementwise<'m>(draw: &mut Draw, e: Expr<'m>) -> Expr<'m> {
    match draw.below(16) {
        0 => abs(e),
        1 => exp(e),
        2 => log(e),
        3 => square(e),
        4 => sqrt(e),
        5 => inv_pos(e),
        6 => power(e, 3.0 * draw.number_or_edge(3)),
        7 => huber(e, draw.number_or_edge(3)),
        8 => logistic(e),
        9 => entr(e),
        10 => xexp(e),
        11 => log1p(e),
        12 => maximum(e, draw.number_or_edge(5)),
        13 => pos(e),
        14 => e * draw.number_or_edge(5),
        _ => -e,
    }
}

fn of_matrices<'m>(draw: &mut Draw, e: Expr<'m>) -> Expr<'m> {
    let axis = draw.below(3);
    match draw.below(10) {
        0 => lambda_max(e),
        1 => lambda_sum_largest(e, 1.5 + draw.number_or_edge(3)),
        2 => sigma_max(e),
        3 => norm_nuc(e),
        4 => log_det(e),
        5 => tr_inv(e),
        6 => e.trace(),
        7 => e.partial_trace(&[draw.below(3), draw.size_or_edge(3)], axis),
        8 => e.partial_transpose(&[1, draw.size_or_edge(3)], axis),
        _ => norm_fro(e),
    }
}

fn of_two<'m>(draw: &mut Draw, e: Expr<'m>, other: Expr<'m>) -> Expr<'m> {
    match draw.below(14) {
        0 | 1 => e + other,
        2 => e - other,
        3 => e * other,
        4 => e / other,
        5 => matmul(e, other),
        6 => e.dot(other),
        7 => kron(e, other),
        8 => conv(e, other),
        9 => outer(e, other),
        10 => quad_form(e, other),
        11 => quad_over_lin(e, other),
        12 => kl_div(e, other),
        _ => perspective(e, other),
    }
}

fn constraint<'m>(draw: &mut Draw, leaves: &[Expr<'m>]) -> Constraint<'m> {
    let e = expression(draw, leaves, 1);
    let other = *draw.one_of(leaves);
    match draw.below(7) {
        0 => e.equals(other),
        1 => e.leq(draw.number_or_edge(4)),
        2 => e.geq(other),
        3 => e.psd_geq(other),
        4 => second_order(e, other),
        5 => exponential_cone(e, other, e),
        _ => power_cone(e, other, other, 0.5 + draw.number_or_edge(4)),
    }
}
