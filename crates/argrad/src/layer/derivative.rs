//! What the two directions of a layer's derivative give.

use std::ops::{Deref, DerefMut};

/// A gradient, one vector for each parameter, or a tangent, one for each output; with how accurate
/// it is, sample by sample. It can be used as the vectors: indexed, iterated over, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LayerDerivative {
    /// The vectors, each of the length of the value that it belongs to.
    pub values: Vec<Vec<f64>>,
    /// Residual of the linear system relative to right-hand side and solution, as
    /// [`Gradients::adjoint_residual`](argrad_solver::Gradients::adjoint_residual).
    pub residual: Vec<f64>,
    /// Estimated relative error, as
    /// [`Gradients::accuracy`](argrad_solver::Gradients::accuracy): infinite where the solution is
    /// not unique, NaN where it is not estimated.
    pub accuracy: Vec<f64>,
    /// Samples that LSQR left at its limit of iterations: their part is no derivative.
    pub unfinished: Vec<usize>,
}

impl Deref for LayerDerivative {
    type Target = Vec<Vec<f64>>;

    fn deref(&self) -> &Vec<Vec<f64>> {
        &self.values
    }
}

impl DerefMut for LayerDerivative {
    fn deref_mut(&mut self) -> &mut Vec<Vec<f64>> {
        &mut self.values
    }
}

impl IntoIterator for LayerDerivative {
    type Item = Vec<f64>;
    type IntoIter = std::vec::IntoIter<Vec<f64>>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter()
    }
}

impl<'a> IntoIterator for &'a LayerDerivative {
    type Item = &'a Vec<f64>;
    type IntoIter = std::slice::Iter<'a, Vec<f64>>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.iter()
    }
}

impl From<LayerDerivative> for Vec<Vec<f64>> {
    fn from(derivative: LayerDerivative) -> Self {
        derivative.values
    }
}
