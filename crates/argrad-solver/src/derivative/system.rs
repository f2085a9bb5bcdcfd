//! The linear system of the derivative: refined solves with the factor; LSQR where it is singular.

use pulp::Simd;

use super::Method;
use super::lsqr::least_norm;
use crate::cones::Function;
use crate::lanes::{M, V};
use crate::linalg::lsqr::Limits;
use crate::prepared::{Group, Rows};
use crate::program::Stop;
use crate::system::analysis::Analysis;
use crate::system::memory::{DerivativeWork, LinearVectors, SystemWork, View};
use crate::system::projection_system::ProjectionSystem;

/// A refined solve reads the values about this many times.
pub(super) const PASSES: usize = 8;
/// Relative residual that refinement must reach, else the system counts as singular.
const UNREFINED: f64 = 1e-8;
/// Tolerance of the least-norm solve of a singular system, its iterations per unknown, and the most
/// of them: a large one is left unfinished, which the gradients report.
const LEAST_NORM: f64 = 1e-13;
const LEAST_NORM_ITERATIONS: usize = 5;
const MOST_LEAST_NORM_ITERATIONS: usize = 2000;

/// A lane group at the point that is differentiated.
pub(super) struct Point<'a, S: Simd> {
    pub(super) simd: S,
    pub(super) analysis: &'a Analysis,
    pub(super) view: View<'a, S>,
}

impl<'a, S: Simd> Point<'a, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, analysis: &'a Analysis, state: &'a [f64]) -> Self {
        Self { simd, analysis, view: View::new(simd, analysis, state) }
    }

    #[inline(always)]
    pub(super) fn zero(&self) -> V<S> {
        V::splat(self.simd, 0.0)
    }

    /// A function of the derivative D of the projection, times `x`.
    #[inline(always)]
    pub(super) fn apply(
        &self,
        function: Function,
        x: &[V<S>],
        out: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        let Self { simd, analysis, view } = self;
        analysis.cones.apply(*simd, view.projection, function, x, out, scratch);
    }

    /// P x, A x and A'z, into the workspace.
    #[inline(always)]
    pub(super) fn multiply(&self, x: &[V<S>], z: &[V<S>], work: &mut SystemWork<'_, S>) {
        let SystemWork { px, ax, atz, .. } = work;
        let Self { simd, analysis, view } = self;
        analysis.kkt.products.multiply(*simd, view.values, x, z, px, ax, atz);
    }
}

impl<S: Simd> LinearVectors<'_, S> {
    /// Zero on the right-hand side in the lanes without a solution.
    #[inline(always)]
    pub(super) fn mask(&mut self, solved: M<S>) {
        for rhs in self.r1.iter_mut().chain(self.r2.iter_mut()) {
            *rhs = solved.select(*rhs, rhs.like(0.0));
        }
    }
}

/// How the linear system is to be solved.
#[derive(Clone, Copy)]
pub(super) struct LinearMethod<'a> {
    pub(super) method: Method,
    /// Ends iterations.
    pub(super) stop: Stop<'a>,
}

/// How a linear solve went, a number for each lane.
#[derive(Clone, Copy)]
pub(super) struct LinearOutcome<S: Simd> {
    /// Relative residual.
    pub(super) residual: V<S>,
    /// Iterations of LSQR.
    pub(super) iterations: V<S>,
    /// Lanes that LSQR left at its limit of iterations.
    pub(super) unfinished: M<S>,
}

