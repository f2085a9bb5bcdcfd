//! Directions of a step: the constant column, the affine and the combined one, and the step itself.
//!
//! With H the block of the scaling, a direction (dx, dz, ds, dtau, dkappa) solves
//! ```text
//! P dx + A'dz + q dtau = rho rx              ds = -(H dz + c)
//! A dx - H dz - b dtau = c - rho rz          tau dkappa + kappa dtau = -rkappa
//! q'dx + b'dz + dkappa + 2 x'P dx / tau - x'Px / tau^2 dtau = -rho rtau
//! ```
//! with rho = 1 for the affine and 1 - sigma for the combined step. (dx, dz) is a solution without
//! tau plus dtau times the constant column, the solution for (-q, b).

use pulp::Simd;

use super::Iteration;
use super::residuals::{Refinement, Residuals};
use super::scaling_system::ScalingSystem;
use crate::cones::Point;
use crate::lanes::{M, V};
use crate::system::kkt::Factored;
use crate::system::memory::InteriorPointVectors;

/// Part of the way to the boundary that a step takes.
const FRACTION_TO_BOUNDARY: f64 = 0.98;
/// A step shorter than this is a sign of numerical trouble.
const SHORTEST_STEP: f64 = 1e-9;

/// What the constant column contributes to the equation for dtau.
pub(super) struct Column<S: Simd> {
    inverse_tau: V<S>,
    two_over_tau: V<S>,
    /// Coefficient of dtau.
    denominator: V<S>,
}

/// The scalars of a direction, and the longest step along it.
pub(super) struct Direction<S: Simd> {
    d_tau: V<S>,
    d_kappa: V<S>,
    length: V<S>,
}

/// How the combined step is centered.
pub(super) struct Centering<S: Simd> {
    /// 1 - sigma: the share of the residuals that the step aims to remove.
    keep: V<S>,
    /// sigma mu: the mean complementarity that it aims at.
    target: V<S>,
}

