//! ReLU as a projection onto the nonnegative orthant.

use crate::atoms::sum_squares;
use crate::error::ModelError;
use crate::expression::Model;
use crate::layer::Layer;
use crate::problem::Problem;

/// `y = max(x, 0)`, elementwise: `min |y - x|^2` subject to `y >= 0`. Takes x (n numbers).
///
/// Source: Theorem 2 of Amos and Kolter, OptNet, 2017.
///
/// # Errors
/// None that a caller could cause.
pub fn relu(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let (y, x) = (model.variable(n).named("y"), model.parameter(n).named("x"));
    Problem::minimize(sum_squares(y - x)).subject_to([y.geq(0.0)]).compile([x], [y])
}

/// `y = max(W x + b, 0)`: `min |y - (W x + b)|^2` subject to `y >= 0`. Takes W (`outputs` x
/// `inputs`), x (`inputs`) and b (`outputs`): the whole layer of a network in one program.
///
/// Source: Theorem 2 of Amos and Kolter, OptNet, 2017.
///
/// # Errors
/// None that a caller could cause.
pub fn dense_relu(inputs: usize, outputs: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let y = model.variable(outputs).named("y");
    let w = model.parameter((outputs, inputs)).named("W");
    let (x, b) = (model.parameter(inputs).named("x"), model.parameter(outputs).named("b"));
    let target = w.matmul(x) + b;
    Problem::minimize(sum_squares(y - target)).subject_to([y.geq(0.0)]).compile([w, x, b], [y])
}
