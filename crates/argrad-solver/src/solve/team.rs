//! The lane groups that are approached together, from values to solutions.

use pulp::Simd;

use crate::lanes::{LaneTask, M, MOST_GROUPS};
use crate::program::{Error, Settings, Stop, Values};
use crate::solve::approach::{Approached, approach};
use crate::solve::group::{LaneGroup, Origin};
use crate::solve::outcome::SolutionRows;
use crate::solve::samples::{Left, Place, Samples};
use crate::system::analysis::Analysis;
use crate::system::memory::{State, Work};
use crate::system::shared::matrices::SharedMatrices;

/// A group to solve: at most as many samples as there are lanes.
pub(crate) struct GroupTask<'a> {
    pub(crate) samples: Samples,
    pub(crate) rows: SolutionRows<'a>,
    pub(crate) state: &'a mut [f64],
}

/// What is done with a team.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// All of it.
    Whole,
    /// What single precision leads to is solved, the other samples are left.
    Approach,
    /// Samples that a pass of that kind left are solved.
    Rest,
}

/// Solves the groups that are approached together: at most as many as a register of f32 holds.
/// Returns the samples that are left.
pub(crate) struct SolveTeam<'a> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) settings: &'a Settings,
    /// The matrices that the batch shares, where they serve.
    pub(crate) matrices: Option<&'a SharedMatrices>,
    pub(crate) check_convexity: bool,
    pub(crate) values: &'a Values<'a>,
    pub(crate) origin: Origin<'a>,
    pub(crate) stop: Stop<'a>,
    pub(crate) pass: Pass,
    pub(crate) groups: [Option<GroupTask<'a>>; MOST_GROUPS],
    pub(crate) work: &'a mut [f64],
}

impl LaneTask for SolveTeam<'_> {
    type Output = Result<Left, Error>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Result<Left, Error> {
        let Self { analysis, settings, matrices, values, origin, stop, pass, groups, .. } = self;
        let work = &mut Work::new(simd, analysis, self.work);
        let mut spare = std::mem::take(&mut work.spare);
        let mut states = [const { None }; MOST_GROUPS];
        let mut places = [const { None }; MOST_GROUPS];
        let mut lanes = [M::splat(simd, false); MOST_GROUPS];
        for (index, task) in groups.into_iter().flatten().enumerate() {
            let GroupTask { samples, rows, state } = task;
            let place = Place::new(simd, samples);
            let spare = std::mem::take(&mut spare);
            let mut state = State::new(simd, analysis, matrices, state, spare);
            let mut group = LaneGroup::new(simd, (analysis, settings), &mut state, work, &place);
            if pass == Pass::Rest {
                group.load(values, samples.of_lanes::<S>());
            } else {
                group.check_and_load(values, &samples, self.check_convexity)?;
            }
            lanes[index] = place.all;
            states[index] = Some(state);
            places[index] = Some((place, rows));
        }
        let mut approached = [Approached::none(simd); MOST_GROUPS];
        if matches!(origin, Origin::Cold) && matrices.is_none() && pass != Pass::Rest {
            let most = settings.max_iterations;
            approached =
                approach(simd, analysis, states.each_mut().map(Option::as_mut), lanes, work, most);
        }
        let mut left = Left::none();
        let groups = states.iter_mut().flatten().zip(places.into_iter().flatten());
        for ((state, (place, rows)), approached) in groups.zip(approached) {
            let mut group = LaneGroup::new(simd, (analysis, settings), state, work, &place);
            group.polish_approached(&approached);
            if pass == Pass::Approach {
                group.leave_pending(&place.samples, &mut left);
            }
            group.finish(values, (origin, stop), &place, rows);
        }
        Ok(left)
    }
}
