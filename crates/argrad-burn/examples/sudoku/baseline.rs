//! The network to compare with: a multilayer perceptron, which sees a board as so many numbers
//! and has to find out by itself that there are rules.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};

use crate::board::Rules;
use crate::train::Network;

/// Three layers with rectifiers between them.
#[derive(Module, Debug)]
pub struct Perceptron {
    first: Linear,
    second: Linear,
    third: Linear,
}

impl Perceptron {
    /// Units in each of the two hidden layers.
    pub const HIDDEN: usize = 512;
    /// The best of 1e-2, 3e-3, 1e-3 and 3e-4.
    pub const LEARNING_RATE: f64 = 1e-3;

    pub fn new(rules: Rules, device: &Device) -> Self {
        let width = rules.cells() * rules.side();
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self {
            first: linear(width, Self::HIDDEN),
            second: linear(Self::HIDDEN, Self::HIDDEN),
            third: linear(Self::HIDDEN, width),
        }
    }
}

impl Network for Perceptron {
    fn forward(&self, puzzles: Tensor<2>) -> Result<Tensor<2>, Box<dyn std::error::Error>> {
        let hidden = activation::relu(self.first.forward(puzzles));
        let hidden = activation::relu(self.second.forward(hidden));
        Ok(self.third.forward(hidden))
    }
}
