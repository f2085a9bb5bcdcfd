//! Isotonic regression.

use crate::atoms::sum_squares;
use crate::error::ModelError;
use crate::expression::Model;
use crate::layer::Layer;
use crate::problem::Problem;

/// The nearest vector that does not increase: `min |y - x|^2` subject to
/// `y_1 >= y_2 >= ... >= y_n`. Takes x (n numbers).
///
/// # Errors
/// None that a caller could cause.
pub fn isotonic_regression(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let (y, x) = (model.variable(n).named("y"), model.parameter(n).named("x"));
    let mut problem = Problem::minimize(sum_squares(y - x));
    if n > 1 {
        problem = problem.subject_to([y.diff().leq(0.0)]);
    }
    problem.compile([x], [y])
}