/// Solves the derivative's system, without regularization and with the projection at the final v:
/// ```text
/// Px + A'z = r1,   (I - D)(Ax - r2) - D z = 0
/// ```
/// `work.linear` holds r1, r2 and receives x, z. Lanes in `singular`, and lanes whose refinement
/// fails, get the least-norm least-squares solution.
#[inline(always)]
pub(super) fn solve<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    LinearMethod { method, stop }: LinearMethod<'_>,
    singular: M<S>,
) -> LinearOutcome<S> {
    let Point { simd, analysis, .. } = *point;
    let method = if analysis.kkt.has_factor() { method } else { method.without_factor() };
    if let Method::Lsqr { tolerance, max_iterations } = method {
        let limits = Limits { tolerance, max_iterations, stop };
        return least_norm(point, work, M::splat(simd, true), limits);
    }
    let direct = solve_with_factor(point, work, None, singular);
    // Not a comparison that NaN fulfils: a NaN right-hand side keeps its NaN solution.
    let singular = singular | direct.residual.gt(V::splat(simd, UNREFINED));
    if !singular.any() {
        return direct;
    }
    let max_iterations =
        (LEAST_NORM_ITERATIONS * (analysis.n() + analysis.m() + 1)).min(MOST_LEAST_NORM_ITERATIONS);
    let limits = Limits { tolerance: LEAST_NORM, max_iterations, stop };
    let least_norm = least_norm(point, work, singular, limits);
    LinearOutcome {
        residual: singular.select(least_norm.residual, direct.residual),
        iterations: singular.select(least_norm.iterations, direct.iterations),
        unfinished: least_norm.unfinished & singular,
    }
}

/// [`solve`] with the factor, in the lanes outside `singular`; `extra`, where given, is the
/// right-hand side e of the second equation.
#[inline(always)]
pub(super) fn solve_with_factor<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    extra: Option<&[V<S>]>,
    singular: M<S>,
) -> LinearOutcome<S> {
    let Point { simd, analysis, view } = point;
    let derivative = ProjectionSystem {
        analysis,
        values: view.values,
        inverse_pivots: view.inverse_pivots,
        projection: view.projection,
    };
    let linear = &mut work.linear;
    let (rhs, solution) = ((&*linear.r1, &*linear.r2), (&mut *linear.x, &mut *linear.z));
    let scratch = (&mut work.system, &mut *linear.krylov);
    let residual = derivative.solve(*simd, rhs, extra, solution, scratch, !singular);
    let zero = point.zero();
    LinearOutcome { residual, iterations: zero, unfinished: zero.gt(zero) }
}

/// How the linear solves of a batch went, for each instance.
pub(super) struct LinearReports {
    pub(super) residual: Vec<f64>,
    pub(super) iterations: Vec<u32>,
    is_unfinished: Vec<bool>,
}

impl LinearReports {
    pub(super) fn new(batch: usize) -> Self {
        Self {
            residual: vec![0.0; batch],
            iterations: vec![0; batch],
            is_unfinished: vec![false; batch],
        }
    }

    /// To be written group by group.
    pub(super) fn groups<'a>(&'a mut self) -> impl FnMut(Group) -> LinearRows<'a> {
        let mut residual = Rows::new(&mut self.residual, 1);
        let mut iterations = Rows::new(&mut self.iterations, 1);
        let mut is_unfinished = Rows::new(&mut self.is_unfinished, 1);
        move |group| LinearRows {
            residual: residual.next(group),
            iterations: iterations.next(group),
            is_unfinished: is_unfinished.next(group),
        }
    }

    /// The instances that LSQR left at its limit of iterations.
    pub(super) fn unfinished(&self) -> Vec<usize> {
        (0..self.is_unfinished.len()).filter(|&i| self.is_unfinished[i]).collect()
    }
}

/// Those of a lane group.
pub(super) struct LinearRows<'a> {
    residual: &'a mut [f64],
    iterations: &'a mut [u32],
    is_unfinished: &'a mut [bool],
}

impl LinearRows<'_> {
    /// Writes what became of each lane: NaN where the instance has no solution.
    #[inline(always)]
    pub(super) fn write<S: Simd>(&mut self, outcome: &LinearOutcome<S>, has_solution: M<S>) {
        let iterations = self.iterations.iter_mut().zip(self.is_unfinished.iter_mut());
        for (lane, (residual, (iterations, is_unfinished))) in
            self.residual.iter_mut().zip(iterations).enumerate()
        {
            if has_solution.lane(lane) {
                *residual = outcome.residual.lane(lane);
                *iterations = outcome.iterations.lane(lane) as u32;
                *is_unfinished = outcome.unfinished.lane(lane);
            } else {
                *residual = f64::NAN;
            }
        }
    }
}
