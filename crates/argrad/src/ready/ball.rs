//! Projections onto balls.

use crate::atoms::sum_squares;
use crate::constraint::second_order;
use crate::error::ModelError;
use crate::expression::Model;
use crate::layer::Layer;
use crate::problem::Problem;

/// The projection onto the l1 ball of radius r: `min |y - x|^2` subject to `|y|_1 <= r`. Takes x (n
/// numbers) and r.
///
/// Stated as the projection of `(x, -x)` onto `p, q >= 0, sum (p + q) <= r`, with `y = p - q`:
/// unlike a bound on absolute values, it is strongly convex in all of its variables, so that its
/// solution is unique inside of the ball too.
///
/// Source: Duchi et al., Efficient Projections onto the l1-Ball, 2008 (the reduction to a simplex).
///
/// # Errors
/// None that a caller could cause.
pub fn l1_ball_projection(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let (p, q) = (model.variable(n).named("p"), model.variable(n).named("q"));
    let (x, r) = (model.parameter(n).named("x"), model.parameter(()).nonneg().named("r"));
    let within = [p.geq(0.0), q.geq(0.0), (p.sum() + q.sum()).leq(r)];
    let problem = Problem::minimize(sum_squares(p - x) + sum_squares(q + x)).subject_to(within);
    problem.compile([x, r], [p - q])
}

/// The projection onto the Euclidean ball of radius r: `min |y - x|^2` subject to `|y|_2 <= r`.
/// Takes x (n numbers) and r.
///
/// # Errors
/// None that a caller could cause.
pub fn l2_ball_projection(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let y = model.variable(n).named("y");
    let (x, r) = (model.parameter(n).named("x"), model.parameter(()).nonneg().named("r"));
    let within = second_order(r, y);
    Problem::minimize(sum_squares(y - x)).subject_to([within]).compile([x, r], [y])
}
