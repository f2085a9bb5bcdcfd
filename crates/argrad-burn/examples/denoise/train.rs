//! Training of a network on signals, and the course that it took.

use std::time::{Duration, Instant};

use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::Device;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::denoiser::{Denoiser, denoise_all, mean_squared_error};
use crate::signals::Signals;

/// How to train.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    pub train: &'a Signals,
    pub test: &'a Signals,
    pub epochs: usize,
    pub batch: usize,
    /// Of the first step; it falls in a line to zero.
    pub learning_rate: f64,
    /// Set from outside to end the training after the current step.
    pub interruption: &'a Interruption,
}

/// The course of a training: mean squared errors.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Of the batch of each step, before its update.
    pub steps: Vec<f64>,
    /// Of the test signals, before the first epoch and after each: (epochs, error).
    pub tests: Vec<(f64, f64)>,
    /// Time spent in training steps, tests left out.
    pub duration: Duration,
}

/// Trains a network with Adam on the mean squared error.
///
/// # Errors
/// Those of the network.
pub fn train<N: Denoiser>(
    mut network: N,
    training: &Training<'_>,
    device: &Device,
    rng: &mut StdRng,
) -> Result<(N, Course), Failure> {
    let Training { train, test, epochs, batch, .. } = *training;
    let steps_per_epoch = train.len().div_ceil(batch);
    let mut course = Course::default();
    let steps = epochs * steps_per_epoch;
    let bar = progress::bar(steps, "steps");
    // The customary constants of Adam; burn's own epsilon is larger.
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let tested = |network: &N| -> Result<f64, Failure> {
        Ok(mean_squared_error(&denoise_all(network, test, device)?, &test.clean))
    };
    course.tests.push((0.0, tested(&network)?));
    let mut order: Vec<usize> = (0..train.len()).collect();
    'epochs: for epoch in 1..=epochs {
        order.shuffle(rng);
        for which in order.chunks(batch) {
            if training.interruption.requested() {
                break 'epochs;
            }
            let started = Instant::now();
            let [noisy, clean] = train.tensors(which, device);
            let loss = (network.denoise(noisy)? - clean).square().mean();
            let left = 1.0 - course.steps.len() as f64 / steps as f64;
            course.steps.push(loss.clone().into_scalar::<f64>());
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = adam.step(training.learning_rate * left, network, gradients);
            course.duration += started.elapsed();
            bar.inc(1);
        }
        let error = tested(&network)?;
        bar.set_message(format!("test {error:.2}"));
        course.tests.push((epoch as f64, error));
    }
    if training.interruption.requested() {
        // The last test is older than the network.
        let epochs = course.steps.len() as f64 / steps_per_epoch as f64;
        course.tests.push((epochs, tested(&network)?));
    }
    bar.finish_and_clear();
    Ok((network, course))
}
