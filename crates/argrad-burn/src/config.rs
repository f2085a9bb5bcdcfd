//! The configurations of the modules: how they are put together is argrad's, what they hold is
//! burn's.

use argrad::host::{Extent, Misfit, ModuleSource, QpProgram};
use argrad::model::Layer;
use burn::tensor::Device;

use crate::error::Error;
use crate::layer::LayerModule;
use crate::qp::QpModule;
use crate::weights::{Source, Weights};

/// Configuration of a [`QpModule`]: [`init`](argrad::host::QpConfig::init) makes it.
pub type QpConfig = argrad::host::QpConfig<Source>;

/// Configuration of a [`LayerModule`]: [`init`](argrad::host::LayerConfig::init) makes it.
pub type LayerConfig = argrad::host::LayerConfig<Source>;

impl ModuleSource for Source {
    type Device = Device;
    type Weights = Weights;
    type QpModule = QpModule;
    type LayerModule = LayerModule;
    type Error = Error;

    fn fed() -> Self {
        Self::Fed
    }

    fn fixed(numbers: Vec<f64>) -> Self {
        Self::Fixed(numbers)
    }

    fn weights(
        self,
        _argument: &str,
        extent: Extent,
        device: &Device,
        misfit: &dyn Fn(Misfit) -> Error,
    ) -> Result<Weights, Error> {
        Weights::new(self, extent, device).map_err(misfit)
    }

    fn qp_module(weights: [Weights; 6], program: QpProgram) -> QpModule {
        QpModule::new(weights, program)
    }

    fn layer_module(weights: Vec<Weights>, layer: Layer) -> LayerModule {
        LayerModule::new(weights, layer)
    }
}
