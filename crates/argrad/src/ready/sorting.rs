//! Projections onto the permutahedron: soft sort and soft rank.
//!
//! The permutahedron P(w) is the convex hull of all permutations of w. With x in descending order,
//! its projection is `y = x - v`, where v is the isotonic regression of `x - sort(w)` (Blondel et
//! al., Fast Differentiable Sorting and Ranking, 2020). Here the order is carried by the program
//! instead of being undone afterwards: with D the differences of neighbours in the order of x, and
//! w arranged in the order of x,
//!
//! ```text
//! minimize    |y - arrange(x, w)|^2
//! subject to  D (x - y) >= 0
//! ```
//!
//! Both are derived parameters. The rows of D are linearly independent, so that duals are unique,
//! and equal elements of x do not matter: the constraint between them holds with equality, either
//! way around.

use crate::atoms::{Arrange, OrderDifferences, sum_squares};
use crate::constraint::Constraint;
use crate::error::ModelError;
use crate::expression::{Expr, Model};
use crate::layer::Layer;
use crate::problem::Problem;

/// The projection of x onto the permutahedron of w: `min |y - x|^2` over the convex hull of the
/// permutations of w. Takes x and w (n numbers each).
///
/// Equal elements of w are kinks in w, and the report says so, even where they happen to be
/// averaged out.
///
/// Source: Blondel et al., Fast Differentiable Sorting and Ranking, 2020.
///
/// # Errors
/// When n is 0.
pub fn permutahedron_projection(n: usize) -> Result<Layer, ModelError> {
    check(n)?;
    let model = Model::new();
    let (x, w) = (model.parameter(n).named("x"), model.parameter(n).named("w"));
    let (y, objective, constraints) = projection(x, w);
    Problem::minimize(objective).subject_to(constraints).compile([x, w], [y])
}

/// x sorted, the largest first, blurred by `eps`: the projection of `(n, ..., 1) / eps` onto the
/// permutahedron of x. As eps goes to 0 it is the sorted vector, as eps grows every element goes to
/// the mean. Takes x (n numbers).
///
/// Source: Blondel et al., Fast Differentiable Sorting and Ranking, 2020, equation 5.
///
/// # Errors
/// When n is 0 or eps is not above 0.
pub fn soft_sort(n: usize, eps: f64) -> Result<Layer, ModelError> {
    check(n)?;
    check_eps(eps)?;
    let model = Model::new();
    let x = model.parameter(n).named("x");
    let (y, objective, constraints) = projection(model.constant(ranks(n, eps)), x);
    Problem::minimize(objective).subject_to(constraints).compile([x], [y])
}

/// The rank of each element of x, 1 for the largest, blurred by `eps`: the projection of `-x / eps`
/// onto the permutahedron of `(n, ..., 1)`. As eps goes to 0 it is the ranks, as eps grows every
/// rank goes to the mean. Takes x (n numbers).
///
/// Source: Blondel et al., Fast Differentiable Sorting and Ranking, 2020, equation 6.
///
/// # Errors
/// When n is 0 or eps is not above 0.
pub fn soft_rank(n: usize, eps: f64) -> Result<Layer, ModelError> {
    check(n)?;
    check_eps(eps)?;
    let model = Model::new();
    let x = model.parameter(n).named("x");
    let (y, objective, constraints) = projection(-x / eps, model.constant(ranks(n, 1.0)));
    Problem::minimize(objective).subject_to(constraints).compile([x], [y])
}

/// `(n, ..., 1) / eps`.
fn ranks(n: usize, eps: f64) -> Vec<f64> {
    (1..=n).rev().map(|rank| rank as f64 / eps).collect()
}

/// The output, the objective, the constraints.
fn projection<'m>(x: Expr<'m>, w: Expr<'m>) -> (Expr<'m>, Expr<'m>, Vec<Constraint<'m>>) {
    let (model, n) = (x.model, x.size());
    let y = model.variable(n).named("y");
    let target = model.atom(Arrange, &[x, w]);
    let objective = sum_squares(y - target);
    if n < 2 {
        return (y, objective, Vec::new());
    }
    let differences = model.atom(OrderDifferences, &[x]);
    let ordered = differences.matmul(x - y).geq(0.0);
    if !w.has_parameters() {
        return (y, objective, vec![ordered]);
    }
    // Sorted w, which nothing else depends on: a constraint that is weakly active at equal
    // elements.
    let (u, descending) = (model.variable(n), ranks(n, 1.0));
    let sorted = model.atom(Arrange, &[model.constant(descending), w]);
    (y, objective + sum_squares(u - sorted), vec![ordered, u.diff().leq(0.0)])
}

fn check(n: usize) -> Result<(), ModelError> {
    let error = ModelError::Argument {
        argument: "n of a permutahedron".into(),
        expected: "at least 1".into(),
        found: n.to_string(),
    };
    if n > 0 { Ok(()) } else { Err(error) }
}

fn check_eps(eps: f64) -> Result<(), ModelError> {
    let error = ModelError::Argument {
        argument: "eps of a soft sort".into(),
        expected: "a finite number above 0".into(),
        found: eps.to_string(),
    };
    if eps > 0.0 && eps.is_finite() { Ok(()) } else { Err(error) }
}
