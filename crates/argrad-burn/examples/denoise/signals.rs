//! The data: piecewise constant signals and what noise makes of them.
//!
//! As in OptNet's published experiment (Amos and Kolter 2017, section 4.3, and its code): 1 to 9
//! segments, so 0 to 8 jumps at different places out of 98; whole heights from 10 to 99; Gaussian
//! noise of standard deviation 10.

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// Numbers of a signal.
pub const LENGTH: usize = 100;
/// Standard deviation of the noise; its square is the mean squared error of doing nothing.
pub const NOISE: f64 = 10.0;
const SEGMENTS: std::ops::Range<usize> = 1..10;
const HEIGHTS: std::ops::Range<i32> = 10..100;

/// Signals row by row, each of [`LENGTH`] numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    /// As they are.
    pub clean: Vec<f64>,
    /// As they are observed.
    pub noisy: Vec<f64>,
}

impl Signals {
    /// Random ones.
    pub fn generate(count: usize, rng: &mut StdRng) -> Self {
        let mut signals = Self::default();
        for _ in 0..count {
            let clean = clean_signal(rng);
            signals.noisy.extend(clean.iter().map(|height| height + NOISE * gaussian(rng)));
            signals.clean.extend(clean);
        }
        signals
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.clean.len() / LENGTH
    }

    /// The first `count`, and the others.
    pub fn split_at(mut self, count: usize) -> (Self, Self) {
        let at = count * LENGTH;
        let rest = Self { clean: self.clean.split_off(at), noisy: self.noisy.split_off(at) };
        (self, rest)
    }

    /// Some of them as tensors (noisy, clean), of shape (signals, length).
    pub fn tensors(&self, which: &[usize], device: &Device) -> [Tensor<2>; 2] {
        [&self.noisy, &self.clean].map(|all| {
            let rows = which.iter().flat_map(|&k| &all[k * LENGTH..(k + 1) * LENGTH]);
            let numbers = rows.copied().collect();
            Tensor::from_data(TensorData::new::<f64, _>(numbers, [which.len(), LENGTH]), device)
        })
    }
}

fn clean_signal(rng: &mut StdRng) -> Vec<f64> {
    let segments = rng.random_range(SEGMENTS);
    let mut ends: Vec<usize> = rand::seq::index::sample(rng, LENGTH - 2, segments - 1)
        .into_iter()
        .map(|place| place + 1)
        .collect();
    ends.sort_unstable();
    ends.push(LENGTH);
    let mut signal = Vec::with_capacity(LENGTH);
    for end in ends {
        let height = f64::from(rng.random_range(HEIGHTS));
        signal.resize(end, height);
    }
    signal
}

/// A number of the standard normal distribution (Box and Muller).
pub fn gaussian(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}
