//! What is said of the samples of a group, and their points in the caller's units.

use pulp::Simd;

use crate::program::{Report, Settings, Status, Values};
use crate::solve::equilibrate::INFINITE;
use crate::solve::measure::{measure, weakly_active};
use crate::solve::outcome::{Outcome, SolutionRows};
use crate::solve::samples::Samples;
use crate::system::analysis::Analysis;
use crate::system::memory::{State, SystemWork};

/// Fills the reports of the group.
#[inline(always)]
pub(super) fn report<S: Simd>(
    simd: S,
    analysis: &Analysis,
    settings: &Settings,
    state: &mut State<'_, S>,
    work: &mut SystemWork<'_, S>,
    outcome: &Outcome<S>,
    reports: &mut [Report],
) {
    let measure = measure(simd, analysis, state, work);
    let residual = measure.residual();
    // Without an interior point on their own program.
    let direct = outcome.warm | outcome.elsewhere;
    let weak = weakly_active(simd, analysis, state, outcome.solved, work.cones);
    for (lane, report) in reports.iter_mut().enumerate() {
        let escapes = outcome.escaping.lane(lane);
        let accurate = residual.lane(lane) <= settings.tolerance && !escapes;
        let nearly = residual.lane(lane) <= settings.reduced_tolerance;
        let mut status = match (accurate, nearly) {
            (true, _) => Status::Solved,
            (false, true) => Status::AlmostSolved,
            (false, false) => Status::NumericalTrouble,
        };
        let (mut iterations, mut started) = (0, 0);
        if let Some(embedding) = outcome.embedding.filter(|_| !direct.lane(lane)) {
            iterations = embedding.iterations.lane(lane) as u32;
            // One for the starting point.
            started = iterations + 1;
            if embedding.primal_infeasible.lane(lane) {
                status = Status::PrimalInfeasible;
            } else if embedding.dual_infeasible.lane(lane) {
                status = Status::DualInfeasible;
            } else if !accurate && embedding.out_of_time.lane(lane) {
                status = Status::TimeLimit;
            } else if !accurate && !nearly && iterations as usize >= settings.max_iterations {
                status = Status::IterationLimit;
            }
        }
        if outcome.elsewhere.lane(lane) {
            iterations = outcome.iterations_elsewhere.lane(lane) as u32;
            started = iterations;
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
            unique_x: status.is_solved() && outcome.unique_x.lane(lane) && !escapes,
            unique_z: status.is_solved() && outcome.unique_z.lane(lane),
        };
    }
}

/// Unscales the points into the rows of the solution.
#[inline(always)]
pub(super) fn write_rows<S: Simd>(
    analysis: &Analysis,
    values: &Values<'_>,
    state: &mut State<'_, S>,
    samples: &Samples,
    rows: SolutionRows<'_>,
) {
    let (n, m) = (analysis.n(), analysis.m());
    let cost = state.cost_scale[0];
    for (lane, &sample) in samples.as_slice().iter().enumerate() {
        let x = &mut rows.x[lane * n..(lane + 1) * n];
        for (j, out) in x.iter_mut().enumerate() {
            *out = (state.x[j] * state.x_scale[j]).lane(lane);
        }
        let b = values.b.sample(sample, m);
        for (i, &b) in b.iter().enumerate() {
            let at = lane * m + i;
            rows.z[at] = (state.z[i] * state.row_scale[i] / cost).lane(lane);
            rows.s[at] = if analysis.removable[i] && b >= INFINITE {
                f64::INFINITY
            } else {
                (state.s[i] / state.row_scale[i]).lane(lane)
            };
        }
    }
}
