//! Interior point on the homogeneous embedding of a quadratic objective.
//!
//! Unknowns x, z, s, tau, kappa (Goulart and Chen, "Clarabel", 2024, section 3):
//! ```text
//! rx   = -(Px + A'z + q tau)                 -> 0
//! rz   = Ax + s - b tau                      -> 0
//! rtau = q'x + b'z + kappa + x'Px / tau      -> 0
//! s o z = mu e,  tau kappa = mu              -> 0
//! ```
//! A solution has tau > 0 and is x / tau; kappa > 0 = tau is a certificate of infeasibility.
//! Steps are Mehrotra's predictor and corrector; each iteration has one factorization and three
//! solves, two of them at once.

mod certificate;
mod scaling_system;

use pulp::Simd;

use certificate::certificates;
use scaling_system::ScalingSystem;

use crate::lanes::{Kernel, M, V, call};
use crate::program::Stop;
use crate::system::analysis::Analysis;
use crate::system::kkt::Factored;
use crate::system::memory::{InteriorPointVectors, Iterate, StartVectors, State, Work};

/// Part of the way to the boundary that a step takes.
const FRACTION_TO_BOUNDARY: f64 = 0.98;
/// A step shorter than this is a sign of numerical trouble.
const SHORTEST_STEP: f64 = 1e-9;

/// Share of a step's reduction of the residuals that must be seen, else solves are refined; ...
const SEEN: f64 = 0.5;
/// ... and the share where the residuals are below this: at the end every digit counts.
const SEEN_AT_END: f64 = 0.9;
const NEAR: f64 = 1e-5;
/// Residuals below this share of their terms are rounding errors.
const EXACT: f64 = 1e-11;
/// Share of the residuals that the error of a refined solve may have, ...
const SLACK: f64 = 0.01;
/// ... but no less than this share of their terms.
const ROUNDING: f64 = 1e-14;

/// An iterate is better than the best so far when its largest residual is below this share of that.
const PROGRESS: f64 = 0.9;
/// A lane is stuck when so many iterations brought no better iterate, ...
const PATIENCE: f64 = 20.0;
/// ... or so many where the best is this good already.
const PATIENCE_AT_END: f64 = 6.0;
const END: f64 = 1e-8;

/// The scalars of the iterate, and how each lane fares.
#[derive(Clone, Copy)]
pub(crate) struct Embedding<S: Simd> {
    tau: V<S>,
    kappa: V<S>,
    /// Iterations made.
    pub(crate) iterations: V<S>,
    /// Lanes that reached the tolerance of the current round.
    pub(crate) converged: M<S>,
    pub(crate) primal_infeasible: M<S>,
    pub(crate) dual_infeasible: M<S>,
    /// Lanes that came no further, or to the end of their iterations. Their iterate is their best.
    pub(crate) stuck: M<S>,
    /// Lanes that the time limit stopped.
    pub(crate) out_of_time: M<S>,
    /// Lanes whose solves are refined from now on.
    refined: M<S>,
    /// Norms of rx and rz at the last iterate, and the share of them that may be left at this one.
    dual: V<S>,
    primal: V<S>,
    predicted: V<S>,
    /// Largest relative residual of the best iterate, and iterations since.
    best: V<S>,
    stalled: V<S>,
}

impl<S: Simd> Embedding<S> {
    /// Lanes with a certificate.
    #[inline(always)]
    pub(crate) fn infeasible(&self) -> M<S> {
        self.primal_infeasible | self.dual_infeasible
    }
}

/// Tolerances of a round.
#[derive(Clone, Copy)]
pub(crate) struct Goal<'a> {
    pub(crate) residual: f64,
    pub(crate) infeasibility: f64,
    pub(crate) max_iterations: usize,
    pub(crate) stop: Stop<'a>,
}

