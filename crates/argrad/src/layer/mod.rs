//! A compiled problem as a function of its parameters: forward, backward, jvp.

mod affine;
mod backward;
mod check;
mod compiler;
mod data;
mod describe;
mod forward;
mod store;

pub use affine::{AffineMap, AffineOutput, AffineProgram};
pub(crate) use compiler::{Compiled, Compiler, reachable};
pub use describe::ParameterInfo;
pub use forward::{Layer, LayerTape, Outputs};
