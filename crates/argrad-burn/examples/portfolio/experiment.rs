//! One market: the investors that are compared, and how they fare in weeks that none has seen.

use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use burn::tensor::Device;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::arguments::Arguments;
use crate::estimate::{estimate, tuned};
use crate::market::{History, Kind, Market};
use crate::policy::{Estimate, Policy, Utility, numbers};
use crate::train::{Trained, Training, train};

/// The investors, in the order of [`Outcome::investors`].
pub const INVESTORS: [&str; 5] = [
    "two-stage",
    "two-stage, all weeks",
    "two-stage, tuned",
    "decision-focused",
    "expected returns known",
];
/// Places among them.
pub const TWO_STAGE: usize = 0;
pub const TUNED: usize = 2;
pub const FOCUSED: usize = 3;
pub const INSIGHT: usize = 4;

/// Weeks without anyone's knowledge, in which all are compared: paths and weeks of each.
const TEST: (usize, usize) = (32, 104);

/// What one investor reached in the test weeks.
#[derive(Clone, Debug)]
pub struct Fare {
    /// Utility in percent a week, mean over weeks and paths.
    pub utility: f64,
    /// Logarithm of the wealth after each week, mean over the paths.
    pub wealth: Vec<f64>,
}

/// One market played through.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub kind: Kind,
    /// By [`INVESTORS`].
    pub investors: Vec<Fare>,
    /// Steps and utility in the weeks that decide when to stop.
    pub course: Vec<(usize, f64)>,
    /// Slopes of the forecast as fitted and as trained.
    pub slopes: [Vec<f64>; 2],
}

/// Draws a market of this kind and plays it through.
pub fn experiment(
    kind: Kind,
    seed: u64,
    arguments: &Arguments,
    device: &Device,
    interruption: &Interruption,
    bar: &ProgressBar,
) -> Result<Outcome, Failure> {
    let mut rng = StdRng::seed_from_u64(seed);
    let market = Market::new(kind, arguments.assets, arguments.signals, &mut rng);
    let cost = if kind == Kind::Matched { 0.0 } else { arguments.cost };
    let utility = Utility { aversion: arguments.aversion, cost };
    let past = market.play(1, arguments.weeks, seed.wrapping_add(1 << 32));
    let quarter = arguments.weeks / 4;
    let learn = past.slice(0..arguments.weeks - quarter);
    let decide = past.slice(arguments.weeks - quarter..arguments.weeks);
    let test = market.play(TEST.0, TEST.1, seed.wrapping_add(2 << 32));

    let plain = device.clone().without_autodiff();
    let first = estimate(&learn)?;
    let training = Training {
        learn: &learn,
        decide: &decide,
        utility,
        steps: arguments.steps,
        rate: arguments.lr,
        interruption,
        bar,
    };
    let Trained { policy: focused, course } =
        train(Policy::new(&first, utility, device)?, &training, &mut rng)?;
    let new = |from: &Estimate| Policy::new(from, utility, &plain);
    let two_stage = new(&first)?;
    let all_weeks = new(&estimate(&past)?)?;
    let tuned = new(&tuned(&first, &decide, utility, &plain)?)?;
    let fare = |policy: &Policy, insight| fare(policy, &test, utility, insight);
    Ok(Outcome {
        kind,
        slopes: [two_stage.slopes(), focused.slopes()],
        investors: vec![
            fare(&two_stage, false)?,
            fare(&all_weeks, false)?,
            fare(&tuned, false)?,
            fare(&focused, false)?,
            fare(&two_stage, true)?,
        ],
        course,
    })
}

fn fare(policy: &Policy, test: &History, utility: Utility, insight: bool) -> Result<Fare, Failure> {
    let played = policy.play(test, utility, insight)?;
    let total: f64 = numbers(played.utility).iter().sum();
    Ok(Fare { utility: total / (test.paths * test.weeks) as f64, wealth: played.wealth })
}
