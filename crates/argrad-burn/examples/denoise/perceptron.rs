//! The fully connected network: it sees a signal as so many numbers, without order between them.

use argrad_applications::command::Failure;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};

use crate::denoiser::Denoiser;
use crate::signals::LENGTH;

/// The size of a number in a signal. The network computes in this unit, so that its weights start
/// as large as they should.
const UNIT: f64 = 100.0;

/// Two layers with rectifiers between them.
#[derive(Module, Debug)]
pub struct Perceptron {
    first: Linear,
    second: Linear,
}

impl Perceptron {
    /// `hidden` units in the hidden layer.
    pub fn new(hidden: usize, device: &Device) -> Self {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self { first: linear(LENGTH, hidden), second: linear(hidden, LENGTH) }
    }
}

impl Denoiser for Perceptron {
    fn denoise(&self, noisy: Tensor<2>) -> Result<Tensor<2>, Failure> {
        let hidden = activation::relu(self.first.forward(noisy / UNIT));
        Ok(self.second.forward(hidden) * UNIT)
    }
}
