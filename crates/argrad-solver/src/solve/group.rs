//! One lane group from values to solution: load, scale, warm start, interior point, polish.

use pulp::Simd;

use crate::lanes::{LaneTask, M, MOST_LANES, V};
use crate::linalg::Pivots;
use crate::program::Error;
use crate::program::{Report, Settings, Solution, Status, Stop, Values, check_finite_instances};
use crate::solve::equilibrate::{INFINITE, equilibrate, load};
use crate::solve::interior_point::{self, Embedding, Goal};
use crate::solve::measure::{WEAK_MARGIN, WEAK_MARGIN_UNPOLISHED, measure, weakly_active};
use crate::solve::polish::{Target, polish};
use crate::system::analysis::Analysis;
use crate::system::kkt::Factored;
use crate::system::memory::{ConvexityVectors, EquilibrationVectors, State, SystemWork, Work};

/// Residuals of the scaled program at which the interior point hands over to the polish. A lane
/// that the polish does not solve goes on to the next.
const HANDOVER: [f64; 4] = [1e-3, 1e-7, 1e-10, 1e-13];
/// Residual of the scaled program that a polish must reach after each handover.
const POLISHED: [f64; 4] = [5e-12, 1e-10, 1e-10, 1e-10];
/// Residual that accepts a warm start.
const WARM: f64 = 1e-11;
/// Growth of the probe under the inverse above which the system counts as singular: a tenth of what the
/// regularization, and the cap on steep directions, allow.
const SINGULAR: f64 = 0.1 / (crate::system::kkt::REGULARIZATION + 1.0 / crate::cones::STEEPEST);

/// The part of one group in the solution.
pub(crate) struct SolutionRows<'a> {
    pub(crate) x: &'a mut [f64],
    pub(crate) z: &'a mut [f64],
    pub(crate) s: &'a mut [f64],
    pub(crate) reports: &'a mut [Report],
}

impl SolutionRows<'_> {
    /// Ends instances on which no work was done at zero, where the relative residuals are one.
    pub(crate) fn leave(self, status: Status) {
        [self.x, self.z, self.s].into_iter().for_each(|rows| rows.fill(0.0));
        self.reports.fill(Report {
            status,
            residual: 1.0,
            primal_residual: 1.0,
            dual_residual: 1.0,
            ..Report::default()
        });
    }
}

/// Where a group's solutions come from.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// Solved from scratch.
    Cold,
    /// Solved from these points where Newton's method from there converges, else from scratch.
    Warm(&'a Solution),
    /// These points are the solutions.
    Given(&'a Solution),
}

/// Solves the instances `first..first + rows.reports.len()`, at most as many as there are lanes.
pub(crate) struct SolveGroup<'a> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) settings: &'a Settings,
    pub(crate) check_convexity: bool,
    pub(crate) values: &'a Values<'a>,
    pub(crate) origin: Origin<'a>,
    pub(crate) stop: Stop<'a>,
    pub(crate) first: usize,
    pub(crate) rows: SolutionRows<'a>,
    pub(crate) state: &'a mut [f64],
    pub(crate) work: &'a mut [f64],
}

