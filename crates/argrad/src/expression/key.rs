//! How the parameters and outputs of a layer are told from each other.

use super::{Expr, Handle};

/// A parameter or output of a layer: by its name, by its position, or by what it is in the model.
///
/// A layer that was read from a file knows names and positions only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub(crate) by: By,
    /// How it reads, for errors.
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Name,
    Position(usize),
    Expression(Handle),
    Dual(Handle),
}

impl From<&str> for Key {
    fn from(name: &str) -> Self {
        Self { by: By::Name, text: name.to_owned() }
    }
}

impl From<usize> for Key {
    fn from(position: usize) -> Self {
        Self { by: By::Position(position), text: format!("position {position}") }
    }
}

impl From<Expr<'_>> for Key {
    fn from(expr: Expr<'_>) -> Self {
        Self { by: By::Expression(expr.handle()), text: expr.to_string() }
    }
}
