//! One lane group from values to solution: load, scale, warm start, interior point, polish.

mod settle;

use pulp::Simd;

use crate::lanes::{M, MOST_GROUPS, V, apart};
use crate::program::{Error, Settings, Solution, Stop, Values, check_finite_samples};
use crate::solve::approach::{Approached, approach};
use crate::solve::balance::{Balance, balance, take_back};
use crate::solve::convexity::check_convexity;
use crate::solve::dual_interior_point::{DualEmbedding, dual_interior_point};
use crate::solve::interior_point::{self, Embedding, Round};
use crate::solve::measure::{measure, weakly_active};
use crate::solve::outcome::{Outcome, SolutionRows};
use crate::solve::pivoting::pivoting;
use crate::solve::polish::{Target, polish};
use crate::solve::report::{report, write_rows};
use crate::solve::samples::{Left, Place, Samples};
use crate::solve::share::{load_program, write_general_values};
use crate::system::analysis::Analysis;
use crate::system::memory::{Iterate, State, Work};

/// Residuals of the scaled program at which the interior point hands over to the polish. A lane
/// that the polish does not solve goes on to the next. The first is too early for large matrices:
/// their eigenvectors must be known before Newton's method converges, and a try costs as much as a
/// few iterations.
const HANDOVER: [f64; 4] = [1e-3, 1e-7, 1e-10, 1e-13];
/// Residual of the scaled program that a polish must reach after each handover.
const POLISHED: [f64; 4] = [5e-12, 1e-10, 1e-10, 1e-10];
/// Residual of the scaled program at which an approximate point is handed over to the polish of
/// another program: to come nearer is cheap there, and saves a step here.
const APPROXIMATE: f64 = 1e-9;
/// Handovers of the interior point on the duals; what they do not solve is solved the general way.
const DUAL_ROUNDS: usize = 3;
/// Residual of a best point from which a last polish is tried.
const NEAR: f64 = 1e-5;
/// Residual that accepts a warm start.
const WARM: f64 = 1e-11;
/// A tolerance of the caller up to this one does not end a polish: it goes on as long as that pays,
/// which costs little more. From a looser one ...
const STRICT: f64 = 1e-9;
/// ... this share, as a residual of the scaled program, is enough.
const MARGIN: f64 = 0.1;

/// s and z whose sizes have a smaller ratio than this need no other units: three bits are not worth
/// it.
const APART: f64 = 8.0;

/// A certificate whose b'z is this many roundings of its terms does not rest on them.
const CERTAIN: f64 = 16.0;

