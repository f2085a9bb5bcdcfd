//! Decision-focused learning: Adam on the cost of the closed loop, from the controller of two
//! stages on.

use argrad::model::{Layer, ModelError};
use argrad_applications::interruption::Interruption;

use crate::adam::Adam;
use crate::closed_loop;
use crate::controller::Tuning;
use crate::plant::{Plant, Scenarios};

/// What may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The weights q, r and f alone.
    Weights,
    /// Weights and model.
    All,
}

/// Batch, length and number of the steps, and the rate.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Runs in a step.
    pub batch: usize,
    /// Steps of a run.
    pub length: usize,
    /// Steps of the training.
    pub steps: usize,
    /// Learning rate, falling to zero over the last half.
    pub rate: f64,
    /// Where the seeds of the runs begin.
    pub seed: u64,
}

/// What the training was given and found.
pub struct Learning {
    /// After the last step.
    pub tuning: Tuning,
    /// The cost of each step's runs before the step, relative to that of the first controller.
    pub costs: Vec<f64>,
}

/// Trains on new runs at each step.
///
/// # Errors
/// As [`closed_loop::gradient`].
pub fn train(
    layer: &Layer,
    plant: &Plant,
    first: &Tuning,
    learned: Learned,
    training: &Training,
    interruption: &Interruption,
    step_done: impl Fn(f64),
) -> Result<Learning, ModelError> {
    let mut tuning = first.clone();
    let mut numbers = tuning.parts().concat();
    // A and B come first.
    let model = tuning.a.len() + tuning.b.len();
    let free = if learned == Learned::All { 0..numbers.len() } else { model..numbers.len() };
    let mut adam = Adam::new(free.len(), training.rate);
    let mut costs = Vec::new();
    for step in 0..training.steps {
        if interruption.requested() {
            break;
        }
        let runs = Scenarios::new(training.batch, training.length, training.seed + step as u64);
        let (cost, gradient) = closed_loop::gradient(layer, plant, &tuning, &runs)?;
        costs.push(cost / closed_loop::run(layer, plant, first, &runs)?.mean_cost());
        let left = 1.0 - step as f64 / training.steps as f64;
        adam.set_rate(training.rate * (2.0 * left).min(1.0));
        adam.step(&mut numbers[free.clone()], &gradient.concat()[free.clone()]);
        set(&mut tuning, &numbers);
        step_done(cost);
    }
    Ok(Learning { tuning, costs })
}

/// Puts all numbers into the parts.
pub fn set(tuning: &mut Tuning, mut numbers: &[f64]) {
    for part in tuning.parts_mut() {
        let (own, rest) = numbers.split_at(part.len());
        part.copy_from_slice(own);
        numbers = rest;
    }
}
