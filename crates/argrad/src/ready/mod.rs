//! Ready-made layers: activations and projections as convex programs.
//!
//! Each function writes a problem in the language of [`crate::model`] and compiles it. What comes
//! back is an ordinary [`Layer`]: batches, backward, jvp, warm starts, files. Parameters are
//! taken in the order in which the function lists them; the output is the first and only one.
//!
//! ```
//! use argrad::ready;
//!
//! let layer = ready::sparsemax(3)?;
//! let (y, tape) = layer.forward(&[&[1.0, 0.8, 0.1, 3.0, 0.0, 0.0]])?; // a batch of two
//! assert!((y[0][0] - 0.6).abs() < 1e-9 && (y[0][1] - 0.4).abs() < 1e-9 && y[0][2].abs() < 1e-9);
//! let gradients = layer.backward(&tape, &[&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])?;
//! assert!((gradients[0][0] - 0.5).abs() < 1e-8 && (gradients[0][1] + 0.5).abs() < 1e-8);
//! # Ok::<(), argrad::model::ModelError>(())
//! ```
//!
//! | layer | program | parameters |
//! |---|---|---|
//! | [`relu`] | `min |y - x|^2, y >= 0` | x |
//! | [`dense_relu`] | `min |y - (W x + b)|^2, y >= 0` | W, x, b |
//! | [`piecewise_linear`] | `min |t|^2, t >= x - c; y = f(x)` | x |
//! | [`hinges`] | `min |t|^2, t >= a x + b; y = sum w t` | x, a, b, w |
//! | [`max_affine`] | `min y, y >= A x + b` | A, x, b |
//! | [`softmax`] | `max x'y + H(y), sum y = 1` | x |
//! | [`sigmoid`] | `max x'y + H(y) + H(1 - y)` | x |
//! | [`sparsemax`] | `min |y - x|^2, sum y = 1, y >= 0` | x |
//! | [`constrained_softmax`] | `max x'y + H(y), sum y = 1, y <= u` | x, u |
//! | [`constrained_sparsemax`] | `min |y - x|^2, sum y = 1, 0 <= y <= u` | x, u |
//! | [`limited_multi_label`] | `max x'y + H(y) + H(1 - y), sum y = k` | x |
//! | [`simplex_projection`] | `min |y - x|^2, sum y = r, y >= 0` | x, r |
//! | [`box_projection`] | `min |y - x|^2, l <= y <= u` | x, l, u |
//! | [`l1_ball_projection`] | `min |y - x|^2, |y|_1 <= r` | x, r |
//! | [`l2_ball_projection`] | `min |y - x|^2, |y|_2 <= r` | x, r |
//! | [`psd_projection`] | `min |Y - X|^2, Y psd` | X |
//! | [`isotonic_regression`] | `min |y - x|^2, y_1 >= y_2 >= ...` | x |
//! | [`permutahedron_projection`] | `min |y - x|^2, y in P(w)` | x, w |
//! | [`soft_sort`], [`soft_rank`] | the same, of `(n, ..., 1) / eps` or `-x / eps` | x |
//!
//! # Kinks
//! Where a layer is not differentiable (ReLU at 0, a projection of a point on the boundary, the
//! largest of equals), the derivative is one of the one-sided ones or between them, and
//! [`Report::is_degenerate`](crate::Report::is_degenerate) of the sample says so.

mod ball;
mod entropy;
mod hinge;
mod isotonic;
mod max_affine;
mod piecewise;
mod psd;
mod relu;
mod simplex;
mod sorting;

pub use ball::{l1_ball_projection, l2_ball_projection};
pub use entropy::{constrained_softmax, limited_multi_label, sigmoid, softmax};
pub use hinge::hinges;
pub use isotonic::isotonic_regression;
pub use max_affine::max_affine;
pub use piecewise::{PiecewiseLinear, piecewise_linear};
pub use psd::psd_projection;
pub use relu::{dense_relu, relu};
pub use simplex::{box_projection, constrained_sparsemax, simplex_projection, sparsemax};
pub use sorting::{permutahedron_projection, soft_rank, soft_sort};

#[cfg(doc)]
use crate::layer::Layer;
