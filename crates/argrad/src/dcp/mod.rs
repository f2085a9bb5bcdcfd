//! Disciplined convex programming: sign, curvature and monotonicity by the composition rule.

mod analysis;
mod cholesky;
mod explain;
mod sign;

pub(crate) use analysis::Analysis;
pub(crate) use analysis::{constant_value, evaluate};
pub(crate) use cholesky::{is_semidefinite, pivoted_cholesky};
pub(crate) use explain::{culprits, tree};
pub use sign::{Curvature, Info, Monotonicity, Sign};
