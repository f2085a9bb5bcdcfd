//! What an atom is, for those who write their own: the trait, what the DCP rules know of its
//! arguments, and the graph that it writes.
//!
//! An affine operation is a [`LinearMap`] or a
//! [`Bilinear`] product; everything else is an [`Atom`].

mod affine;
mod derivation;
mod differences;
mod graph;
mod info;
mod interface;
mod level_set;
mod log_log;
mod perspective;
mod product;
mod quadratic;
mod stored;

pub use affine::Affine;
pub(crate) use affine::Term;
pub(crate) use derivation::{Derivation, Step, ThetaBlock};
pub(crate) use differences::derivative;
pub(crate) use graph::Block;
pub use graph::Graph;
pub use info::{Curvature, Info, Monotonicity, Sign};
pub use interface::{Argument, Atom};
pub use level_set::{LevelSet, Side};
pub use log_log::LogLog;
pub(crate) use product::theta_affine;
pub(crate) use stored::StoredAtom;

pub use crate::algebra::{Bilinear, LinearMap, Shape};
