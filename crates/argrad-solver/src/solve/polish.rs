//! Newton's method on the projection residual: polish, warm start and smoothed points.
//!
//! With v = s - z, s = P(v), z = P(v) - v, a solution is a zero of
//! ```text
//! H(x, v) = [ Px + q + A'(P(v) - v);  Ax + P(v) - b ]
//! ```
//! and a (semismooth) Newton step for it is a solve with the KKT matrix whose cone blocks are
//! D (I - D)^-1. With `mu > 0` the projection is that of the central path, which is smooth.
//! On a polyhedron the step is exact once the active set is right; elsewhere the steps converge
//! quadratically. Either way, once the blocks have settled, further steps with the same factor
//! refine the solution to rounding error.

use pulp::Simd;

use crate::lanes::{Kernel, M, V, call};
use crate::system::analysis::Analysis;
use crate::system::kkt::Factored;
use crate::system::memory::{PolishVectors, State, Work};
use crate::system::projection_system::ProjectionSystem;

/// Residual of the scaled program below which nothing is left to gain.
const ROUNDING: f64 = 4e-15;
/// Residual below which a step that gains less than [`GAIN`] ends the polish.
const FINE: f64 = 1e-12;
/// A step that reduces the residual to more than this share does not pay.
const GAIN: f64 = 0.25;

/// Growth of the probe above which a small residual does not make a small error.
const DELICATE: f64 = 1e4;
/// What the growth under a doubtful factor counts: without a large replacement for small pivots it would
/// be so much larger where one of them is truly zero.
const HIDDEN: f64 = 100.0;
/// Residual below which Newton's method should converge fast.
const NEAR: f64 = 1e-4;
/// From this step on, a lane whose residual is not below the first is given up.
const PATIENCE: usize = 3;
/// So is, at the step before, one whose residual is this large, where K is a polyhedron.
const HOPELESS: f64 = 0.5;

/// Most halvings of a step towards a smooth point.
const HALVINGS: usize = 40;

/// What a polish aims at.
#[derive(Clone, Copy)]
pub(crate) struct Target<S: Simd> {
    /// Zero for a solution, else the parameter of the central path.
    pub(crate) mu: V<S>,
    /// Residual of the scaled program below which a lane counts as solved.
    pub(crate) residual: f64,
    pub(crate) max_steps: usize,
}

/// How a polish went.
pub(crate) struct Polished<S: Simd> {
    /// Lanes whose residual is below the goal, with the factor of their active set.
    pub(crate) solved: M<S>,
    /// Newton steps made.
    pub(crate) steps: V<S>,
    /// Factorizations that the lane's own changes of the active set asked for.
    pub(crate) factorizations: V<S>,
    /// Growth of the probe vector under the inverse: an estimate of the condition number.
    pub(crate) growth: V<S>,
}

/// Polishes the lanes in `lanes` from `state.x`, `state.v`. On return x, z, s, v of the solved
/// lanes are the new point, and the factor belongs to the v of all lanes. `probe_x`, `probe_z` are
/// the condition estimate's vector; it must not be zero.
#[inline(always)]
pub(crate) fn polish<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    lanes: M<S>,
    target: Target<S>,
) -> Polished<S> {
    call(simd, Polish { simd, analysis, state, work, lanes, target })
}

struct Polish<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'s, S>,
    work: &'a mut Work<'w, S>,
    lanes: M<S>,
    target: Target<S>,
}

