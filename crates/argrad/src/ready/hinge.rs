//! Sums of hinges with learned coefficients.

use crate::atoms::sum_squares;
use crate::error::ModelError;
use crate::expression::{Expr, Model};
use crate::layer::Layer;
use crate::problem::Problem;

/// `y_j = sum_i w_ji max(a_ji x_j + b_ji, 0)`: any elementwise continuous piecewise-linear function
/// with `k` hinges, all of its numbers parameters. Takes x (n), a, b, w (n x k each).
///
/// `min |t|^2 + |y - w t|^2` subject to `t >= a x + b`: each t is its hinge, and the second term is
/// zero at the solution. It is stated here as `y = w t`, which it is equivalent to.
///
/// Source: Theorem 2 of Amos and Kolter, OptNet, 2017, where w is a sign; any number will do.
///
/// # Errors
/// None that a caller could cause.
pub fn hinges(n: usize, k: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let t = model.variable((n, k)).named("t");
    let x = model.parameter(n).named("x");
    let [a, b, w] = ["a", "b", "w"].map(|name| model.parameter((n, k)).named(name));
    let column: Expr<'_> = x.reshape((n, 1));
    let y = (w * t).sum_axis(1);
    Problem::minimize(sum_squares(t)).subject_to([t.geq(a * column + b)]).compile([x, a, b, w], [y])
}
