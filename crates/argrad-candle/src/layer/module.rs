//! A modelled layer as a module.

use std::sync::Arc;

use argrad::host::check_differentiation;
use argrad::model::{Layer, ModelError, Outputs};
use candle_core::Var;

use super::op::{LayerOutput, layer};
use crate::argument::Argument;
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
///     .init()?;
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

/// What is fed to one forward pass.
#[derive(Clone, Debug, Default)]
pub struct LayerInputs {
    batch: Option<usize>,
    arguments: Vec<(String, Argument)>,
    start: Option<Arc<Outputs>>,
}

impl LayerInputs {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of samples. Needed only where no parameter has numbers for each of them.
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// The parameter of this name.
    pub fn feed(mut self, name: impl Into<String>, argument: Argument) -> Self {
        self.arguments.push((name.into(), argument));
        self
    }

    /// Where to start, sample by sample: the result of an earlier pass.
    pub fn start(mut self, start: Arc<Outputs>) -> Self {
        self.start = Some(start);
        self
    }
}

impl LayerModule {
    pub(crate) fn new(layer: Layer, weights: Vec<Weights>) -> Result<Self, Error> {
        check_differentiation(layer.differentiation())?;
        Ok(Self { weights, layer })
    }

    /// Solves the batch.
    ///
    /// # Errors
    /// Malformed input; a parameter fed that is not expected or expected and not fed; a sample
    /// without a solution, unless the layer was told to live with it.
    pub fn forward(&self, inputs: LayerInputs) -> Result<LayerOutput, Error> {
        let LayerInputs { batch, arguments: mut fed, start } = inputs;
        let mut arguments = Vec::with_capacity(self.weights.len());
        for (info, weights) in self.layer.parameter_infos().zip(&self.weights) {
            let at = fed.iter().position(|(name, _)| name == info.name);
            let given = at.map(|at| fed.swap_remove(at).1);
            arguments.push(weights.argument(&format!("parameter {}", info.name), given)?);
        }
        if let Some((name, _)) = fed.first() {
            let names: Vec<&str> = self.layer.parameter_infos().map(|info| info.name).collect();
            return Err(unknown(name, &names));
        }
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

/// There is no parameter of this name.
pub(crate) fn unknown(name: &str, names: &[&str]) -> Error {
    Error::Model(ModelError::Argument {
        argument: format!("parameter {name}"),
        expected: format!("one of {}", names.join(", ")),
        found: "no parameter of this name".into(),
    })
}
