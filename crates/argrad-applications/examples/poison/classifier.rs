//! The classifiers: convex programs whose parameters are the training points.
//!
//! With margins `m_i = y_i (beta'x_i + b)`, a classifier minimizes
//!
//! ```text
//! 1/N sum_i l(m_i) + penalty (|beta|_1 + |beta|_2^2)
//! ```
//!
//! A robust one knows each point up to a ball of radius rho, and takes the worst margin there:
//! `m_i - rho |beta|_2`. The l are decreasing, so this is convex.

use argrad::model::LayerTape;
use argrad::prelude::*;

use crate::data::Points;

/// What is minimized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// `l(m) = log(1 + exp(-m))`, every point where it is: exponential cones.
    Logistic,
    /// The same, robust: exponential cones and a second-order cone.
    RobustLogistic,
    /// `l(m) = max(0, 1 - m)`, robust: a second-order cone program (Shivaswamy, Bhattacharyya and
    /// Smola, "Second order cone programming approaches for handling missing and uncertain data",
    /// JMLR 2006).
    RobustHinge,
}

impl Training {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Training::Logistic => "logistic",
            Training::RobustLogistic => "robust logistic",
            Training::RobustHinge => "robust hinge",
        }
    }
}

/// A training as a layer: from training points to the line `beta'x + b = 0`.
pub struct Classifier {
    layer: Layer,
    training: Training,
}

/// The lines that a batch of trainings ended with.
#[derive(Clone, Debug)]
pub struct Lines {
    outputs: Outputs,
}

/// A line `beta'x + b = 0`; points with a positive value are said to have the label 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub beta: [f64; 2],
    pub b: f64,
}

impl Classifier {
    /// The layer for points with these labels, 1 or -1 each; `penalty` is the weight of both terms
    /// of the regularization.
    pub fn new(training: Training, labels: &[f64], penalty: f64) -> Result<Self, ModelError> {
        let model = Model::new();
        let x = model.parameter((labels.len(), 2)).named("x");
        let radius = model.parameter(()).nonneg().named("radius");
        let (beta, b) = (model.variable(2).named("beta"), model.variable(()).named("b"));
        let margins = labels * (x.matmul(beta) + b);
        let loss = match training {
            Training::Logistic => logistic(-margins),
            Training::RobustLogistic => logistic(radius * norm2(beta) - margins),
            Training::RobustHinge => atoms::pos(1.0 + radius * norm2(beta) - margins),
        };
        let size = norm1(beta) + sum_squares(beta);
        let problem = Problem::minimize(loss.mean() + penalty * size);
        let layer = match training {
            Training::Logistic => problem.compile([x], [beta, b])?,
            _ => problem.compile([x, radius], [beta, b])?,
        };
        Ok(Self { layer, training })
    }

    /// Trains on a batch of sets of points, `2 N` numbers each, with a radius for each set (which
    /// [`Training::Logistic`] does not look at). The tape is for [`Self::backward`].
    pub fn train(&self, points: &[f64], radii: &[f64]) -> Result<(Lines, LayerTape), ModelError> {
        let (outputs, tape) = match self.training {
            Training::Logistic => self.layer.forward(&[points])?,
            _ => self.layer.forward(&[points, radii])?,
        };
        Ok((Lines { outputs }, tape))
    }

    /// From the gradient of something with respect to the lines, beta and b, to its gradient with
    /// respect to every training point.
    pub fn backward(
        &self,
        tape: &LayerTape,
        of_beta: &[f64],
        of_b: &[f64],
    ) -> Result<Vec<f64>, ModelError> {
        let mut gradients = self.layer.backward(tape, &[of_beta, of_b])?;
        Ok(gradients.swap_remove(0))
    }
}

impl Lines {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Line> {
        let (beta, b) = (&self.outputs[0], &self.outputs[1]);
        beta.chunks_exact(2).zip(b).map(|(beta, b)| Line { beta: [beta[0], beta[1]], b: *b })
    }
}

impl Line {
    /// `beta'x + b`.
    pub fn value(&self, x: [f64; 2]) -> f64 {
        self.beta[0] * x[0] + self.beta[1] * x[1] + self.b
    }

