//! A compiled problem as a function of its parameters: forward, backward, jvp.

mod affine;
mod answer;
mod backward;
mod call;
mod check;
mod compiler;
mod completion;
mod conditions;
mod data;
mod derivative;
mod describe;
mod elastic;
mod exported;
mod forward;
mod outputs;
mod picked;
mod price;
mod relaxed;
mod second;
mod store;

pub use affine::{AffineMap, AffineOutput, AffineProgram};
pub use answer::Answer;
pub use call::Call;
pub(crate) use check::check_slices;
pub use derivative::LayerDerivative;
pub use describe::ParameterInfo;
pub use elastic::{ElasticLayer, ElasticOutputs, ElasticTape};
pub use exported::{ExportedMap, ExportedMaps, ExportedPrice, ExportedStep};
pub use forward::{Layer, LayerTape};
pub use outputs::{OutputValues, Outputs};
pub use picked::PickedOutput;
pub use price::{Relaxation, ViolationNorm};
