//! The largest of affine functions.

use crate::atoms::broadcast_to;
use crate::error::ModelError;
use crate::expression::Model;
use crate::layer::Layer;
use crate::problem::Problem;

/// `y = max_i (a_i'x + b_i)`, a number: `min y` subject to `A x + b <= y`. Takes A (`pieces` x
/// `inputs`), x (`inputs`) and b (`pieces`).
///
/// Source: Theorem 3 of Amos and Kolter, OptNet, 2017, whose objective `y^2` gives `max(., 0)`
/// instead wherever all pieces are negative; the linear objective gives the maximum everywhere.
/// Where the largest is shared, the duals are not unique, which the report says.
///
/// # Errors
/// None that a caller could cause.
pub fn max_affine(inputs: usize, pieces: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let y = model.variable(()).named("y");
    let a = model.parameter((pieces, inputs)).named("A");
    let (x, b) = (model.parameter(inputs).named("x"), model.parameter(pieces).named("b"));
    let above = broadcast_to(y, pieces).geq(a.matmul(x) + b);
    Problem::minimize(y).subject_to([above]).compile([a, x, b], [y])
}
