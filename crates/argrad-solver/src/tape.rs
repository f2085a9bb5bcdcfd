//! A solved batch with its last factorizations.

use std::sync::Arc;

use crate::lanes::Buffer;
use crate::program::{Report, Solution, Values};
use crate::solver::Inner;

/// A solved batch with its last factorizations: derivatives cost triangular solves.
///
/// Independent of later solves of the same solver.
#[derive(Debug)]
pub struct Tape {
    pub(crate) inner: Arc<Inner>,
    /// One a lane group.
    pub(crate) states: Vec<Buffer>,
    pub(crate) shared: Shared,
    pub(crate) batch: usize,
    /// Points in the caller's units, row-major.
    pub(crate) x: Vec<f64>,
    pub(crate) z: Vec<f64>,
    pub(crate) reports: Vec<Report>,
    /// Positions in z and s of the rows removed by b = +inf. There s is a constant.
    pub(crate) removed: Vec<usize>,
}

/// Which values are shared by the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared {
    pub(crate) p: bool,
    pub(crate) q: bool,
    pub(crate) a: bool,
    pub(crate) b: bool,
}

impl Tape {
    pub(crate) fn new(
        inner: Arc<Inner>,
        states: Vec<Buffer>,
        values: &Values<'_>,
        solution: &Solution,
    ) -> Self {
        Self {
            inner,
            states,
            shared: Shared {
                p: values.p.is_shared(),
                q: values.q.is_shared(),
                a: values.a.is_shared(),
                b: values.b.is_shared(),
            },
            batch: values.batch,
            x: solution.x.clone(),
            z: solution.z.clone(),
            reports: solution.reports.clone(),
            removed: (0..solution.s.len()).filter(|&k| solution.s[k] == f64::INFINITY).collect(),
        }
    }

    /// Number of instances.
    pub fn batch(&self) -> usize {
        self.batch
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        for state in self.states.drain(..) {
            self.inner.return_state(state);
        }
    }
}
