//! What kind of point a sequence ended at.

use argrad_solver::Status;

/// What kind of point the sequence ended at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointKind {
    /// A stationary point of the problem, to the tolerance: a fixed point of the sequence that
    /// satisfies the constraints. It may be a local minimum and need not be; it is never known to
    /// be the global one.
    Stationary,
    /// The constraints are violated however large the weight of the slacks: a stationary point of
    /// the violation. Another start may do better.
    SlackLeft,
    /// The steps ran out; the last point is returned.
    #[default]
    IterationLimit,
    /// A convex problem of the sequence had no solution: what its status says holds of the convex
    /// constraints (infeasible), or of the objective along the way (unbounded).
    NoPoint(Status),
}

impl std::fmt::Display for PointKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PointKind::Stationary => f.write_str("stationary"),
            PointKind::SlackLeft => f.write_str("constraints violated at the end"),
            PointKind::IterationLimit => f.write_str("iteration limit of the sequence"),
            PointKind::NoPoint(status) => write!(f, "a step of the sequence: {status}"),
        }
    }
}

/// How the sequence of one sample went.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SequenceReport {
    /// What kind of point was found.
    pub kind: PointKind,
    /// The largest change of a variable in the last step, relative to the largest variable.
    pub residual: f64,
    /// The sum of the slacks, relative to the largest term that has a tangent.
    pub slack: f64,
    /// Convex problems solved from the start that was best.
    pub steps: u32,
    /// Which start was best.
    pub start: usize,
}
