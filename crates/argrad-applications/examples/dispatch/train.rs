//! Training of a forecast on the cost of the decisions that it leads to.

use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use argrad_applications::regression::Linear;
use indicatif::ProgressBar;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::samples::{Samples, Split};

/// A decision made by a forecast, paid for when the truth is known.
pub trait Task {
    /// What each sample costs.
    ///
    /// # Errors
    /// As the layer's `solve`.
    fn costs(&self, forecasts: &[f64], truth: &[f64]) -> Result<Vec<f64>, Failure>;

    /// [`Self::costs`], and the gradient of each with respect to its own forecast.
    ///
    /// # Errors
    /// As the layer's `forward` and `backward`.
    fn graded(&self, forecasts: &[f64], truth: &[f64]) -> Result<(Vec<f64>, Vec<f64>), Failure>;
}

/// How to train.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    pub steps: usize,
    /// Samples in a step, drawn at random.
    pub batch: usize,
    /// In standard deviations of what is forecast.
    pub rate: f64,
    pub interruption: &'a Interruption,
    pub bar: &'a ProgressBar,
}

/// A trained forecast.
pub struct Trained {
    /// The best on the samples that decide; the first one where no other was better.
    pub forecast: Linear,
    /// Steps done, and mean cost of the samples that decide.
    pub course: Vec<(usize, f64)>,
}

/// Steps between two looks at the samples that decide when to stop.
const LOOK: usize = 10;

/// Minimizes the mean cost with Adam (Kingma and Ba 2015).
pub fn train(
    task: &impl Task,
    start: &Linear,
    split: &Split,
    training: Training<'_>,
    rng: &mut StdRng,
) -> Result<Trained, Failure> {
    let Training { steps, batch, rate, .. } = training;
    let mut forecast = start.clone();
    let mut adam = Adam::new(&split.learn);
    let first = mean_cost(task, &forecast, &split.decide)?;
    let (mut best, mut course) = ((first, forecast.clone()), vec![(0, first)]);
    for step in 1..=steps {
        if training.interruption.requested() {
            break;
        }
        let rows: Vec<usize> = (0..batch).map(|_| rng.random_range(0..split.learn.len())).collect();
        let samples = split.learn.pick(&rows);
        let (_, gradient) = task.graded(&forecast.apply(&samples.features), &samples.truth)?;
        // The last steps settle what the others have found.
        let share = step as f64 / steps as f64;
        adam.step(rate * (2.0 * (1.0 - share)).min(1.0), &mut forecast, &samples, &gradient);
        training.bar.inc(1);
        if step % LOOK == 0 || step == steps {
            let cost = mean_cost(task, &forecast, &split.decide)?;
            course.push((step, cost));
            if cost < best.0 {
                best = (cost, forecast.clone());
            }
        }
    }
    Ok(Trained { forecast: best.1, course })
}

/// The mean cost of what a forecast leads to.
pub fn mean_cost(task: &impl Task, forecast: &Linear, samples: &Samples) -> Result<f64, Failure> {
    let costs = task.costs(&forecast.apply(&samples.features), &samples.truth)?;
    Ok(costs.iter().sum::<f64>() / costs.len() as f64)
}

/// The moments of Adam for weights and intercept, and the unit of each output.
struct Adam {
    units: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
}

impl Adam {
    fn new(samples: &Samples) -> Self {
        let len = (samples.inputs + 1) * samples.outputs;
        Self {
            units: samples.deviations(),
            first: vec![0.0; len],
            second: vec![0.0; len],
            steps: 0,
        }
    }

    /// One step, given the gradient of each sample's cost with respect to its forecast.
    fn step(&mut self, rate: f64, forecast: &mut Linear, samples: &Samples, gradient: &[f64]) {
        const DECAY: [f64; 2] = [0.9, 0.999];
        let (inputs, outputs) = (samples.inputs, samples.outputs);
        let count = samples.len() as f64;
        let mut sums = vec![0.0; (inputs + 1) * outputs];
        for (x, own) in samples.features.chunks(inputs).zip(gradient.chunks(outputs)) {
            for (sums, x) in sums.chunks_mut(outputs).zip(x.iter().chain([&1.0])) {
                sums.iter_mut().zip(own).for_each(|(sum, g)| *sum += x * g / count);
            }
        }
        self.steps += 1;
        let (weights, intercept) = (&mut forecast.weights, &mut forecast.intercept);
        for (k, (w, g)) in weights.iter_mut().chain(intercept).zip(sums).enumerate() {
            // In units of its output, so that one rate serves all.
            let unit = self.units[k % outputs];
            let g = g * unit;
            self.first[k] += (1.0 - DECAY[0]) * (g - self.first[k]);
            self.second[k] += (1.0 - DECAY[1]) * (g * g - self.second[k]);
            let mean = self.first[k] / (1.0 - DECAY[0].powi(self.steps));
            let square = self.second[k] / (1.0 - DECAY[1].powi(self.steps));
            if square > 0.0 {
                *w -= rate * unit * mean / square.sqrt();
            }
        }
    }
}
