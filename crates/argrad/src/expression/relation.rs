//! What constraints say.

use super::{Id, Place};
use crate::algebra::Shape;

/// What a constraint says.
#[derive(Clone, Debug)]
pub(crate) enum Relation {
    /// `left == right`; the node is `right - left`.
    Equal(Id),
    /// `left <= right` elementwise; the node is `right - left`.
    LessEqual(Id),
    /// The symmetric part of this matrix is positive semidefinite.
    Psd(Id),
    /// `|x| <= t`: the scalar t, the vector x.
    SecondOrder(Id, Id),
    /// `y exp(x / y) <= z, y > 0` elementwise.
    Exponential(Id, Id, Id),
    /// `x^a y^(1-a) >= |z|, x, y >= 0` elementwise.
    Power(Id, Id, Id, f64),
}

pub(crate) struct ConstraintData {
    pub relation: Relation,
    pub name: Option<String>,
    pub place: Place,
    /// Shape of the dual.
    pub shape: Shape,
}

impl Relation {
    /// The expressions it is about.
    pub(crate) fn args(&self) -> Vec<Id> {
        match self {
            Relation::Equal(e) | Relation::LessEqual(e) | Relation::Psd(e) => vec![*e],
            Relation::SecondOrder(t, x) => vec![*t, *x],
            Relation::Exponential(x, y, z) | Relation::Power(x, y, z, _) => vec![*x, *y, *z],
        }
    }

    /// How it is written.
    pub(crate) fn says(&self) -> &'static str {
        match self {
            Relation::Equal(_) => "difference == 0",
            Relation::LessEqual(_) => "difference >= 0",
            Relation::Psd(_) => "positive semidefinite",
            Relation::SecondOrder(..) => "second-order cone (t, x)",
            Relation::Exponential(..) => "exponential cone (x, y, z)",
            Relation::Power(..) => "power cone (x, y, z)",
        }
    }
}