impl<S: Simd> Iteration<'_, '_, '_, S> {
    /// The scaling at the iterate, and the factor of the system with its blocks.
    #[inline(always)]
    pub(super) fn scale(&mut self, residuals: &Residuals<S>) {
        let Self { simd, analysis, state, system, iterate, vectors, .. } = self;
        let (simd, cones) = (*simd, &analysis.cones);
        let point = (&*iterate.s, &*iterate.z);
        cones.scaling(simd, point, residuals.mu, vectors.scaling, system.cones);
        cones.write_scaling_block(simd, vectors.scaling, state.h);
        analysis.kkt.factor(
            simd,
            state.values,
            (Point::Scaling, state.h),
            Factored { inverse_pivots: state.inverse_pivots, scratch: system.factor },
        );
    }

    /// Solves for the constant column, and for the affine (dx, dz) without tau.
    #[inline(always)]
    pub(super) fn solve_column_and_affine(
        &mut self,
        residuals: &Residuals<S>,
        refinement: &Refinement<S>,
    ) -> Column<S> {
        let simd = self.simd;
        let (n, m) = (self.analysis.n(), self.analysis.m());
        let (q, b) = (&self.state.q[..n], &self.state.b[..m]);
        let vectors = &mut self.vectors;
        let rhs_x = &mut vectors.rhs_x[..n];
        let (rhs_z, constant) = (&mut vectors.rhs_z[..m], &mut vectors.constant[..m]);
        let rz = &vectors.primal_residual[..m];
        self.analysis.cones.affine_constant(simd, self.iterate.s, constant);
        for j in 0..n {
            rhs_x[j] = -q[j];
        }
        for i in 0..m {
            rhs_z[i] = constant[i] - rz[i];
        }
        let InteriorPointVectors { column_x, column_z, dx, dz, dual_residual: rx, .. } = vectors;
        self.analysis.kkt.solve::<S, 2>(
            simd,
            self.state.values,
            self.state.inverse_pivots,
            [(rhs_x, b), (rx, rhs_z)],
            self.system.permuted,
            [(column_x, column_z), (dx, dz)],
        );
        let inverse_tau = V::splat(simd, 1.0) / residuals.tau;
        if refinement.lanes.any() {
            // The column counts times the change of tau, which is of the order of tau.
            let errors = refinement.errors;
            let column_errors = (errors.0 * inverse_tau, errors.1 * inverse_tau);
            let scaling = ScalingSystem {
                analysis: self.analysis,
                values: self.state.values,
                inverse_pivots: self.state.inverse_pivots,
                scaling: vectors.scaling,
            };
            for (rhs, solution, errors) in [
                ((&*rhs_x, b), (&mut **column_x, &mut **column_z), column_errors),
                ((&**rx, &*rhs_z), (&mut **dx, &mut **dz), errors),
            ] {
                let work = (&mut *self.system, &mut *vectors.krylov);
                scaling.refine(simd, rhs, solution, errors, work, refinement.lanes);
            }
        }
        let two_over_tau = inverse_tau + inverse_tau;
        let (column, column_px) = self.products_with(self.vectors.column_x, self.vectors.column_z);
        let denominator = residuals.kappa * inverse_tau - column - two_over_tau * column_px
            + residuals.x_px_tau * inverse_tau;
        Column { inverse_tau, two_over_tau, denominator }
    }

    /// The affine (predictor) step, which aims at a solution at once.
    #[inline(always)]
    pub(super) fn affine_direction(
        &mut self,
        residuals: &Residuals<S>,
        column: &Column<S>,
    ) -> Direction<S> {
        let &Residuals { r_tau, kappa, .. } = residuals;
        let &Column { inverse_tau, two_over_tau, denominator } = column;
        let (affine, affine_px) = self.products_with(self.vectors.dx, self.vectors.dz);
        let d_tau = (r_tau - kappa + affine + two_over_tau * affine_px) / denominator;
        self.finish_dz_and_ds(d_tau);
        let d_kappa = -(kappa + kappa * d_tau * inverse_tau);
        let length = self.longest_step(residuals, d_tau, d_kappa);
        Direction { d_tau, d_kappa, length }
    }

    /// Mehrotra's rule: the farther the affine step goes, the less the combined one is centered.
    #[inline(always)]
    pub(super) fn centering(
        &self,
        residuals: &Residuals<S>,
        affine: &Direction<S>,
    ) -> Centering<S> {
        let one = V::splat(self.simd, 1.0);
        let rest = one - affine.length;
        let sigma = rest * rest * rest;
        Centering { keep: one - sigma, target: sigma * residuals.mu }
    }

    /// The combined (corrector) step: centered, with the second-order correction of the affine
    /// step.
    #[inline(always)]
    pub(super) fn combined_direction(
        &mut self,
        residuals: &Residuals<S>,
        column: &Column<S>,
        affine: &Direction<S>,
        centering: &Centering<S>,
        refinement: &Refinement<S>,
    ) -> Direction<S> {
        let &Residuals { tau, kappa, r_tau, .. } = residuals;
        let &Column { inverse_tau, two_over_tau, denominator } = column;
        let &Centering { keep, target } = centering;
        self.solve_combined(centering, refinement);
        let r_kappa = tau.fma(kappa, affine.d_tau.fma(affine.d_kappa, -target));
        let (combined, combined_px) = self.products_with(self.vectors.dx, self.vectors.dz);
        let d_tau = (keep * r_tau - r_kappa * inverse_tau + combined + two_over_tau * combined_px)
            / denominator;
        let InteriorPointVectors { dx, column_x, .. } = &mut self.vectors;
        for (dx, &column) in dx.iter_mut().zip(column_x.iter()) {
            *dx = column.fma(d_tau, *dx);
        }
        self.finish_dz_and_ds(d_tau);
        let d_kappa = -(r_kappa + kappa * d_tau) * inverse_tau;
        let length = self.longest_step(residuals, d_tau, d_kappa)
            * V::splat(self.simd, FRACTION_TO_BOUNDARY);
        Direction { d_tau, d_kappa, length: length.min(V::splat(self.simd, 1.0)) }
    }

    /// Solves for the combined (dx, dz) without tau.
    #[inline(always)]
    fn solve_combined(&mut self, centering: &Centering<S>, refinement: &Refinement<S>) {
        let simd = self.simd;
        let (n, m) = (self.analysis.n(), self.analysis.m());
        let InteriorPointVectors {
            scaling,
            krylov,
            rhs_x,
            rhs_z,
            dx,
            dz,
            ds,
            constant,
            dual_residual: rx,
            primal_residual: rz,
            ..
        } = &mut self.vectors;
        self.analysis.cones.combined_constant(
            simd,
            scaling,
            (self.iterate.s, self.iterate.z),
            (ds, dz),
            centering.target,
            constant,
            self.system.cones,
        );
        let (rhs_x, rx) = (&mut rhs_x[..n], &rx[..n]);
        let (rhs_z, rz, constant) = (&mut rhs_z[..m], &rz[..m], &constant[..m]);
        for j in 0..n {
            rhs_x[j] = centering.keep * rx[j];
        }
        for i in 0..m {
            rhs_z[i] = centering.keep.nfma(rz[i], constant[i]);
        }
        self.analysis.kkt.solve::<S, 1>(
            simd,
            self.state.values,
            self.state.inverse_pivots,
            [(rhs_x, rhs_z)],
            self.system.permuted,
            [(dx, dz)],
        );
        if refinement.lanes.any() {
            let scaling = ScalingSystem {
                analysis: self.analysis,
                values: self.state.values,
                inverse_pivots: self.state.inverse_pivots,
                scaling,
            };
            let work = (&mut *self.system, &mut **krylov);
            let (errors, lanes) = (refinement.errors, refinement.lanes);
            scaling.refine(simd, (rhs_x, rhs_z), (dx, dz), errors, work, lanes);
        }
    }

    /// `q'dx + b'dz` and `x'P dx`.
    #[inline(always)]
    fn products_with(&self, dx: &[V<S>], dz: &[V<S>]) -> (V<S>, V<S>) {
        let zero = V::splat(self.simd, 0.0);
        let (mut linear, mut quadratic) = (zero, zero);
        for ((&q, &px), &dx) in self.state.q.iter().zip(self.vectors.px.iter()).zip(dx) {
            linear = q.fma(dx, linear);
            quadratic = px.fma(dx, quadratic);
        }
        for (&b, &dz) in self.state.b.iter().zip(dz) {
            linear = b.fma(dz, linear);
        }
        (linear, quadratic)
    }

    /// Adds the column's part to dz, and computes ds from it.
    #[inline(always)]
    fn finish_dz_and_ds(&mut self, d_tau: V<S>) {
        let InteriorPointVectors { scaling, column_z, dz, ds, constant, .. } = &mut self.vectors;
        for (dz, &column) in dz.iter_mut().zip(column_z.iter()) {
            *dz = column.fma(d_tau, *dz);
        }
        let cones = &self.analysis.cones;
        cones.multiply_scaling(self.simd, scaling, dz, ds, self.system.cones);
        for (ds, &constant) in ds.iter_mut().zip(constant.iter()) {
            *ds = -(*ds + constant);
        }
    }

    /// The longest step, at most one, that keeps s, z, tau and kappa inside.
    #[inline(always)]
    fn longest_step(&mut self, residuals: &Residuals<S>, d_tau: V<S>, d_kappa: V<S>) -> V<S> {
        let &Residuals { tau, kappa, .. } = residuals;
        // A full step is one; the margin to the boundary is applied by the caller, so look past it.
        let one = V::splat(self.simd, 1.0);
        let limit = one / (-d_tau / tau).max((-d_kappa / kappa).max(one));
        let (iterate, vectors) = (&*self.iterate, &self.vectors);
        self.analysis.cones.step_length(
            self.simd,
            vectors.scaling,
            (iterate.s, iterate.z),
            (vectors.ds, vectors.dz),
            limit,
            self.system.cones,
        )
    }

    /// Moves the iterate. A lane that cannot move has its solves refined; one that cannot move with
    /// refined solves is stuck.
    #[inline(always)]
    pub(super) fn step(
        &mut self,
        residuals: &Residuals<S>,
        centering: &Centering<S>,
        direction: &Direction<S>,
    ) {
        let &Direction { d_tau, d_kappa, length } = direction;
        // The dot products in d_tau carry any NaN of the direction, which comparisons drop.
        let moves = length.ge(V::splat(self.simd, SHORTEST_STEP)) & !d_tau.is_nan();
        let refined = self.embedding.refined;
        self.give_up(residuals, self.live & !moves & refined);
        self.embedding.refined = refined | (self.live & !moves);
        self.predict(residuals, length * centering.keep);
        let (live, embedding, iterate) = (self.live, &mut *self.embedding, &mut *self.iterate);
        let moving = live & moves;
        advance(iterate.x, self.vectors.dx, length, moving);
        advance(iterate.z, self.vectors.dz, length, moving);
        advance(iterate.s, self.vectors.ds, length, moving);
        embedding.tau = moving.select(length.fma(d_tau, embedding.tau), embedding.tau);
        embedding.kappa = moving.select(length.fma(d_kappa, embedding.kappa), embedding.kappa);
        embedding.iterations += live.select(V::splat(self.simd, 1.0), V::splat(self.simd, 0.0));
    }
}

/// `values += length * direction` in the lanes in `lanes`.
#[inline(always)]
fn advance<S: Simd>(values: &mut [V<S>], direction: &[V<S>], length: V<S>, lanes: M<S>) {
    for (value, &direction) in values.iter_mut().zip(direction) {
        *value = lanes.select(length.fma(direction, *value), *value);
    }
}
