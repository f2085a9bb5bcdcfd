//! What quasiconvex problems know of an atom: its level sets.

use std::sync::Arc;

use super::Atom;

/// A side of a level t of a function f.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sublevel set, `f(x) <= t`.
    Below,
    /// The superlevel set, `f(x) >= t`.
    Above,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Side::Below => Side::Above,
            Side::Above => Side::Below,
        }
    }
}

/// How a level set of an atom f is stated by convex constraints.
///
/// Source: Agrawal and Boyd, Disciplined Quasiconvex Programming, 2020, section 3.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LevelSet {
    /// f is an elementwise function of one argument, monotone where [`Atom::monotonicity`] says so:
    /// this atom of the level is the level of the argument.
    Inverse(Arc<dyn Atom>),
    /// This atom of f's arguments and the level (its last argument, free of variables, of the sign
    /// of f) is at most zero exactly on the set. It is convex in the arguments.
    Residual(Arc<dyn Atom>),
    /// Every element of every argument that goes into an element of f is on this side of its
    /// level: of a largest element below, of a smallest one above. f has the shape of each of its
    /// arguments, or one element made of all.
    Each,
}
