//! The expert and its demonstrations: starts, and the inputs that the expert plans from there.

use argrad::Slot;
use argrad::argmin::{Argmin, ArgminError, ArgminPoint, ArgminSolution, Oracle};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::arguments::Learn;
use crate::cartpole::{Controller, FORCE, STATES};
use crate::shooting::Stagewise;

/// Largest position, angle, velocity and rate of a start.
const REACH: [f64; STATES] = [1.0, 0.5, 0.5, 0.5];
/// What the expert wants: weights of position, angle, velocity and rate.
const WEIGHTS: [f64; STATES] = [1.0, 4.0, 0.1, 0.2];
/// The expert's weight of the force.
const EFFORT: f64 = 0.01;
/// Force by position, angle, velocity and rate of a feedback that keeps a pole upright, but not
/// well: where the search for a plan starts. From no force it would find plans that let the pole
/// fall and turn over, which are local minima too.
const FEEDBACK: [f64; STATES] = [1.0, 40.0, 2.0, 8.0];
/// The learner's first numbers are off by this factor, up or down.
const OFF: f64 = 2.0;

/// Plans of one controller from several starts.
#[derive(Clone, Debug, Default)]
pub struct Demonstrations {
    /// `batch x STATES`.
    pub starts: Vec<f64>,
    /// `batch x horizon`.
    pub inputs: Vec<f64>,
}

impl Demonstrations {
    /// The controller's plans from `batch` random starts, of which those are kept for which a plan
    /// was found.
    pub fn new(
        argmin: &Argmin<Stagewise>,
        expert: &Controller<f64>,
        batch: usize,
        rng: &mut StdRng,
    ) -> Result<Self, ArgminError> {
        let starts = starts(batch, rng);
        let n = horizon(argmin);
        let plans = plan(argmin, expert, &starts, &guess(expert, &starts, n))?;
        let mut kept = Self::default();
        for (k, report) in plans.reports.iter().enumerate() {
            if report.is_solved() {
                kept.starts.extend(&starts[k * STATES..(k + 1) * STATES]);
                kept.inputs.extend(&plans.y[k * n..(k + 1) * n]);
            }
        }
        Ok(kept)
    }

    /// How many.
    pub fn batch(&self) -> usize {
        self.starts.len() / STATES
    }
}

/// Random starts, `batch x STATES`.
pub fn starts(batch: usize, rng: &mut StdRng) -> Vec<f64> {
    (0..batch * STATES).map(|k| REACH[k % STATES] * rng.random_range(-1.0..1.0)).collect()
}

/// Length of a plan.
pub fn horizon(argmin: &Argmin<Stagewise>) -> usize {
    argmin.oracle().dimensions().y
}

/// Where the search for plans from these starts begins, `batch x horizon`.
pub fn guess(controller: &Controller<f64>, starts: &[f64], horizon: usize) -> Vec<f64> {
    let mut guess = Vec::with_capacity(starts.len() / STATES * horizon);
    for start in starts.chunks(STATES) {
        let mut state: [f64; STATES] = std::array::from_fn(|i| start[i]);
        for _ in 0..horizon {
            let pull: f64 = state.iter().zip(FEEDBACK).map(|(x, gain)| x * gain).sum();
            let force = pull.clamp(-FORCE, FORCE);
            guess.push(force);
            state = controller.step(state, force);
        }
    }
    guess
}

/// Parameters of each sample: its start, then the controller.
pub fn parameters(controller: &Controller<f64>, starts: &[f64]) -> Vec<f64> {
    let numbers = controller.to_array();
    starts.chunks(STATES).flat_map(|start| start.iter().chain(&numbers).copied()).collect()
}

/// What the controller plans from these starts (`batch x STATES`), searched from `inputs` (`batch x
/// horizon`).
pub fn plan(
    argmin: &Argmin<Stagewise>,
    controller: &Controller<f64>,
    starts: &[f64],
    inputs: &[f64],
) -> Result<ArgminSolution, ArgminError> {
    let theta = parameters(controller, starts);
    let batch = starts.len() / STATES;
    argmin.solve(&ArgminPoint::new(batch, Slot::Each(&theta), Slot::Each(inputs)))
}

/// An expert that knows its pole, and a learner whose numbers are off.
pub fn expert_and_learner(learn: Learn, seed: u64) -> (Controller<f64>, Controller<f64>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mass, length) = (rng.random_range(0.1..0.5), rng.random_range(0.3..0.8));
    let expert = Controller { mass, length, weights: WEIGHTS, effort: EFFORT };
    let mut off = |number: f64| if rng.random_bool(0.5) { number * OFF } else { number / OFF };
    let learner = match learn {
        Learn::Model => Controller { mass: off(mass), length: off(length), ..expert },
        Learn::Weights => Controller { weights: WEIGHTS.map(off), ..expert },
    };
    (expert, learner)
}
