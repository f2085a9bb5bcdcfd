//! Which curvature is wanted of an expression.

use crate::atom::{Curvature, Monotonicity, Sign};

/// The curvature that an expression must have where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Want {
    Convex,
    Concave,
    Affine,
}

impl Want {
    pub fn fits(self, curvature: Curvature) -> bool {
        match self {
            Want::Convex => curvature.is_convex(),
            Want::Concave => curvature.is_concave(),
            Want::Affine => curvature.is_affine(),
        }
    }

    /// What is wanted of an argument that the expression changes with in this way.
    pub fn along(self, monotonicity: Monotonicity) -> Self {
        match (self, monotonicity) {
            (Want::Affine, _) | (_, Monotonicity::None) => Want::Affine,
            (_, Monotonicity::Increasing) => self,
            (Want::Convex, Monotonicity::Decreasing) => Want::Concave,
            (Want::Concave, Monotonicity::Decreasing) => Want::Convex,
        }
    }

    /// What is wanted of the other factor.
    pub fn times(self, factor: Sign) -> Self {
        if factor.is_nonneg() {
            self
        } else if factor.is_nonpos() {
            self.along(Monotonicity::Decreasing)
        } else {
            Want::Affine
        }
    }
}
