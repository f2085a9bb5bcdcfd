//! What learns: functions of x with numbers that are fitted. Networks by formulas, layers by their
//! programs.

use argrad::model::{Layer, ModelError};
use argrad::ready;
use argrad_applications::normal::normal;
use rand::RngExt;
use rand::rngs::StdRng;

/// A function with numbers to learn.
#[derive(Clone)]
pub enum Learner {
    /// A two-layer ReLU network, `sum_i w_i max(a_i'x + b_i, 0)`: the numbers are `a_i`, `b_i`,
    /// `w_i`, unit after unit.
    Network { inputs: usize, width: usize },
    /// The same function of one number as a quadratic program, [`ready::hinges`]: the numbers are
    /// those of the network.
    Hinges { layer: Layer, width: usize },
    /// `max_i (a_i'x + b_i)` as a linear program, [`ready::max_affine`]: the numbers are A, row
    /// after row, then b.
    MaxAffine { layer: Layer, inputs: usize, pieces: usize },
}

impl Learner {
    /// A network of so many hidden units.
    pub fn network(inputs: usize, width: usize) -> Self {
        Self::Network { inputs, width }
    }

    /// A layer of so many hinges.
    pub fn hinges(width: usize) -> Result<Self, ModelError> {
        Ok(Self::Hinges { layer: ready::hinges(1, width)?, width })
    }

    /// A layer of so many pieces.
    pub fn max_affine(inputs: usize, pieces: usize) -> Result<Self, ModelError> {
        Ok(Self::MaxAffine { layer: ready::max_affine(inputs, pieces)?, inputs, pieces })
    }

    /// How many numbers it learns.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Network { inputs, width } => width * (inputs + 2),
            Self::Hinges { width, .. } => 3 * width,
            Self::MaxAffine { inputs, pieces, .. } => pieces * (inputs + 1),
        }
    }

    /// Hidden units, hinges or pieces.
    pub fn size(&self) -> usize {
        match self {
            Self::Network { width, .. } | Self::Hinges { width, .. } => *width,
            Self::MaxAffine { pieces, .. } => *pieces,
        }
    }

    /// Coordinates of a point.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Network { inputs, .. } | Self::MaxAffine { inputs, .. } => *inputs,
            Self::Hinges { .. } => 1,
        }
    }

    /// A random start. The kink of each unit goes through a random point of the box, which is
    /// better for training than the customary start with all biases small.
    pub fn start(&self, rng: &mut StdRng) -> Vec<f64> {
        match self {
            Self::Network { inputs, width } => {
                (0..*width).flat_map(|_| unit(*inputs, *width, rng)).collect()
            }
            Self::Hinges { width, .. } => (0..*width).flat_map(|_| unit(1, *width, rng)).collect(),
            Self::MaxAffine { .. } => (0..self.parameters()).map(|_| normal(rng)).collect(),
        }
    }

    /// The values at the points x.
    pub fn values(&self, parameters: &[f64], x: &[f64]) -> Result<Vec<f64>, ModelError> {
        let values = match self {
            Self::Network { inputs, .. } => x
                .chunks_exact(*inputs)
                .map(|x| {
                    let units = parameters.chunks_exact(inputs + 2);
                    units.map(|unit| unit[inputs + 1] * before_kink(unit, x).max(0.0)).sum()
                })
                .collect(),
            Self::Hinges { layer, .. } => {
                let [a, b, w] = columns(parameters, 1);
                layer.solve(&[x, &a, &b, &w])?[0].to_vec()
            }
            Self::MaxAffine { layer, inputs, pieces } => {
                let (a, b) = parameters.split_at(inputs * pieces);
                layer.solve(&[a, x, b])?[0].to_vec()
            }
        };
        Ok(values)
    }

    /// The derivative of the value at each point by each number, a row a point.
    ///
    /// Of a layer it takes one backward pass: each point gets numbers of its own, and the gradient
    /// of the sum of all values with respect to them is what is asked for.
    pub fn jacobian(&self, parameters: &[f64], x: &[f64]) -> Result<Vec<f64>, ModelError> {
        let points = x.len() / self.inputs();
        let ones = vec![1.0; points];
        match self {
            Self::Network { inputs, .. } => {
                let rows = x.chunks_exact(*inputs).flat_map(|x| {
                    let units = parameters.chunks_exact(inputs + 2);
                    units.flat_map(|unit| unit_gradient(unit, x)).collect::<Vec<f64>>()
                });
                Ok(rows.collect())
            }
            Self::Hinges { layer, width } => {
                let own = columns(parameters, points);
                let (_, tape) = layer.forward(&[x, &own[0], &own[1], &own[2]])?;
                let gradients = layer.backward(&tape, &[&ones])?;
                let row = |point: usize| {
                    let at = point * width..(point + 1) * width;
                    at.flat_map(|k| [1, 2, 3].map(|which: usize| gradients[which][k]))
                };
                Ok((0..points).flat_map(row).collect())
            }
            Self::MaxAffine { layer, inputs, pieces } => {
                let (a, b) = parameters.split_at(inputs * pieces);
                let (_, tape) = layer.forward(&[&a.repeat(points), x, &b.repeat(points)])?;
                let gradients = layer.backward(&tape, &[&ones])?;
                let rows =
                    gradients[0].chunks_exact(a.len()).zip(gradients[2].chunks_exact(b.len()));
                Ok(rows.flat_map(|(of_a, of_b)| of_a.iter().chain(of_b).copied()).collect())
            }
        }
    }
}

