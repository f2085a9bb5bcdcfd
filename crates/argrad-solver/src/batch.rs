//! A batch from values to solutions: its groups, on threads.

use crate::lanes::{Buffer, MOST_GROUPS, dispatch};
use crate::prepared::{Group, Prepared, Rows};
use crate::program::{Error, Report, Solution, Status, Stop, Values};
use crate::solve::group::Origin;
use crate::solve::outcome::SolutionRows;
use crate::solve::samples::{Left, Samples};
use crate::solve::team::{GroupTask, Pass, SolveTeam};
use crate::system::shared::matrices::SharedMatrices;

/// A solve reads its values about this many times.
const SOLVE_PASSES: usize = 200;

/// Solves a batch of checked values from `origin` until `stop`, with the matrices that it shares,
/// where they serve. `states` keep what derivatives need.
///
/// # Errors
/// What is found where values are loaded: numbers of P and A that are not finite, a P that is not
/// positive semidefinite; [`Error::Memory`].
pub(crate) fn solve_batch(
    prepared: &Prepared,
    values: &Values<'_>,
    (origin, stop): (Origin<'_>, Stop<'_>),
    (matrices, mut states): (Option<&SharedMatrices>, Option<&mut [Buffer]>),
    check_convexity: bool,
) -> Result<Solution, Error> {
    let (n, m, batch) = (prepared.analysis.n(), prepared.analysis.m(), values.batch);
    let each = (n + 2 * m) * size_of::<f64>() + size_of::<Report>();
    prepared.check_memory(batch, each, "the solutions")?;
    let mut solution = zeros(batch, n, m);
    // Where there are neighbours, they do not wait for a sample that takes the general way.
    let leaves = prepared.analysis.approach.is_some()
        && matches!(origin, Origin::Cold)
        && matrices.is_none()
        && batch > prepared.lanes;
    let pass = if leaves { Pass::Approach } else { Pass::Whole };
    let work = BatchWork { prepared, values, matrices, check_convexity, origin, stop };
    let left = work.solve_pass(pass, None, &mut solution, states.as_deref_mut())?;
    if !left.is_empty() {
        work.solve_rest(&left, &mut solution, states)?;
    }
    Ok(solution)
}

/// What all groups of a batch have in common.
struct BatchWork<'a> {
    prepared: &'a Prepared,
    values: &'a Values<'a>,
    matrices: Option<&'a SharedMatrices>,
    check_convexity: bool,
    origin: Origin<'a>,
    stop: Stop<'a>,
}

/// A group, its part of the solution, and the state to keep.
type Part<'a> = (Group, SolutionRows<'a>, Option<&'a mut Buffer>);