impl LaneTask for SolveGroup<'_> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Result<(), Error> {
        let Self {
            analysis,
            settings,
            check_convexity: checks_convexity,
            values,
            origin,
            stop,
            first,
            rows,
            state,
            work,
        } = self;
        let state = &mut State::new(simd, analysis, state);
        let work = &mut Work::new(simd, analysis, work);
        let count = rows.reports.len();
        // Lanes without an instance of their own repeat the first.
        let instances: [usize; MOST_LANES] =
            std::array::from_fn(|lane| first + if lane < count { lane } else { 0 });
        let all = M::first(simd, count);
        check_finite_instances(&analysis.structure, values, first, count)?;
        load(simd, analysis, values, &instances[..V::<S>::LANES], state);
        let EquilibrationVectors { column, row } =
            EquilibrationVectors::new(&work.lengths, work.phase);
        equilibrate(simd, analysis, state, (column, row));
        analysis.kkt.write_static(state.values);
        if checks_convexity && (first == 0 || !values.p.is_shared()) {
            check_convexity(simd, analysis, settings, values, state, work, first, count)?;
        }

        let zero = V::splat(simd, 0.0);
        let no = M::splat(simd, false);
        let (mut pending, mut solved, mut growth) = (all, no, zero);
        let (mut polish_steps, mut factorizations) = (zero, zero);
        let mut warm = no;
        let mut factored = false;
        let mut embedding = None;
        let target = |residual| Target { mu: zero, residual, max_steps: settings.max_polish_steps };
        if let Origin::Given(point) = origin {
            load_start(analysis, point, &instances[..V::<S>::LANES], state);
            pending = no;
        }
        if let Origin::Warm(start) = origin {
            load_start(analysis, start, &instances[..V::<S>::LANES], state);
            let polished = polish(simd, analysis, state, work, pending, target(WARM));
            factored = true;
            warm = polished.solved & accurate(simd, analysis, settings, state, &mut work.system);
            solved = warm;
            polish_steps = polished.steps;
            factorizations = polished.factorizations;
            growth = polished.growth;
            pending = pending & !warm;
        }
        if pending.any() {
            polish_steps = pending.select(zero, polish_steps);
            factorizations = pending.select(zero, factorizations);
            growth = pending.select(zero, growth);
            let mut iterate = interior_point::start(simd, analysis, state, work);
            for (handover, polished_to) in HANDOVER.into_iter().zip(POLISHED) {
                let goal = Goal {
                    residual: handover,
                    infeasibility: settings.infeasibility_tolerance,
                    max_iterations: settings.max_iterations,
                    stop,
                };
                interior_point::run(simd, analysis, state, work, &mut iterate, pending, goal);
                factored = false;
                pending = pending & !iterate.infeasible() & !iterate.out_of_time;
                if !pending.any() {
                    break;
                }
                interior_point::publish_point(state, work, &iterate, pending);
                let polished = polish(simd, analysis, state, work, pending, target(polished_to));
                factored = true;
                let good =
                    polished.solved & accurate(simd, analysis, settings, state, &mut work.system);
                solved = solved | (good & pending);
                polish_steps = pending.select(polish_steps + polished.steps, polish_steps);
                factorizations =
                    pending.select(factorizations + polished.factorizations, factorizations);
                growth = pending.select(polished.growth, growth);
                pending = pending & !good;
                if !pending.any() {
                    break;
                }
                // Back to the interior point's iterate.
                interior_point::publish_point(state, work, &iterate, pending);
                factored = false;
                pending = pending & !iterate.stuck;
                if !pending.any() {
                    break;
                }
            }
            embedding = Some(iterate);
        }
        // Certificates and unpolished points: v follows from s and z.
        if !(solved | !all).all() {
            for i in 0..state.v.len() {
                state.v[i] = solved.select(state.v[i], state.s[i] - state.z[i]);
            }
            let SystemWork { rows: s, cones, .. } = &mut work.system;
            analysis.cones.projection(simd, state.v, zero, s, state.projection, cones);
        }
        if !factored && analysis.kkt.has_factor() {
            refactor(simd, analysis, state, work, solved);
        }
        let outcome = Outcome { solved, warm, polish_steps, factorizations, growth, embedding };
        report(simd, analysis, settings, state, work, &outcome, rows.reports);
        write_rows(analysis, values, state, first, rows);
        Ok(())
    }
}

/// The lanes whose residuals in the caller's units are within the tolerance.
#[inline(always)]
fn accurate<S: Simd>(
    simd: S,
    analysis: &Analysis,
    settings: &Settings,
    state: &State<'_, S>,
    work: &mut SystemWork<'_, S>,
) -> M<S> {
    let residual = measure(simd, analysis, state, work).residual();
    residual.le(V::splat(simd, settings.tolerance))
}

/// What became of the lanes.
struct Outcome<S: Simd> {
    solved: M<S>,
    warm: M<S>,
    polish_steps: V<S>,
    /// Of the polishes.
    factorizations: V<S>,
    growth: V<S>,
    embedding: Option<Embedding<S>>,
}

/// Factors the system of the derivative at the v of all lanes.
#[inline(always)]
fn refactor<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    solved: M<S>,
) {
    analysis.cones.write_projection_block(simd, state.projection, state.h, work.system.cones);
    for (h, &kept) in state.h.iter_mut().zip(work.solved_h.iter()) {
        *h = solved.select(kept, *h);
    }
    analysis.kkt.factor(
        simd,
        state.values,
        state.h,
        Factored { inverse_pivots: state.inverse_pivots, scratch: work.system.factor },
    );
}

/// Scales the starting points into the state.
#[inline(always)]
fn load_start<S: Simd>(
    analysis: &Analysis,
    start: &Solution,
    instances: &[usize],
    state: &mut State<'_, S>,
) {
    let (n, m) = (analysis.n(), analysis.m());
    for (lane, &instance) in instances.iter().enumerate() {
        for (x, &value) in state.x.iter_mut().zip(&start.x[instance * n..]) {
            x.set_lane(lane, value);
        }
        for (z, &value) in state.z.iter_mut().zip(&start.z[instance * m..]) {
            z.set_lane(lane, value);
        }
        for (s, &value) in state.s.iter_mut().zip(&start.s[instance * m..]) {
            // Removed rows have s = +inf; inside they are 0 x <= 1.
            s.set_lane(lane, if value == f64::INFINITY { 1.0 } else { value });
        }
    }
    let cost = state.cost_scale[0];
    for j in 0..n {
        state.x[j] = state.x[j] / state.x_scale[j];
    }
    for i in 0..m {
        state.z[i] = state.z[i] * cost / state.row_scale[i];
        state.s[i] *= state.row_scale[i];
        state.v[i] = state.s[i] - state.z[i];
    }
}

