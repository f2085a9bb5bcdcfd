//! The projection onto the cone of positive semidefinite matrices.

use crate::atoms::sum_squares;
use crate::error::ModelError;
use crate::expression::Model;
use crate::layer::Layer;
use crate::problem::Problem;

/// The nearest positive semidefinite matrix: `min |Y - X|^2` (Frobenius) subject to Y positive
/// semidefinite. Takes X (n x n, symmetric). The solution is X with its negative eigenvalues set to
/// zero.
///
/// # Errors
/// None that a caller could cause.
pub fn psd_projection(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let y = model.variable((n, n)).psd().named("Y");
    let x = model.parameter((n, n)).symmetric().named("X");
    Problem::minimize(sum_squares(y - x)).compile([x], [y])
}
