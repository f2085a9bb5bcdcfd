//! The configuration of a module around a modelled layer: where each parameter comes from.

use argrad::host::{Misfit, extent};
use argrad::model::{Layer, ModelError};

use super::LayerModule;
use super::module::unknown;
use crate::error::Error;
use crate::weights::{Source, Weights};

/// Configuration of a [`LayerModule`]. Unless told otherwise, every parameter of the layer is fed.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    layer: Layer,
    sources: Vec<(String, Source)>,
}

impl LayerConfig {
    /// A module around this layer, with its settings and its way to differentiate.
    pub fn new(layer: Layer) -> Self {
        Self { layer, sources: Vec::new() }
    }

    /// Where the numbers of the parameter of this name come from.
    pub fn parameter(mut self, name: impl Into<String>, source: Source) -> Self {
        self.sources.push((name.into(), source));
        self
    }

    /// Makes the module: checks names and numbers.
    ///
    /// # Errors
    /// [`Error::Model`] for names that the layer does not have, numbers or variables of the wrong
    /// shape, a setting of the derivative that is out of its range; [`Error::Tensor`] for a
    /// variable that is not of floats on the CPU.
    pub fn init(self) -> Result<LayerModule, Error> {
        let Self { layer, sources } = self;
        let names: Vec<&str> = layer.parameter_infos().map(|info| info.name).collect();
        for (name, _) in &sources {
            if !names.contains(&&name[..]) {
                return Err(unknown(name, &names));
            }
        }
        let mut weights = Vec::with_capacity(names.len());
        for info in layer.parameter_infos() {
            let source = sources.iter().rev().find(|(name, _)| name == info.name);
            let source = source.map_or(Source::Fed, |(_, source)| source.clone());
            let argument = format!("parameter {}", info.name);
            let misfit = |Misfit { expected, found, .. }| {
                Error::Model(ModelError::Argument { argument: argument.clone(), expected, found })
            };
            weights.push(Weights::new(source, extent(&info), &argument, misfit)?);
        }
        LayerModule::new(layer, weights)
    }
}
