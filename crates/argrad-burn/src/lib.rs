//! Convex optimization layers for [burn]: a quadratic program as a differentiable op
//! ([`qp`](qp())) and as a module with learnable parameters ([`QpModule`]); any problem written in
//! the language of [`argrad::model`] likewise ([`layer`](layer()) and [`LayerModule`]).
//!
//! ```
//! use argrad::MatrixShape;
//! use argrad_burn::{Argument, QpConfig, QpInputs, Source};
//! use burn::module::Initializer;
//! use burn::tensor::{Device, Tensor};
//!
//! # fn main() -> Result<(), argrad_burn::Error> {
//! // x = argmin 1/2 |x|^2 + q'x subject to Ax = A exp(w), x >= 0, with A and w learned and q fed.
//! let device = Device::flex().autodiff();
//! let module = QpConfig::new(3)
//!     .quadratic(MatrixShape::Diagonal(3), Source::Fixed(vec![1.0; 3]))
//!     .feasible_equalities(
//!         MatrixShape::Dense { rows: 1, cols: 3 },
//!         Source::Learnable(Initializer::Uniform { min: 0.0, max: 1.0 }),
//!         Source::Learnable(Initializer::Zeros),
//!     )
//!     .inequalities(
//!         MatrixShape::Diagonal(3),
//!         Source::Fixed(vec![-1.0; 3]),
//!         Source::Fixed(vec![0.0; 3]),
//!     )
//!     .init(&device)?;
//! let q = Tensor::<2>::from_floats([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0]], &device);
//! let output = module.forward(QpInputs::new().q(Argument::each(q)))?;
//! assert_eq!(output.x.dims(), [2, 3]);
//! let gradients = output.x.powf_scalar(2.0).sum().backward();
//! assert!(module.a().matrix().unwrap().grad(&gradients).is_some());
//! # Ok(())
//! # }
//! ```
//!
//! Everything is computed in f64; f32 tensors are converted at the door, and what comes out is f32
//! where everything that went in was. The op runs on burn's Flex backend, with and without
//! autodiff.
#![deny(missing_docs)]

// No module uses one that stands below it.
mod error;

mod argument;

mod node;
mod packed;
mod weights;

mod qp;

mod layer;

mod config;

pub use argument::Argument;
pub use config::{LayerConfig, QpConfig};
pub use error::Error;
pub use layer::{LayerInputs, LayerModule, LayerOutput, elastic_layer, layer};
pub use qp::{QpArguments, QpInputs, QpModule, QpOutput, qp};
pub use weights::{Source, Weights};
