//! What goes in and comes out.

use argrad_solver::Slot;

use super::kkt::KktSystem;
use super::problem::Dimensions;
use super::report::{ArgminReport, ArgminStatus};

/// Parameters and points of a batch: where to start, or solutions found elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct ArgminPoint<'a> {
    /// Number of samples.
    pub batch: usize,
    /// Parameters: `theta` numbers per sample.
    pub theta: Slot<'a>,
    /// Variables: `y` numbers per sample.
    pub y: Slot<'a>,
    /// nu and mu, `equalities` and `inequalities` numbers per sample, where they are known. Without
    /// them, least-squares multipliers are taken.
    pub multipliers: Option<[Slot<'a>; 2]>,
}

impl<'a> ArgminPoint<'a> {
    /// A batch without multipliers.
    pub fn new(batch: usize, theta: Slot<'a>, y: Slot<'a>) -> Self {
        Self { batch, theta, y, multipliers: None }
    }

    /// The same with multipliers of h and of g.
    pub fn with_multipliers(self, equalities: Slot<'a>, inequalities: Slot<'a>) -> Self {
        Self { multipliers: Some([equalities, inequalities]), ..self }
    }
}

/// Solutions of a batch, row-major, with what their derivatives need.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArgminSolution {
    /// Number of samples.
    pub batch: usize,
    /// Minimizers: `batch x y`.
    pub y: Vec<f64>,
    /// nu, multipliers of h(theta, y) = 0 in L = f + nu'h + mu'g: `batch x equalities`.
    pub equality_multipliers: Vec<f64>,
    /// mu, multipliers of g(theta, y) <= 0, not negative: `batch x inequalities`.
    pub inequality_multipliers: Vec<f64>,
    /// One report per sample.
    pub reports: Vec<ArgminReport>,
    pub(super) size: Dimensions,
    pub(super) theta: Vec<f64>,
    pub(super) theta_shared: bool,
    /// The factored KKT system; `None` where there is no finite one.
    pub(super) systems: Vec<Option<KktSystem>>,
}

impl ArgminSolution {
    /// The parameters that this is the solution for.
    pub fn theta(&self) -> Slot<'_> {
        match self.theta_shared {
            true => Slot::Shared(&self.theta),
            false => Slot::Each(&self.theta),
        }
    }

    /// Indices and statuses of the samples that are not solved.
    pub fn failures(&self) -> impl Iterator<Item = (usize, ArgminStatus)> + '_ {
        let statuses = self.reports.iter().map(|report| report.status).enumerate();
        statuses.filter(|(_, status)| !status.is_solved())
    }
}