/// `a'x + b` of a unit.
fn before_kink(unit: &[f64], x: &[f64]) -> f64 {
    x.iter().zip(unit).map(|(x, a)| x * a).sum::<f64>() + unit[x.len()]
}

/// The derivative of a unit's value by its numbers.
fn unit_gradient(unit: &[f64], x: &[f64]) -> Vec<f64> {
    let value = before_kink(unit, x);
    let w = if value > 0.0 { unit[x.len() + 1] } else { 0.0 };
    x.iter().map(|x| w * x).chain([w, value.max(0.0)]).collect()
}

/// A unit at the start: a random direction, a kink through a random point, and a weight with which
/// the sum of all units has the size of one.
fn unit(inputs: usize, width: usize, rng: &mut StdRng) -> Vec<f64> {
    let direction: Vec<f64> = (0..inputs).map(|_| normal(rng)).collect();
    let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    let a: Vec<f64> = direction.iter().map(|v| v / length).collect();
    let b: f64 = a.iter().map(|a| -a * rng.random_range(-1.0..1.0)).sum();
    let w = normal(rng) / (width as f64).sqrt();
    a.into_iter().chain([b, w]).collect()
}

/// The numbers a, b and w of units of one input, each `copies` times.
fn columns(parameters: &[f64], copies: usize) -> [Vec<f64>; 3] {
    [0, 1, 2].map(|which| {
        let column: Vec<f64> = parameters.iter().skip(which).step_by(3).copied().collect();
        column.repeat(copies)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn learners() -> Vec<Learner> {
        vec![
            Learner::network(1, 5),
            Learner::network(2, 4),
            Learner::hinges(5).unwrap(),
            Learner::max_affine(2, 3).unwrap(),
        ]
    }

    #[test]
    fn jacobians_match_central_differences() {
        let mut rng = StdRng::seed_from_u64(3);
        for learner in learners() {
            let parameters = learner.start(&mut rng);
            let x: Vec<f64> =
                (0..6 * learner.inputs()).map(|_| rng.random_range(-1.0..1.0)).collect();
            let jacobian = learner.jacobian(&parameters, &x).unwrap();
            for k in 0..parameters.len() {
                let at = |step: f64| {
                    let mut moved = parameters.clone();
                    moved[k] += step;
                    learner.values(&moved, &x).unwrap()
                };
                // Linear between kinks in each number alone, so that a step has no error but
                // rounding.
                let step = 1e-5;
                for (point, (more, less)) in at(step).iter().zip(at(-step)).enumerate() {
                    let difference = (more - less) / (2.0 * step);
                    let found = jacobian[point * parameters.len() + k];
                    let off = (found - difference).abs();
                    assert!(off < 1e-9, "{point}, {k}: {found} against {difference}");
                }
            }
        }
    }

    #[test]
    fn a_layer_of_hinges_is_the_network_with_the_same_numbers() {
        let (network, layer) = (Learner::network(1, 5), Learner::hinges(5).unwrap());
        let parameters = network.start(&mut StdRng::seed_from_u64(4));
        assert_eq!(parameters, layer.start(&mut StdRng::seed_from_u64(4)));
        let x: Vec<f64> = (0..9).map(|k| 0.25 * f64::from(k) - 1.1).collect();
        let values = |learner: &Learner| learner.values(&parameters, &x).unwrap();
        for (one, other) in values(&network).iter().zip(values(&layer)) {
            assert!((one - other).abs() < 1e-12, "{one} {other}");
        }
    }
}
