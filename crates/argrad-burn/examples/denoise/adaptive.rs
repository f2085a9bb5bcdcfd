//! Total variation whose weights are chosen by a small network, one for each pair of neighbours.
//!
//! One weight for all places takes from every jump what it takes from the noise. The network looks
//! at the noisy differences around a place and says how strongly that place should resist a jump:
//!
//! ```text
//! minimize over z   1/2 |y - z|^2 + sum over i of weight_i(y) |z_(i+1) - z_i|
//! ```
//!
//! The gradient reaches the network through the bounds of the dual, which are numbers of each
//! signal; the matrices are still shared.

use argrad::QpLayer;
use argrad_applications::command::Failure;
use argrad_burn::Argument;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData, activation, s};

use crate::denoiser::Denoiser;
use crate::signals::{LENGTH, NOISE};
use crate::variation::{self, ROWS, differences};

/// Differences on either side of a place that the network sees besides its own.
const REACH: usize = 12;
const WINDOW: usize = 2 * REACH + 1;
const HIDDEN: usize = 32;

/// A network with two hidden layers, the same for all places, before total variation.
#[derive(Module, Debug)]
pub struct Adaptive {
    first: Linear,
    second: Linear,
    third: Linear,
    #[module(skip)]
    start: f64,
    #[module(skip)]
    program: QpLayer,
}

impl Adaptive {
    /// Near total variation of this weight at first.
    ///
    /// # Errors
    /// None is possible for these shapes.
    pub fn new(start: f64, device: &Device) -> Result<Self, Failure> {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Ok(Self {
            first: linear(WINDOW, HIDDEN),
            second: linear(HIDDEN, HIDDEN),
            third: linear(HIDDEN, 1),
            start,
            program: variation::program()?,
        })
    }

    /// The weight of each place, shape (batch, rows).
    fn weights(&self, noisy: Tensor<2>) -> Tensor<2> {
        let batch = noisy.dims()[0];
        let hidden = activation::relu(self.first.forward(surroundings(noisy)));
        let hidden = activation::relu(self.second.forward(hidden));
        self.third.forward(hidden).reshape([batch, ROWS]).exp() * self.start
    }
}

/// The differences around each place between two neighbours, in units of the noise, zero beyond the
/// ends of a signal; shape (batch, rows, window).
fn surroundings(noisy: Tensor<2>) -> Tensor<3> {
    let [batch, _] = noisy.dims();
    let differences = noisy.clone().slice(s![.., 1..]) - noisy.clone().slice(s![.., ..ROWS]);
    let beyond = Tensor::zeros([batch, REACH], &noisy.device());
    let longer = Tensor::cat(vec![beyond.clone(), differences / NOISE, beyond], 1);
    Tensor::stack((0..WINDOW).map(|k| longer.clone().slice(s![.., k..k + ROWS])).collect(), 2)
}

impl Denoiser for Adaptive {
    fn denoise(&self, noisy: Tensor<2>) -> Result<Tensor<2>, Failure> {
        let weights = self.weights(noisy.clone());
        let operator = TensorData::new(differences(), [ROWS, LENGTH]);
        let d = Tensor::from_data(operator, &noisy.device());
        let bounds = Argument::each(Tensor::cat(vec![weights.clone(), weights], 1));
        variation::dual(&self.program, d, bounds, noisy)
    }
}
