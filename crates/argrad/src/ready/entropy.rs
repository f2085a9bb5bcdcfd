//! Layers that maximize `x'y` plus an entropy of y.

use crate::atoms::broadcast_to;
use crate::constraint::{Constraint, exponential_cone};
use crate::error::ModelError;
use crate::expression::{Expr, Model};
use crate::layer::Layer;
use crate::problem::Problem;

/// `y = exp(x) / sum exp(x)`: `max x'y + H(y)` subject to `sum y = 1`, with `H(y) = -sum y log y`.
/// Takes x (n numbers).
///
/// Source: section 2.4 of Agrawal et al., Differentiable Convex Optimization Layers, 2019.
///
/// # Errors
/// None that a caller could cause.
pub fn softmax(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let (y, x) = (model.variable(n).named("y"), model.parameter(n).named("x"));
    let (h, below) = entropy(y);
    Problem::maximize(x.dot(y) + h).subject_to([below, y.sum().equals(1.0)]).compile([x], [y])
}

/// `y = exp(x) / sum exp(x)` with each `y_i` at most `u_i`: `max x'y + H(y)` subject to
/// `sum y = 1`, `y <= u`. Takes x and u (n numbers each); there is no solution where `sum u < 1`.
///
/// Source: Martins and Kreutzer, Learning What's Easy: Fully Differentiable Neural Easy-First
/// Taggers, 2017.
///
/// # Errors
/// None that a caller could cause.
pub fn constrained_softmax(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let y = model.variable(n).named("y");
    let (x, u) = (model.parameter(n).named("x"), model.parameter(n).nonneg().named("u"));
    let (h, below) = entropy(y);
    let budget = y.sum().equals(1.0);
    Problem::maximize(x.dot(y) + h).subject_to([below, budget, y.leq(u)]).compile([x, u], [y])
}

/// `y = 1 / (1 + exp(-x))`, elementwise: `max x'y + H(y) + H(1 - y)`. Takes x (n numbers).
///
/// Source: section 2.4 of Agrawal et al., Differentiable Convex Optimization Layers, 2019.
///
/// # Errors
/// None that a caller could cause.
pub fn sigmoid(n: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let (y, x) = (model.variable(n).named("y"), model.parameter(n).named("x"));
    let ((h, below), (rest, beside)) = (entropy(y), entropy(1.0 - y));
    Problem::maximize(x.dot(y) + h + rest).subject_to([below, beside]).compile([x], [y])
}

/// The limited multi-label projection: n probabilities that add up to `k`,
/// `max x'y + H(y) + H(1 - y)` subject to `sum y = k`. Takes x (n numbers).
///
/// Source: Amos, Koltun and Kolter, The Limited Multi-Label Projection Layer, 2019.
///
/// # Errors
/// When `k` is not strictly between 0 and n, where all probabilities would be 0 or 1.
pub fn limited_multi_label(n: usize, k: f64) -> Result<Layer, ModelError> {
    if !(k > 0.0 && k < n as f64) {
        return Err(ModelError::Argument {
            argument: "k of limited_multi_label".into(),
            expected: format!("a number between 0 and {n}"),
            found: k.to_string(),
        });
    }
    let model = Model::new();
    let (y, x) = (model.variable(n).named("y"), model.parameter(n).named("x"));
    let ((h, below), (rest, beside)) = (entropy(y), entropy(1.0 - y));
    Problem::maximize(x.dot(y) + h + rest)
        .subject_to([below, beside, y.sum().equals(k)])
        .compile([x], [y])
}

/// A scalar at most H(y) and the constraint that says so: `y exp(t / y) <= 1` is `t <= -y log y`.
fn entropy<'m>(y: Expr<'m>) -> (Expr<'m>, Constraint<'m>) {
    let t = y.model.variable(y.size());
    let one = broadcast_to(y.model.constant(1.0), y.size());
    (t.sum(), exponential_cone(t, y, one))
}
