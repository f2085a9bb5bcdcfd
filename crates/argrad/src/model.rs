//! The modelling language: write a problem as mathematics, get a differentiable layer.
//!
//! ```
//! use argrad::prelude::*;
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
//! assert!((answer.get(w)?.iter().sum::<f64>() - 1.0).abs() < 1e-8);
//!
//! // A layer: a batch of two returns, one risk aversion for both; gradients of any scalar.
//! let layer = problem.compile([mu, gamma], [w])?;
//! let call = layer.call(&[(gamma, &[1.0]), (mu, &[0.1, 0.2, 0.15, 0.2, 0.1, 0.1])])?;
//! let (outputs, tape) = call.forward()?; // `call.solve()` where no derivative is asked for
//! assert_eq!(outputs.get(w)?.sample(1)?.len(), 3);
//! let gradients = layer.backward(&tape, &[&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])?;
//! assert_eq!((gradients[0].len(), gradients[1].len()), (6, 1));
//!
//! // The same with parameters and outputs by position.
//! assert_eq!(layer.solve(&[&[0.1, 0.2, 0.15, 0.2, 0.1, 0.1], &[1.0]])?[0], outputs[0]);
//! # Ok::<(), argrad::model::ModelError>(())
//! ```
//!
//! # Answers, duals, sensitivities
//!
//! ```
//! use argrad::prelude::*;
//!
//! let model = Model::new();
//! let (x, price) = (model.variable(2), model.parameter(2).nonneg());
//! let demand = x.sum().geq(3.0).named("demand");
//! let problem = Problem::minimize(price.dot(x)).subject_to([demand, x.geq(0.0), x.leq(2.0)]);
//! let answer = problem.solve(&[(price, &[1.0, 5.0])])?;
//! assert!((answer.value - 7.0).abs() < 1e-8); // x = (2, 1)
//! assert!((answer.dual(demand)?[0] - 5.0).abs() < 1e-8); // one more costs 5
//! assert!((answer.sensitivity(price)?[0] - 2.0).abs() < 1e-8); // d value / d price = x
//! assert!((answer.get(square(x))?[0] - 4.0).abs() < 1e-7); // any expression
//! # Ok::<(), argrad::model::ModelError>(())
//! ```
//!
//! # Duals as outputs, warm starts, files
//!
//! ```
//! use argrad::prelude::*;
//!
//! let model = Model::new();
//! let (x, target) = (model.variable(2), model.parameter(2));
//! let budget = x.sum().leq(1.0);
//! let problem = Problem::minimize(sum_squares(x - target)).subject_to([budget]);
//! let layer = problem.compile([target], [Output::from(x), budget.dual()])?;
//!
//! let (first, _) = layer.forward(&[&[1.0, 2.0]])?;
//! let (next, tape) = layer.forward_from(&[&[1.01, 2.0]], &first)?; // starts at `first`
//! assert!(next.reports[0].warm_started);
//! // d(dual) / d(target): the dual is target_1 + target_2 - 1.
//! let gradients = layer.backward(&tape, &[&[], &[1.0]])?;
//! assert!((gradients[0][0] - 1.0).abs() < 1e-8);
//! let moved = layer.jvp(&tape, &[&[1.0, 0.0]])?;
//! assert!((moved[0][0] - 0.5).abs() < 1e-8 && (moved[0][1] + 0.5).abs() < 1e-8);
//!
//! let text = serde_json::to_string(&layer).unwrap();
//! let same: Layer = serde_json::from_str(&text).unwrap();
//! assert_eq!(same.forward(&[&[1.0, 2.0]])?.0.values, first.values);
//! # Ok::<(), argrad::model::ModelError>(())
//! ```
//!
//! # When a rule is broken
//!
//! ```
//! use argrad::prelude::*;
//!
//! let model = Model::new();
//! let x = model.variable(3).named("x");
//! let problem = Problem::minimize(sum_squares(x) - norm2(x));
//! let error = problem.check().unwrap_err().to_string(); // starts with file, line, column
//! let reason = "adds the convex term of sum_squares(x) and the concave term of norm2(x)";
//! assert!(error.contains(reason));
//! println!("{}", problem.explain()); // the tree, with curvature and sign of every node
//!
//! let problem = Problem::minimize((x + model.variable(4)).sum());
//! let error = problem.check().unwrap_err().to_string();
//! assert!(error.contains("shapes do not fit, vector of 3 (x) and vector of 4 (var1)"));
//! ```
//!
//! # Conventions
//! - Everything is row-major. `*` is elementwise and broadcasts as in NumPy; the matrix product is
//!   [`Expr::matmul`] or [`matmul`](crate::atoms::matmul), the inner product [`Expr::dot`].
//! - An expression that is not well formed does not panic: the place is remembered, and
//!   [`Problem::compile`] reports all of them.
//! - Parameters may stand anywhere that the DCP rules allow with the parameter held fixed, products
//!   and functions of parameters included; `docs/dpp.md` says how.

pub use crate::algebra::Shape;
pub use crate::atom::{Curvature, Sign};
pub use crate::constraint::{Constraint, Output, exponential_cone, power_cone, second_order};
pub use crate::error::{Issue, ModelError};
pub use crate::expression::{Dense, Expr, Key, Model, Operand, dense};
pub use crate::layer::{
    AffineMap, AffineOutput, AffineProgram, Answer, Call, ElasticLayer, ElasticOutputs,
    ElasticTape, ExportedMap, ExportedMaps, ExportedPrice, ExportedStep, Layer, LayerDerivative,
    LayerTape, OutputValues, Outputs, ParameterInfo, PickedOutput, Relaxation, ViolationNorm,
};
pub use crate::problem::Problem;
