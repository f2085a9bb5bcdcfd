//! The linear system of the derivative: refined solves with the factor; LSQR where it is singular.

use pulp::Simd;

use super::Method;
use super::lsqr::{Goal, lsqr};
use crate::analysis::Analysis;
use crate::cones::Function;
use crate::group::{View, Work};
use crate::lanes::{M, V};

/// A refined solve reads the values about this many times.
pub(crate) const PASSES: usize = 8;
/// Relative residual at which refinement stops.
const REFINED: f64 = 1e-14;
/// Relative residual that refinement must reach, else the system counts as singular.
const UNREFINED: f64 = 1e-8;
/// Most refinement steps.
const STEPS: usize = 6;
/// Tolerance of the least-norm solve of a singular system, and its iterations per unknown.
const LEAST_NORM: f64 = 1e-13;
const LEAST_NORM_ITERATIONS: usize = 20;

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
/// `over_x[0]`, `over_z[0]` of the workspace hold r1, r2; `over_x[1]`, `over_z[1]` receive the
/// solution. Lanes in `singular`, and lanes whose refinement fails, get the least-norm least-squares
/// solution.
#[inline(always)]
pub(crate) fn solve<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    work: &mut Work<'_, S>,
    method: Method,
    singular: M<S>,
) -> Solved<S> {
    let method = if analysis.kkt.has_factor() { method } else { method.without_factor() };
    if let Method::Lsqr { tolerance, max_iterations } = method {
        let goal = Goal { tolerance, max_iterations };
        return lsqr(simd, analysis, view, work, M::splat(simd, true), goal);
    }
    let direct = solve_with(simd, analysis, view, work, None, singular);
    // Not a comparison that NaN fulfils: a NaN right-hand side keeps its NaN solution.
    let singular = singular | direct.residual.gt(V::splat(simd, UNREFINED));
    if !singular.any() {
        return direct;
    }
    let max_iterations = LEAST_NORM_ITERATIONS * (analysis.n() + analysis.m() + 1);
    let goal = Goal { tolerance: LEAST_NORM, max_iterations };
    let least_norm = lsqr(simd, analysis, view, work, singular, goal);
    Solved {
        residual: singular.select(least_norm.residual, direct.residual),
        iterations: singular.select(least_norm.iterations, direct.iterations),
        unfinished: least_norm.unfinished & singular,
    }
}

/// [`solve`] with the factor, in the lanes outside `singular`; `extra`, where given, is added to the right-hand
/// side of the second equation as it stands above (that of r2 is (I - D) r2).
#[inline(always)]
pub(crate) fn solve_with<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    work: &mut Work<'_, S>,
    extra: Option<&[V<S>]>,
    singular: M<S>,
) -> Solved<S> {
    let zero = V::splat(simd, 0.0);
    let Work { permuted, cones, px, ax, atz, over_x, over_z, .. } = work;
    let [rhs_x, x, error_x, ..] = over_x;
    let [rhs_z, z, error_z, dz, spare, ..] = over_z;
    // With x = z = 0 the second equation is off by (I - D) r2.
    analysis.cones.apply(simd, view.projection, Function::Complement, rhs_z, error_z, cones);
    for (error, &extra) in error_z.iter_mut().zip(extra.unwrap_or_default()) {
        *error += extra;
    }
    let mut size = V::splat(simd, f64::MIN_POSITIVE);
    for &r in rhs_x.iter().chain(error_z.iter()) {
        size = size.max_abs(r);
    }
    error_x.copy_from_slice(rhs_x);
    x.fill(zero);
    z.fill(zero);
    let mut residual = V::splat(simd, f64::INFINITY);
    let mut live = !singular;
    for step in 0..=STEPS {
        // The factored rows are those above times (I - D)^-1.
        let inverse = Function::InverseComplement;
        analysis.cones.apply(simd, view.projection, inverse, error_z, spare, cones);
        {
            let (correction_x, correction_z) = (&mut *px, &mut *ax);
            analysis.kkt.solve::<S, 1>(
                simd,
                view.values,
                view.inverse_pivots,
                [(error_x, spare)],
                permuted,
                [(&mut **correction_x, &mut **correction_z)],
            );
        }
        for j in 0..x.len() {
            x[j] = live.select(x[j] + px[j], x[j]);
        }
        for i in 0..z.len() {
            z[i] = live.select(z[i] + ax[i], z[i]);
        }
        analysis.kkt.products.multiply(simd, view.values, x, z, px, ax, atz);
        analysis.cones.apply(simd, view.projection, Function::Derivative, z, dz, cones);
        let mut error = zero;
        for j in 0..x.len() {
            error_x[j] = rhs_x[j] - (px[j] + atz[j]);
            error = error.max_abs(error_x[j]);
        }
        for i in 0..z.len() {
            spare[i] = rhs_z[i] - ax[i];
        }
        analysis.cones.apply(simd, view.projection, Function::Complement, spare, error_z, cones);
        for (error, &extra) in error_z.iter_mut().zip(extra.unwrap_or_default()) {
            *error += extra;
        }
        for i in 0..z.len() {
            error_z[i] += dz[i];
            error = error.max_abs(error_z[i]);
        }
        let error = error / size;
        let improved = error.lt(V::splat(simd, 0.25) * residual);
        residual = live.select(error, residual);
        live = live & improved & error.gt(V::splat(simd, REFINED));
        if step == STEPS || !live.any() {
            break;
        }
    }
    Solved { residual, iterations: zero, unfinished: M::splat(simd, false) }
}