/// Starting point: the least-squares-like solution of the program with the cones' identity blocks,
/// moved inside the cones (Clarabel section 4.1).
#[inline(always)]
pub(crate) fn start<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
) -> Embedding<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let no = M::splat(simd, false);
    let embedding = Embedding {
        tau: one,
        kappa: one,
        iterations: zero,
        converged: no,
        primal_infeasible: no,
        dual_infeasible: no,
        stuck: no,
        out_of_time: no,
        refined: no,
        dual: V::splat(simd, f64::MAX),
        primal: V::splat(simd, f64::MAX),
        predicted: one,
        best: V::splat(simd, f64::INFINITY),
        stalled: zero,
    };
    let Work { lengths, system, iterate: Iterate { x, z, s }, phase, .. } = work;
    if !analysis.cones.is_symmetric() {
        x.fill(zero);
        analysis.cones.unit(simd, s, z);
        return embedding;
    }
    let StartVectors { scaling, unit_s, unit_z, rhs_x, rhs_z, zero_x, zero_z, other_x, other_z } =
        StartVectors::new(lengths, phase);
    analysis.cones.unit(simd, unit_s, unit_z);
    // Equality rows have no block; the others start from H at the unit point.
    analysis.cones.scaling(simd, (unit_s, unit_z), one, scaling, system.cones);
    analysis.cones.write_scaling_block(simd, scaling, state.h);
    analysis.kkt.factor(
        simd,
        state.values,
        state.h,
        Factored { inverse_pivots: state.inverse_pivots, scratch: system.factor },
    );
    for (rhs, &q) in rhs_x.iter_mut().zip(state.q.iter()) {
        *rhs = -q;
    }
    zero_x.fill(zero);
    zero_z.fill(zero);
    rhs_z.copy_from_slice(state.b);
    if !analysis.stored_p.is_empty() {
        analysis.kkt.solve::<S, 1>(
            simd,
            state.values,
            state.inverse_pivots,
            [(rhs_x, rhs_z)],
            system.permuted,
            [(x, z)],
        );
        for (s, &z) in s.iter_mut().zip(z.iter()) {
            *s = -z;
        }
    } else {
        // A linear objective: the smallest s for the constraints, the smallest z for the objective.
        analysis.kkt.solve::<S, 2>(
            simd,
            state.values,
            state.inverse_pivots,
            [(rhs_x, zero_z), (zero_x, rhs_z)],
            system.permuted,
            [(other_x, z), (x, other_z)],
        );
        for (s, &z) in s.iter_mut().zip(other_z.iter()) {
            *s = -z;
        }
    }
    analysis.cones.shift_inside(simd, s, z, system.cones);
    embedding
}

/// Iterates the lanes in `live` until each has reached the goal, is infeasible or is stuck. The
/// iterate is in `work`; the point of each finished lane, divided by tau, goes to `state`. There the
/// best point so far is kept meanwhile, and it is what a stuck lane ends with.
#[inline(always)]
pub(crate) fn run<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    embedding: &mut Embedding<S>,
    live: M<S>,
    goal: Goal<'_>,
) {
    call(simd, Run { simd, analysis, state, work, embedding, live, goal });
}

struct Run<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'s, S>,
    work: &'a mut Work<'w, S>,
    embedding: &'a mut Embedding<S>,
    live: M<S>,
    goal: Goal<'a>,
}

