//! The configurations of the modules: how they are put together is argrad's, what they hold is
//! candle's.

use argrad::host::{Extent, Misfit, ModuleSource, QpProgram};
use argrad::model::Layer;
use candle_core::Device;

use crate::error::Error;
use crate::layer::LayerModule;
use crate::qp::QpModule;
use crate::weights::{Source, Weights};

/// Configuration of a [`QpModule`]: [`init`](argrad::host::QpConfig::init) makes it, on the CPU.
pub type QpConfig = argrad::host::QpConfig<Source>;

/// Configuration of a [`LayerModule`]: [`init`](argrad::host::LayerConfig::init) makes it, on the
/// CPU.
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
        argument: &str,
        extent: Extent,
        device: &Device,
        misfit: &dyn Fn(Misfit) -> Error,
    ) -> Result<Weights, Error> {
        Weights::new(self, argument, extent, device, misfit)
    }

    fn qp_module(weights: [Weights; 6], program: QpProgram) -> QpModule {
        QpModule::new(weights, program)
    }

    fn layer_module(weights: Vec<Weights>, layer: Layer) -> LayerModule {
        LayerModule::new(weights, layer)
    }
}