/// LDL' of the scaled P, shifted: every pivot must be positive.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a step of the function above")]
fn check_convexity<S: Simd>(
    simd: S,
    analysis: &Analysis,
    settings: &Settings,
    values: &Values<'_>,
    state: &State<'_, S>,
    work: &mut Work<'_, S>,
    first: usize,
    count: usize,
) -> Result<(), Error> {
    let zero = V::splat(simd, 0.0);
    let base = analysis.kkt.p_base;
    let p = &state.values[base..base + analysis.stored_p.len()];
    let mut largest = zero;
    for &entry in p {
        largest = largest.max_abs(entry);
    }
    let shift = (V::splat(simd, settings.convexity_tolerance) * largest)
        .max(V::splat(simd, f64::MIN_POSITIVE));
    let convexity = &analysis.convexity;
    let ConvexityVectors { matrix, inverse_pivots: inverse } =
        ConvexityVectors::new(&work.lengths, work.phase);
    matrix.fill(zero);
    for &address in &analysis.convexity_diagonal {
        matrix[address as usize] = shift;
    }
    for (&address, &entry) in analysis.convexity_address.iter().zip(p) {
        matrix[address as usize] += entry;
    }
    let mut least = zero;
    convexity.factor(
        simd,
        matrix,
        Pivots {
            signs: &analysis.plus,
            smallest: 0.0,
            replacement: V::splat(simd, 1.0),
            inverse,
            least: &mut least,
        },
        work.system.factor,
    );
    for lane in 0..count {
        let pivot = least.lane(lane);
        if pivot <= 0.0 {
            let instance = (!values.p.is_shared()).then_some(first + lane);
            return Err(Error::NotConvex { argument: "P", instance, pivot });
        }
    }
    Ok(())
}

/// Fills the reports of the group.
#[inline(always)]
fn report<S: Simd>(
    simd: S,
    analysis: &Analysis,
    settings: &Settings,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    outcome: &Outcome<S>,
    reports: &mut [Report],
) {
    let measure = measure(simd, analysis, state, &mut work.system);
    let residual = measure.residual();
    let margin =
        outcome.solved.select(V::splat(simd, WEAK_MARGIN), V::splat(simd, WEAK_MARGIN_UNPOLISHED));
    let weak = weakly_active(simd, analysis, state, margin, work.system.cones);
    for (lane, report) in reports.iter_mut().enumerate() {
        let accurate = residual.lane(lane) <= settings.tolerance;
        let mut status = if accurate { Status::Solved } else { Status::NumericalTrouble };
        let (mut iterations, mut started) = (0, 0);
        if let Some(embedding) = outcome.embedding.filter(|_| !outcome.warm.lane(lane)) {
            iterations = embedding.iterations.lane(lane) as u32;
            // One for the starting point.
            started = iterations + 1;
            if embedding.primal_infeasible.lane(lane) {
                status = Status::PrimalInfeasible;
            } else if embedding.dual_infeasible.lane(lane) {
                status = Status::DualInfeasible;
            } else if !accurate && embedding.out_of_time.lane(lane) {
                status = Status::TimeLimit;
            } else if !accurate && iterations as usize >= settings.max_iterations {
                status = Status::IterationLimit;
            }
        }
        let growth = outcome.growth.lane(lane);
        *report = Report {
            status,
            iterations,
            polish_steps: outcome.polish_steps.lane(lane) as u32,
            factorizations: outcome.factorizations.lane(lane) as u32 + started,
            warm_started: outcome.warm.lane(lane),
            objective: measure.objective.lane(lane),
            residual: residual.lane(lane),
            primal_residual: measure.primal_residual.lane(lane),
            dual_residual: measure.dual_residual.lane(lane),
            gap: measure.gap.lane(lane),
            weakly_active: weak.lane(lane) as u32,
            condition: growth,
            unique: status == Status::Solved && growth < SINGULAR,
        };
    }
}

/// Unscales the points into the rows of the solution.
#[inline(always)]
fn write_rows<S: Simd>(
    analysis: &Analysis,
    values: &Values<'_>,
    state: &mut State<'_, S>,
    first: usize,
    rows: SolutionRows<'_>,
) {
    let (n, m) = (analysis.n(), analysis.m());
    let cost = state.cost_scale[0];
    for lane in 0..rows.reports.len() {
        let x = &mut rows.x[lane * n..(lane + 1) * n];
        for (j, out) in x.iter_mut().enumerate() {
            *out = (state.x[j] * state.x_scale[j]).lane(lane);
        }
        let b = values.b.instance(first + lane, m);
        for i in 0..m {
            let at = lane * m + i;
            rows.z[at] = (state.z[i] * state.row_scale[i] / cost).lane(lane);
            rows.s[at] = if analysis.removable[i] && b[i] >= INFINITE {
                f64::INFINITY
            } else {
                (state.s[i] / state.row_scale[i]).lane(lane)
            };
        }
    }
}
