//! The handle, and what can be asked of it.

use std::panic::Location;

use super::arena::{Id, Op};
use super::{Model, Shape};
use crate::dcp::{Analysis, Curvature, Sign};

/// An expression: a copyable handle into a [`Model`].
///
/// `*` is elementwise and broadcasts, as in NumPy; the matrix product is [`Self::matmul`] (or
/// [`super::matmul`] where the left side is an array), the inner product [`Self::dot`].
#[derive(Clone, Copy)]
pub struct Expr<'m> {
    pub(crate) model: &'m Model,
    pub(crate) id: Id,
}

impl<'m> Expr<'m> {
    pub(crate) fn new(model: &'m Model, id: Id) -> Self {
        Self { model, id }
    }

    pub(crate) fn op(&self) -> Op {
        self.model.arena().nodes[self.id].op.clone()
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.model.arena().nodes[self.id].shape
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape().size()
    }

    /// Whether a variable occurs in it.
    pub fn has_variables(&self) -> bool {
        self.model.arena().nodes[self.id].has_variables
    }

    /// Whether a parameter occurs in it.
    pub fn has_parameters(&self) -> bool {
        self.model.arena().nodes[self.id].has_parameters
    }

    /// Its curvature in the variables, parameters held fixed, by the rules of DCP.
    pub fn curvature(&self) -> Curvature {
        Analysis::new(&self.model.arena()).info(self.id).curvature
    }

    /// Its sign, as far as the rules tell.
    pub fn sign(&self) -> Sign {
        Analysis::new(&self.model.arena()).info(self.id).sign
    }

    /// Where it was written.
    pub fn location(&self) -> &'static Location<'static> {
        self.model.arena().nodes[self.id].place
    }
}

impl std::fmt::Display for Expr<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&super::text::render(&self.model.arena(), self.id))
    }
}

impl std::fmt::Debug for Expr<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expr({self}: {})", self.shape())
    }
}
