//! What the layer is compared with: a network that knows nothing of projections.

use candle_core::{Device, Module, Result, Tensor, Var};
use candle_nn::Linear;
use rand::RngExt;
use rand::rngs::StdRng;

/// Two hidden layers with ReLU; 2 inputs, 2 outputs.
pub struct Network {
    layers: [Linear; 3],
    variables: Vec<Var>,
}

impl Network {
    /// Uniform weights of the usual size, 1 / sqrt(inputs). Drawn here, since candle's generator
    /// on the CPU takes no seed.
    pub fn new(hidden: usize, rng: &mut StdRng) -> Result<Self> {
        let mut variables = Vec::new();
        let mut linear = |inputs: usize, outputs: usize| -> Result<Linear> {
            let reach = 1.0 / (inputs as f64).sqrt();
            let mut draw = |len: usize| -> Vec<f64> {
                (0..len).map(|_| rng.random_range(-reach..reach)).collect()
            };
            let weight = Var::from_vec(draw(outputs * inputs), (outputs, inputs), &Device::Cpu)?;
            let bias = Var::from_vec(draw(outputs), outputs, &Device::Cpu)?;
            variables.extend([weight.clone(), bias.clone()]);
            Ok(Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone())))
        };
        let layers = [linear(2, hidden)?, linear(hidden, hidden)?, linear(hidden, 2)?];
        Ok(Self { layers, variables })
    }

    /// What is learned.
    pub fn variables(&self) -> Vec<Var> {
        self.variables.clone()
    }
}

impl Module for Network {
    fn forward(&self, points: &Tensor) -> Result<Tensor> {
        let [first, second, last] = &self.layers;
        last.forward(&second.forward(&first.forward(points)?.relu()?)?.relu()?)
    }
}
