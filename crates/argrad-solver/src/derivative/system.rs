//! The linear system of the derivative: refined solves with the factor; LSQR where it is singular.

use pulp::Simd;

use super::Method;
use super::lsqr::{Goal, lsqr};
use crate::lanes::{M, V};
use crate::program::Stop;
use crate::system::analysis::Analysis;
use crate::system::memory::{DerivativeVectors, DerivativeWork, View};
use crate::system::projection_system::ProjectionSystem;

/// A refined solve reads the values about this many times.
pub(crate) const PASSES: usize = 8;
/// Relative residual that refinement must reach, else the system counts as singular.
const UNREFINED: f64 = 1e-8;
/// Tolerance of the least-norm solve of a singular system, its iterations per unknown, and the most of
/// them: a large one is left unfinished, which the gradients report.
const LEAST_NORM: f64 = 1e-13;
const LEAST_NORM_ITERATIONS: usize = 5;
const MOST_LEAST_NORM_ITERATIONS: usize = 2000;

/// How a solve went, a number a lane.
#[derive(Clone, Copy)]
pub(crate) struct Solved<S: Simd> {
    /// Relative residual.
    pub(crate) residual: V<S>,
    /// Iterations of LSQR.
    pub(crate) iterations: V<S>,
    /// Lanes that LSQR left at its limit of iterations.
    pub(crate) unfinished: M<S>,
}

impl<S: Simd> Solved<S> {
    /// Writes what became of `lane`: NaN where the instance has no solution.
    #[inline(always)]
    pub(crate) fn report(
        &self,
        lane: usize,
        has_solution: M<S>,
        (residual, iterations, unfinished): (&mut f64, &mut u32, &mut bool),
    ) {
        if has_solution.lane(lane) {
            *residual = self.residual.lane(lane);
            *iterations = self.iterations.lane(lane) as u32;
            *unfinished = self.unfinished.lane(lane);
        } else {
            *residual = f64::NAN;
        }
    }
}

/// Solves the derivative's system, without regularization and with the projection at the final v:
/// ```text
/// Px + A'z = r1,   (I - D)(Ax - r2) - D z = 0
/// ```
/// `rhs_x`, `rhs_z` of the workspace hold r1, r2; `solution_x`, `solution_z` receive the solution.
/// Iterations end where `stop` says so. Lanes in `singular`, and lanes whose refinement
/// fails, get the least-norm least-squares
/// solution.
#[inline(always)]
pub(crate) fn solve<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    (method, stop): (Method, Stop<'_>),
    singular: M<S>,
) -> Solved<S> {
    let method = if analysis.kkt.has_factor() { method } else { method.without_factor() };
    if let Method::Lsqr { tolerance, max_iterations } = method {
        let goal = Goal { tolerance, max_iterations, stop };
        return lsqr(simd, analysis, view, work, M::splat(simd, true), goal);
    }
    let direct = solve_with(simd, analysis, view, work, None, singular);
    // Not a comparison that NaN fulfils: a NaN right-hand side keeps its NaN solution.
    let singular = singular | direct.residual.gt(V::splat(simd, UNREFINED));
    if !singular.any() {
        return direct;
    }
    let max_iterations =
        (LEAST_NORM_ITERATIONS * (analysis.n() + analysis.m() + 1)).min(MOST_LEAST_NORM_ITERATIONS);
    let goal = Goal { tolerance: LEAST_NORM, max_iterations, stop };
    let least_norm = lsqr(simd, analysis, view, work, singular, goal);
    Solved {
        residual: singular.select(least_norm.residual, direct.residual),
        iterations: singular.select(least_norm.iterations, direct.iterations),
        unfinished: least_norm.unfinished & singular,
    }
}

/// [`solve`] with the factor, in the lanes outside `singular`; `extra`, where given, is the right-hand side e
/// of the second equation.
#[inline(always)]
pub(crate) fn solve_with<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    extra: Option<&[V<S>]>,
    singular: M<S>,
) -> Solved<S> {
    let DerivativeWork { system, vectors } = work;
    let DerivativeVectors { rhs_x, rhs_z, solution_x, solution_z, krylov, .. } = vectors;
    let derivative = ProjectionSystem {
        analysis,
        values: view.values,
        inverse_pivots: view.inverse_pivots,
        projection: view.projection,
    };
    let (rhs, solution) = ((&**rhs_x, &**rhs_z), (&mut **solution_x, &mut **solution_z));
    let residual = derivative.solve(simd, rhs, extra, solution, (system, krylov), !singular);
    Solved { residual, iterations: V::splat(simd, 0.0), unfinished: M::splat(simd, false) }
}
