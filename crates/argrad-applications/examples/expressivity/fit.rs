//! Nonlinear least squares by Levenberg and Marquardt's method, for many starts as one batch.
//!
//! A step d of a start with residuals r and Jacobian J is the solution of
//!
//! ```text
//! minimize 1/2 |J d + r|^2 + mu/2 |d|^2
//! ```
//!
//! a quadratic program without constraints: those of all starts are solved together, by a
//! [`QpLayer`]. The rule for mu is that of Nielsen (Madsen, Nielsen and Tingleff, "Methods for
//! non-linear least squares problems", 2004, algorithm 3.16).

use argrad::{MatrixShape, QpLayer, QpShape, QpValues, Settings, Slot};
use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use rayon::prelude::*;

use crate::learner::Learner;
use crate::target::Samples;

/// The share of the largest diagonal entry of J'J that mu starts with.
const FIRST_DAMPING: f64 = 1e-3;

/// Where a start has come to.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The learned numbers.
    pub parameters: Vec<f64>,
    /// Half of the sum of squared residuals.
    pub loss: f64,
    residuals: Vec<f64>,
    jacobian: Vec<f64>,
    damping: f64,
    growth: f64,
    done: bool,
}

/// Fits the learner to the samples from each start, with at most so many steps.
pub fn fit(
    learner: &Learner,
    samples: &Samples,
    starts: Vec<Vec<f64>>,
    steps: usize,
    interruption: &Interruption,
) -> Result<Vec<Fit>, Failure> {
    let n = learner.parameters();
    let shape = QpShape::new(n).quadratic(MatrixShape::Dense { rows: n, cols: n });
    let layer = QpLayer::new(shape, Settings::default())?;
    let mut fits: Vec<Fit> = starts
        .into_par_iter()
        .map(|start| Fit::new(learner, samples, start))
        .collect::<Result<_, _>>()?;
    for _ in 0..steps {
        if interruption.requested() || fits.iter().all(|fit| fit.done) {
            break;
        }
        let normal: Vec<(Vec<f64>, Vec<f64>)> =
            fits.par_iter().map(|fit| fit.normal_equations(n)).collect();
        let p: Vec<f64> = normal.iter().flat_map(|(p, _)| p).copied().collect();
        let q: Vec<f64> = normal.iter().flat_map(|(_, q)| q).copied().collect();
        let values = QpValues::new(fits.len(), Slot::Each(&p), Slot::Each(&q));
        let solution = layer.solve(&values)?;
        fits.par_iter_mut()
            .zip(solution.x.par_chunks(n))
            .zip(q.par_chunks(n))
            .filter(|((fit, _), _)| !fit.done)
            .try_for_each(|((fit, step), gradient)| {
                fit.advance(learner, samples, step, gradient)
            })?;
    }
    Ok(fits)
}

impl Fit {
    fn new(learner: &Learner, samples: &Samples, parameters: Vec<f64>) -> Result<Self, Error> {
        let residuals = residuals(learner, samples, &parameters)?;
        let jacobian = learner.jacobian(&parameters, &samples.x)?;
        let columns = parameters.len();
        let square =
            |k: usize| jacobian.iter().skip(k).step_by(columns).map(|v| v * v).sum::<f64>();
        let largest = (0..columns).map(square).fold(0.0, f64::max);
        Ok(Self {
            loss: half_square(&residuals),
            damping: FIRST_DAMPING * largest,
            growth: 2.0,
            done: largest == 0.0,
            parameters,
            residuals,
            jacobian,
        })
    }