impl<S: Simd> Kernel for Polish<'_, '_, '_, S> {
    type Output = Polished<S>;

    #[inline(always)]
    fn run(self) -> Polished<S> {
        let Self { simd, analysis, state, work, lanes, target } = self;
        let Target { mu, residual: goal, max_steps } = target;
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let no = M::splat(simd, false);
        let Work { lengths, system, solved_h, phase, .. } = work;
        let (n, m) = (analysis.n(), analysis.m());
        let PolishVectors {
            h,
            residual_x: r_x,
            residual_z: r_z,
            dx: d_x,
            dz: d_z,
            krylov,
            probe_x,
            probe_z,
            next_probe_x,
            next_probe_z,
            newton_s,
            newton_z,
            projected_s,
            projected_z,
            factored_v,
            old_x,
            old_v,
            step_v,
        } = PolishVectors::new(lengths, phase);
        for (probe, &start) in probe_x.iter_mut().chain(probe_z.iter_mut()).zip(&analysis.probe) {
            *probe = V::splat(simd, start);
        }
        let smooth = mu.gt(zero).any();
        let mut live = lanes;
        let mut solved = no;
        let mut steps = zero;
        let mut factorizations = zero;
        let mut growth = zero;
        // Lanes whose factor is not close to the system.
        let mut doubtful = no;
        let mut previous = V::splat(simd, f64::INFINITY);
        let mut first = previous;
        // Lanes in which plain steps do not reduce the residual as Newton's method should.
        let mut slow = no;
        // The factor at hand belongs to something else.
        let mut factored = false;
        project(simd, analysis, state, mu, (projected_s, projected_z), system.cones);
        commit(state, projected_s, projected_z, live);
        analysis.kkt.products.multiply(
            simd,
            state.values,
            state.x,
            state.z,
            system.px,
            system.ax,
            system.atz,
        );
        let mut step = 0;
        loop {
            // Residual at (x, v), and whether the lane is done with it.
            let size = residual(simd, state, (system.px, system.ax, system.atz), (r_x, r_z));
            analysis.cones.write_projection_block(simd, state.projection, h, system.cones);
            let settled = if factored {
                let (old, new) = ((&*factored_v, &*state.h), (&*state.v, &*h));
                analysis.cones.settled(simd, old, new, live)
            } else {
                no
            };
            let stale = live & !settled;
            factorizations += stale.select(one, zero);
            if step == 0 {
                first = size;
            } else {
                // A lane is solved only with the factor of its own active set.
                let settled = mu.gt(zero) | settled;
                let stalled = !size.lt(V::splat(simd, GAIN) * previous);
                let small = size.le(V::splat(simd, FINE)) & growth.lt(V::splat(simd, DELICATE));
                // The end for a stalled lane whose residual is small, or that refined steps did not help.
                let fine = size.le(V::splat(simd, ROUNDING))
                    | (stalled & (small | slow) & size.le(V::splat(simd, FINE)))
                    | (stalled & slow & previous.le(size));
                slow = slow | (stalled & size.lt(V::splat(simd, NEAR)) & !small);
                let done = live & settled & fine & size.le(V::splat(simd, goal));
                solved = solved | done;
                live = live & !done & !size.is_nan();
                if step >= PATIENCE {
                    live = live & size.lt(first);
                } else if step + 1 == PATIENCE && !smooth && analysis.cones.is_polyhedral() {
                    live = live & size.lt(V::splat(simd, HOPELESS));
                }
            }
            previous = live.select(size, previous);
            let finished = step == max_steps || !live.any();
            // Also at the end, so that the factor belongs to the final v. Blocks of lanes that have
            // settled stay, and lanes solved earlier get theirs back: what becomes of one lane must not
            // depend on whether another needs a factor.
            if stale.any() {
                for (k, &wanted) in h.iter().enumerate() {
                    let other = if factored { state.h[k] } else { solved_h[k] };
                    state.h[k] = stale.select(wanted, other);
                }
                for (factored, &v) in factored_v.iter_mut().zip(state.v.iter()) {
                    *factored = stale.select(v, *factored);
                }
                doubtful = analysis.kkt.factor(
                    simd,
                    state.values,
                    state.h,
                    Factored { inverse_pivots: state.inverse_pivots, scratch: system.factor },
                );
                factored = true;
            }
            if finished {
                // A lane that ran out of steps at a good point counts as solved.
                let good = live & size.le(V::splat(simd, goal));
                for (kept, &h) in solved_h.iter_mut().zip(state.h.iter()) {
                    *kept = (solved | good).select(h, *kept);
                }
                return Polished { solved: solved | good, steps, factorizations, growth };
            }
            step += 1;
            {
                analysis.kkt.solve::<S, 2>(
                    simd,
                    state.values,
                    state.inverse_pivots,
                    [(&*r_x, &*r_z), (&*probe_x, &*probe_z)],
                    system.permuted,
                    [(&mut *d_x, &mut *d_z), (&mut *next_probe_x, &mut *next_probe_z)],
                );
                // One step of inverse iteration: normalize, and remember the growth.
                let mut size = zero;
                for &p in next_probe_x.iter().chain(next_probe_z.iter()) {
                    size = size.max_abs(p);
                }
                let inverse = one / size;
                // Such a factor hides a singular value.
                let size = doubtful.select(V::splat(simd, HIDDEN) * size, size);
                growth = live.select(size, growth);
                for (probe, &next) in probe_x.iter_mut().zip(next_probe_x.iter()) {
                    *probe = live.select(next * inverse, *probe);
                }
                for (probe, &next) in probe_z.iter_mut().zip(next_probe_z.iter()) {
                    *probe = live.select(next * inverse, *probe);
                }
            }
            if (slow & live).any() {
                let derivative = ProjectionSystem {
                    analysis,
                    values: state.values,
                    inverse_pivots: state.inverse_pivots,
                    projection: state.projection,
                };
                let work = (&mut *system, &mut *krylov);
                derivative.solve(simd, (r_x, r_z), None, (d_x, d_z), work, slow & live);
            }
            steps += live.select(one, zero);
            if smooth {
                old_x.copy_from_slice(state.x);
                old_v.copy_from_slice(state.v);
            }
            for j in 0..n {
                state.x[j] = live.select(state.x[j] + d_x[j], state.x[j]);
            }
            for i in 0..m {
                // z before it is projected again.
                d_z[i] = state.z[i] + d_z[i];
                newton_z[i] = live.select(d_z[i], state.z[i]);
            }
            analysis.kkt.products.multiply(
                simd,
                state.values,
                state.x,
                newton_z,
                system.px,
                system.ax,
                system.atz,
            );
            // v = s - z with s = b - Ax and z the Newton iterate.
            for i in 0..m {
                newton_s[i] = state.b[i] - system.ax[i];
            }
            analysis.cones.newton_point(
                simd,
                state.projection,
                (newton_s, newton_z),
                mu,
                projected_z,
            );
            for i in 0..m {
                state.v[i] = live.select(projected_z[i], state.v[i]);
            }
            project(simd, analysis, state, mu, (projected_s, projected_z), system.cones);
            let mut moved = no;
            for i in 0..m {
                moved = moved | newton_z[i].lt(projected_z[i]) | projected_z[i].lt(newton_z[i]);
            }
            commit(state, projected_s, projected_z, live);
            if (moved & live).any() {
                analysis.kkt.products.multiply(
                    simd,
                    state.values,
                    state.x,
                    state.z,
                    system.px,
                    system.ax,
                    system.atz,
                );
            }
            if !smooth {
                continue;
            }
            // Smooth systems need no more than halved steps; kinked ones must be free to cross kinks.
            for i in 0..m {
                step_v[i] = state.v[i] - old_v[i];
            }
            let mut length = one;
            for _ in 0..HALVINGS {
                let size = residual(simd, state, (system.px, system.ax, system.atz), (r_x, r_z));
                let worse = live & previous.gt(V::splat(simd, goal)) & !size.lt(previous);
                if !worse.any() {
                    break;
                }
                length = worse.select(length * V::splat(simd, 0.5), length);
                for j in 0..n {
                    state.x[j] = worse.select(length.fma(d_x[j], old_x[j]), state.x[j]);
                }
                for i in 0..m {
                    state.v[i] = worse.select(length.fma(step_v[i], old_v[i]), state.v[i]);
                }
                project(simd, analysis, state, mu, (projected_s, projected_z), system.cones);
                commit(state, projected_s, projected_z, live);
                analysis.kkt.products.multiply(
                    simd,
                    state.values,
                    state.x,
                    state.z,
                    system.px,
                    system.ax,
                    system.atz,
                );
            }
        }
    }
}

