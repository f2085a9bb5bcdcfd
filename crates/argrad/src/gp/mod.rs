//! Disciplined geometric programming: problems that are convex in the logarithms.
//!
//! In a geometric program every variable and every parameter is positive. A *monomial* is a product
//! of powers with a positive coefficient, a *posynomial* a sum of monomials. With `x = exp(y)`, the
//! logarithm of a monomial is affine in y and that of a posynomial convex, so that a problem which
//! is far from convex becomes one that the solver takes:
//!
//! ```
//! use argrad::prelude::*;
//!
//! // The largest box with walls and floor of limited area, and limited proportions.
//! let model = Model::new();
//! let (h, w, d) = (model.variable(()), model.variable(()), model.variable(()));
//! let [wall, floor] = [model.parameter(()), model.parameter(())];
//! let problem = Problem::maximize(h * w * d).subject_to([
//!     (2.0 * (h * w + h * d)).leq(wall),
//!     (w * d).leq(floor),
//!     (h / w).leq(2.0), (h / w).geq(0.5), (d / w).leq(2.0), (d / w).geq(0.5),
//! ]);
//! assert!(!problem.is_dcp() && problem.is_dgp());
//!
//! let answer = problem.solve_gp(&[(wall, &[200.0]), (floor, &[50.0])])?;
//! assert!((answer.value - 50.0 * 50f64.sqrt()).abs() < 1e-6);
//!
//! // As a layer: the outputs are h, w, d themselves, and so are their derivatives.
//! let layer = problem.compile_gp([wall, floor], [h, w, d])?;
//! let (sides, tape) = layer.forward(&[&[200.0, 220.0], &[50.0]])?;
//! let gradients = layer.backward(&tape, &[&[1.0, 0.0], &[], &[]])?;
//! assert!((sides[0][0] * sides[1][0] * sides[2][0] - answer.value).abs() < 1e-6);
//! assert!(gradients[0][0] > 0.0 && gradients[0][1] == 0.0);
//! # Ok::<(), argrad::model::ModelError>(())
//! ```
//!
//! # Rules
//! Log-log curvature composes as curvature does: minimize what is log-log convex, maximize what is
//! log-log concave, `convex <= concave`, `affine == affine`.
//!
//! | expression | its logarithm |
//! |---|---|
//! | variable x, parameter p, constant c > 0 | `y`, `log p`, `log c` |
//! | `a * b`, `a / b`, `kron` | `A + B`, `A - B` |
//! | sums, `@`, `conv`, `dot` with nonnegative coefficients | log of the sum of exponentials |
//! | `square`, `sqrt`, `power(x, p)`, `inv_pos`, `geo_mean` | multiples, sums of them |
//! | `sum_squares`, `norm2`, `norm1`, `pnorm`, `quad_over_lin` | logs of sums of exponentials |
//! | `maximum`, `max`, `norm_inf`; `minimum`, `min` | the same; convex; concave |
//! | `exp`; `log` (x > 1) | `exp`, convex; `log`, concave |
//!
//! There are no differences: write `a + b <= c` for `a <= c - b`.
//!
//! The terms of a sum are variables of the solver; where a constraint is not active they are not
//! unique, which [`Report::is_unique`](crate::Report::is_unique) says, and which does not touch the
//! outputs.
//!
//! Source: Agrawal, Diamond and Boyd, Disciplined Geometric Programming, 2019; Boyd et al., A
//! Tutorial on Geometric Programming, 2007.

mod answer;
mod layer;
mod logarithm;

pub use answer::GpAnswer;
pub use layer::{GpLayer, GpTape};

use argrad_solver::Slot;

use crate::constraint::Output;
use crate::error::ModelError;
use crate::expression::{Expr, Model};
use crate::problem::Problem;
use logarithm::LogProblem;

impl<'m> Problem<'m> {
    /// Whether the problem is a geometric program by the rules of [`crate::gp`].
    pub fn is_dgp(&self) -> bool {
        self.check_gp().is_ok()
    }

    /// Checks the rules of disciplined geometric programming.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for shapes that do not fit, [`ModelError::NotDgp`] with the
    /// subexpressions that break the rules.
    pub fn check_gp(&self) -> Result<(), ModelError> {
        LogProblem::new(self, &[], &Model::new()).map(drop)
    }

    /// Compiles the geometric program to a layer: a function of `parameters` that returns
    /// `outputs`, which are monomials, most often variables, and duals of constraints. The dual of
    /// a constraint is that of its logarithm: the relative change of the optimum per relative
    /// change of the right-hand side.
    ///
    /// # Errors
    /// As [`Self::check_gp`] and [`Self::compile`].
    pub fn compile_gp<O: Into<Output<'m>>>(
        &self,
        parameters: impl IntoIterator<Item = Expr<'m>>,
        outputs: impl IntoIterator<Item = O>,
    ) -> Result<GpLayer, ModelError> {
        let parameters: Vec<Expr<'m>> = parameters.into_iter().collect();
        let outputs: Vec<Output<'m>> = outputs.into_iter().map(Into::into).collect();
        let model = Model::new();
        LogProblem::new(self, &outputs, &model)?.compile(&parameters, &outputs)
    }

    /// Solves the geometric program for these values of its parameters.
    ///
    /// # Errors
    /// As [`Self::compile_gp`], and for values that do not belong to their parameters. That a
    /// problem has no solution is not an error: see
    /// [`GpAnswer::status`](GpAnswer#structfield.status).
    pub fn solve_gp(&self, parameters: &[(Expr<'m>, &[f64])]) -> Result<GpAnswer<'m>, ModelError> {
        let variables = self.variables();
        let exprs: Vec<Expr<'m>> = parameters.iter().map(|(expr, _)| *expr).collect();
        let duals = self.constraints.iter().map(|constraint| constraint.dual());
        let outputs: Vec<Output<'m>> =
            variables.iter().copied().map(Output::from).chain(duals).collect();
        let layer = self.compile_gp(exprs, outputs)?;
        let slots: Vec<Slot<'_>> =
            parameters.iter().map(|(_, values)| Slot::Shared(values)).collect();
        let (outputs, tape) = layer.forward_slots(1, &slots, None)?;
        GpAnswer::new(self, variables, parameters, &layer, outputs, &tape)
    }
}