/// Where a group's solutions come from.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// Solved from scratch.
    Cold,
    /// Solved from these points where Newton's method from there converges, else from scratch.
    Warm(&'a Solution),
    /// Solved from these points where their reports say solved, with so many iterations, and
    /// Newton's method from there converges; else from scratch.
    Near(&'a Solution),
    /// From scratch, and only to points from which Newton's method should converge.
    Approximate,
    /// These points are the solutions.
    Given(&'a Solution),
}

/// A lane group under way.
pub(super) struct LaneGroup<'r, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'r Analysis,
    settings: &'r Settings,
    state: &'r mut State<'s, S>,
    work: &'r mut Work<'w, S>,
    /// Lanes with a sample of their own.
    all: M<S>,
    outcome: Outcome<S>,
}

impl<'r, 's, 'w, S: Simd> LaneGroup<'r, 's, 'w, S> {
    #[inline(always)]
    pub(super) fn new(
        simd: S,
        (analysis, settings): (&'r Analysis, &'r Settings),
        state: &'r mut State<'s, S>,
        work: &'r mut Work<'w, S>,
        place: &Place<S>,
    ) -> Self {
        let (all, outcome) = (place.all, Outcome::new(simd, place.all));
        Self { simd, analysis, settings, state, work, all, outcome }
    }

    /// Solves the programs that are loaded, and writes solutions and reports.
    #[inline(always)]
    pub(super) fn finish(
        mut self,
        values: &Values<'_>,
        (origin, stop): (Origin<'_>, Stop<'_>),
        place: &Place<S>,
        rows: SolutionRows<'_>,
    ) {
        let samples = place.samples.of_lanes::<S>();
        match origin {
            Origin::Given(point) => self.take(point, samples),
            Origin::Warm(start) => {
                self.warm_start(start, samples);
                self.approach();
                self.solve(stop);
            }
            Origin::Near(start) => {
                self.polish_near(start, samples);
                self.solve(stop);
            }
            Origin::Cold => self.solve(stop),
            Origin::Approximate => {
                self.approximate(stop);
                return self.describe(values, place, rows);
            }
        }
        self.settle();
        self.describe(values, place, rows);
    }

    /// Writes solutions and reports.
    #[inline(always)]
    fn describe(self, values: &Values<'_>, place: &Place<S>, rows: SolutionRows<'_>) {
        apart!(self.simd, || {
            let Self { simd, analysis, settings, state, work, outcome, .. } = self;
            report(simd, analysis, settings, state, &mut work.system, &outcome, rows.reports);
            write_rows(analysis, values, state, &place.samples, rows);
        })
    }

    /// [`Self::load`], where what is not finite or not convex is refused.
    #[inline(always)]
    pub(super) fn check_and_load(
        &mut self,
        values: &Values<'_>,
        samples: &Samples,
        is_convexity_checked: bool,
    ) -> Result<(), Error> {
        let (first, count) = (samples.as_slice()[0], samples.as_slice().len());
        check_finite_samples(&self.analysis.structure, values, first, count)?;
        self.load(values, samples.of_lanes::<S>());
        if is_convexity_checked && (first == 0 || !values.p.is_shared()) {
            let Self { simd, analysis, settings, state, work, .. } = self;
            write_general_values(*simd, analysis, state);
            let samples = first..first + count;
            apart!(*simd, || {
                check_convexity(*simd, analysis, settings, values, state, work, samples)
            })?;
        }
        Ok(())
    }

    /// Takes the pending lanes out of the group, and adds their samples to `left`.
    #[inline(always)]
    pub(super) fn leave_pending(&mut self, samples: &Samples, left: &mut Left) {
        let pending = self.outcome.pending;
        for (lane, &sample) in samples.as_slice().iter().enumerate() {
            if pending.lane(lane) {
                left.push(sample);
            }
        }
        self.all = self.all & !pending;
        self.outcome.pending = M::splat(self.simd, false);
    }

    /// Loads the programs into lanes, and scales them.
    #[inline(always)]
    pub(super) fn load(&mut self, values: &Values<'_>, samples: &[usize]) {
        apart!(self.simd, || {
            let Self { simd, analysis, state, work, .. } = self;
            load_program(*simd, analysis, values, samples, state, work);
        })
    }

    /// Takes points for the solutions.
    #[inline(always)]
    fn take(&mut self, point: &Solution, samples: &[usize]) {
        load_start(self.analysis, point, samples, self.state);
        self.balance(STRICT);
        self.outcome.pending = M::splat(self.simd, false);
        if self.analysis.kkt.has_factor() {
            // No polish has estimated it: to be looked at.
            self.outcome.growth = V::splat(self.simd, f64::INFINITY);
        }
    }

    /// Newton's method from the starting points.
    #[inline(always)]
    fn warm_start(&mut self, start: &Solution, samples: &[usize]) {
        load_start(self.analysis, start, samples, self.state);
        self.balance(STRICT);
        let none = M::splat(self.simd, false);
        self.polish(WARM, self.enough(), (none, none));
        self.outcome.warm = self.outcome.solved;
        self.forget_pending();
    }

    /// Newton's method from points near to the solutions, which took so many iterations.
    #[inline(always)]
    fn polish_near(&mut self, start: &Solution, samples: &[usize]) {
        let mut near = V::splat(self.simd, 0.0);
        let mut iterations = near;
        for (lane, &sample) in samples.iter().enumerate() {
            let report = start.reports[sample];
            near.set_lane(lane, f64::from(u8::from(report.is_solved())));
            iterations.set_lane(lane, f64::from(report.iterations));
        }
        let (pending, none) = (self.outcome.pending, M::splat(self.simd, false));
        let near = pending & near.gt(V::splat(self.simd, 0.0));
        if !near.any() {
            return;
        }
        load_start(self.analysis, start, samples, self.state);
        self.outcome.pending = near;
        self.balance(STRICT);
        self.polish(POLISHED[1], self.enough(), (none, none));
        let outcome = &mut self.outcome;
        outcome.elsewhere = near & outcome.solved;
        outcome.iterations_elsewhere = iterations;
        outcome.pending = pending & !outcome.solved;
        self.forget_pending();
    }

    /// The pending lanes are as if nothing had been tried.
    #[inline(always)]
    fn forget_pending(&mut self) {
        let Self { simd, analysis, state, outcome, .. } = self;
        outcome.forget_pending(*simd);
        take_back(*simd, analysis, state, outcome.pending);
    }

    /// The interior point alone.
    #[inline(always)]
    fn approximate(&mut self, stop: Stop<'_>) {
        let mut embedding = interior_point::start(self.simd, self.analysis, self.state, self.work);
        self.interior_point(&mut embedding, APPROXIMATE, stop);
        self.publish(&embedding);
        self.outcome.embedding = Some(embedding);
    }

    /// Solves the pending lanes: with the matrices that the batch shares, where it does, and the
    /// lanes that this does not solve the general way.
    #[inline(always)]
    fn solve(&mut self, stop: Stop<'_>) {
        if self.state.shared.is_some() {
            self.solve_by_sharing();
            if !self.outcome.pending.any() {
                return;
            }
            write_general_values(self.simd, self.analysis, self.state);
        }
        let matrices = self.state.shared.take();
        self.solve_pending(stop);
        self.state.shared = matrices;
        self.outcome.is_factored &= matrices.is_none();
    }

    /// Solves pending lanes with the matrices that the batch shares. Where M may be regular,
    /// pivoting is tried first. A solution of it with weakly active rows does not count: it is a
    /// vertex of the duals, where there may be others, and the rows that are active in one of those
    /// decide about the derivative.
    #[inline(always)]
    fn solve_by_sharing(&mut self) {
        apart!(self.simd, || {
            let (simd, analysis) = (self.simd, self.analysis);
            let Some(sharing) = &analysis.sharing else { return };
            if !self.outcome.pending.any() {
                return;
            }
            if sharing.may_be_regular(analysis.n()) {
                let found = pivoting(simd, analysis, self.state, self.work, self.outcome.pending);
                self.polish_some(found, WARM, true);
            }
            let mut embedding = DualEmbedding::new(simd);
            for (handover, polished_to) in HANDOVER.into_iter().zip(POLISHED).take(DUAL_ROUNDS) {
                let lanes = self.outcome.pending & !embedding.stuck;
                if !lanes.any() {
                    return;
                }
                let Self { state, work, .. } = self;
                let round = (lanes, handover);
                let found = dual_interior_point(simd, analysis, state, work, &mut embedding, round);
                self.outcome.iterations_elsewhere = self
                    .outcome
                    .pending
                    .select(embedding.iterations, self.outcome.iterations_elsewhere);
                self.polish_some(found, polished_to, false);
            }
        })
    }

    /// Approaches the solutions of the pending lanes in single precision, and polishes.
    #[inline(always)]
    fn approach(&mut self) {
        if self.state.shared.is_some() || !self.outcome.pending.any() {
            return;
        }
        let Self { simd, analysis, settings, state, work, outcome, .. } = self;
        let mut lanes = [M::splat(*simd, false); MOST_GROUPS];
        lanes[0] = outcome.pending;
        let mut states = [const { None }; MOST_GROUPS];
        states[0] = Some(&mut **state);
        let most = settings.max_iterations;
        let [approached, ..] = approach(*simd, analysis, states, lanes, work, most);
        self.polish_approached(&approached);
    }

    /// Polishes the lanes that were approached in single precision.
    #[inline(always)]
    pub(super) fn polish_approached(&mut self, approached: &Approached<S>) {
        let found = self.polish_some(approached.found, POLISHED[0], false);
        let outcome = &mut self.outcome;
        outcome.iterations_elsewhere =
            found.select(approached.iterations, outcome.iterations_elsewhere);
    }

    /// Polishes `lanes`, which are pending. Returns those that are solved by it; the others stay
    /// pending, and so do, where `is_vertex`, those with weakly active rows.
    #[inline(always)]
    fn polish_some(&mut self, lanes: M<S>, residual: f64, is_vertex: bool) -> M<S> {
        apart!(self.simd, || {
            if !lanes.any() {
                return lanes;
            }
            let (pending, before) = (self.outcome.pending, self.outcome.solved);
            let none = M::splat(self.simd, false);
            self.outcome.pending = lanes;
            self.polish(residual, self.enough(), (none, none));
            let Self { simd, analysis, state, work, outcome, .. } = self;
            let mut found = lanes & outcome.solved & !before;
            if is_vertex {
                let cones = &mut *work.system.cones;
                let weak = weakly_active(*simd, analysis, state, found, cones);
                found = found & weak.le(V::splat(*simd, 0.0));
            }
            outcome.elsewhere = outcome.elsewhere | found;
            outcome.solved = before | found;
            outcome.pending = pending & !found;
            outcome.forget_pending(*simd);
            found
        })
    }

    /// Interior point and polish in turn: each lane is handed over at ever smaller residuals until
    /// its polish succeeds.
    #[inline(always)]
    fn solve_pending(&mut self, stop: Stop<'_>) {
        apart!(self.simd, || {
            if !self.outcome.pending.any() {
                return;
            }
            let mut embedding =
                interior_point::start(self.simd, self.analysis, self.state, self.work);
            let mut enough = self.enough();
            let rounds = HANDOVER.into_iter().zip(POLISHED);
            let too_early = usize::from(self.analysis.cones.eliminated().next().is_some());
            for (handover, polished_to) in rounds.skip(too_early) {
                self.interior_point(&mut embedding, handover, stop);
                if !self.outcome.pending.any() {
                    break;
                }
                self.publish(&embedding);
                embedding.change_units(&self.balance(handover));
                let is_last = self.not_accurate(embedding.stuck);
                let none = M::splat(self.simd, false);
                self.polish(polished_to, enough, (is_last, none));
                if !self.outcome.pending.any() {
                    break;
                }
                // Back to the interior point's iterate.
                self.publish(&embedding);
                self.outcome.pending = self.outcome.pending & !embedding.stuck;
                if !self.outcome.pending.any() {
                    break;
                }
                enough = 0.0;
            }
            self.outcome.embedding = Some(embedding);
            self.recall_best();
            self.polish_closely();
        })
    }

    /// Units in which s and z of the pending lanes, which have a residual of `residual`, are of one
    /// size where K is curved.
    #[inline(always)]
    fn balance(&mut self, residual: f64) -> Balance<S> {
        let Self { simd, analysis, state, work, outcome, .. } = self;
        balance(*simd, analysis, state, work, (residual, APART, outcome.pending))
    }

    /// Keeps the points of those of `lanes` whose residual `found` is their smallest so far.
    #[inline(always)]
    fn keep_best(&mut self, lanes: M<S>, found: V<S>) {
        apart!(self.simd, || {
            let Self { state, work, outcome, .. } = self;
            let better = lanes & found.lt(outcome.best);
            if !better.any() {
                return;
            }
            outcome.best = better.select(found, outcome.best);
            keep_point(state, &mut work.best, better);
        })
    }

    /// Lanes that are neither solved nor without a solution.
    #[inline(always)]
    fn unsolved(&self) -> M<S> {
        let Self { all, outcome, .. } = self;
        let infeasible = outcome.embedding.map_or(!*all, |embedding| embedding.infeasible());
        *all & !outcome.solved & !infeasible
    }

    /// The unsolved lanes end at their best point.
    #[inline(always)]
    fn recall_best(&mut self) {
        apart!(self.simd, || {
            let lanes = self.unsolved();
            if !lanes.any() {
                return;
            }
            let Self { simd, analysis, state, work, .. } = self;
            let found = measure(*simd, analysis, state, &mut work.system).residual();
            self.keep_best(lanes, found);
            let Self { simd, state, work, outcome, .. } = self;
            // A lane whose points were all not finite has no best.
            let lanes = lanes & outcome.best.lt(V::splat(*simd, f64::INFINITY));
            recall_point(state, &work.best, lanes);
        })
    }

    /// A last polish of the lanes that are not solved from their best points, if these are near,
    /// with a factor for a nearly singular P and refined steps: also where the residual is within
    /// the tolerance as it is, since times a condition of 1e10 that says nothing of x. Not where x
    /// runs away, which a closer factor would only do faster.
    #[inline(always)]
    fn polish_closely(&mut self) {
        let best = self.outcome.best;
        let scalar = |value: f64| V::splat(self.simd, value);
        let accurate = best.le(scalar(self.settings.tolerance));
        let near = best.lt(scalar(NEAR)) & !(accurate & self.outcome.escaping);
        let lanes = self.unsolved() & near;
        let Self { state, outcome, .. } = self;
        if !lanes.any() {
            return;
        }
        for i in 0..state.v.len() {
            state.v[i] = lanes.select(state.s[i] - state.z[i], state.v[i]);
        }
        outcome.pending = lanes;
        let closely = (lanes, lanes);
        self.polish(POLISHED[1], 0.0, closely);
        if (lanes & !self.outcome.solved).any() {
            self.recall_best();
        }
    }

    /// A round of the interior point to a residual of `handover`.
    #[inline(always)]
    fn interior_point(&mut self, embedding: &mut Embedding<S>, handover: f64, stop: Stop<'_>) {
        embedding.least_share = self.least_share();
        let Self { simd, analysis, settings, state, work, outcome, .. } = self;
        let round = Round {
            residual: handover,
            infeasibility: settings.infeasibility_tolerance,
            max_iterations: settings.max_iterations,
            stop,
        };
        interior_point::run(*simd, analysis, state, work, embedding, outcome.pending, round);
        outcome.is_factored = false;
        outcome.pending = outcome.pending & !embedding.infeasible() & !embedding.out_of_time;
    }

    /// Share of its terms that a certificate must leave: more than roundings of the data and, where
    /// there is a point that is almost a solution, more than such a point may violate.
    #[inline(always)]
    fn least_share(&self) -> V<S> {
        let scalar = |value: f64| V::splat(self.simd, value);
        let certain = CERTAIN * self.settings.data_rounding;
        let reduced = self.settings.reduced_tolerance;
        let nearly = self.outcome.best.le(scalar(reduced));
        nearly.select(scalar(certain.max(reduced)), scalar(certain))
    }

    /// The interior point's iterate as the point of the pending lanes.
    #[inline(always)]
    fn publish(&mut self, embedding: &Embedding<S>) {
        let Self { state, work, outcome, .. } = self;
        interior_point::publish_point(state, work, embedding, outcome.pending);
        outcome.is_factored = false;
    }

    /// Polishes the pending lanes. Those whose residual is below `residual` then, and in the
    /// caller's units within the tolerance, are solved. `is_last` are lanes that are not polished
    /// again, `close` those with refined steps from the start.
    #[inline(always)]
    fn polish(&mut self, residual: f64, enough: f64, (is_last, close): (M<S>, M<S>)) {
        apart!(self.simd, || {
            let Self { simd, analysis, settings, state, work, outcome, .. } = self;
            let mu = V::splat(*simd, 0.0);
            let max_steps = settings.max_polish_steps;
            let target = Target { mu, residual, enough, max_steps, is_last, close };
            let polished = polish(*simd, analysis, state, work, outcome.pending, target);
            let found = measure(*simd, analysis, state, &mut work.system).residual();
            let accurate = found.le(V::splat(*simd, settings.tolerance));
            outcome.book(&polished, polished.solved & accurate);
            self.keep_best(self.outcome.pending, found);
        })
    }

    /// The pending ones of `lanes` whose point is not within the caller's tolerance as it is.
    #[inline(always)]
    fn not_accurate(&mut self, lanes: M<S>) -> M<S> {
        let Self { simd, analysis, settings, state, work, outcome, .. } = self;
        let lanes = lanes & outcome.pending;
        if !lanes.any() {
            return lanes;
        }
        let found = measure(*simd, analysis, state, &mut work.system).residual();
        lanes & !found.le(V::splat(*simd, settings.tolerance))
    }

    /// Residual of the scaled program that is all that the caller asks for; zero where that is as
    /// much as can be had.
    #[inline(always)]
    fn enough(&self) -> f64 {
        let tolerance = self.settings.tolerance;
        if tolerance > STRICT { MARGIN * tolerance } else { 0.0 }
    }
}

/// Copies x, z and s of `state` to `kept` in the lanes in `lanes`.
#[inline(always)]
fn keep_point<S: Simd>(state: &State<'_, S>, kept: &mut Iterate<'_, S>, lanes: M<S>) {
    copy_lanes(kept.x, state.x, lanes);
    copy_lanes(kept.z, state.z, lanes);
    copy_lanes(kept.s, state.s, lanes);
}

/// Copies them back.
#[inline(always)]
fn recall_point<S: Simd>(state: &mut State<'_, S>, kept: &Iterate<'_, S>, lanes: M<S>) {
    copy_lanes(state.x, kept.x, lanes);
    copy_lanes(state.z, kept.z, lanes);
    copy_lanes(state.s, kept.s, lanes);
}

#[inline(always)]
fn copy_lanes<S: Simd>(to: &mut [V<S>], from: &[V<S>], lanes: M<S>) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = lanes.select(from, *to);
    }
}

/// Scales the starting points into the state.
#[inline(always)]
pub(crate) fn load_start<S: Simd>(
    analysis: &Analysis,
    start: &Solution,
    samples: &[usize],
    state: &mut State<'_, S>,
) {
    let (n, m) = (analysis.n(), analysis.m());
    for (lane, &sample) in samples.iter().enumerate() {
        for (x, &value) in state.x.iter_mut().zip(&start.x[sample * n..]) {
            x.set_lane(lane, value);
        }
        for (z, &value) in state.z.iter_mut().zip(&start.z[sample * m..]) {
            z.set_lane(lane, value);
        }
        for (s, &value) in state.s.iter_mut().zip(&start.s[sample * m..]) {
            s.set_lane(lane, value);
        }
    }
    let cost = state.cost_scale[0];
    for j in 0..n {
        state.x[j] = state.x[j] / state.x_scale[j];
    }
    for i in 0..m {
        state.z[i] = state.z[i] * cost / state.row_scale[i];
        // Removed rows have s = +inf; inside they are 0 x <= 1.
        let s = state.s[i] * state.row_scale[i];
        state.s[i] = s.ge(s.like(f64::INFINITY)).select(s.like(1.0), s);
        state.v[i] = state.s[i] - state.z[i];
    }
}