    /// The mean logistic loss on these points, and its gradient with respect to beta and b.
    pub fn loss(&self, points: &Points) -> (f64, [f64; 3]) {
        let (mut loss, mut gradient) = (0.0, [0.0; 3]);
        let share = 1.0 / points.len() as f64;
        for (x, label) in points.iter() {
            let margin = label * self.value(x);
            // log(1 + exp(-m)) and its derivative -1 / (1 + exp(m)), without overflow.
            loss += share * ((-margin.abs()).exp().ln_1p() + (-margin).max(0.0));
            let slope = -share * label / (1.0 + margin.exp());
            let direction = [x[0], x[1], 1.0];
            gradient.iter_mut().zip(direction).for_each(|(sum, d)| *sum += slope * d);
        }
        (loss, gradient)
    }

    /// The share of points that it puts on the wrong side.
    pub fn error(&self, points: &Points) -> f64 {
        let wrong = points.iter().filter(|(x, label)| label * self.value(*x) <= 0.0).count();
        wrong as f64 / points.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RADIUS: f64 = 0.4;
    const PENALTY: f64 = 0.1;

    /// What a training minimizes, from its formula.
    fn cost(training: Training, line: Line, points: &Points) -> f64 {
        let norm = line.beta[0].hypot(line.beta[1]);
        let losses = points.iter().map(|(x, label)| {
            let margin = label * line.value(x);
            match training {
                Training::Logistic => (-margin).exp().ln_1p(),
                Training::RobustLogistic => (RADIUS * norm - margin).exp().ln_1p(),
                Training::RobustHinge => (1.0 + RADIUS * norm - margin).max(0.0),
            }
        });
        let penalty = line.beta[0].abs() + line.beta[1].abs() + norm * norm;
        losses.sum::<f64>() / points.len() as f64 + PENALTY * penalty
    }

    #[test]
    fn every_training_ends_where_its_cost_is_least() {
        let (points, _) = Points::two_classes(30, 3.0, 1);
        for training in [Training::Logistic, Training::RobustLogistic, Training::RobustHinge] {
            let classifier = Classifier::new(training, &points.labels, PENALTY).unwrap();
            let (lines, _) = classifier.train(&points.x, &[RADIUS]).unwrap();
            let line = lines.iter().next().unwrap();
            let least = cost(training, line, &points);
            for step in [1e-4, 1e-2, 1.0] {
                for axis in 0..6 {
                    let mut other = line;
                    let step = if axis < 3 { step } else { -step };
                    match axis % 3 {
                        2 => other.b += step,
                        k => other.beta[k] += step,
                    }
                    let more = cost(training, other, &points);
                    assert!(more > least, "{training:?}, {axis}, {step}: {more} below {least}");
                }
            }
        }
    }

    #[test]
    fn the_worst_point_of_each_ball_is_what_a_robust_training_sees() {
        let (mut points, _) = Points::two_classes(30, 3.0, 2);
        let robust = Classifier::new(Training::RobustLogistic, &points.labels, PENALTY).unwrap();
        let line = robust.train(&points.x, &[RADIUS]).unwrap().0.iter().next().unwrap();
        let before = cost(Training::RobustLogistic, line, &points);
        let norm = line.beta[0].hypot(line.beta[1]);
        for (x, label) in points.x.chunks_exact_mut(2).zip(&points.labels) {
            x.iter_mut().zip(line.beta).for_each(|(x, beta)| *x -= label * RADIUS * beta / norm);
        }
        let after = cost(Training::Logistic, line, &points);
        assert!((before - after).abs() < 1e-12, "{before} against {after}");
    }

    #[test]
    fn loss_and_error_are_those_by_hand() {
        let line = Line { beta: [1.0, 0.0], b: 0.0 };
        let points = Points { x: vec![2.0, 0.0, 1.0, 0.0], labels: vec![1.0, -1.0] };
        let (loss, gradient) = line.loss(&points);
        let expected = 0.5 * ((-2.0_f64).exp().ln_1p() + 1.0_f64.exp().ln_1p());
        assert!((loss - expected).abs() < 1e-15);
        let slopes = [-0.5 / (1.0 + 2.0_f64.exp()), 0.5 / (1.0 + (-1.0_f64).exp())];
        assert!((gradient[0] - (2.0 * slopes[0] + slopes[1])).abs() < 1e-15);
        assert!((gradient[2] - (slopes[0] + slopes[1])).abs() < 1e-15 && gradient[1] == 0.0);
        assert_eq!(line.error(&points), 0.5);
        let far = Line { beta: [1e3, 0.0], b: 0.0 };
        assert!((far.loss(&points).0 - 500.0).abs() < 1e-9, "a loss of this size is finite");
    }
}
