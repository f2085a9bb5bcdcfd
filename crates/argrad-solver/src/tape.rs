//! A solved batch with its last factorizations.

use std::sync::Arc;

use pulp::Simd;

use crate::lanes::{Buffer, LaneTask, dispatch};
use crate::prepared::Prepared;
use crate::program::{Report, Solution, Values};
use crate::system::analysis::Analysis;
use crate::system::memory::View;
use crate::system::shared::matrices::SharedMatrices;

/// A solved batch with its last factorizations: derivatives cost triangular solves.
///
/// Independent of later solves of the same solver.
#[derive(Debug)]
pub struct Tape {
    pub(crate) prepared: Arc<Prepared>,
    /// One a lane group.
    pub(crate) states: Vec<Buffer>,
    /// P and A, where the batch shares them and that was made use of.
    pub(crate) matrices: Option<Arc<SharedMatrices>>,
    pub(crate) shared: Shared,
    pub(crate) batch: usize,
    /// Points in the caller's units, row-major.
    pub(crate) x: Vec<f64>,
    pub(crate) z: Vec<f64>,
    pub(crate) s: Vec<f64>,
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
        prepared: Arc<Prepared>,
        (states, matrices): (Vec<Buffer>, Option<SharedMatrices>),
        values: &Values<'_>,
        solution: &Solution,
    ) -> Self {
        Self {
            prepared,
            states,
            matrices: matrices.map(Arc::new),
            shared: Shared {
                p: values.p.is_shared(),
                q: values.q.is_shared(),
                a: values.a.is_shared(),
                b: values.b.is_shared(),
            },
            batch: values.batch,
            x: solution.x.clone(),
            z: solution.z.clone(),
            s: solution.s.clone(),
            reports: solution.reports.clone(),
            removed: (0..solution.s.len()).filter(|&k| solution.s[k] == f64::INFINITY).collect(),
        }
    }

    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The point of this tape as a starting point.
    pub(crate) fn start(&self) -> Solution {
        Solution {
            batch: self.batch,
            x: self.x.clone(),
            z: self.z.clone(),
            s: self.s.clone(),
            reports: self.reports.clone(),
        }
    }

    /// The values that were solved, a sample each. They come from the scaled program, whose
    /// factors are powers of two, so they are those the caller gave, but for the entries of A in
    /// removed rows, which do not matter.
    pub(crate) fn values(&self) -> OwnValues {
        /// Copies one group, a lane after the other.
        struct Unload<'a> {
            analysis: &'a Analysis,
            matrices: Option<&'a SharedMatrices>,
            state: &'a [f64],
            count: usize,
            values: &'a mut OwnValues,
        }
        impl LaneTask for Unload<'_> {
            type Output = ();
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) {
                let Self { analysis, matrices, state, count, values } = self;
                let view = View::<S>::new(simd, analysis, matrices, state);
                let cost = view.cost_scale;
                let numbers = |address: usize| view.values[address];
                for lane in 0..count {
                    for (j, &q) in view.q.iter().enumerate() {
                        values.q.push((q / (cost * view.x_scale[j])).lane(lane));
                    }
                    for (i, &b) in view.b.iter().enumerate() {
                        values.b.push((b / view.row_scale[i]).lane(lane));
                    }
                    if let Some(matrices) = matrices {
                        values.p.extend_from_slice(&matrices.given_p);
                        values.a.extend_from_slice(&matrices.given_a);
                        continue;
                    }
                    let p = appended(&mut values.p, analysis.structure.p.nnz());
                    for (k, entry) in analysis.stored_p.iter().enumerate() {
                        let (i, j) = (entry.row as usize, entry.col as usize);
                        let scale = cost * view.x_scale[i] * view.x_scale[j];
                        let number = numbers(analysis.kkt.p_base + k) / scale;
                        p[entry.source as usize] = number.lane(lane);
                    }
                    let a = appended(&mut values.a, analysis.structure.a.nnz());
                    for (&address, entry) in analysis.kkt.a_address.iter().zip(&analysis.stored_a) {
                        let (i, j) = (entry.row as usize, entry.col as usize);
                        let scale = view.row_scale[i] * view.x_scale[j];
                        a[entry.source as usize] = (numbers(address as usize) / scale).lane(lane);
                    }
                }
            }
        }
        let prepared = &self.prepared;
        let mut values = OwnValues::default();
        for (index, state) in self.states.iter().enumerate() {
            let count = prepared.lanes.min(self.batch - index * prepared.lanes);
            let state = state.as_slice();
            let unload = Unload {
                analysis: &prepared.analysis,
                matrices: self.matrices.as_deref(),
                state,
                count,
                values: &mut values,
            };
            dispatch(prepared.width, unload);
        }
        self.removed.iter().for_each(|&k| values.b[k] = f64::INFINITY);
        values
    }
}

/// `len` zeros at the end of `values`.
fn appended(values: &mut Vec<f64>, len: usize) -> &mut [f64] {
    let start = values.len();
    values.resize(start + len, 0.0);
    &mut values[start..]
}

/// Values of a batch, a sample each.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnValues {
    pub(crate) p: Vec<f64>,
    pub(crate) q: Vec<f64>,
    pub(crate) a: Vec<f64>,
    pub(crate) b: Vec<f64>,
}

impl Drop for Tape {
    fn drop(&mut self) {
        for state in self.states.drain(..) {
            self.prepared.return_state(state);
        }
    }
}
