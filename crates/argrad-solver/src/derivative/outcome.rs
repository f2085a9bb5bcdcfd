//! How linear solves went.

use pulp::Simd;

use super::Mode;
use crate::lanes::{M, V};
use crate::prepared::{Group, Rows};
use crate::program::Report;
use crate::solve::polish::DELICATE;

/// A point with a larger residual is one that no polish has brought to rounding.
const UNPOLISHED: f64 = 1e-11;

/// How a linear solve went, a number for each lane.
#[derive(Clone, Copy)]
pub(super) struct LinearOutcome<S: Simd> {
    /// Relative residual.
    pub(super) residual: V<S>,
    /// Iterations of LSQR.
    pub(super) iterations: V<S>,
    /// Lanes that LSQR left at its limit of iterations.
    pub(super) unfinished: M<S>,
}

/// How the linear solves of a batch went, for each sample.
pub(super) struct LinearReports {
    pub(super) residual: Vec<f64>,
    pub(super) iterations: Vec<u32>,
    is_unfinished: Vec<bool>,
}

impl LinearReports {
    pub(super) fn new(batch: usize) -> Self {
        Self {
            residual: vec![0.0; batch],
            iterations: vec![0; batch],
            is_unfinished: vec![false; batch],
        }
    }

    /// To be written group by group.
    pub(super) fn groups<'a>(&'a mut self) -> impl FnMut(Group) -> LinearRows<'a> {
        let mut residual = Rows::new(&mut self.residual, 1);
        let mut iterations = Rows::new(&mut self.iterations, 1);
        let mut is_unfinished = Rows::new(&mut self.is_unfinished, 1);
        move |group| LinearRows {
            residual: residual.next(group),
            iterations: iterations.next(group),
            is_unfinished: is_unfinished.next(group),
        }
    }

    /// Estimates of the relative errors, from the condition numbers of `reports`: what the linear
    /// solves left or, where the system is ill-conditioned and the point was not polished to the
    /// end, the residual of the point: there a small residual does not make a small error of it.
    pub(super) fn accuracy(&self, reports: &[Report], mode: Mode) -> Vec<f64> {
        let samples = self.residual.iter().zip(reports);
        let estimate = |(&residual, report): (&f64, &Report)| match mode {
            // NaN where the residual is.
            Mode::Exact if residual.is_nan() => f64::NAN,
            Mode::Exact => {
                let is_doubtful = report.condition > DELICATE && report.residual > UNPOLISHED;
                let of_point = if is_doubtful { report.residual } else { 0.0 };
                report.condition.max(1.0) * residual.max(of_point).max(f64::EPSILON)
            }
            _ => f64::NAN,
        };
        samples.map(estimate).collect()
    }

    /// The samples that LSQR left at its limit of iterations.
    pub(super) fn unfinished(&self) -> Vec<usize> {
        (0..self.is_unfinished.len()).filter(|&i| self.is_unfinished[i]).collect()
    }
}

/// Those of a lane group.
pub(super) struct LinearRows<'a> {
    residual: &'a mut [f64],
    iterations: &'a mut [u32],
    is_unfinished: &'a mut [bool],
}

impl LinearRows<'_> {
    /// Writes what became of each lane: NaN where the sample has no solution.
    #[inline(always)]
    pub(super) fn write<S: Simd>(&mut self, outcome: &LinearOutcome<S>, has_solution: M<S>) {
        let iterations = self.iterations.iter_mut().zip(self.is_unfinished.iter_mut());
        for (lane, (residual, (iterations, is_unfinished))) in
            self.residual.iter_mut().zip(iterations).enumerate()
        {
            if has_solution.lane(lane) {
                *residual = outcome.residual.lane(lane);
                *iterations = outcome.iterations.lane(lane) as u32;
                *is_unfinished = outcome.unfinished.lane(lane);
            } else {
                *residual = f64::NAN;
            }
        }
    }
}
