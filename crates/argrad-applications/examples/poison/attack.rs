//! The attacks: training points are moved, each coordinate by at most the budget, so that the
//! classifier trained on them does worse on the test points.
//!
//! ```text
//! maximize    L_test(line(x + delta))   subject to   |delta|_inf <= budget
//! ```
//!
//! All budgets are one batch: every step is one batch of trainings and one of gradients.

use argrad::model::ModelError;

use crate::classifier::{Classifier, Line};
use crate::data::Points;

/// Who is attacked, and how much may be done.
pub struct Attack<'a> {
    pub classifier: &'a Classifier,
    pub train: &'a Points,
    pub test: &'a Points,
    /// The largest move of a coordinate, for each sample of the batch.
    pub budgets: &'a [f64],
    /// The radii that robust trainings take, for each sample of the batch.
    pub radii: &'a [f64],
}

/// What an attack reached with each budget.
#[derive(Clone, Debug)]
pub struct Poisoned {
    /// The points that the classifier is trained on, `2 N` numbers a budget.
    pub points: Vec<f64>,
    /// The line that it then ends with.
    pub lines: Vec<Line>,
    /// The test loss of that line.
    pub losses: Vec<f64>,
}

/// The steps of [`Attack::projected`] add up to this many budgets: enough to cross the box.
const REACH: f64 = 2.5;

impl Attack<'_> {
    /// One step with the sign of the gradient (section 6.1 of the paper).
    pub fn sign(&self) -> Result<Poisoned, ModelError> {
        let clean = self.moved(&vec![0.0; self.len()]);
        let (_, gradient) = self.losses(&clean)?;
        let moves: Vec<f64> = (0..self.len()).map(|k| self.budget(k) * sign(gradient[k])).collect();
        Ok(self.losses(&self.moved(&moves))?.0)
    }

    /// Steps with the sign of the gradient, each followed by the projection onto the budget; the
    /// best of all points on the way is kept (Madry et al., "Towards deep learning models resistant
    /// to adversarial attacks", 2018, for test points).
    pub fn projected(&self, steps: usize) -> Result<Poisoned, ModelError> {
        let mut moves = vec![0.0; self.len()];
        let (mut best, mut gradient) = self.losses(&self.moved(&moves))?;
        for _ in 0..steps {
            for (k, own) in moves.iter_mut().enumerate() {
                let budget = self.budget(k);
                let step = REACH / steps as f64 * budget;
                *own = (*own + step * sign(gradient[k])).clamp(-budget, budget);
            }
            let (next, slope) = self.losses(&self.moved(&moves))?;
            best.keep_better(&next);
            gradient = slope;
        }
        Ok(best)
    }

    /// Trains on these points, and gives the test losses with their gradients with respect to
    /// every training point.
    pub fn losses(&self, points: &[f64]) -> Result<(Poisoned, Vec<f64>), ModelError> {
        let (lines, tape) = self.classifier.train(points, self.radii)?;
        let lines: Vec<Line> = lines.iter().collect();
        let (mut losses, mut of_beta, mut of_b) = (Vec::new(), Vec::new(), Vec::new());
        for line in &lines {
            let (loss, [beta0, beta1, b]) = line.loss(self.test);
            losses.push(loss);
            of_beta.extend([beta0, beta1]);
            of_b.push(b);
        }
        let gradient = self.classifier.backward(&tape, &of_beta, &of_b)?;
        Ok((Poisoned { points: points.to_vec(), lines, losses }, gradient))
    }

    /// Numbers of a batch of points.
    fn len(&self) -> usize {
        self.budgets.len() * self.train.x.len()
    }

    /// The budget of a number of the batch.
    fn budget(&self, k: usize) -> f64 {
        self.budgets[k / self.train.x.len()]
    }

    /// The training points after these moves.
    fn moved(&self, moves: &[f64]) -> Vec<f64> {
        self.train.x.iter().cycle().zip(moves).map(|(x, own)| x + own).collect()
    }
}

impl Poisoned {
    /// Takes each sample of `other` that has the larger loss.
    pub fn keep_better(&mut self, other: &Self) {
        let numbers = self.points.len() / self.losses.len();
        for (k, loss) in other.losses.iter().enumerate() {
            if *loss > self.losses[k] {
                let own = k * numbers..(k + 1) * numbers;
                self.losses[k] = *loss;
                self.lines[k] = other.lines[k];
                self.points[own.clone()].copy_from_slice(&other.points[own]);
            }
        }
    }
}

/// The sign, zero of zero: a point that does not matter is left alone.
fn sign(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number.signum() }
}
