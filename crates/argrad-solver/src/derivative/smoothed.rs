//! Points of the central path, which [`Mode::Smoothed`] differentiates.

use pulp::Simd;

use super::{Differentiation, Method, Mode, OnFailure};
use crate::lanes::{Buffer, LaneTask, M, V, dispatch};
use crate::prepared::{Group, Prepared, Rows};
use crate::program::{Error, Report, Status};
use crate::solve::polish::{Target, polish};
use crate::system::analysis::Analysis;
use crate::system::memory::{State, Work};
use crate::system::shared::matrices::SharedMatrices;
use crate::tape::Tape;

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
        let mut points = self.copied_points()?;
        let analysis = &self.prepared.analysis;
        let (n, m) = (analysis.n(), analysis.m());
        let (mut x, mut z) = (Rows::new(&mut points.x, n), Rows::new(&mut points.z, m));
        let mut states = points.states.iter_mut();
        let task = |group: Group| SmoothGroup {
            analysis,
            matrices: self.matrices.as_deref(),
            state: states.next().map(Buffer::as_mut_slice).unwrap_or_default(),
            work: &mut [],
            group,
            reports: &self.reports,
            mu,
            x: x.next(group),
            z: z.next(group),
        };
        let failed = self.prepared.for_groups(self.batch(), SMOOTHING_STEPS, task, |task, work| {
            dispatch(self.prepared.width, SmoothGroup { work, ..task })
        });
        let failures: Vec<(usize, Status)> =
            failed.into_iter().flatten().map(|sample| (sample, Status::NumericalTrouble)).collect();
        if failures.is_empty() {
            Ok(Some(points))
        } else {
            Err(Error::Unsolved { batch: self.batch(), failures })
        }
    }

    /// The points of this tape, to be moved.
    fn copied_points(&self) -> Result<SmoothedPoints<'_>, Error> {
        let mut states = self.prepared.take_states(self.batch(), self.matrices.is_some())?;
        for (copy, state) in states.iter_mut().zip(&self.states) {
            copy.as_mut_slice().copy_from_slice(state.as_slice());
        }
        let (x, z) = (self.x.clone(), self.z.clone());
        Ok(SmoothedPoints { prepared: &self.prepared, states, x, z })
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

/// Newton's method to the central path for one lane group; says which sample did not get there.
struct SmoothGroup<'a> {
    analysis: &'a Analysis,
    matrices: Option<&'a SharedMatrices>,
    state: &'a mut [f64],
    work: &'a mut [f64],
    group: Group,
    reports: &'a [Report],
    mu: f64,
    x: &'a mut [f64],
    z: &'a mut [f64],
}

impl LaneTask for SmoothGroup<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<usize> {
        let Self { analysis, group, x, z, .. } = self;
        let (n, m) = (analysis.n(), analysis.m());
        let work = &mut Work::<S>::new(simd, analysis, self.work);
        let spare = std::mem::take(&mut work.spare);
        let state = &mut State::new(simd, analysis, self.matrices, self.state, spare);
        let solved = group.lanes(simd, self.reports, Report::is_solved);
        // s o z carries the cost scale; the row scales cancel.
        let mu = V::splat(simd, self.mu) * state.cost_scale[0];
        let target = Target {
            mu,
            residual: SMOOTHED,
            enough: 0.0,
            max_steps: SMOOTHING_STEPS,
            is_last: M::splat(simd, false),
            close: M::splat(simd, false),
        };
        let polished = polish(simd, analysis, state, work, solved, target);
        let cost = state.cost_scale[0];
        for lane in 0..group.count {
            if solved.lane(lane) && !polished.solved.lane(lane) {
                return Some(group.first + lane);
            }
            let scaled = state.x.iter().zip(state.x_scale.iter());
            for (out, (&x, &scale)) in x[lane * n..(lane + 1) * n].iter_mut().zip(scaled) {
                *out = (x * scale).lane(lane);
            }
            let scaled = state.z.iter().zip(state.row_scale.iter());
            for (out, (&z, &scale)) in z[lane * m..(lane + 1) * m].iter_mut().zip(scaled) {
                *out = (z * scale / cost).lane(lane);
            }
        }
        None
    }
}
