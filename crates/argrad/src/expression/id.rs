//! Where things are: in an arena, in the source, in a model that may be gone.

use std::panic::Location;

/// Position of a node.
pub(crate) type Id = usize;

/// Where something was written.
pub(crate) type Place = &'static Location<'static>;

/// A node or constraint of a model that may be gone: the number of the model, the position in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    pub model: u64,
    pub id: usize,
}
