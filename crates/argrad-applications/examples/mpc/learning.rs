//! Decision-focused learning: Adam on the cost of the closed loop, from the controller of two
//! stages on.

use argrad::model::{Layer, ModelError};
use argrad_applications::adam::Adam;
use argrad_applications::interruption::Interruption;

use crate::closed_loop;
use crate::controller::Tuning;
use crate::plant::{Plant, Scenarios};

/// Learning rate of the model, relative to that of the weights: a change of A counts once for each
/// step that the controller looks ahead.
const MODEL_RATE: f64 = 0.2;

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
    let mut of_model = Adam::new(model, training.rate);
    let mut of_weights = Adam::new(numbers.len() - model, training.rate);
    let mut costs = Vec::new();
    for step in 0..training.steps {
        if interruption.requested() {
            break;
        }
        let runs = Scenarios::new(training.batch, training.length, training.seed + step as u64);
        let (cost, gradient) = closed_loop::gradient(layer, plant, &tuning, &runs)?;
        costs.push(cost / closed_loop::run(layer, plant, first, &runs)?.mean_cost());
        let left = 1.0 - step as f64 / training.steps as f64;
        let rate = training.rate * (2.0 * left).min(1.0);
        let gradient = gradient.concat();
        of_weights.set_rate(rate);
        of_weights.step(&mut numbers[model..], &gradient[model..]);
        if learned == Learned::All {
            of_model.set_rate(MODEL_RATE * rate);
            of_model.step(&mut numbers[..model], &gradient[..model]);
        }
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
