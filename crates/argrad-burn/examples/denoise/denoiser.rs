//! What all networks of the comparison have in common.

use argrad_applications::command::Failure;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::signals::Signals;

/// A network that removes noise from a batch of signals, row by row.
pub trait Denoiser: Module {
    /// From what is observed to an estimate of what there was, shape (batch, length) both.
    ///
    /// # Errors
    /// Those of the layers inside.
    fn denoise(&self, noisy: Tensor<2>) -> Result<Tensor<2>, Failure>;

    /// How many numbers are learned.
    fn learned(&self) -> usize {
        self.num_params()
    }
}

/// Signals that are denoised at once, where nothing is learned.
const BATCH: usize = 500;

/// Estimates for all signals, row by row.
///
/// # Errors
/// Those of the network.
pub fn denoise_all<N: Denoiser>(
    network: &N,
    signals: &Signals,
    device: &Device,
) -> Result<Vec<f64>, Failure> {
    let network = network.valid();
    let device = device.clone().without_autodiff();
    let all: Vec<usize> = (0..signals.len()).collect();
    let mut estimates = Vec::with_capacity(signals.clean.len());
    for which in all.chunks(BATCH) {
        let [noisy, _] = signals.tensors(which, &device);
        estimates.extend(network.denoise(noisy)?.into_data().iter::<f64>());
    }
    Ok(estimates)
}

/// Mean squared error of estimates.
pub fn mean_squared_error(estimates: &[f64], clean: &[f64]) -> f64 {
    let squares = estimates.iter().zip(clean).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>() / clean.len() as f64
}
