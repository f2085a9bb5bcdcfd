//! What is known before, and what comes after, sample by sample.

use argrad_applications::command::Failure;
use argrad_applications::regression::Linear;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Features and what is to be forecast from them, both row-major, a row for each sample.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    pub inputs: usize,
    pub outputs: usize,
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
        self.truth.len() / self.outputs.max(1)
    }

    /// Adds a sample.
    pub fn push(&mut self, features: &[f64], truth: &[f64]) {
        (self.inputs, self.outputs) = (features.len(), truth.len());
        self.features.extend(features);
        self.truth.extend(truth);
    }

    /// These rows.
    pub fn pick(&self, rows: &[usize]) -> Self {
        let mut picked = Samples::default();
        for &row in rows {
            picked.push(
                &self.features[row * self.inputs..][..self.inputs],
                &self.truth[row * self.outputs..][..self.outputs],
            );
        }
        picked
    }

    /// The last fifth to test on; of the others, in random order, four fifths to learn from. All
    /// features have mean 0 and variance 1 in what is learned from.
    pub fn split(&self, rng: &mut StdRng) -> Split {
        let known = self.len() * 4 / 5;
        let mut order: Vec<usize> = (0..known).collect();
        order.shuffle(rng);
        let (learn, decide) = order.split_at(known * 4 / 5);
        let test: Vec<usize> = (known..self.len()).collect();
        let mut split =
            Split { learn: self.pick(learn), decide: self.pick(decide), test: self.pick(&test) };
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
        let fitted =
            Linear::fit(&self.features, &self.truth, self.inputs, self.outputs, RIDGE);
        fitted.ok_or_else(|| "the samples do not determine a forecast: give more --days".into())
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
    fn a_split_has_every_sample_once_and_tests_on_the_last() {
        let mut samples = Samples::default();
        (0..50).for_each(|k| samples.push(&[f64::from(k), 1.0], &[f64::from(k)]));
        let split = samples.split(&mut StdRng::seed_from_u64(1));
        assert_eq!((split.learn.len(), split.decide.len(), split.test.len()), (32, 8, 10));
        let mut all = [&split.learn.truth[..], &split.decide.truth, &split.test.truth].concat();
        assert_eq!(all[40..], (40..50).map(f64::from).collect::<Vec<_>>());
        all.sort_by(f64::total_cmp);
        assert_eq!(all, (0..50).map(f64::from).collect::<Vec<_>>());
        let (means, deviations) = moments(&split.learn.features, 2);
        assert!(means[0].abs() < 1e-12 && (deviations[0] - 1.0).abs() < 1e-12);
        assert_eq!((means[1], deviations[1]), (0.0, 0.0));
    }
}
