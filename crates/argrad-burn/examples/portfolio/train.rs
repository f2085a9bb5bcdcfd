//! Training through the layer: the loss is the utility that the portfolios miss.

use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use indicatif::ProgressBar;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::market::History;
use crate::policy::{Policy, Utility, numbers};

/// Weeks of a window: so far back does a gradient reach.
pub const WINDOW: usize = 12;
/// Windows in a training step.
const BATCH: usize = 32;
/// Steps between two looks at the weeks that decide when to stop.
const LOOK: usize = 10;

/// How to train.
pub struct Training<'a> {
    /// Weeks to learn from, and those that decide which step was best.
    pub learn: &'a History,
    pub decide: &'a History,
    pub utility: Utility,
    pub steps: usize,
    pub rate: f64,
    pub interruption: &'a Interruption,
    pub bar: &'a ProgressBar,
}

/// A trained policy.
pub struct Trained {
    /// The best in the weeks that decide, where it surpasses the first; else the first.
    pub policy: Policy,
    /// Steps done, and mean utility a week in the weeks that decide.
    pub course: Vec<(usize, f64)>,
}

/// Maximizes the mean utility of random windows with Adam.
pub fn train(
    mut policy: Policy,
    training: &Training<'_>,
    rng: &mut StdRng,
) -> Result<Trained, Failure> {
    let Training { learn, utility, steps, rate, .. } = *training;
    let decide = training.decide.cut(WINDOW);
    let look = |policy: &Policy| -> Result<Vec<f64>, Failure> {
        Ok(numbers(policy.valid().play(&decide, utility, false)?.utility))
    };
    let a_week = |windows: &[f64]| windows.iter().sum::<f64>() / (windows.len() * WINDOW) as f64;
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let first = look(&policy)?;
    let mut best = (first.clone(), policy.clone());
    let mut course = vec![(0, a_week(&first))];
    for step in 1..=steps {
        if training.interruption.requested() {
            break;
        }
        let starts: Vec<usize> =
            (0..BATCH).map(|_| rng.random_range(0..=learn.weeks - WINDOW)).collect();
        let played = policy.play(&learn.windows(&starts, WINDOW), utility, false)?;
        let loss = played.utility.mean().neg();
        let gradients = GradientsParams::from_grads(loss.backward(), &policy);
        // The last steps settle what the others have found.
        let share = step as f64 / steps as f64;
        policy = adam.step(rate * (2.0 * (1.0 - share)).min(1.0), policy, gradients);
        training.bar.inc(1);
        if step % LOOK == 0 || step == steps {
            let reached = look(&policy)?;
            course.push((step, a_week(&reached)));
            if a_week(&reached) > a_week(&best.0) && surpasses(&reached, &first) {
                best = (reached, policy.clone());
            }
        }
    }
    Ok(Trained { policy: best.1.valid(), course })
}

/// Whether numbers are larger than others, pair by pair, by more than the standard error of the
/// mean difference. Less may be luck, and the simpler investor stays.
pub fn surpasses(numbers: &[f64], others: &[f64]) -> bool {
    let count = numbers.len() as f64;
    let differences = || numbers.iter().zip(others).map(|(a, b)| a - b);
    let mean = differences().sum::<f64>() / count;
    let variance = differences().map(|d| (d - mean) * (d - mean)).sum::<f64>() / count;
    mean > (variance / count).sqrt()
}
