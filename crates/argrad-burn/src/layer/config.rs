//! The configuration of a module around a modelled layer: where each parameter comes from.

use argrad::MatrixShape;
use argrad::model::{Layer, ModelError};
use burn::tensor::Device;

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

    /// Makes the module: creates the learnable parameters on `device`, in the order of the layer.
    ///
    /// # Errors
    /// [`Error::Model`] for names that the layer does not have, numbers of the wrong length, a
    /// setting of the derivative that is out of its range.
    pub fn init(self, device: &Device) -> Result<LayerModule, Error> {
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
            if let Some(found) = source.wrong_len(info.len) {
                return Err(Error::Model(ModelError::Argument {
                    argument: format!("parameter {}", info.name),
                    expected: format!("{} numbers ({})", info.len, info.shape),
                    found: found.to_string(),
                }));
            }
            let is_matrix = info.shape.ndim() == 2 && info.len == info.shape.size();
            let shape = if is_matrix {
                MatrixShape::Dense { rows: info.shape.rows(), cols: info.shape.cols() }
            } else {
                MatrixShape::Diagonal(info.len)
            };
            weights.push(Weights::new(source, &shape, device));
        }
        LayerModule::new(layer, weights)
    }
}
