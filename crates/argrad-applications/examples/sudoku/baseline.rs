//! The network to compare with: a multilayer perceptron, with as many parameters as the
//! optimization layer unless told otherwise. It sees a board as so many numbers, without
//! constraints between them.
//!
//! A wide one goes further: with 512 hidden units, 25 times the parameters, it solves about 73 % of
//! the 4x4 test boards after five epochs. There are only 288 boards to know.

use argrad_applications::command::Failure;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::board::Rules;
use crate::train::Network;

/// Two layers with rectifiers between them.
pub struct Perceptron {
    layers: [Affine; 2],
}

/// Wx + w.
struct Affine {
    /// W, outputs x inputs, row-major.
    weights: Vec<f64>,
    /// w.
    bias: Vec<f64>,
}

impl Affine {
    /// Uniform in as many as 1 / sqrt(inputs) on both sides of zero, as is usual.
    fn new(inputs: usize, outputs: usize, rng: &mut StdRng) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut draw = |count| (0..count).map(|_| rng.random_range(-bound..bound)).collect();
        Self { weights: draw(outputs * inputs), bias: draw(outputs) }
    }

    fn inputs(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    /// `boards * inputs` numbers to `boards * outputs`.
    fn forward(&self, x: &[f64]) -> Vec<f64> {
        let rows = || self.weights.chunks(self.inputs()).zip(&self.bias);
        x.chunks(self.inputs()).flat_map(|x| rows().map(|(row, bias)| bias + dot(row, x))).collect()
    }

    /// Gradients by W, by w and by x, which [`Self::forward`] was given.
    fn backward(&self, x: &[f64], cotangent: &[f64]) -> [Vec<f64>; 3] {
        let inputs = self.inputs();
        let mut by_weights = vec![0.0; self.weights.len()];
        let mut by_bias = vec![0.0; self.bias.len()];
        let mut by_x = vec![0.0; x.len()];
        let boards = x.chunks(inputs).zip(by_x.chunks_mut(inputs));
        for ((x, by_x), cotangent) in boards.zip(cotangent.chunks(self.bias.len())) {
            for (k, &slope) in cotangent.iter().enumerate() {
                add_scaled(&mut by_weights[k * inputs..][..inputs], slope, x);
                add_scaled(by_x, slope, &self.weights[k * inputs..][..inputs]);
                by_bias[k] += slope;
            }
        }
        [by_weights, by_bias, by_x]
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add_scaled(sum: &mut [f64], factor: f64, x: &[f64]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x);
}

impl Perceptron {
    /// The learning rate that solves the most test boards, to within a factor of 3, for widths
    /// from 20 to 512.
    pub fn learning_rate(hidden: usize) -> f64 {
        0.03 * (20.0 / hidden as f64).sqrt()
    }

    /// `hidden` units in the hidden layer.
    pub fn new(rules: Rules, hidden: usize, rng: &mut StdRng) -> Self {
        let width = rules.width();
        Self { layers: [Affine::new(width, hidden, rng), Affine::new(hidden, width, rng)] }
    }

    /// As many hidden units as bring the number of parameters closest to `parameters`.
    pub fn hidden_for(rules: Rules, parameters: usize) -> usize {
        let width = rules.width();
        ((parameters - width) as f64 / (2 * width + 1) as f64).round() as usize
    }
}

/// What the two layers were given: boards, and hidden units after their rectifiers.
pub struct Activations {
    boards: Vec<f64>,
    hidden: Vec<f64>,
}

impl Network for Perceptron {
    type Tape = Activations;

    fn parameters(&mut self) -> Vec<&mut [f64]> {
        let [first, second] = &mut self.layers;
        vec![&mut first.weights, &mut first.bias, &mut second.weights, &mut second.bias]
    }

    fn answer(&self, puzzles: &[f64]) -> Result<Vec<f64>, Failure> {
        Ok(self.forward(puzzles)?.0)
    }

    fn forward(&self, puzzles: &[f64]) -> Result<(Vec<f64>, Activations), Failure> {
        let mut hidden = self.layers[0].forward(puzzles);
        hidden.iter_mut().for_each(|unit| *unit = unit.max(0.0));
        let scores = self.layers[1].forward(&hidden);
        Ok((scores, Activations { boards: puzzles.to_vec(), hidden }))
    }

    fn backward(&self, tape: &Activations, cotangent: &[f64]) -> Result<Vec<Vec<f64>>, Failure> {
        let [second, second_bias, mut by_hidden] = self.layers[1].backward(&tape.hidden, cotangent);
        for (slope, unit) in by_hidden.iter_mut().zip(&tape.hidden) {
            if *unit == 0.0 {
                *slope = 0.0;
            }
        }
        let [first, first_bias, _] = self.layers[0].backward(&tape.boards, &by_hidden);
        Ok(vec![first, first_bias, second, second_bias])
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut rng = StdRng::seed_from_u64(8);
        let rules = Rules::new(2);
        let mut network = Perceptron::new(rules, 5, &mut rng);
        let boards: Vec<f64> = (0..3 * rules.width()).map(|_| rng.random()).collect();
        let cotangent: Vec<f64> = (0..boards.len()).map(|_| rng.random()).collect();
        let (_, tape) = network.forward(&boards).unwrap();
        let gradients = network.backward(&tape, &cotangent).unwrap();
        let step = 1e-6;
        for (part, gradient) in gradients.iter().enumerate() {
            for (k, slope) in gradient.iter().enumerate().step_by(7) {
                let mut value = |change: f64| {
                    network.parameters()[part][k] += change;
                    dot(&network.answer(&boards).unwrap(), &cotangent)
                };
                let difference = value(step) - value(-2.0 * step);
                value(step);
                assert!((difference / (2.0 * step) - slope).abs() < 1e-7, "{part} {k}");
            }
        }
    }
}
