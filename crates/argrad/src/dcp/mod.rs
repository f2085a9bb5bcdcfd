//! Disciplined convex programming: sign, curvature and monotonicity by the composition rule.

mod analysis;
mod explain;

pub(crate) use analysis::{Analysis, monotonicities};
pub(crate) use explain::{culprits, tree};
