//! Convex-concave problems: differences of convex functions, by sequences of convex problems.
//!
//! A problem
//!
//! ```text
//! minimize    f0(x) - g0(x)
//! subject to  fi(x) - gi(x) <= 0      with all f, g convex
//! ```
//!
//! is not convex, and nobody finds its optimum for sure. A *stationary point* is found by replacing
//! what has the wrong curvature by its tangent at the last point, which leaves a convex problem
//! whose feasible points are feasible for the original, and solving again. All samples and starts
//! advance together, one batch of convex problems a step:
//!
//! ```
//! use argrad::convex_concave::PointKind;
//! use argrad::prelude::*;
//!
//! // The point nearest to p outside of a disc, and inside of a box.
//! let model = Model::new();
//! let (p, radius) = (model.parameter(2).named("p"), model.parameter(()).nonneg());
//! let x = model.variable(2).bounds(-5.0, 5.0);
//! let outside = norm2(x).geq(radius); // convex >= constant: not convex
//! let problem = Problem::minimize(sum_squares(x - p)).subject_to([outside]);
//! assert!(!problem.is_dcp() && problem.is_dccp());
//!
//! let layer = problem.compile_convex_concave([p, radius], [x])?;
//! let (outputs, tape) = layer.forward(&[&[0.6, 0.8, 3.0, 0.0], &[2.0]])?;
//! assert!(outputs.sequences.iter().all(|s| s.kind == PointKind::Stationary));
//! assert!((outputs[0][0] - 1.2).abs() < 1e-8 && (outputs[0][1] - 1.6).abs() < 1e-8);
//! assert!((outputs[0][2] - 3.0).abs() < 1e-8);
//!
//! // Its derivative is exact: x = 2 p / |p|, so that dx_1/dp = 2 (p_2^2, -p_1 p_2) / |p|^3.
//! let gradients = layer.backward(&tape, &[&[1.0, 0.0, 0.0, 0.0]])?;
//! assert!((gradients[0][0] - 1.28).abs() < 1e-7 && (gradients[0][1] + 0.96).abs() < 1e-7);
//! # Ok::<(), argrad::model::ModelError>(())
//! ```
//!
//! # Rules
//! The objective and both sides of `leq`, `geq` and `equals` are sums of terms that have a
//! curvature each, the right or the wrong one, times factors free of variables. Other constraints
//! are as in convex problems. Constraints in which something was replaced get slacks, whose weight
//! grows until they are gone.
//!
//! # What comes out
//! Never an "optimal" point: [`SequenceReport::kind`] says whether the sequence came to rest at a
//! point that satisfies the constraints ([`PointKind::Stationary`], to the residual beside it), at
//! one that violates them, or ran out of steps. Other starts may find other points; how many are
//! tried, and from where, says [`Sequence`].
//!
//! # The derivative
//! That of the fixed point by the implicit function theorem, which includes the second derivatives
//! of what was replaced: the exact derivative of the stationary point wherever it is locally
//! unique. The formulas are in `derivative.rs` and `tangents.rs`.
//!
//! Source: Shen, Diamond, Gu and Boyd, Disciplined convex-concave programming, 2016; Lipp and Boyd,
//! Variations and extension of the convex-concave procedure, 2016.

mod convexify;
mod derivative;
mod layer;
mod point;
mod problem;
mod sequence;
mod start;
mod tangents;
mod tape;
mod want;

pub use layer::{ConvexConcaveLayer, ConvexConcaveOutputs, Sequence};
pub use point::{PointKind, SequenceReport};
pub use tape::ConvexConcaveTape;

use crate::constraint::Output;
use crate::error::ModelError;
use crate::expression::{Expr, Model};
use crate::problem::Problem;
use problem::StepProblem;

impl<'m> Problem<'m> {
    /// Whether the problem is a difference of convex functions by the rules of
    /// [`crate::convex_concave`].
    pub fn is_dccp(&self) -> bool {
        self.check_convex_concave().is_ok()
    }

    /// Checks the rules of disciplined convex-concave programming.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] for shapes that do not fit, [`ModelError::NotDccp`] with the
    /// subexpressions that have no curvature, and what to write instead.
    pub fn check_convex_concave(&self) -> Result<(), ModelError> {
        StepProblem::new(self, &[], &[], &Model::new()).map(drop)
    }

    /// Compiles the convex-concave problem to a layer: a function of `parameters` (all that occur
    /// in the problem) that returns `outputs`, which are affine expressions, most often variables.
    /// It is compiled once: the tangents are parameters.
    ///
    /// # Errors
    /// As [`Self::check_convex_concave`] and [`Self::compile`].
    pub fn compile_convex_concave<O: Into<Output<'m>>>(
        &self,
        parameters: impl IntoIterator<Item = Expr<'m>>,
        outputs: impl IntoIterator<Item = O>,
    ) -> Result<ConvexConcaveLayer, ModelError> {
        let parameters: Vec<Expr<'m>> = parameters.into_iter().collect();
        let outputs: Vec<Output<'m>> = outputs.into_iter().map(Into::into).collect();
        let model = Model::new();
        let problem = StepProblem::new(self, &parameters, &outputs, &model)?;
        problem.compile(self, &parameters, &outputs)
    }
}
