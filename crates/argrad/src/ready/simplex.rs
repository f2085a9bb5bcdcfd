//! Projections onto the simplex and onto boxes.

use crate::atoms::sum_squares;
use crate::error::ModelError;
use crate::expression::Model;
use crate::layer::Layer;
use crate::problem::Problem;

/// The projection onto the probability simplex: `min |y - x|^2` subject to `sum y = 1`, `y >= 0`.
/// Takes x (n numbers).
///
/// Source: Martins and Astudillo, From Softmax to Sparsemax, 2016.
///
/// # Errors
/// None that a caller could cause.
pub fn sparsemax(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let (y, x) = (model.variable(n).named("y"), model.parameter(n).named("x"));
    let simplex = [y.sum().equals(1.0), y.geq(0.0)];
    Problem::minimize(sum_squares(y - x)).subject_to(simplex).compile([x], [y])
}

/// Sparsemax with each `y_i` at most `u_i`: `min |y - x|^2` subject to `sum y = 1`, `0 <= y <= u`.
/// Takes x and u (n numbers each); there is no solution where `sum u < 1`.
///
/// Source: Malaviya, Ferreira and Martins, Sparse and Constrained Attention for Neural Machine
/// Translation, 2018.
///
/// # Errors
/// None that a caller could cause.
pub fn constrained_sparsemax(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let y = model.variable(n).named("y");
    let (x, u) = (model.parameter(n).named("x"), model.parameter(n).nonneg().named("u"));
    let bounded = [y.sum().equals(1.0), y.geq(0.0), y.leq(u)];
    Problem::minimize(sum_squares(y - x)).subject_to(bounded).compile([x, u], [y])
}

/// The projection onto the simplex of size r: `min |y - x|^2` subject to `sum y = r`, `y >= 0`.
/// Takes x (n numbers) and r.
///
/// # Errors
/// None that a caller could cause.
pub fn simplex_projection(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let y = model.variable(n).named("y");
    let (x, r) = (model.parameter(n).named("x"), model.parameter(()).nonneg().named("r"));
    let simplex = [y.sum().equals(r), y.geq(0.0)];
    Problem::minimize(sum_squares(y - x)).subject_to(simplex).compile([x, r], [y])
}

/// The projection onto a box: `min |y - x|^2` subject to `l <= y <= u`. Takes x, l and u (n numbers
/// each).
///
/// # Errors
/// None that a caller could cause.
pub fn box_projection(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let y = model.variable(n).named("y");
    let [x, l, u] = ["x", "l", "u"].map(|name| model.parameter(n).named(name));
    let within = [y.geq(l), y.leq(u)];
    Problem::minimize(sum_squares(y - x)).subject_to(within).compile([x, l, u], [y])
}
