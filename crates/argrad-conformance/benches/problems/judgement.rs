//! When a point counts as solved.

use argrad_conformance::{KktResidual, ProgramBatch, kkt_residual};
use argrad_solver::Solution;

/// Largest residual of a solved program, unless told otherwise: Clarabel's own default.
pub const TOLERANCE: f64 = 1e-8;

/// Measures the only sample of a batch.
pub fn judge(program: &ProgramBatch, solution: &Solution) -> KktResidual {
    kkt_residual(program, 0, &solution.x, &solution.z, &solution.s)
}

/// Whether the point is within the tolerance. A NaN is not.
pub fn is_optimal(residual: &KktResidual, tolerance: f64) -> bool {
    residual.worst() <= tolerance
}

/// exp(mean(log(t + shift))) - shift, in the unit of the times; `None` without any.
pub fn shifted_geometric_mean(times: &[f64], shift: f64) -> Option<f64> {
    if times.is_empty() {
        return None;
    }
    let logarithms: f64 = times.iter().map(|time| (time + shift).ln()).sum();
    Some((logarithms / times.len() as f64).exp() - shift)
}
