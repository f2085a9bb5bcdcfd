//! The answer of a layer.

use std::ops::Deref;
use std::sync::Arc;

use argrad_solver::{Solution, Tape};

use super::layer::{Maps, Sharing};
use crate::{Error, Report, Status};

/// Solutions of a batch of quadratic programs, row-major.
///
/// With nu and lambda the duals: Qz + q + A'nu + G'lambda = 0, lambda >= 0, and
/// lambda (h - Gz) = 0 entry by entry.
///
/// Where an instance has no solution, its rows hold what the solver ended with: a certificate of
/// infeasibility or unboundedness, or the best point (see [`Status`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QpPoint {
    /// Number of instances.
    pub batch: usize,
    /// Minimizers, `batch * n`.
    pub z: Vec<f64>,
    /// Duals of the equalities (nu), `batch * equalities`.
    pub equality_duals: Vec<f64>,
    /// Duals of the inequalities (lambda), `batch * inequalities`.
    pub inequality_duals: Vec<f64>,
    /// Slacks h - Gz, `batch * inequalities`; `+inf` where h is.
    pub slacks: Vec<f64>,
    /// How the solve of each instance went.
    pub reports: Vec<Report>,
}

impl QpPoint {
    /// Indices and statuses of the instances that are not solved.
    pub fn failures(&self) -> impl Iterator<Item = (usize, Status)> + '_ {
        let statuses = self.reports.iter().map(|report| report.status).enumerate();
        statuses.filter(|&(_, status)| status != Status::Solved)
    }

    pub(crate) fn from_solver(solution: Solution, rows: [usize; 2]) -> Self {
        let Solution { batch, x, z, s, reports } = solution;
        let [equality_duals, inequality_duals] = split_rows(z, batch, rows);
        let [_, slacks] = split_rows(s, batch, rows);
        Self { batch, z: x, equality_duals, inequality_duals, slacks, reports }
    }

    pub(crate) fn to_solver(&self, n: usize, rows: [usize; 2]) -> Result<Solution, Error> {
        let parts = [
            ("start.z", &self.z, n),
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
            x: self.z.clone(),
            z: stack_rows(&self.equality_duals, &self.inequality_duals, self.batch, rows),
            s: stack_rows(&zeros, &self.slacks, self.batch, rows),
            reports: self.reports.clone(),
        })
    }
}

/// A solved batch ([`QpPoint`], to which it dereferences) with what its derivative needs.
/// Cheap to clone apart from the point.
#[derive(Clone, Debug)]
pub struct QpSolution {
    pub(crate) point: QpPoint,
    pub(crate) tape: Arc<Tape>,
    pub(crate) maps: Arc<Maps>,
    pub(crate) sharing: Sharing,
}

impl QpSolution {
    /// The point, without what the derivative needs.
    pub fn into_point(self) -> QpPoint {
        self.point
    }
}

impl Deref for QpSolution {
    type Target = QpPoint;

    fn deref(&self) -> &QpPoint {
        &self.point
    }
}

/// `[first; second]` of each instance.
pub(crate) fn stack_rows(
    first: &[f64],
    second: &[f64],
    batch: usize,
    rows: [usize; 2],
) -> Vec<f64> {
    let mut stacked = Vec::with_capacity(batch * (rows[0] + rows[1]));
    for k in 0..batch {
        stacked.extend_from_slice(&first[k * rows[0]..(k + 1) * rows[0]]);
        stacked.extend_from_slice(&second[k * rows[1]..(k + 1) * rows[1]]);
    }
    stacked
}

/// Inverse of [`stack_rows`].
pub(crate) fn split_rows(stacked: Vec<f64>, batch: usize, rows: [usize; 2]) -> [Vec<f64>; 2] {
    match rows {
        [_, 0] => [stacked, Vec::new()],
        [0, _] => [Vec::new(), stacked],
        [p, m] => {
            let mut parts = [Vec::with_capacity(batch * p), Vec::with_capacity(batch * m)];
            for instance in stacked.chunks_exact(p + m) {
                parts[0].extend_from_slice(&instance[..p]);
                parts[1].extend_from_slice(&instance[p..]);
            }
            parts
        }
    }
}