/// Newton residuals -H(x, v), and their size relative to their terms (at least one).
#[inline(always)]
fn residual<S: Simd>(
    simd: S,
    state: &State<'_, S>,
    (px, ax, atz): (&[V<S>], &[V<S>], &[V<S>]),
    (r_x, r_z): (&mut [V<S>], &mut [V<S>]),
) -> V<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let (mut x_size, mut x_terms, mut z_size, mut z_terms) = (zero, one, zero, one);
    let (q, b, s) = (&state.q[..px.len()], &state.b[..ax.len()], &state.s[..ax.len()]);
    let (r_x, r_z, atz) = (&mut r_x[..px.len()], &mut r_z[..ax.len()], &atz[..px.len()]);
    for j in 0..px.len() {
        r_x[j] = -(px[j] + q[j] + atz[j]);
        x_size = x_size.max_abs(r_x[j]);
        x_terms = x_terms.max_abs(px[j]).max_abs(atz[j]).max_abs(q[j]);
    }
    for i in 0..ax.len() {
        r_z[i] = b[i] - ax[i] - s[i];
        z_size = z_size.max_abs(r_z[i]);
        z_terms = z_terms.max_abs(ax[i]).max_abs(s[i]).max_abs(b[i]);
    }
    zero.max_abs(x_size / x_terms).max_abs(z_size / z_terms)
}

/// s, z and the projection data from v.
#[inline(always)]
fn project<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    mu: V<S>,
    (s, z): (&mut [V<S>], &mut [V<S>]),
    scratch: &mut [V<S>],
) {
    analysis.cones.projection(simd, state.v, mu, s, state.projection, scratch);
    for i in 0..z.len() {
        z[i] = s[i] - state.v[i];
    }
}

#[inline(always)]
fn commit<S: Simd>(state: &mut State<'_, S>, s: &[V<S>], z: &[V<S>], live: M<S>) {
    for i in 0..s.len() {
        state.s[i] = live.select(s[i], state.s[i]);
        state.z[i] = live.select(z[i], state.z[i]);
    }
}
