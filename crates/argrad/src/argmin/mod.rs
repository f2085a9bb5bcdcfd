//! Differentiation through the minimizers of smooth problems, convex or not:
//!
//! ```text
//! y(theta) = argmin f(theta, y)  over y,  subject to  h(theta, y) = 0,  g(theta, y) <= 0
//! ```
//!
//! A problem is written once, as functions that are generic in their number type. [`Argmin`] finds
//! local minima of a batch and differentiates them:
//!
//! ```
//! use argrad::Slot;
//! use argrad::argmin::{Argmin, ArgminCotangent, ArgminPoint, Dimensions, Scalar, SmoothProblem};
//!
//! /// The point of the ellipse y1^2 + theta3 y2^2 = 1 that is nearest to (theta1, theta2).
//! struct Nearest;
//!
//! impl SmoothProblem for Nearest {
//!     fn dimensions(&self) -> Dimensions {
//!         Dimensions::new(3, 2).equalities(1)
//!     }
//!     fn objective<D: Scalar>(&self, theta: &[D], y: &[D]) -> D {
//!         (y[0] - theta[0]).powi(2) + (y[1] - theta[1]).powi(2)
//!     }
//!     fn equalities<D: Scalar>(&self, theta: &[D], y: &[D]) -> Vec<D> {
//!         vec![y[0] * y[0] + theta[2] * y[1] * y[1] - 1.0]
//!     }
//! }
//!
//! let argmin = Argmin::new(Nearest);
//! let theta = Slot::Each(&[3., 4., 1., 2., 0., 4.]); // two samples
//! let solution = argmin.solve(&ArgminPoint::new(2, theta, Slot::Shared(&[1., 1.])))?;
//! assert!((solution.y[0] - 0.6).abs() < 1e-12 && (solution.y[2] - 1.0).abs() < 1e-12);
//!
//! // d(y1) / d(theta), for both samples.
//! let first = ArgminCotangent { y: Some(&[1., 0., 1., 0.]), ..Default::default() };
//! let gradient = argmin.backward(&solution, &first)?;
//! assert!((gradient[0] - 0.128).abs() < 1e-12); // 16/25 of a move, seen from a distance of 5
//! # Ok::<(), argrad::argmin::ArgminError>(())
//! ```
//!
//! The formulas, the flags, and what each status means are in `docs/argmin.md`. Solutions found
//! elsewhere are differentiated by [`Argmin::at`]. The equations of the literature, one function
//! for each, are in [`equations`]. Problems that are not written in Rust implement [`Oracle`]; so
//! do those with many variables, whose functions are expensive or whose derivatives are known: see
//! [`Automatic`] for what it costs to have them found.

mod problem;
mod report;
mod settings;

mod error;

mod check;
mod oracle;

mod automatic;

mod dense;
mod scaling;

mod kkt;
mod point;

pub mod equations;

mod evaluate;

mod sqp;

mod solution;

mod solver;

mod derivative;

pub use automatic::Automatic;
/// The crate of the (hyper-)dual numbers, in the version that [`Scalar`] is of: an [`Oracle`] that
/// differentiates by them needs no dependency of its own.
pub use num_dual;

pub use derivative::{ArgminCotangent, ArgminTangent};
pub use error::ArgminError;
pub use oracle::{FunctionDerivatives, FunctionValues, KktVector, Multipliers, Oracle, Points};
pub use problem::{Dimensions, Scalar, SmoothProblem};
pub use report::{ArgminReport, ArgminStatus, Function, NotANumber, SecondOrder};
pub use settings::ArgminSettings;
pub use solution::{ArgminPoint, ArgminSolution};
pub use solver::Argmin;
