//! Imitation: an expert has weights of its own; from what it did in some states its weights of the
//! states are found, those of the inputs being known (all weights together have no scale).
//!
//! The rival knows nothing of optimization: the linear feedback u = K x that fits the expert's
//! inputs best, by least squares, cut off at the bounds.

use argrad::model::{Layer, ModelError};
use argrad_applications::adam::Adam;
use argrad_applications::interruption::Interruption;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::controller::{Tuning, slots};
use crate::learning::set;
use crate::plant::{INPUTS, LARGEST, SEEN};

/// States, and what the expert did there.
pub struct Examples {
    /// `batch x SEEN`.
    pub states: Vec<f64>,
    /// `batch x INPUTS`.
    pub inputs: Vec<f64>,
}

/// What imitation reached: root mean squared errors of the inputs in states that were not shown.
pub struct Imitation {
    /// With the weights at the start.
    pub untuned: f64,
    /// Of the linear feedback.
    pub linear: f64,
    /// With the learned weights.
    pub learned: f64,
    /// q and f, squared and relative to the expert's, at each step.
    pub weights: Vec<Vec<f64>>,
}

/// A controller with the model of `like` and random weights of the states, each between a third and
/// three times those of `like`.
pub fn expert(like: &Tuning, seed: u64) -> Tuning {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut expert = like.clone();
    let largest = 0.5 * 3_f64.ln(); // of a root
    for root in expert.q.iter_mut().chain(&mut expert.f) {
        *root *= rng.random_range(-largest..largest).exp();
    }
    expert
}

/// What the expert does in random states.
pub fn examples(
    layer: &Layer,
    expert: &Tuning,
    batch: usize,
    seed: u64,
) -> Result<Examples, ModelError> {
    let mut rng = StdRng::seed_from_u64(seed);
    let states: Vec<f64> = (0..batch * SEEN).map(|_| rng.random_range(-1.5..1.5)).collect();
    let inputs = layer.solve_slots(batch, &slots(&states, expert), None)?[0].to_vec();
    Ok(Examples { states, inputs })
}

/// The mean squared error of a tuning on these examples, and its gradient by all numbers.
pub fn loss(
    layer: &Layer,
    tuning: &Tuning,
    examples: &Examples,
) -> Result<(f64, Vec<f64>), ModelError> {
    let batch = examples.states.len() / SEEN;
    let (out, tape) = layer.forward_slots(batch, &slots(&examples.states, tuning), None)?;
    let share = 1.0 / examples.inputs.len() as f64;
    let differences: Vec<f64> =
        out[0].iter().zip(&examples.inputs).map(|(u, shown)| u - shown).collect();
    let cotangent: Vec<f64> = differences.iter().map(|d| 2.0 * share * d).collect();
    let gradients = layer.backward(&tape, &[&cotangent])?;
    Ok((share * differences.iter().map(|d| d * d).sum::<f64>(), gradients[1..].concat()))
}

/// Learns q and f of the expert from `shown`, starting at `first`, and tests on `held_out`.
pub fn imitate(
    layer: &Layer,
    first: &Tuning,
    expert: &Tuning,
    [shown, held_out]: [&Examples; 2],
    (steps, rate): (usize, f64),
    interruption: &Interruption,
) -> Result<Imitation, ModelError> {
    let mut tuning = first.clone();
    let mut numbers = tuning.parts().concat();
    let model = tuning.a.len() + tuning.b.len();
    let inputs = model + SEEN..model + SEEN + INPUTS;
    let mut adam = Adam::new(numbers.len(), rate);
    let mut weights = vec![relative_weights(&tuning, expert)];
    for step in 0..steps {
        if interruption.requested() {
            break;
        }
        let (_, mut gradient) = loss(layer, &tuning, shown)?;
        gradient[..model].fill(0.0);
        gradient[inputs.clone()].fill(0.0);
        let left = 1.0 - step as f64 / steps as f64;
        adam.set_rate(rate * (2.0 * left).min(1.0));
        adam.step(&mut numbers, &gradient);
        set(&mut tuning, &numbers);
        weights.push(relative_weights(&tuning, expert));
    }
    Ok(Imitation {
        untuned: loss(layer, first, held_out)?.0.sqrt(),
        linear: linear_error(shown, held_out),
        learned: loss(layer, &tuning, held_out)?.0.sqrt(),
        weights,
    })
}

/// q and f, squared, relative to the expert's.
fn relative_weights(tuning: &Tuning, expert: &Tuning) -> Vec<f64> {
    let own = tuning.q.iter().chain(&tuning.f);
    own.zip(expert.q.iter().chain(&expert.f)).map(|(own, known)| (own / known).powi(2)).collect()
}

/// The error of the linear feedback, cut off at the bounds.
fn linear_error(shown: &Examples, held_out: &Examples) -> f64 {
    let gains = crate::identification::regression::<SEEN, INPUTS>(
        shown.states.chunks(SEEN).map(|x| std::array::from_fn(|i| x[i])),
        shown.inputs.chunks(INPUTS).map(|u| std::array::from_fn(|i| u[i])),
    );
    let mut squares = 0.0;
    for (x, u) in held_out.states.chunks(SEEN).zip(held_out.inputs.chunks(INPUTS)) {
        for (j, u) in u.iter().enumerate() {
            let linear: f64 = x.iter().zip(&gains).map(|(x, row)| x * row[j]).sum();
            squares += (linear.clamp(-LARGEST, LARGEST) - u).powi(2);
        }
    }
    (squares / held_out.inputs.len() as f64).sqrt()
}
