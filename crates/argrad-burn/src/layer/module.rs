//! A modelled layer as a module.

use argrad::host::LayerArguments;
use argrad::model::{ElasticLayer, Layer, Relaxation};
use burn::module::Module;

use super::LayerInputs;
use super::op::{LayerOutput, elastic_layer, layer};
use crate::error::Error;
use crate::weights::Weights;

/// Solves a problem written in the language of [`argrad::model`] for each sample of a batch; some
/// of its parameters are learned, some fixed, some fed by the layer before. Made by
/// [`LayerConfig`](crate::LayerConfig).
///
/// ```
/// use argrad::prelude::{Model, Problem, sum_squares};
/// use argrad_burn::{Argument, LayerConfig, LayerInputs, Source};
/// use burn::tensor::{Device, Tensor};
///
/// # fn main() -> Result<(), argrad_burn::Error> {
/// // Portfolios: returns are fed, the price of risk is learned.
/// let model = Model::new();
/// let w = model.variable(3);
/// let returns = model.parameter(3).named("returns");
/// let price = model.parameter(()).nonneg().named("price");
/// let problem = Problem::maximize(returns.dot(w) - price * sum_squares(w))
///     .subject_to([w.sum().equals(1.0), w.geq(0.0)]);
/// let layer = problem.compile([returns, price], [w])?;
///
/// let device = Device::flex().autodiff();
/// let module = LayerConfig::new(layer)
///     .parameter("price", Source::LearnableFrom(vec![1.0]))
///     .init(&device)?;
/// let returns = Tensor::<2>::from_floats([[0.1, 0.2, 0.15], [0.3, 0.1, 0.0]], &device);
/// let output = module.forward(LayerInputs::new().feed("returns", Argument::each(returns)))?;
/// assert_eq!(output.values[0].dims(), [2, 3]);
/// let gradients = output.values[0].clone().powf_scalar(2.0).sum().backward();
/// assert!(module.weights("price").unwrap().vector().unwrap().grad(&gradients).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Module, Debug)]
pub struct LayerModule {
    weights: Vec<Weights>,
    #[module(skip)]
    layer: Layer,
    #[module(skip)]
    elastic: Option<ElasticLayer>,
}

impl LayerModule {
    /// `weights` are those of the parameters of the layer, in its order.
    pub(crate) fn new(weights: Vec<Weights>, layer: Layer) -> Self {
        Self { weights, layer, elastic: None }
    }

    /// The same module, which solves infeasible samples with violated constraints
    /// ([`Layer::elastic`]); its output says by how much.
    ///
    /// # Errors
    /// As [`Layer::relaxed`].
    pub fn elastic(mut self, relaxation: Relaxation) -> Result<Self, Error> {
        self.elastic = Some(self.layer.elastic(relaxation)?);
        Ok(self)
    }

    /// Solves the batch.
    ///
    /// # Errors
    /// Malformed input; a parameter fed that is not expected or expected and not fed; a sample
    /// without a solution, unless the layer was told to live with it.
    pub fn forward(&self, inputs: LayerInputs) -> Result<LayerOutput, Error> {
        let own = |k: usize, name: &str, fed| self.weights[k].argument(name, fed);
        let LayerArguments { batch, arguments, start } = inputs.arguments(&self.layer, own)?;
        match &self.elastic {
            None => layer(&self.layer, batch, &arguments, start.as_deref()),
            Some(elastic) => elastic_layer(elastic, batch, &arguments, start.as_deref()),
        }
    }

    /// What the module keeps of the parameter of this name.
    pub fn weights(&self, name: &str) -> Option<&Weights> {
        let at = self.layer.parameter_infos().position(|info| info.name == name)?;
        self.weights.get(at)
    }

    /// The layer that solves the problem.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }
}