impl<S: Simd> Kernel for Run<'_, '_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, analysis, state, work, embedding, mut live, goal } = self;
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let scalar = |value: f64| V::splat(simd, value);
        let (n, m) = (analysis.n(), analysis.m());
        let degree = scalar(analysis.cones.degree() as f64 + 1.0);
        let no = M::splat(simd, false);
        embedding.converged = embedding.converged & !live;
        loop {
            let Work { lengths, system, iterate: Iterate { x, z, s }, phase, .. } = work;
            let InteriorPointVectors {
                scaling,
                krylov,
                px,
                dual_residual: rx,
                primal_residual: rz,
                column_x,
                column_z,
                rhs_x: cx,
                rhs_z,
                dx,
                dz,
                ds,
                constant,
            } = InteriorPointVectors::new(lengths, phase);
            // Slices of one known length each spare the bounds checks in the loops below.
            let [px, rx, column_x, cx, dx, x] = [px, rx, column_x, cx, dx, x].map(|v| &mut v[..n]);
            let [rz, column_z, rhs_z, dz, ds, constant, z, s] =
                [rz, column_z, rhs_z, dz, ds, constant, z, s].map(|v| &mut v[..m]);
            let (q, b) = (&state.q[..n], &state.b[..m]);
            let cost = state.cost_scale[0];
            let mut out = (&mut *state.x, &mut *state.z, &mut *state.s);
            let (tau, kappa) = (embedding.tau, embedding.kappa);
            let (ax, atz) = (&mut system.ax[..m], &mut system.atz[..n]);
            analysis.kkt.products.multiply(simd, state.values, x, z, px, ax, atz);

            // Residuals, with the norms of their terms.
            let (mut x_px, mut q_x, mut b_z, mut s_z) = (zero, zero, zero, zero);
            let (mut dual, mut dual_terms, mut primal, mut primal_terms) = (zero, zero, zero, zero);
            for j in 0..n {
                x_px = x[j].fma(px[j], x_px);
                q_x = q[j].fma(x[j], q_x);
                let q_tau = q[j] * tau;
                rx[j] = -(px[j] + atz[j] + q_tau);
                dual = dual.max_abs(rx[j]);
                dual_terms = dual_terms.max_abs(px[j]).max_abs(atz[j]).max_abs(q_tau);
            }
            for i in 0..m {
                b_z = b[i].fma(z[i], b_z);
                s_z = s[i].fma(z[i], s_z);
                let b_tau = b[i] * tau;
                rz[i] = ax[i] + s[i] - b_tau;
                primal = primal.max_abs(rz[i]);
                primal_terms = primal_terms.max_abs(ax[i]).max_abs(s[i]).max_abs(b_tau);
            }
            let x_px_tau = x_px / tau;
            let r_tau = q_x + b_z + kappa + x_px_tau;
            let mu = tau.fma(kappa, s_z) / degree;

            // Which lanes are done.
            let tolerance = scalar(goal.residual);
            let gap = (x_px_tau + q_x + b_z).abs();
            let gap_terms = tau.max_abs(x_px_tau).max_abs(q_x).max_abs(b_z);
            let converged = dual.le(tolerance * dual_terms.max(tau))
                & primal.le(tolerance * primal_terms.max(tau))
                & gap.le(tolerance * gap_terms);
            let mut stuck = mu.is_nan() | dual.is_nan() | primal.is_nan();
            let (mut no_primal, mut no_dual) = (no, no);
            let departing = tau.lt(kappa);
            if (departing & live).any() {
                (no_primal, no_dual) = certificates(
                    simd,
                    (state.x_scale, state.row_scale, cost),
                    (px, ax, atz),
                    s,
                    (q_x, b_z),
                    goal.infeasibility,
                );
            }
            // On the way to a certificate there is no progress of this kind.
            let largest = (dual / dual_terms.max(tau))
                .max_abs(primal / primal_terms.max(tau))
                .max_abs(gap / gap_terms);
            let first = embedding.best.ge(scalar(f64::INFINITY));
            let better = live & (first | largest.lt(scalar(PROGRESS) * embedding.best));
            embedding.best = better.select(largest, embedding.best);
            embedding.stalled =
                (better | departing).select(zero, embedding.stalled + live.select(one, zero));
            let patience =
                embedding.best.lt(scalar(END)).select(scalar(PATIENCE_AT_END), scalar(PATIENCE));
            stuck = stuck
                | embedding.stalled.ge(patience)
                | embedding.iterations.ge(scalar(goal.max_iterations as f64));
            let certified = (no_primal | no_dual) & live & !converged;
            embedding.converged = embedding.converged | (converged & live);
            embedding.primal_infeasible = embedding.primal_infeasible | (no_primal & certified);
            embedding.dual_infeasible =
                embedding.dual_infeasible | (no_dual & certified & !no_primal);
            let arrived = (converged & live) | certified;
            if (better | arrived).any() {
                publish(&mut out, (x, z, s), embedding, (cost, q_x, b_z), better | arrived);
            }
            live = live & !arrived;
            let lost = live & stuck;
            if lost.any() {
                recall((x, z, s), &out, embedding, lost);
                live = live & !lost;
            }
            if goal.stop.is_due() {
                embedding.out_of_time = embedding.out_of_time | live;
                publish(&mut out, (x, z, s), embedding, (cost, q_x, b_z), live);
                live = no;
            }
            if !live.any() {
                return;
            }

            // A step that does not reduce the residuals as it should is no solution of its system.
            let reduced = |now: V<S>, before: V<S>, terms: V<S>| {
                now.le(embedding.predicted.fma(before, scalar(EXACT) * terms))
            };
            let exact = reduced(dual, embedding.dual, dual_terms)
                & reduced(primal, embedding.primal, primal_terms);
            embedding.refined = embedding.refined | (live & !exact & !departing);
            embedding.dual = live.select(dual, embedding.dual);
            embedding.primal = live.select(primal, embedding.primal);
            let refined = embedding.refined & live;
            let errors = (
                (scalar(SLACK) * dual).max(scalar(ROUNDING) * dual_terms.max(tau)),
                (scalar(SLACK) * primal).max(scalar(ROUNDING) * primal_terms.max(tau)),
            );

            // Factor at the scaling point; solve for the constant column and the affine step.
            analysis.cones.scaling(simd, (s, z), mu, scaling, system.cones);
            analysis.cones.write_scaling_block(simd, scaling, state.h);
            analysis.kkt.factor(
                simd,
                state.values,
                state.h,
                Factored { inverse_pivots: state.inverse_pivots, scratch: system.factor },
            );
            analysis.cones.affine_constant(simd, s, constant);
            for j in 0..n {
                cx[j] = -q[j];
            }
            for i in 0..m {
                rhs_z[i] = constant[i] - rz[i];
            }
            analysis.kkt.solve::<S, 2>(
                simd,
                state.values,
                state.inverse_pivots,
                [(&*cx, b), (&*rx, &*rhs_z)],
                system.permuted,
                [(&mut *column_x, &mut *column_z), (&mut *dx, &mut *dz)],
            );
            if refined.any() {
                let refinement = ScalingSystem {
                    analysis,
                    values: state.values,
                    inverse_pivots: state.inverse_pivots,
                    scaling,
                };
                // The column counts times the change of tau, which is of the order of tau.
                let inverse_tau = one / tau;
                let column_errors = (errors.0 * inverse_tau, errors.1 * inverse_tau);
                for (rhs, solution, errors) in [
                    ((&*cx, b), (&mut *column_x, &mut *column_z), column_errors),
                    ((&*rx, &*rhs_z), (&mut *dx, &mut *dz), errors),
                ] {
                    let work = (&mut *system, &mut *krylov);
                    refinement.refine(simd, rhs, solution, errors, work, refined);
                }
            }
            let inverse_tau = one / tau;
            let two_over_tau = inverse_tau + inverse_tau;
            let mut column = zero;
            let mut column_px = zero;
            let mut affine = zero;
            let mut affine_px = zero;
            for j in 0..n {
                column = q[j].fma(column_x[j], column);
                column_px = px[j].fma(column_x[j], column_px);
                affine = q[j].fma(dx[j], affine);
                affine_px = px[j].fma(dx[j], affine_px);
            }
            for i in 0..m {
                column = b[i].fma(column_z[i], column);
                affine = b[i].fma(dz[i], affine);
            }
            let denominator =
                kappa * inverse_tau - column - two_over_tau * column_px + x_px_tau * inverse_tau;
            let d_tau = (r_tau - kappa + affine + two_over_tau * affine_px) / denominator;
            for i in 0..m {
                dz[i] = column_z[i].fma(d_tau, dz[i]);
            }
            analysis.cones.multiply_scaling(simd, scaling, dz, ds, system.cones);
            for i in 0..m {
                ds[i] = -(ds[i] + constant[i]);
            }
            let d_kappa = -(kappa + kappa * d_tau * inverse_tau);
            let limit = scalar_step_length((tau, kappa), (d_tau, d_kappa));
            let affine_length =
                analysis.cones.step_length(simd, scaling, (s, z), (ds, dz), limit, system.cones);

            // Centering and second-order correction.
            let rest = one - affine_length;
            let sigma = rest * rest * rest;
            let keep = one - sigma;
            let target = sigma * mu;
            analysis.cones.combined_constant(
                simd,
                scaling,
                (s, z),
                (ds, dz),
                target,
                constant,
                system.cones,
            );
            let r_kappa = tau.fma(kappa, d_tau.fma(d_kappa, -target));
            for j in 0..n {
                cx[j] = keep * rx[j];
            }
            for i in 0..m {
                rhs_z[i] = keep.nfma(rz[i], constant[i]);
            }
            analysis.kkt.solve::<S, 1>(
                simd,
                state.values,
                state.inverse_pivots,
                [(&*cx, &*rhs_z)],
                system.permuted,
                [(&mut *dx, &mut *dz)],
            );
            if refined.any() {
                let refinement = ScalingSystem {
                    analysis,
                    values: state.values,
                    inverse_pivots: state.inverse_pivots,
                    scaling,
                };
                let work = (&mut *system, &mut *krylov);
                refinement.refine(simd, (cx, rhs_z), (dx, dz), errors, work, refined);
            }
            let mut combined = zero;
            let mut combined_px = zero;
            for j in 0..n {
                combined = q[j].fma(dx[j], combined);
                combined_px = px[j].fma(dx[j], combined_px);
            }
            for i in 0..m {
                combined = b[i].fma(dz[i], combined);
            }
            let d_tau =
                (keep * r_tau - r_kappa * inverse_tau + combined + two_over_tau * combined_px)
                    / denominator;
            for j in 0..n {
                dx[j] = column_x[j].fma(d_tau, dx[j]);
            }
            for i in 0..m {
                dz[i] = column_z[i].fma(d_tau, dz[i]);
            }
            analysis.cones.multiply_scaling(simd, scaling, dz, ds, system.cones);
            for i in 0..m {
                ds[i] = -(ds[i] + constant[i]);
            }
            let d_kappa = -(r_kappa + kappa * d_tau) * inverse_tau;
            let limit = scalar_step_length((tau, kappa), (d_tau, d_kappa));
            let length =
                analysis.cones.step_length(simd, scaling, (s, z), (ds, dz), limit, system.cones)
                    * scalar(FRACTION_TO_BOUNDARY);
            let length = length.min(one);

            // A lane that cannot move is stuck.
            // The dot products in d_tau carry any NaN of the direction, which comparisons drop.
            let lost = live & (!length.ge(scalar(SHORTEST_STEP)) | d_tau.is_nan());
            if lost.any() {
                recall((x, z, s), &out, embedding, lost);
                live = live & !lost;
            }
            // The reduction that the linear residuals should see.
            let seen = largest.lt(scalar(NEAR)).select(scalar(SEEN_AT_END), scalar(SEEN));
            embedding.predicted = live.select(seen.nfma(length * keep, one), embedding.predicted);
            advance(x, dx, length, live);
            advance(z, dz, length, live);
            advance(s, ds, length, live);
            let (tau, kappa) = (embedding.tau, embedding.kappa);
            embedding.tau = live.select(length.fma(d_tau, tau), tau);
            embedding.kappa = live.select(length.fma(d_kappa, kappa), kappa);
            embedding.iterations += live.select(one, zero);
            if !live.any() {
                return;
            }
        }
    }
}

