//! The modelling language: write a problem as mathematics, get a differentiable layer.
//!
//! ```
//! use argrad::model::*;
//!
//! // Markowitz: returns mu and risk aversion gamma are parameters.
//! let model = Model::new();
//! let mu = model.parameter(3).named("mu");
//! let gamma = model.parameter(()).nonneg().named("gamma");
//! let w = model.variable(3);
//! let factor = [[0.2, 0.1, 0.0], [0.0, 0.3, 0.1]];
//! let risk = sum_squares(matmul(factor, w)) + 0.01 * sum_squares(w);
//! let budget = w.sum().equals(1.0);
//! let problem = Problem::maximize(mu.dot(w) - gamma * risk).subject_to([budget, w.geq(0.0)]);
//!
//! // Just the answer:
//! let answer = problem.solve(&[(mu, &[0.1, 0.2, 0.15]), (gamma, &[1.0])])?;
//! assert!((answer.get(w).iter().sum::<f64>() - 1.0).abs() < 1e-8);
//!
//! // A layer: a batch of two returns, one risk aversion for both; gradients of any scalar.
//! let layer = problem.compile([mu, gamma], [w])?;
//! let (outputs, tape) = layer.forward(&[&[0.1, 0.2, 0.15, 0.2, 0.1, 0.1], &[1.0]])?;
//! let gradients = layer.backward(&tape, &[&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])?;
//! assert_eq!((outputs[0].len(), gradients[0].len(), gradients[1].len()), (6, 6, 1));
//! # Ok::<(), argrad::model::ModelError>(())
//! ```
//!
//! # Conventions
//! - Everything is row-major. `*` is elementwise and broadcasts as in NumPy; the matrix product is
//!   [`Expr::matmul`] or [`matmul`], the inner product [`Expr::dot`].
//! - An expression that is not well formed does not panic: the place is remembered, and
//!   [`Problem::compile`] reports all of them.
//! - Parameters may stand anywhere that the DCP rules allow with the parameter held fixed, products and
//!   functions of parameters included; `docs/dpp.md` says how.

mod answer;
pub(crate) mod arena;
mod attributes;
pub(crate) mod constraint;
pub(crate) mod error;
mod expr;
mod operand;
mod operators;
mod problem;
mod shape;
pub(crate) mod text;

pub use answer::Answer;
pub use arena::Model;
pub use constraint::{Constraint, Output, exponential_cone, power_cone, second_order};
pub use error::{Issue, ModelError};
pub use expr::Expr;
pub use operand::{Dense, Operand, dense};
pub use problem::Problem;
pub use shape::Shape;

pub use crate::atoms::*;
pub use crate::canonical::{Affine, Graph};
pub use crate::dcp::{Curvature, Info, Monotonicity, Sign};
pub use crate::layer::{Layer, LayerTape, Outputs};
pub use crate::{Differentiation, Report, Settings, Slot, Status};
