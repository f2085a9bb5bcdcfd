//! A modelled layer as a module.

use argrad::host::LayerArguments;
use argrad::model::Layer;
use candle_core::Var;

use super::LayerInputs;
use super::op::{LayerOutput, layer};
use crate::error::Error;
use crate::weights::Weights;

/// Solves a problem written in the language of [`argrad::model`] for each sample of a batch; some
/// of its parameters are learned, some fixed, some fed by the layer before. Made by
/// [`LayerConfig`](crate::LayerConfig).
///
/// ```
/// use argrad::prelude::{Model, Problem, sum_squares};
/// use argrad_candle::{Argument, LayerConfig, LayerInputs, Source};
/// use candle_core::{Device, Tensor};
///
/// # fn main() -> Result<(), argrad_candle::Error> {
/// // Portfolios: returns are fed, the price of risk is learned.
/// let model = Model::new();
/// let w = model.variable(3);
/// let returns = model.parameter(3).named("returns");
/// let price = model.parameter(()).nonneg().named("price");
/// let problem = Problem::maximize(returns.dot(w) - price * sum_squares(w))
///     .subject_to([w.sum().equals(1.0), w.geq(0.0)]);
/// let layer = problem.compile([returns, price], [w])?;
///
/// let module = LayerConfig::new(layer)
///     .parameter("price", Source::LearnableFrom(vec![1.0]))
///     .init(&Device::Cpu)?;
/// let returns = Tensor::new(&[[0.1, 0.2, 0.15], [0.3, 0.1, 0.0]], &Device::Cpu)?;
/// let output = module.forward(LayerInputs::new().feed("returns", Argument::each(&returns)))?;
/// assert_eq!(output.values[0].dims(), [2, 3]);
/// let gradients = output.values[0].sqr()?.sum_all()?.backward()?;
/// let price = module.weights("price").and_then(|weights| weights.variable()).unwrap();
/// assert!(gradients.get(price).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LayerModule {
    weights: Vec<Weights>,
    layer: Layer,
}

impl LayerModule {
    /// `weights` are those of the parameters of the layer, in its order.
    pub(crate) fn new(weights: Vec<Weights>, layer: Layer) -> Self {
        Self { weights, layer }
    }

    /// Solves the batch.
    ///
    /// # Errors
    /// Malformed input; a parameter fed that is not expected or expected and not fed; a sample
    /// without a solution, unless the layer was told to live with it.
    pub fn forward(&self, inputs: LayerInputs) -> Result<LayerOutput, Error> {
        let own = |k: usize, name: &str, fed| self.weights[k].argument(name, fed);
        let LayerArguments { batch, arguments, start } = inputs.arguments(&self.layer, own)?;
        layer(&self.layer, batch, &arguments, start.as_deref())
    }

    /// What the module keeps of the parameter of this name.
    pub fn weights(&self, name: &str) -> Option<&Weights> {
        let at = self.layer.parameter_infos().position(|info| info.name == name)?;
        self.weights.get(at)
    }

    /// The variables of the learnable parameters, for an optimizer.
    pub fn variables(&self) -> Vec<Var> {
        self.weights.iter().filter_map(|weights| weights.variable().cloned()).collect()
    }

    /// The layer that solves the problem.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }
}
