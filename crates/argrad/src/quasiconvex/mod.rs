//! Quasiconvex problems: every level set is convex, though the function is not.
//!
//! A quotient of two affine functions, a Sharpe ratio, the length of a filter are *quasiconvex* or
//! *quasiconcave*: `{x : f(x) <= t}` (or `>=`) is convex for every t. Such a problem is solved by
//! bisection over the level t, one convex problem a step, and differentiated at its solution:
//!
//! ```
//! use argrad::prelude::*;
//!
//! // The portfolio of the largest Sharpe ratio: return over risk.
//! let model = Model::new();
//! let mu = model.parameter(3).nonneg().named("mu");
//! let w = model.variable(3).nonneg();
//! let factor = [[0.2, 0.1, 0.0], [0.0, 0.3, 0.1], [0.0, 0.0, 0.2]];
//! let sharpe = mu.dot(w) / norm2(matmul(factor, w));
//! let problem = Problem::maximize(sharpe).subject_to([w.sum().equals(1.0)]);
//! assert!(!problem.is_dcp() && problem.is_dqcp());
//!
//! // A batch of two returns, searched together.
//! let layer = problem.compile_quasiconvex([mu], [w])?;
//! let (outputs, tape) = layer.forward(&[&[0.1, 0.2, 0.15, 0.2, 0.1, 0.1]])?;
//! assert!(outputs.reports.iter().all(|report| report.is_solved()));
//!
//! // The ratio is homogeneous in mu: mu . d(ratio) / d(mu) = ratio.
//! let gradient = &layer.value_gradient(&tape, &[1.0, 1.0])?[0];
//! let product: f64 = [0.1, 0.2, 0.15].iter().zip(gradient).map(|(m, g)| m * g).sum();
//! assert!((product - outputs.objective[0]).abs() < 1e-9);
//!
//! // d(w) / d(mu), as of any layer.
//! let gradients = layer.backward(&tape, &[&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])?;
//! assert_eq!(gradients[0].len(), 6);
//! # Ok::<(), argrad::model::ModelError>(())
//! ```
//!
//! # Rules
//! Minimize what is quasiconvex, maximize what is quasiconcave; `quasiconvex <= c` and
//! `quasiconcave >= c`, with a c free of variables; all other constraints as in convex problems.
//!
//! | expression | quasiconvex where | quasiconcave where |
//! |---|---|---|
//! | convex, concave | convex | concave |
//! | `p / q`, [`ratio(p, q)`](crate::atoms::ratio), q > 0 | p convex, q affine (or concave, if p >= 0) | p concave, q affine (or convex, if p >= 0) |
//! | `x * y` | x >= 0 concave, y <= 0 convex | both concave and >= 0, or both convex and <= 0 |
//! | `exp`, `log`, `sqrt`, `square` and powers of what is >= 0 | of quasiconvex | of quasiconcave |
//! | `inv_pos`, powers below zero | of quasiconcave | of quasiconvex |
//! | `maximum`, `max`; `minimum`, `min` | of quasiconvex | of quasiconcave |
//! | [`length`](crate::atoms::length), [`ceil`](crate::atoms::ceil); [`floor`](crate::atoms::floor) | of affine; quasiconvex | of quasiconcave |
//! | `a * f + b` with a >= 0 (a <= 0: the other) and b free of variables | of quasiconvex | of quasiconcave |
//!
//! An atom of your own takes part by
//! [`Atom::level_set`](crate::atom::Atom::level_set).
//!
//! # What is solved
//! For a level t, a convex residual `phi(x, t)` is minimized that is at most zero exactly on the
//! level set: `p - t q` for a quotient. The optimal level is the root of its least value r(t). The
//! search brackets the root itself: a solved level gives a point x, whose objective is a level that
//! is attained, and Newton's step on r is taken where it stays inside of the interval (for a
//! quotient this is Dinkelbach's method), bisection elsewhere. It ends at a relative interval of
//! 1e-10 and a last Newton step. The formulas of the derivative are in `derivative.rs`; it is exact
//! wherever the optimal x is unique, which [`Report::is_unique`](crate::Report::is_unique) says.
//!
//! Source: Agrawal and Boyd, Disciplined Quasiconvex Programming, 2020; Dinkelbach, On nonlinear
//! fractional programming, 1967.

mod bracket;
mod derivative;
mod layer;
mod level;
mod problem;
mod tape;

pub use layer::{LevelReport, QuasiconvexLayer, QuasiconvexOutputs};
pub use tape::QuasiconvexTape;

use crate::constraint::Output;
use crate::error::ModelError;
use crate::expression::{Expr, Model};
use crate::problem::Problem;
use problem::LevelProblem;

impl<'m> Problem<'m> {
    /// Whether the problem is quasiconvex by the rules of [`crate::quasiconvex`].
    pub fn is_dqcp(&self) -> bool {
        self.check_quasiconvex().is_ok()
    }

    /// Checks the rules of disciplined quasiconvex programming.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for shapes that do not fit, [`ModelError::NotDqcp`] with the
    /// subexpressions that break the rules, and what to write instead.
    pub fn check_quasiconvex(&self) -> Result<(), ModelError> {
        LevelProblem::new(self, &[], &[], &Model::new()).map(drop)
    }

    /// Compiles the quasiconvex problem to a layer: a function of `parameters` (all that occur in
    /// the problem) that returns `outputs`, which are affine expressions, most often variables.
    ///
    /// # Errors
    /// As [`Self::check_quasiconvex`] and [`Self::compile`].
    pub fn compile_quasiconvex<O: Into<Output<'m>>>(
        &self,
        parameters: impl IntoIterator<Item = Expr<'m>>,
        outputs: impl IntoIterator<Item = O>,
    ) -> Result<QuasiconvexLayer, ModelError> {
        let parameters: Vec<Expr<'m>> = parameters.into_iter().collect();
        let outputs: Vec<Output<'m>> = outputs.into_iter().map(Into::into).collect();
        let model = Model::new();
        let problem = LevelProblem::new(self, &parameters, &outputs, &model)?;
        problem.compile(self, &parameters, &outputs)
    }
}
