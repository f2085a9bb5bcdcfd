//! Points of the central path, which [`Mode::Smoothed`] differentiates.

use std::sync::Mutex;

use pulp::Simd;

use super::adjoint::{lane_masks, split};
use super::{Differentiation, Method, Mode, OnFailure};
use crate::lanes::{Buffer, LaneTask, V, dispatch};
use crate::prepared::Prepared;
use crate::program::Error;
use crate::program::{Report, Status};
use crate::solve::polish::{Target, polish};
use crate::system::analysis::Analysis;
use crate::system::memory::{State, Work};
use crate::tape::Tape;
use crate::threads::for_each;

/// Most Newton steps to a point of the central path.
const SMOOTHING_STEPS: usize = 50;
/// Residual that such a point must reach.
const SMOOTHED: f64 = 1e-12;

impl Tape {
    /// The points and factors of the central path at mu, where `how` asks for them.
    pub(super) fn smoothed(
        &self,
        how: &Differentiation,
    ) -> Result<Option<SmoothedPoints<'_>>, Error> {
        let Mode::Smoothed(mu) = how.mode else { return Ok(None) };
        let analysis = &self.prepared.analysis;
        let (n, m) = (analysis.n(), analysis.m());
        let mut points = SmoothedPoints {
            prepared: &self.prepared,
            states: self
                .states
                .iter()
                .map(|state| {
                    let mut copy = self.prepared.take_state();
                    copy.as_mut_slice().copy_from_slice(state.as_slice());
                    copy
                })
                .collect(),
            x: self.x.clone(),
            z: self.z.clone(),
        };
        let lanes = self.prepared.lanes;
        let mut groups = Vec::with_capacity(points.states.len());
        let (mut x, mut z) = (&mut points.x[..], &mut points.z[..]);
        for (index, state) in points.states.iter_mut().enumerate() {
            let count = lanes.min(self.batch() - index * lanes);
            groups.push(SmoothGroup {
                analysis,
                state: state.as_mut_slice(),
                work: &mut [],
                reports: &self.reports,
                first: index * lanes,
                mu,
                x: split(&mut x, count * n),
                z: split(&mut z, count * m),
            });
        }
        let width = self.prepared.width;
        let failed = Mutex::new(Vec::new());
        for_each(
            groups,
            SMOOTHING_STEPS * analysis.kkt.values_len,
            || self.prepared.take_work(),
            |work, group| {
                let group = SmoothGroup { work: work.as_mut_slice(), ..group };
                if let Some(index) = dispatch(width, group) {
                    let mut failed = failed.lock().unwrap_or_else(|e| e.into_inner());
                    failed.push((index, Status::NumericalTrouble));
                }
            },
        );
        let mut failures = failed.into_inner().unwrap_or_else(|e| e.into_inner());
        failures.sort_unstable_by_key(|&(index, _)| index);
        if failures.is_empty() {
            Ok(Some(points))
        } else {
            Err(Error::Unsolved { batch: self.batch(), failures })
        }
    }

    /// The points (x, z) of the central path at `mu`, row-major: s - z = v, s o z = mu. What
    /// [`Mode::Smoothed`] differentiates.
    ///
    /// # Errors
    /// As [`Self::vjp`]; [`Error::Unsolved`] where Newton's method does not reach the path.
    pub fn central_points(&self, mu: f64) -> Result<(Vec<f64>, Vec<f64>), Error> {
        let how = Differentiation {
            mode: Mode::Smoothed(mu),
            on_failure: OnFailure::Zero,
            method: Method::Direct,
        };
        how.check(&self.reports)?;
        match self.smoothed(&how)? {
            Some(mut points) => Ok((std::mem::take(&mut points.x), std::mem::take(&mut points.z))),
            None => Ok((self.x.clone(), self.z.clone())),
        }
    }
}

/// States moved to the central path.
pub(super) struct SmoothedPoints<'a> {
    prepared: &'a Prepared,
    pub(super) states: Vec<Buffer>,
    pub(super) x: Vec<f64>,
    pub(super) z: Vec<f64>,
}

impl Drop for SmoothedPoints<'_> {
    fn drop(&mut self) {
        for state in self.states.drain(..) {
            self.prepared.return_state(state);
        }
    }
}

/// Newton's method to the central path for one lane group; says which instance did not get there.
struct SmoothGroup<'a> {
    analysis: &'a Analysis,
    state: &'a mut [f64],
    work: &'a mut [f64],
    reports: &'a [Report],
    first: usize,
    mu: f64,
    x: &'a mut [f64],
    z: &'a mut [f64],
}

impl LaneTask for SmoothGroup<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<usize> {
        let analysis = self.analysis;
        let (n, m) = (analysis.n(), analysis.m());
        let state = &mut State::<S>::new(simd, analysis, self.state);
        let work = &mut Work::new(simd, analysis, self.work);
        let (_, solved) = lane_masks(simd, self.reports, self.first, true);
        // s o z carries the cost scale; the row scales cancel.
        let mu = V::splat(simd, self.mu) * state.cost_scale[0];
        let target = Target { mu, residual: SMOOTHED, max_steps: SMOOTHING_STEPS };
        let polished = polish(simd, analysis, state, work, solved, target);
        let cost = state.cost_scale[0];
        let count = self.reports[self.first..].len().min(V::<S>::LANES);
        for lane in 0..count {
            if solved.lane(lane) && !polished.solved.lane(lane) {
                return Some(self.first + lane);
            }
            for j in 0..n {
                self.x[lane * n + j] = (state.x[j] * state.x_scale[j]).lane(lane);
            }
            for i in 0..m {
                self.z[lane * m + i] = (state.z[i] * state.row_scale[i] / cost).lane(lane);
            }
        }
        None
    }
}
