//! A batch from values to solutions: its groups, on threads.

use crate::lanes::{Buffer, dispatch};
use crate::prepared::{Group, Prepared, Rows};
use crate::program::{Error, Report, Solution, Status, Stop, Values};
use crate::solve::group::Origin;
use crate::solve::outcome::SolutionRows;
use crate::solve::samples::Samples;
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
    let mut solution = Solution {
        batch,
        x: vec![0.0; batch * n],
        z: vec![0.0; batch * m],
        s: vec![0.0; batch * m],
        reports: vec![Report::default(); batch],
    };
    // Where there are neighbours, they do not wait for a sample that takes the general way.
    let leaves = prepared.analysis.approach.is_some()
        && matches!(origin, Origin::Cold)
        && matrices.is_none()
        && batch > prepared.lanes;
    let pass = if leaves { Pass::Approach } else { Pass::Whole };
    let work = BatchWork { prepared, values, matrices, check_convexity, origin, stop };
    let left = work.solve_all(pass, &mut solution, states.as_deref_mut())?;
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

impl BatchWork<'_> {
    /// Solves the batch in place. Returns the samples that `pass` leaves.
    fn solve_all(
        &self,
        pass: Pass,
        solution: &mut Solution,
        states: Option<&mut [Buffer]>,
    ) -> Result<Vec<usize>, Error> {
        let Self { prepared, matrices, .. } = *self;
        let (n, m) = (prepared.analysis.n(), prepared.analysis.m());
        let mut x = Rows::new(&mut solution.x, n);
        let mut z = Rows::new(&mut solution.z, m);
        let mut s = Rows::new(&mut solution.s, m);
        let mut reports = Rows::new(&mut solution.reports, 1);
        let mut kept = states.map(<[Buffer]>::iter_mut);
        let task = |team: Group| -> Vec<_> {
            let part = |group: Group| {
                let (x, z, s) = (x.next(group), z.next(group), s.next(group));
                let rows = SolutionRows { x, z, s, reports: reports.next(group) };
                (group, rows, kept.as_mut().and_then(Iterator::next))
            };
            team.parts(prepared.lanes).map(part).collect()
        };
        let is_shared = matrices.is_some();
        let solve = |parts: Vec<(Group, SolutionRows<'_>, Option<&mut Buffer>)>,
                     work: &mut [f64]| {
            let mut taken = Vec::new();
            for _ in parts.iter().filter(|(.., state)| state.is_none()) {
                taken.push(prepared.take_state(is_shared)?);
            }
            let mut others = taken.iter_mut();
            let groups = parts.into_iter().filter_map(|(group, rows, state)| {
                let state = state.or_else(|| others.next())?.as_mut_slice();
                let samples = Samples::new(group.first..group.first + group.count);
                Some(GroupTask { samples, rows, state })
            });
            let left = self.solve_team(pass, groups.collect(), work);
            taken.into_iter().for_each(|state| prepared.return_state(state));
            left
        };
        let left = prepared.for_teams(self.values.batch, SOLVE_PASSES, is_shared, task, solve);
        // The first error by position, whichever thread finds one first.
        Ok(left.into_iter().collect::<Result<Vec<_>, Error>>()?.concat())
    }

    /// Solves the samples `left`, in groups of their own, and puts them where they belong.
    fn solve_rest(
        &self,
        left: &[usize],
        solution: &mut Solution,
        mut states: Option<&mut [Buffer]>,
    ) -> Result<(), Error> {
        let prepared = self.prepared;
        let (n, m, lanes) = (prepared.analysis.n(), prepared.analysis.m(), prepared.lanes);
        let solve = |group: Group, work: &mut [f64]| {
            let samples = &left[group.first..group.first + group.count];
            let mut part = Solution {
                batch: group.count,
                x: vec![0.0; group.count * n],
                z: vec![0.0; group.count * m],
                s: vec![0.0; group.count * m],
                reports: vec![Report::default(); group.count],
            };
            let mut state = prepared.take_state(false)?;
            let Solution { x, z, s, reports, .. } = &mut part;
            let task = GroupTask {
                samples: Samples::new(samples.iter().copied()),
                rows: SolutionRows { x, z, s, reports },
                state: state.as_mut_slice(),
            };
            self.solve_team(Pass::Rest, vec![task], work)?;
            Ok((part, state))
        };
        let solved = prepared.for_groups(left.len(), SOLVE_PASSES, |group| group, solve);
        for (samples, solved) in left.chunks(lanes).zip(solved) {
            let (part, state) = solved?;
            for (lane, &sample) in samples.iter().enumerate() {
                let (of_n, of_m) = (lane * n..(lane + 1) * n, lane * m..(lane + 1) * m);
                solution.x[sample * n..][..n].copy_from_slice(&part.x[of_n]);
                solution.z[sample * m..][..m].copy_from_slice(&part.z[of_m.clone()]);
                solution.s[sample * m..][..m].copy_from_slice(&part.s[of_m]);
                solution.reports[sample] = part.reports[lane];
                if let Some(states) = states.as_deref_mut() {
                    let kept = states[sample / lanes].as_mut_slice();
                    copy_lane((state.as_slice(), lane), (kept, sample % lanes), lanes);
                }
            }
            prepared.return_state(state);
        }
        Ok(())
    }

    /// Solves a team, or ends it where the time is over. Returns the samples that are left.
    fn solve_team(
        &self,
        pass: Pass,
        groups: Vec<GroupTask<'_>>,
        work: &mut [f64],
    ) -> Result<Vec<usize>, Error> {
        let Self { prepared, values, matrices, check_convexity, origin, stop } = *self;
        if stop.is_due() && !matches!(origin, Origin::Given(_)) {
            for GroupTask { rows, state, .. } in groups {
                rows.leave(Status::TimeLimit);
                state.fill(0.0);
            }
            return Ok(Vec::new());
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

/// Copies the numbers of one lane of a state into a lane of another.
fn copy_lane((from, at): (&[f64], usize), (to, place): (&mut [f64], usize), lanes: usize) {
    for (to, from) in to.chunks_exact_mut(lanes).zip(from.chunks_exact(lanes)) {
        to[place] = from[at];
    }
}
