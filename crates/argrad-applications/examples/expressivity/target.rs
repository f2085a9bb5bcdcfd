//! The two functions that are to be represented, and where they are sampled.

use argrad::model::ModelError;
use argrad::ready::{self, PiecewiseLinear};

/// A function on the box from -1 to 1 in every coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A piecewise-linear function of one number (Theorem 2).
    Piecewise,
    /// The largest of three linear functions of two numbers (Theorem 3).
    MaxAffine,
}

/// The breakpoints of [`Target::Piecewise`], (x, y), and the slopes before and after them.
const POINTS: [(f64, f64); 3] = [(-0.55, 0.6), (0.1, -0.5), (0.6, 0.4)];
const SLOPES: [f64; 2] = [1.0, -1.5];

/// The rows a_i of [`Target::MaxAffine`], with three half-lines of kinks that end in the origin.
pub const PIECES: [[f64; 2]; 3] = [[1.0, 0.2], [-0.6, 0.9], [-0.4, -1.0]];

/// Points with the values of a function.
#[derive(Clone, Debug)]
pub struct Samples {
    /// [`Target::inputs`] numbers a point.
    pub x: Vec<f64>,
    pub y: Vec<f64>,
}

impl Target {
    /// Coordinates of a point.
    pub fn inputs(self) -> usize {
        match self {
            Target::Piecewise => 1,
            Target::MaxAffine => 2,
        }
    }

    /// Linear regions.
    pub fn regions(self) -> usize {
        match self {
            Target::Piecewise => POINTS.len() + 1,
            Target::MaxAffine => PIECES.len(),
        }
    }

    /// The value, from the definition: no optimization.
    pub fn value(self, x: &[f64]) -> f64 {
        match self {
            Target::Piecewise => interpolate(x[0]),
            Target::MaxAffine => {
                PIECES.iter().map(|a| a[0] * x[0] + a[1] * x[1]).fold(f64::NEG_INFINITY, f64::max)
            }
        }
    }

    /// A grid of `side` points a coordinate over the box `reach` times as wide, in the middles of
    /// its cells, so that grids of different sides share hardly any point.
    pub fn grid(self, side: usize, reach: f64) -> Samples {
        let place = |k: usize| reach * ((2 * k + 1) as f64 / side as f64 - 1.0);
        let x: Vec<f64> = match self {
            Target::Piecewise => (0..side).map(place).collect(),
            Target::MaxAffine => {
                (0..side * side).flat_map(|k| [place(k % side), place(k / side)]).collect()
            }
        };
        let y = x.chunks_exact(self.inputs()).map(|x| self.value(x)).collect();
        Samples { x, y }
    }

    /// Its values at these points by the layer that represents it exactly.
    pub fn by_layer(self, x: &[f64]) -> Result<Vec<f64>, ModelError> {
        let outputs = match self {
            Target::Piecewise => {
                let f = PiecewiseLinear::new(&POINTS, SLOPES[0], SLOPES[1])?;
                ready::piecewise_linear(1, &f)?.solve(&[x])?
            }
            Target::MaxAffine => {
                let layer = ready::max_affine(2, PIECES.len())?;
                layer.solve(&[PIECES.as_flattened(), x, &[0.0; PIECES.len()]])?
            }
        };
        Ok(outputs[0].to_vec())
    }
}

/// [`Target::Piecewise`], from point to point.
fn interpolate(x: f64) -> f64 {
    let (first, last) = (POINTS[0], POINTS[POINTS.len() - 1]);
    if x <= first.0 {
        return first.1 + SLOPES[0] * (x - first.0);
    }
    let inside = POINTS.windows(2).find(|pair| x <= pair[1].0);
    inside.map_or(last.1 + SLOPES[1] * (x - last.0), |pair| {
        let share = (x - pair[0].0) / (pair[1].0 - pair[0].0);
        pair[0].1 + share * (pair[1].1 - pair[0].1)
    })
}

/// The root of the mean squared difference, as a share of the root mean square of `y`.
pub fn relative_error(values: &[f64], y: &[f64]) -> f64 {
    let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|v| v * v).sum::<f64>();
    let off = squares(&mut values.iter().zip(y).map(|(value, y)| value - y));
    (off / squares(&mut y.iter().copied())).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: [Target; 2] = [Target::Piecewise, Target::MaxAffine];

    #[test]
    fn the_layers_represent_their_functions_to_rounding_near_and_far() {
        for target in TARGETS {
            for reach in [1.0, 10.0] {
                let samples = target.grid(31, reach);
                let error = relative_error(&target.by_layer(&samples.x).unwrap(), &samples.y);
                assert!(error <= 1e-14, "{target:?}: {error:e}");
            }
        }
    }

    #[test]
    fn a_grid_fills_the_box() {
        assert_eq!(Target::Piecewise.grid(4, 1.0).x, [-0.75, -0.25, 0.25, 0.75]);
        let samples = Target::MaxAffine.grid(3, 3.0);
        assert_eq!(samples.x[..4], [-2.0, -2.0, 0.0, -2.0]);
        assert_eq!((samples.x.len(), samples.y.len()), (18, 9));
    }

    #[test]
    fn each_function_has_the_regions_that_are_said() {
        // Slopes between neighbours of a fine grid that lie in one region.
        let samples = Target::Piecewise.grid(4000, 1.0);
        let slopes: Vec<f64> = samples.y.windows(2).map(|y| y[1] - y[0]).collect();
        let kinks = slopes.windows(3).filter(|s| (s[2] - s[0]).abs() > 1e-9).count();
        // A breakpoint between two points of the grid changes two slopes or three.
        assert!(
            (2 * (Target::Piecewise.regions() - 1)..=3 * Target::Piecewise.regions())
                .contains(&kinks),
            "{kinks}"
        );
        for (i, a) in PIECES.iter().enumerate() {
            let own = Target::MaxAffine.value(a);
            let other = |b: &[f64; 2]| a[0] * b[0] + a[1] * b[1] < own;
            assert_eq!(PIECES.iter().filter(|b| other(b)).count(), 2, "piece {i} has a region");
        }
    }
}
