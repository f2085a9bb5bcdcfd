//! The network to compare with: a multilayer perceptron, with as many parameters as the
//! optimization layer unless told otherwise. It sees a board as so many numbers, without
//! constraints between them.
//!
//! A wide one goes further: with 512 hidden units, 25 times the parameters, it solves about 73 % of
//! the 4x4 test boards after five epochs. There are only 288 boards to know.

use std::error::Error;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};

use crate::board::Rules;
use crate::train::Network;

/// Two layers with rectifiers between them.
#[derive(Module, Debug)]
pub struct Perceptron {
    first: Linear,
    second: Linear,
}

impl Perceptron {
    /// The learning rate that solves the most test boards, to within a factor of 3, for widths
    /// from 20 to 512.
    pub fn learning_rate(hidden: usize) -> f64 {
        0.03 * (20.0 / hidden as f64).sqrt()
    }

    /// `hidden` units in the hidden layer.
    pub fn new(rules: Rules, hidden: usize, device: &Device) -> Self {
        let width = rules.cells() * rules.side();
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self { first: linear(width, hidden), second: linear(hidden, width) }
    }

    /// As many hidden units as bring the number of parameters closest to `parameters`.
    pub fn hidden_for(rules: Rules, parameters: usize) -> usize {
        let width = rules.cells() * rules.side();
        ((parameters - width) as f64 / (2 * width + 1) as f64).round() as usize
    }
}

impl Network for Perceptron {
    fn forward(&self, puzzles: Tensor<2>) -> Result<Tensor<2>, Box<dyn Error>> {
        let hidden = activation::relu(self.first.forward(puzzles));
        Ok(self.second.forward(hidden))
    }
}
