//! What is known before, and what comes after, sample by sample.

use argrad_applications::command::Failure;
use argrad_applications::regression::Linear;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Features and what is to be forecast from them, both row-major. A sample has as many rows as one
/// decision needs forecasts, each made by the same weights.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Features and forecasts in a row.
    pub inputs: usize,
    pub outputs: usize,
    /// Rows in a sample.
    pub rows: usize,
    pub features: Vec<f64>,
    pub truth: Vec<f64>,
}

/// Samples to learn from, those that decide when to stop, and those to test on.
pub struct Split {
    pub learn: Samples,
    pub decide: Samples,
    pub test: Samples,
}

/// Of the normal equations' mean diagonal: what keeps features that repeat each other from adding
/// and subtracting large numbers.
const RIDGE: f64 = 1e-3;

impl Samples {
    pub fn len(&self) -> usize {
        self.truth.len() / (self.rows * self.outputs).max(1)
    }

    /// No samples yet.
    pub fn new(inputs: usize, outputs: usize, rows: usize) -> Self {
        Self { inputs, outputs, rows, ..Self::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, features: &[f64], truth: &[f64]) {
        self.features.extend(features);
        self.truth.extend(truth);
    }

    /// These samples.
    pub fn pick(&self, samples: &[usize]) -> Self {
        let mut picked = Self::new(self.inputs, self.outputs, self.rows);
        let (features, truth) = (self.rows * self.inputs, self.rows * self.outputs);
        for &sample in samples {
            picked.push(
                &self.features[sample * features..][..features],
                &self.truth[sample * truth..][..truth],
            );
        }
        picked
    }

    /// In the order of time: the last fifth to test on, a fifth of what is before it to decide; of
    /// what is before that, four fifths drawn at random to learn from. All features have mean 0 and
    /// variance 1 in what is learned from.
    pub fn split(&self, rng: &mut StdRng) -> Split {
        let known = self.len() * 4 / 5;
        let past = known * 4 / 5;
        let mut learn: Vec<usize> = (0..past).collect();
        learn.shuffle(rng);
        learn.truncate(past * 4 / 5);
        let [decide, test] = [past..known, known..self.len()].map(Vec::from_iter);
        let mut split =
            Split { learn: self.pick(&learn), decide: self.pick(&decide), test: self.pick(&test) };
        let (means, deviations) = moments(&split.learn.features, self.inputs);
        for samples in [&mut split.learn, &mut split.decide, &mut split.test] {
            for row in samples.features.chunks_mut(self.inputs) {
                for ((x, mean), deviation) in row.iter_mut().zip(&means).zip(&deviations) {
                    // A feature that never changes says nothing.
                    *x = if *deviation > 0.0 { (*x - mean) / deviation } else { 0.0 };
                }
            }
        }
        split
    }

    /// The forecast of least squares.
    pub fn fit(&self) -> Result<Linear, Failure> {
        let fitted = Linear::fit(&self.features, &self.truth, self.inputs, self.outputs, RIDGE);
        fitted.ok_or_else(|| "the samples do not determine a forecast: give more days".into())
    }

    /// Standard deviation of each number that is forecast.
    pub fn deviations(&self) -> Vec<f64> {
        moments(&self.truth, self.outputs).1
    }
}

/// Mean and standard deviation of each column.
fn moments(rows: &[f64], columns: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (rows.len() / columns) as f64;
    let column = |j: usize| rows.iter().skip(j).step_by(columns);
    let means: Vec<f64> = (0..columns).map(|j| column(j).sum::<f64>() / count).collect();
    let deviation = |j: usize| {
        let squares = column(j).map(|x| (x - means[j]) * (x - means[j]));
        (squares.sum::<f64>() / count).sqrt()
    };
    let deviations = (0..columns).map(deviation).collect();
    (means, deviations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_split_learns_from_the_past_and_tests_on_the_last() {
        let mut samples = Samples::new(2, 1, 1);
        (0..50).for_each(|k| samples.push(&[f64::from(k), 1.0], &[f64::from(k)]));
        let split = samples.split(&mut StdRng::seed_from_u64(1));
        let range = |from: i32, to: i32| (from..to).map(f64::from).collect::<Vec<_>>();
        assert_eq!(split.test.truth, range(40, 50));
        assert_eq!(split.decide.truth, range(32, 40));
        assert_eq!(split.learn.len(), 25);
        let mut learn = split.learn.truth.clone();
        learn.sort_by(f64::total_cmp);
        learn.dedup();
        assert!(learn.len() == 25 && learn.iter().all(|&k| k < 32.0), "{learn:?}");
        let (means, deviations) = moments(&split.learn.features, 2);
        assert!(means[0].abs() < 1e-12 && (deviations[0] - 1.0).abs() < 1e-12);
        assert_eq!((means[1], deviations[1]), (0.0, 0.0));
    }
}