/// Largest step at most one for tau and kappa.
#[inline(always)]
fn scalar_step_length<S: Simd>((tau, kappa): (V<S>, V<S>), (d_tau, d_kappa): (V<S>, V<S>)) -> V<S> {
    // A full step is one; the margin to the boundary is applied by the caller, so look past it.
    let one = tau.like(1.0);
    one / (-d_tau / tau).max((-d_kappa / kappa).max(one))
}

/// Writes the iterate of the lanes in `lanes`, divided by tau, to the state, with v = s - z.
#[inline(always)]
pub(crate) fn publish_point<S: Simd>(
    state: &mut State<'_, S>,
    work: &Work<'_, S>,
    embedding: &Embedding<S>,
    lanes: M<S>,
) {
    let zero = embedding.tau.like(0.0);
    let mut out = (&mut *state.x, &mut *state.z, &mut *state.s);
    publish(
        &mut out,
        (work.iterate.x, work.iterate.z, work.iterate.s),
        embedding,
        (zero, zero, zero),
        lanes,
    );
    for i in 0..state.v.len() {
        state.v[i] = lanes.select(state.s[i] - state.z[i], state.v[i]);
    }
}

/// Writes the points of the lanes in `lanes` to `out`: divided by tau, or, for certificates,
/// normalized to b'z = -1 or q'x = -1 in unscaled units.
#[inline(always)]
fn publish<S: Simd>(
    out: &mut (&mut [V<S>], &mut [V<S>], &mut [V<S>]),
    (x, z, s): (&[V<S>], &[V<S>], &[V<S>]),
    embedding: &Embedding<S>,
    (cost, q_x, b_z): (V<S>, V<S>, V<S>),
    lanes: M<S>,
) {
    let one = q_x.like(1.0);
    let mut factor = one / embedding.tau;
    factor = embedding.primal_infeasible.select(-cost / b_z, factor);
    factor = embedding.dual_infeasible.select(-cost / q_x, factor);
    write_scaled(out.0, x, factor, lanes);
    write_scaled(out.1, z, factor, lanes);
    write_scaled(out.2, s, factor, lanes);
}

