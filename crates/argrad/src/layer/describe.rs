//! What a layer says about itself to those that build on it.

use super::forward::Layer;
use crate::Differentiation;
use crate::model::Shape;

/// A parameter of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterInfo<'a> {
    /// Its name, or `param` and its index.
    pub name: &'a str,
    /// Its shape.
    pub shape: Shape,
    /// How many numbers it is given by: the size of the shape, fewer for diagonal and sparse matrices.
    pub len: usize,
    /// Whether it must be a symmetric matrix.
    pub symmetric: bool,
}

impl Layer {
    /// The parameters, in the order of [`Self::forward`].
    pub fn parameter_infos(&self) -> impl ExactSizeIterator<Item = ParameterInfo<'_>> {
        self.data.parameters.iter().map(|spec| ParameterInfo {
            name: &spec.name,
            shape: spec.shape,
            len: spec.len,
            symmetric: spec.symmetric,
        })
    }

    /// How it is differentiated.
    pub fn differentiation(&self) -> &Differentiation {
        &self.how
    }
}
