//! Piecewise-linear functions that are known in advance.

use crate::atoms::sum_squares;
use crate::error::ModelError;
use crate::expression::Model;
use crate::layer::Layer;
use crate::problem::Problem;

/// A continuous piecewise-linear function of one number.
#[derive(Clone, Debug, PartialEq)]
pub struct PiecewiseLinear {
    /// Where the slope changes, ascending.
    breakpoints: Vec<f64>,
    /// By how much.
    jumps: Vec<f64>,
    /// The line on the left.
    slope: f64,
    intercept: f64,
}

impl PiecewiseLinear {
    /// The function through these (x, y) points, in ascending order of x, with these slopes outside
    /// of them.
    ///
    /// # Errors
    /// No points, points that do not ascend, numbers that are not finite.
    pub fn new(
        points: &[(f64, f64)],
        left_slope: f64,
        right_slope: f64,
    ) -> Result<Self, ModelError> {
        let invalid = |expected: &str, found: String| ModelError::Argument {
            argument: "points of a piecewise-linear function".into(),
            expected: expected.into(),
            found,
        };
        let Some(first) = points.first() else {
            return Err(invalid("at least one point", "none".into()));
        };
        let mut numbers = points.iter().flat_map(|(x, y)| [*x, *y]);
        if !numbers.all(f64::is_finite) || !left_slope.is_finite() || !right_slope.is_finite() {
            return Err(invalid("finite numbers", format!("{points:?}")));
        }
        if let Some(pair) = points.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(invalid("ascending x", format!("{} before {}", pair[0].0, pair[1].0)));
        }
        let mut slopes = vec![left_slope];
        slopes.extend(points.windows(2).map(|p| (p[1].1 - p[0].1) / (p[1].0 - p[0].0)));
        slopes.push(right_slope);
        Ok(Self {
            breakpoints: points.iter().map(|point| point.0).collect(),
            jumps: slopes.windows(2).map(|pair| pair[1] - pair[0]).collect(),
            slope: left_slope,
            intercept: first.1 - left_slope * first.0,
        })
    }

    /// Its value.
    pub fn value(&self, x: f64) -> f64 {
        let hinges = self.breakpoints.iter().zip(&self.jumps).map(|(c, w)| w * (x - c).max(0.0));
        self.intercept + self.slope * x + hinges.sum::<f64>()
    }
}

/// `y = f(x)`, elementwise, for any continuous piecewise-linear f, convex or not. Takes x (n
/// numbers).
///
/// With f written as a line plus weighted hinges, `f(x) = d + s x + sum_i w_i max(x - c_i, 0)`, the
/// program is `min |t|^2` subject to `t_i >= x - c_i`, whose solution is the hinges, and y is
/// affine in them.
///
/// Source: Theorem 2 of Amos and Kolter, OptNet, 2017. For coefficients that are learned, see
/// [`hinges`](super::hinges).
///
/// ```
/// use argrad::ready::{PiecewiseLinear, piecewise_linear};
///
/// // The hat: 0 up to -1, up to 1 at 0, down to 0 at 1.
/// let hat = PiecewiseLinear::new(&[(-1.0, 0.0), (0.0, 1.0), (1.0, 0.0)], 0.0, 0.0)?;
/// let layer = piecewise_linear(4, &hat)?;
/// let (y, _) = layer.forward(&[&[-2.0, -0.5, 0.25, 3.0]])?;
/// let expected = [0.0, 0.5, 0.75, 0.0];
/// assert!(y[0].iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-9));
/// # Ok::<(), argrad::model::ModelError>(())
/// ```
///
/// # Errors
/// None that a caller could cause.
pub fn piecewise_linear(n: usize, f: &PiecewiseLinear) -> Result<Layer, ModelError> {
    let model = Model::new();
    let k = f.breakpoints.len();
    let t = model.variable((n, k)).named("t");
    let x = model.parameter(n).named("x");
    let above = t.geq(x.reshape((n, 1)) - f.breakpoints.as_slice());
    let y = f.intercept + f.slope * x + t.matmul(f.jumps.as_slice());
    Problem::minimize(sum_squares(t)).subject_to([above]).compile([x], [y])
}