/// Makes the best point, which is in `best`, the iterate of the lanes in `lanes`, which are stuck.
#[inline(always)]
fn recall<S: Simd>(
    (x, z, s): (&mut [V<S>], &mut [V<S>], &mut [V<S>]),
    best: &(&mut [V<S>], &mut [V<S>], &mut [V<S>]),
    embedding: &mut Embedding<S>,
    lanes: M<S>,
) {
    embedding.stuck = embedding.stuck | lanes;
    embedding.tau = lanes.select(embedding.tau.like(1.0), embedding.tau);
    for (values, best) in [(x, &best.0), (z, &best.1), (s, &best.2)] {
        for (value, &best) in values.iter_mut().zip(best.iter()) {
            *value = lanes.select(best, *value);
        }
    }
}

/// `out = factor * values` in the lanes in `lanes`.
#[inline(always)]
fn write_scaled<S: Simd>(out: &mut [V<S>], values: &[V<S>], factor: V<S>, lanes: M<S>) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = lanes.select(value * factor, *out);
    }
}

/// `values += length * direction` in the lanes in `lanes`.
#[inline(always)]
fn advance<S: Simd>(values: &mut [V<S>], direction: &[V<S>], length: V<S>, lanes: M<S>) {
    for (value, &direction) in values.iter_mut().zip(direction) {
        *value = lanes.select(length.fma(direction, *value), *value);
    }
}
