//! Atoms in files.

use std::sync::Arc;

use super::Atom;

/// An atom that is written to files as its name and its numbers, and is made from them by the
/// registry.
#[derive(Clone, Debug)]
pub(crate) struct StoredAtom(pub Arc<dyn Atom>);
