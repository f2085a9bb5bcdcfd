//! Gradients through argmin: convex optimization problems as differentiable layers.
//!
//! A [`QpLayer`] solves a batch of quadratic programs
//!
//! ```text
//! minimize    1/2 x'Px + q'x
//! subject to  Ax = b,  Gx <= h
//! ```
//!
//! and returns the gradient of any scalar of the solution with respect to every number in it:
//!
//! ```
//! use argrad::{QpCotangent, QpLayer, QpValues, Slot};
//!
//! // Project the points (1, 1/2) and (0, -2) onto the set x1 + x2 = 1, x >= 0.
//! let layer = QpLayer::dense(2, 1, 2)?;
//! let values = QpValues::new(2, Slot::Shared(&[1., 0., 0., 1.]), Slot::Each(&[-1., -0.5, 0., 2.]))
//!     .equalities(Slot::Shared(&[1., 1.]), Slot::Shared(&[1.]))
//!     .inequalities(Slot::Shared(&[-1., 0., 0., -1.]), Slot::Shared(&[0., 0.]));
//! let (solution, tape) = layer.forward(&values)?;
//! assert!((solution.x[2] - 1.0).abs() < 1e-9 && solution.x[3].abs() < 1e-9);
//!
//! // d(x1) / d(everything), for both samples.
//! let first = QpCotangent { x: Some(&[1., 0., 1., 0.]), ..Default::default() };
//! let gradients = layer.backward(&tape, &first)?;
//! assert_eq!(gradients.q.len(), 4); // given per sample: a gradient per sample
//! assert_eq!(gradients.b.len(), 1); // shared by the batch: the sum over the batch
//! # Ok::<(), argrad::Error>(())
//! ```
//!
//! Any other convex problem is written as mathematics in [`model`], and compiled to a layer of its
//! parameters. Smooth problems that need not be convex are functions in [`argmin`].
//!
//! # Conventions
//! - Batch first, row-major. Each argument is a [`Slot`]: one copy shared by the batch, or one
//!   per sample. The gradient of a shared argument is the sum over the batch.
//! - Any block may be absent: no rows of A or G, P = 0. P may be singular.
//! - An entry of h that is 1e19 or more, `+inf` above all, is no constraint: the slack is `+inf`
//!   there.
//! - A sample that has no solution is data, not an error: its [`Report`] says why, and the other
//!   samples are the same to the last bit as without it. Malformed input is an [`Error`] that
//!   names the argument, the sample and the entry.
#![deny(missing_docs)]

// In the order in which they build on each other: a module uses those before it.

mod error;

mod layer_solver;
mod zeros;

mod algebra;

pub mod atom;

mod expression;

pub mod atoms;

mod dcp;

mod canonical;

mod constraint;

mod function;

mod transcript;

mod problem;

mod layer;

pub mod gp;

pub mod quasiconvex;

pub mod convex_concave;

pub mod ready;

pub mod model;

pub mod prelude;

mod qp;

pub mod argmin;

pub mod factored_quadratic;
pub mod feasible_rhs;
pub mod orthonormal_rows;
pub mod row_normalized;
pub mod spo_plus;
pub mod unique_objective;

pub mod host;

#[cfg(feature = "ndarray")]
pub mod ndarray;

pub use argrad_solver::{
    Cone, DecomposedCone, Device, Differentiation, Engine, Error, Explanation, Instructions,
    Interrupt, KktCondition, KktConditions, KktLabel, KktMultipliers, KktPoint, KktRow, Method,
    Mode, OnFailure, Pattern, Report, Settings, Slot, Status, Structure, Unknown,
};
pub use qp::{
    MatrixShape, QpCotangent, QpGradients, QpLayer, QpPoint, QpShape, QpSolution,
    QpSolutionTangent, QpTangent, QpTape, QpValues,
};

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The examples of the page on parameters, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/dpp.md")]
struct Dpp;

/// The tutorial, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/tutorial.md")]
struct Tutorial;

/// The examples of the page on smooth problems, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/argmin.md")]
struct SmoothProblems;
/// The examples of the page on problems that are not convex, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/beyond-convex.md")]
struct BeyondConvex;