impl BatchWork<'_> {
    /// Solves the samples `chosen`, or all of them, into `solution`, in this order. Returns those
    /// that `pass` leaves.
    fn solve_pass(
        &self,
        pass: Pass,
        chosen: Option<&[usize]>,
        solution: &mut Solution,
        states: Option<&mut [Buffer]>,
    ) -> Result<Vec<usize>, Error> {
        let Self { prepared, matrices, .. } = *self;
        let (n, m) = (prepared.analysis.n(), prepared.analysis.m());
        let batch = solution.batch;
        let mut x = Rows::new(&mut solution.x, n);
        let mut z = Rows::new(&mut solution.z, m);
        let mut s = Rows::new(&mut solution.s, m);
        let mut reports = Rows::new(&mut solution.reports, 1);
        let mut kept = states.map(<[Buffer]>::iter_mut);
        let task = |team: Group| -> [Option<Part<'_>>; MOST_GROUPS] {
            let mut groups = team.parts(prepared.lanes);
            std::array::from_fn(|_| {
                let group = groups.next()?;
                let (x, z, s) = (x.next(group), z.next(group), s.next(group));
                let rows = SolutionRows { x, z, s, reports: reports.next(group) };
                Some((group, rows, kept.as_mut().and_then(Iterator::next)))
            })
        };
        let is_shared = matrices.is_some();
        let solve = |parts: [Option<Part<'_>>; MOST_GROUPS], work: &mut [f64]| {
            let mut taken = [const { None }; MOST_GROUPS];
            for (taken, part) in taken.iter_mut().zip(&parts) {
                if let Some((.., None)) = part {
                    *taken = Some(prepared.take_state(is_shared)?);
                }
            }
            let mut others = taken.iter_mut();
            let groups = parts.map(|part| {
                let other = others.next().and_then(Option::as_mut);
                let (group, rows, state) = part?;
                let state = state.or(other)?.as_mut_slice();
                let sample =
                    |at: usize| chosen.map_or(group.first + at, |all| all[group.first + at]);
                Some(GroupTask { samples: Samples::new(group.count, sample), rows, state })
            });
            let left = self.solve_team(pass, groups, work);
            taken.into_iter().flatten().for_each(|state| prepared.return_state(state));
            left
        };
        let outcomes = prepared.for_teams(batch, SOLVE_PASSES, is_shared, task, solve);
        let mut left = Vec::new();
        // The first error by position, whichever thread finds one first.
        for outcome in outcomes {
            left.extend_from_slice(outcome?.as_slice());
        }
        Ok(left)
    }

    /// Solves the samples `left`, in groups of their own, and puts them where they belong.
    fn solve_rest(
        &self,
        left: &[usize],
        solution: &mut Solution,
        states: Option<&mut [Buffer]>,
    ) -> Result<(), Error> {
        let Self { prepared, .. } = *self;
        let (n, m, lanes) = (prepared.analysis.n(), prepared.analysis.m(), prepared.lanes);
        let mut part = zeros(left.len(), n, m);
        let mut own = match states {
            Some(_) => prepared.take_states(left.len(), false)?,
            None => Vec::new(),
        };
        let kept = states.is_some().then_some(&mut *own);
        let solved = self.solve_pass(Pass::Rest, Some(left), &mut part, kept);
        for (at, &sample) in left.iter().enumerate().filter(|_| solved.is_ok()) {
            solution.x[sample * n..][..n].copy_from_slice(&part.x[at * n..][..n]);
            solution.z[sample * m..][..m].copy_from_slice(&part.z[at * m..][..m]);
            solution.s[sample * m..][..m].copy_from_slice(&part.s[at * m..][..m]);
            solution.reports[sample] = part.reports[at];
        }
        if let Some(states) = states {
            for (at, &sample) in left.iter().enumerate() {
                let from = (own[at / lanes].as_slice(), at % lanes);
                let to = (states[sample / lanes].as_mut_slice(), sample % lanes);
                copy_lane(from, to, lanes);
            }
        }
        own.into_iter().for_each(|state| prepared.return_state(state));
        solved.map(|_| ())
    }

    /// Solves a team, or ends it where the time is over. Returns the samples that are left.
    fn solve_team(
        &self,
        pass: Pass,
        groups: [Option<GroupTask<'_>>; MOST_GROUPS],
        work: &mut [f64],
    ) -> Result<Left, Error> {
        let Self { prepared, values, matrices, check_convexity, origin, stop } = *self;
        if stop.is_due() && !matches!(origin, Origin::Given(_)) {
            for GroupTask { rows, state, .. } in groups.into_iter().flatten() {
                rows.leave(Status::TimeLimit);
                state.fill(0.0);
            }
            return Ok(Left::none());
        }
        let (analysis, settings) = (&prepared.analysis, &prepared.settings);
        let team = SolveTeam {
            analysis,
            settings,
            matrices,
            check_convexity,
            values,
            origin,
            stop,
            pass,
            groups,
            work,
        };
        dispatch(prepared.width, team)
    }
}

/// Room for the solutions of `batch` samples.
fn zeros(batch: usize, n: usize, m: usize) -> Solution {
    Solution {
        batch,
        x: vec![0.0; batch * n],
        z: vec![0.0; batch * m],
        s: vec![0.0; batch * m],
        reports: vec![Report::default(); batch],
    }
}

/// Copies the numbers of one lane of a state into a lane of another.
fn copy_lane((from, at): (&[f64], usize), (to, place): (&mut [f64], usize), lanes: usize) {
    for (to, from) in to.chunks_exact_mut(lanes).zip(from.chunks_exact(lanes)) {
        to[place] = from[at];
    }
}
