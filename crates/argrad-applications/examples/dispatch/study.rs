//! The forecasts that are compared, and what they cost on samples that none has seen.

use argrad_applications::command::Failure;
use argrad_applications::regression::Linear;
use rand::rngs::StdRng;

use crate::samples::{Samples, Split};
use crate::train::{Task, Trained, Training, mean_cost, train};

/// The forecasts, in the order of [`Outcome::costs`].
pub const FORECASTS: [&str; 4] =
    ["two-stage", "two-stage, corrected", "decision-focused", "truth known"];
/// Places among them.
pub const TWO_STAGE: usize = 0;
pub const CORRECTED: usize = 1;
pub const FOCUSED: usize = 2;
pub const KNOWN: usize = 3;

/// One repetition.
pub struct Outcome {
    /// Mean cost of the test samples, by [`FORECASTS`].
    pub costs: [f64; 4],
    /// Root mean squared error of the forecasts on the test samples, but for the last.
    pub errors: [f64; 3],
    /// Steps, and mean cost of the samples that decide when to stop.
    pub course: Vec<(usize, f64)>,
    /// Those forecasts.
    pub forecasts: [Linear; 3],
    /// The samples.
    pub split: Split,
}

/// What a two-stage forecast may be given without a derivative.
pub type Correction<'a> = &'a dyn Fn(&Linear, &Split) -> Result<Linear, Failure>;

/// Fits, corrects and trains a forecast, and tests all three.
pub fn study(
    task: &impl Task,
    correct: Correction<'_>,
    split: Split,
    training: Training<'_>,
    rng: &mut StdRng,
) -> Result<Outcome, Failure> {
    let fitted = split.learn.fit()?;
    let corrected = correct(&fitted, &split)?;
    let Trained { forecast, course } = train(task, &fitted, &split, training, rng)?;
    let forecasts = [fitted, corrected, forecast];
    let mut costs = [0.0; 4];
    for (cost, forecast) in costs.iter_mut().zip(&forecasts) {
        *cost = mean_cost(task, forecast, &split.test)?;
    }
    let known = task.costs(&split.test.truth, &split.test.truth)?;
    costs[KNOWN] = known.iter().sum::<f64>() / known.len() as f64;
    let errors = forecasts.each_ref().map(|forecast| error(forecast, &split.test));
    Ok(Outcome { costs, errors, course, forecasts, split })
}

/// Root mean squared error.
fn error(forecast: &Linear, samples: &Samples) -> f64 {
    let found = forecast.apply(&samples.features);
    let squares = found.iter().zip(&samples.truth).map(|(a, b)| (a - b) * (a - b));
    (squares.sum::<f64>() / found.len() as f64).sqrt()
}

/// From a forecast of logarithms, whose exponential is the median of what comes, to one whose
/// exponential is the mean: the logarithm of the mean of exp(error) in what was learned from is
/// added (Duan, "Smearing estimate", 1983).
pub fn smeared(fitted: &Linear, split: &Split) -> Result<Linear, Failure> {
    let found = fitted.apply(&split.learn.features);
    let mut corrected = fitted.clone();
    for (k, intercept) in corrected.intercept.iter_mut().enumerate() {
        let errors = found.iter().zip(&split.learn.truth).skip(k).step_by(fitted.outputs);
        let factors = errors.map(|(found, truth)| (truth - found).exp());
        *intercept += (factors.sum::<f64>() / (split.learn.rows * split.learn.len()) as f64).ln();
    }
    Ok(corrected)
}

/// The forecast times the margin, one number for all, that costs least on the samples that decide.
pub fn with_margin(task: &impl Task, fitted: &Linear, split: &Split) -> Result<Linear, Failure> {
    let mut best: Option<(f64, Linear)> = None;
    for percent in 0..=20 {
        let margin = 0.98 + 0.01 * f64::from(percent);
        let mut other = fitted.clone();
        other.weights.iter_mut().chain(&mut other.intercept).for_each(|w| *w *= margin);
        let cost = mean_cost(task, &other, &split.decide)?;
        if best.as_ref().is_none_or(|best| cost < best.0) {
            best = Some((cost, other));
        }
    }
    Ok(best.map_or_else(|| fitted.clone(), |(_, best)| best))
}
