//! The answer of a layer.

use argrad_solver::{Error, Report, Solution, Status};

use super::rows::{split_rows, stack_rows};

/// Solutions of a batch of quadratic programs, row-major.
///
/// With y the duals of the equalities and z those of the inequalities:
/// Px + q + A'y + G'z = 0, z >= 0, and z (h - Gx) = 0 entry by entry.
///
/// Where a sample has no solution, its rows hold what the solver ended with: a certificate of
/// infeasibility or unboundedness, or the best point (see [`Status`]).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QpSolution {
    /// Number of samples.
    pub batch: usize,
    /// Minimizers, `batch * n`.
    pub x: Vec<f64>,
    /// Duals of the equalities (y), `batch * equalities`.
    pub equality_duals: Vec<f64>,
    /// Duals of the inequalities (z), `batch * inequalities`; 0 where h is 1e19 or more.
    pub inequality_duals: Vec<f64>,
    /// Slacks h - Gx, `batch * inequalities`; `+inf` where h is 1e19 or more.
    pub slacks: Vec<f64>,
    /// How the solve of each sample went.
    pub reports: Vec<Report>,
}

impl QpSolution {
    /// Indices and statuses of the samples that are not solved.
    pub fn failures(&self) -> impl Iterator<Item = (usize, Status)> + '_ {
        let statuses = self.reports.iter().map(|report| report.status).enumerate();
        statuses.filter(|&(_, status)| !status.is_solved())
    }

    pub(crate) fn from_solver(solution: Solution, rows: [usize; 2]) -> Self {
        let Solution { batch, x, z, s, reports, .. } = solution;
        let [equality_duals, inequality_duals] = split_rows(z, batch, rows);
        let [_, slacks] = split_rows(s, batch, rows);
        Self { batch, x, equality_duals, inequality_duals, slacks, reports }
    }

    /// As a start of the solver.
    pub(crate) fn to_solver(&self, n: usize, rows: [usize; 2]) -> Result<Solution, Error> {
        let parts = [
            ("start.x", &self.x, n),
            ("start.equality_duals", &self.equality_duals, rows[0]),
            ("start.inequality_duals", &self.inequality_duals, rows[1]),
            ("start.slacks", &self.slacks, rows[1]),
        ];
        for (argument, values, len) in parts {
            if values.len() != self.batch * len {
                return Err(Error::Length {
                    argument,
                    expected: self.batch * len,
                    found: values.len(),
                    meaning: format!("batch {} x {len} numbers", self.batch),
                });
            }
        }
        let zeros = vec![0.0; self.batch * rows[0]];
        Ok(Solution {
            batch: self.batch,
            x: self.x.clone(),
            z: stack_rows(&self.equality_duals, &self.inequality_duals, self.batch, rows),
            s: stack_rows(&zeros, &self.slacks, self.batch, rows),
            reports: self.reports.clone(),
        })
    }
}
