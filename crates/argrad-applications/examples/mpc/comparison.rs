//! One plant, all controllers: what each costs on runs that no training has seen.

use argrad::model::{Layer, ModelError};
use argrad_applications::interruption::Interruption;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::arguments::Arguments;
use crate::closed_loop::{self, Course, EFFORT, WEIGHTS};
use crate::controller;
use crate::identification::{full_information, least_squares, two_stages};
use crate::imitation::{self, Imitation};
use crate::learning::{Learned, Training, train};
use crate::plant::{Plant, SEEN, STATES, Scenarios};

/// The controllers that are compared.
pub const NAMES: [&str; 4] =
    ["two stages", "learned weights", "learned weights and model", "full information"];

/// Runs and steps from which the model is identified.
const IDENTIFICATION: (usize, usize) = (40, 50);
/// States that the expert shows.
const SHOWN: usize = 100;
/// Steps and learning rate of the imitation.
const IMITATION: (usize, f64) = (100, 0.05);

/// What one plant gave.
pub struct Comparison {
    /// Held-out runs with each controller, in the order of [`NAMES`].
    pub courses: Vec<Course>,
    /// Costs over the training relative to two stages, of the weights and of all.
    pub trainings: [Vec<f64>; 2],
    /// Imitation of an expert.
    pub imitation: Imitation,
}

/// The layers for what is seen, and for the whole state.
pub struct Layers {
    /// For the controllers that see positions and velocities.
    pub seen: Layer,
    /// For the one that sees all.
    pub full: Layer,
}

impl Layers {
    /// Both for one horizon.
    pub fn new(horizon: usize) -> Result<Self, ModelError> {
        Ok(Self {
            seen: controller::compile(SEEN, horizon)?,
            full: controller::compile(STATES, horizon)?,
        })
    }
}

/// Compares on the plant of one seed. `step_done` hears of each step of a training, with its cost.
pub fn compare(
    layers: &Layers,
    arguments: &Arguments,
    seed: u64,
    interruption: &Interruption,
    step_done: impl Fn(f64),
) -> Result<Comparison, ModelError> {
    // Seeds of all that is drawn, apart from each other.
    let own = |k: u64| (seed << 32) | (k << 24);
    let plant = Plant::new(&mut StdRng::seed_from_u64(own(0)));
    let model = least_squares(&plant, IDENTIFICATION.0, IDENTIFICATION.1, own(1));
    let first = two_stages(model, WEIGHTS, EFFORT);

    let expert = imitation::expert(&first, own(2));
    let shown = imitation::examples(&layers.seen, &expert, SHOWN, own(3))?;
    let held_out = imitation::examples(&layers.seen, &expert, arguments.test, own(4))?;
    let examples = [&shown, &held_out];
    let imitation =
        imitation::imitate(&layers.seen, &first, &expert, examples, IMITATION, interruption)?;

    let training = Training {
        batch: arguments.batch,
        length: arguments.length,
        steps: arguments.steps,
        rate: arguments.lr,
        seed: own(5),
    };
    let learn =
        |what| train(&layers.seen, &plant, &first, what, &training, interruption, &step_done);
    let (weights, all) = (learn(Learned::Weights)?, learn(Learned::All)?);

    let test = Scenarios::new(arguments.test, arguments.length, own(6));
    let full = full_information(&plant, WEIGHTS, EFFORT);
    let run = |layer, tuning| closed_loop::run(layer, &plant, tuning, &test);
    let courses = vec![
        run(&layers.seen, &first)?,
        run(&layers.seen, &weights.tuning)?,
        run(&layers.seen, &all.tuning)?,
        run(&layers.full, &full)?,
    ];
    Ok(Comparison { courses, trainings: [weights.costs, all.costs], imitation })
}
