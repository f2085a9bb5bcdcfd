//! The linear system of the derivative: refined solves with the factor; LSQR where the system is
//! singular and has no solution.

use pulp::Simd;

use super::Method;
use super::lsqr::least_norm;
use super::outcome::LinearOutcome;
use super::point::Point;
use crate::lanes::{M, V};
use crate::linalg::lsqr::Limits;
use crate::program::Stop;
use crate::system::memory::{DerivativeWork, LinearVectors};
use crate::system::projection_system::{Accuracy, ProjectionSystem};
use crate::system::shared::active;

/// A refined solve reads the values about this many times.
pub(super) const PASSES: usize = 8;
/// A right-hand side has no solution where refinement leaves this much of it, ...
const UNREFINED: f64 = 1e-8;
/// ... which is this much of the solution too.
const INCONSISTENT: f64 = 1e-12;
/// Tolerance of the least-norm solve of a singular system, its iterations per unknown, and the most
/// of them: a large one is left unfinished, which the gradients report.
const LEAST_NORM: f64 = 1e-13;
const LEAST_NORM_ITERATIONS: usize = 5;
const MOST_LEAST_NORM_ITERATIONS: usize = 2000;

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

/// Solves the derivative's system, without regularization and with the projection at the final v:
/// ```text
/// Px + A'z = r1,   (I - D)(Ax - r2) - D z = 0
/// ```
/// `work.linear` holds r1, r2 and receives x, z. Lanes in `singular` get the solution of least norm
/// where there is one; lanes where there is none, the least-squares solution of least norm.
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
    let all = M::splat(simd, true);
    let Accuracy { mut residual, mut backward } =
        solve_with_factor(point, work, None, singular, all);
    // No comparisons that NaN fulfils: a NaN right-hand side keeps its NaN solution.
    let is_left = |residual: V<S>, backward: V<S>| {
        residual.gt(V::splat(simd, UNREFINED)) & backward.gt(V::splat(simd, INCONSISTENT))
    };
    let mut inconsistent = is_left(residual, backward);
    let again = inconsistent & singular;
    if again.any() {
        // What keeps rounding errors out of the null space hides small singular values beside it.
        // Without, they are of the order of the rounding times what the regularization allows.
        let none = M::splat(simd, false);
        let plain = solve_with_factor(point, work, None, none, again);
        residual = again.select(plain.residual, residual);
        backward = again.select(plain.backward, backward);
        inconsistent = is_left(residual, backward);
    }
    let zero = point.zero();
    let direct = LinearOutcome { residual: backward, iterations: zero, unfinished: zero.gt(zero) };
    if !inconsistent.any() {
        return direct;
    }
    let max_iterations =
        (LEAST_NORM_ITERATIONS * (analysis.n() + analysis.m() + 1)).min(MOST_LEAST_NORM_ITERATIONS);
    let limits = Limits { tolerance: LEAST_NORM, max_iterations, stop };
    let least_norm = least_norm(point, work, inconsistent, limits);
    LinearOutcome {
        residual: inconsistent.select(least_norm.residual, direct.residual),
        iterations: inconsistent.select(least_norm.iterations, direct.iterations),
        unfinished: least_norm.unfinished & inconsistent,
    }
}

/// [`solve`] with the factor, in the lanes in `lanes`; `extra`, where given, is the right-hand side
/// e of the second equation.
#[inline(always)]
pub(super) fn solve_with_factor<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    extra: Option<&[V<S>]>,
    singular: M<S>,
    lanes: M<S>,
) -> Accuracy<S> {
    let Point { simd, analysis, view } = point;
    let group = view.system(*simd, analysis);
    if let Some(shared) = group.shared {
        // Small, and not on the tape.
        active::factor(*simd, shared, view.h, work.system.active);
    }
    let derivative = ProjectionSystem { group, projection: view.projection, singular };
    let linear = &mut work.linear;
    let (rhs, solution) = ((&*linear.r1, &*linear.r2), (&mut *linear.x, &mut *linear.z));
    let scratch = (&mut work.system, &mut *linear.krylov);
    derivative.solve(*simd, rhs, extra, solution, scratch, lanes)
}