    /// `J'J + mu I`, and the gradient J'r. Of one that is done: the identity and zero.
    fn normal_equations(&self, n: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut p, mut q) = (vec![0.0; n * n], vec![0.0; n]);
        if self.done {
            p.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal = 1.0);
            return (p, q);
        }
        for (row, r) in self.jacobian.chunks_exact(n).zip(&self.residuals) {
            for (i, a) in row.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                q[i] += a * r;
                p[i * n..i * n + i + 1].iter_mut().zip(row).for_each(|(sum, b)| *sum += a * b);
            }
        }
        for i in 0..n {
            p[i * n + i] += self.damping;
            for j in 0..i {
                p[j * n + i] = p[i * n + j];
            }
        }
        (p, q)
    }

    /// Takes the step if the loss falls, and sets the damping of the next.
    fn advance(
        &mut self,
        learner: &Learner,
        samples: &Samples,
        step: &[f64],
        gradient: &[f64],
    ) -> Result<(), Error> {
        let moved: Vec<f64> = self.parameters.iter().zip(step).map(|(p, d)| p + d).collect();
        let residuals = residuals(learner, samples, &moved)?;
        let loss = half_square(&residuals);
        let expected: f64 =
            step.iter().zip(gradient).map(|(d, g)| 0.5 * d * (self.damping * d - g)).sum();
        let gain = (self.loss - loss) / expected;
        if gain > 0.0 {
            self.jacobian = learner.jacobian(&moved, &samples.x)?;
            (self.parameters, self.residuals, self.loss) = (moved, residuals, loss);
            self.damping *= (1.0 - (2.0 * gain - 1.0).powi(3)).max(1.0 / 3.0);
            self.growth = 2.0;
        } else {
            self.damping *= self.growth;
            self.growth *= 2.0;
        }
        // Steps that rounding swallows lead nowhere.
        let length = |v: &[f64]| half_square(v).sqrt();
        self.done = length(step) <= f64::EPSILON * length(&self.parameters);
        Ok(())
    }
}

type Error = argrad::model::ModelError;

fn residuals(learner: &Learner, samples: &Samples, parameters: &[f64]) -> Result<Vec<f64>, Error> {
    let values = learner.values(parameters, &samples.x)?;
    Ok(values.iter().zip(&samples.y).map(|(value, y)| value - y).collect())
}

fn half_square(v: &[f64]) -> f64 {
    0.5 * v.iter().map(|v| v * v).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn fits(learner: &Learner, samples: &Samples, steps: usize) -> Vec<Fit> {
        let starts = (0..3).map(|seed| learner.start(&mut StdRng::seed_from_u64(seed))).collect();
        fit(learner, samples, starts, steps, &Interruption::default()).unwrap()
    }

    #[test]
    fn steps_never_raise_the_loss_and_soon_halve_it() {
        let samples = Target::MaxAffine.grid(9, 1.0);
        for learner in [Learner::network(2, 6), Learner::max_affine(2, 3).unwrap()] {
            let losses = |steps| {
                let fits = fits(&learner, &samples, steps);
                fits.iter().map(|fit| fit.loss).collect::<Vec<f64>>()
            };
            let start = losses(0);
            let mut last = start.clone();
            for steps in [1, 2, 5, 20] {
                let now = losses(steps);
                assert!(now.iter().zip(&last).all(|(now, last)| now <= last), "{now:?} {last:?}");
                last = now;
            }
            assert!(last.iter().zip(&start).all(|(l, s)| *l < 0.5 * s), "{last:?} {start:?}");
        }
    }

    /// One of them by formulas, the other by its program and its derivative.
    #[test]
    fn a_layer_of_hinges_learns_as_the_network_does() {
        let samples = Target::Piecewise.grid(40, 1.0);
        let network = fits(&Learner::network(1, 6), &samples, 5);
        let layer = fits(&Learner::hinges(6).unwrap(), &samples, 5);
        for (one, other) in network.iter().zip(&layer) {
            assert!((one.loss / other.loss - 1.0).abs() < 1e-8, "{} {}", one.loss, other.loss);
        }
    }

    #[test]
    fn a_straight_line_is_found_at_once() {
        let x: Vec<f64> = (0..9).map(|k| 0.25 * f64::from(k) - 1.0).collect();
        let y = x.iter().map(|x| 3.0 * x - 0.5).collect();
        let learner = Learner::max_affine(1, 1).unwrap();
        let interruption = Interruption::default();
        let samples = Samples { x, y };
        let fits = fit(&learner, &samples, vec![vec![0.0, 0.0]], 30, &interruption).unwrap();
        let off = [fits[0].parameters[0] - 3.0, fits[0].parameters[1] + 0.5];
        assert!(off.iter().all(|off| off.abs() < 1e-12), "{off:?}");
    }
}
