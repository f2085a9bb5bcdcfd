//! Which lanes are done, and the points they end with.

use pulp::Simd;

use super::residuals::Residuals;
use super::{Embedding, Iteration};
use crate::lanes::{M, V};
use crate::system::memory::{State, Work};

/// An iterate is better than the best so far when its largest residual is below this share of that.
const PROGRESS: f64 = 0.9;
/// A lane is stuck when so many iterations brought no better iterate, ...
const PATIENCE: f64 = 20.0;
/// ... or so many where the best is this good already.
const PATIENCE_AT_END: f64 = 6.0;
const END: f64 = 1e-8;

impl<S: Simd> Iteration<'_, '_, '_, S> {
    /// Takes the lanes out of `live` that converged, have a certificate, are stuck or out of time,
    /// and writes their points, and those that are the best of their lanes so far, to the state.
    #[inline(always)]
    pub(super) fn check_termination(&mut self, residuals: &Residuals<S>) {
        let converged = self.converged(residuals);
        let better = self.remember_best(residuals);
        let stuck = self.stuck(residuals);
        let certified = self.certify(residuals, self.live & !converged, stuck);
        let arrived = (converged & self.live) | certified;
        if (better | arrived).any() {
            self.publish(residuals, better | arrived);
        }
        self.live = self.live & !arrived;
        self.recall(self.live & stuck);
        if self.round.stop.is_due() {
            self.embedding.out_of_time = self.embedding.out_of_time | self.live;
            self.publish(residuals, self.live);
            self.live = M::splat(self.simd, false);
        }
    }

    /// Those of `lanes` that have a certificate, which is booked.
    #[inline(always)]
    fn certify(&mut self, residuals: &Residuals<S>, lanes: M<S>, is_last: M<S>) -> M<S> {
        let (no_primal, no_dual) = self.certificates(residuals, is_last);
        let certified = (no_primal | no_dual) & lanes;
        let embedding = &mut *self.embedding;
        embedding.primal_infeasible = embedding.primal_infeasible | (no_primal & certified);
        embedding.dual_infeasible = embedding.dual_infeasible | (no_dual & certified & !no_primal);
        certified
    }

    /// Ends the lanes in `lanes`, which cannot move: with a certificate, or at their best point.
    #[inline(always)]
    pub(super) fn give_up(&mut self, residuals: &Residuals<S>, lanes: M<S>) {
        if !lanes.any() {
            return;
        }
        if (residuals.departing & lanes).any() {
            // The products at the iterate again: refined solves may have overwritten them.
            let residuals = &self.residuals();
            let certified = self.certify(residuals, lanes, lanes);
            self.publish(residuals, certified);
            self.live = self.live & !certified;
        }
        self.recall(self.live & lanes);
    }

    /// Lanes whose residuals are within the tolerance of the round.
    #[inline(always)]
    fn converged(&self, residuals: &Residuals<S>) -> M<S> {
        let tolerance = V::splat(self.simd, self.round.residual);
        let &Residuals { dual, dual_scale, primal, primal_scale, gap, gap_scale, .. } = residuals;
        dual.le(tolerance * dual_scale)
            & primal.le(tolerance * primal_scale)
            & gap.le(tolerance * gap_scale)
    }

    /// Lanes whose iterate is the best so far; counts the iterations since for the others.
    #[inline(always)]
    fn remember_best(&mut self, residuals: &Residuals<S>) -> M<S> {
        let scalar = |value: f64| V::splat(self.simd, value);
        let (embedding, live) = (&mut *self.embedding, self.live);
        let largest = residuals.largest;
        let first = embedding.best.ge(scalar(f64::INFINITY));
        let better = live & (first | largest.lt(scalar(PROGRESS) * embedding.best));
        embedding.best = better.select(largest, embedding.best);
        // On the way to a certificate there is no progress of this kind.
        embedding.stalled = (better | residuals.departing)
            .select(scalar(0.0), embedding.stalled + live.select(scalar(1.0), scalar(0.0)));
        better
    }

    /// Lanes that come no further, or to the end of their iterations.
    #[inline(always)]
    fn stuck(&self, residuals: &Residuals<S>) -> M<S> {
        let scalar = |value: f64| V::splat(self.simd, value);
        let embedding = &*self.embedding;
        let patience =
            embedding.best.lt(scalar(END)).select(scalar(PATIENCE_AT_END), scalar(PATIENCE));
        residuals.mu.is_nan()
            | residuals.dual.is_nan()
            | residuals.primal.is_nan()
            | embedding.stalled.ge(patience)
            | embedding.iterations.ge(scalar(self.round.max_iterations as f64))
    }

    /// Writes the iterate of the lanes in `lanes` to the state: divided by tau or, for
    /// certificates, normalized to b'z = -1 or q'x = -1 in unscaled units.
    #[inline(always)]
    fn publish(&mut self, residuals: &Residuals<S>, lanes: M<S>) {
        let (embedding, iterate) = (&*self.embedding, &*self.iterate);
        let cost = self.state.cost_scale[0];
        let mut factor = V::splat(self.simd, 1.0) / residuals.tau;
        factor = embedding.primal_infeasible.select(-cost / residuals.b_z, factor);
        factor = embedding.dual_infeasible.select(-cost / residuals.q_x, factor);
        write_scaled(self.state.x, iterate.x, factor, lanes);
        write_scaled(self.state.z, iterate.z, factor, lanes);
        write_scaled(self.state.s, iterate.s, factor, lanes);
    }

    /// Ends the lanes in `lanes`, which are stuck, at their best point, which is in the state.
    #[inline(always)]
    fn recall(&mut self, lanes: M<S>) {
        if !lanes.any() {
            return;
        }
        let (embedding, iterate) = (&mut *self.embedding, &mut *self.iterate);
        embedding.stuck = embedding.stuck | lanes;
        embedding.tau = lanes.select(V::splat(self.simd, 1.0), embedding.tau);
        for (values, best) in [
            (&mut *iterate.x, &*self.state.x),
            (&mut *iterate.z, &*self.state.z),
            (&mut *iterate.s, &*self.state.s),
        ] {
            for (value, &best) in values.iter_mut().zip(best) {
                *value = lanes.select(best, *value);
            }
        }
        self.live = self.live & !lanes;
    }
}

/// Writes the iterate of the lanes in `lanes`, divided by tau, to the state, with v = s - z. Of
/// lanes without a certificate.
#[inline(always)]
pub(crate) fn publish_point<S: Simd>(
    state: &mut State<'_, S>,
    work: &Work<'_, S>,
    embedding: &Embedding<S>,
    lanes: M<S>,
) {
    let factor = embedding.tau.like(1.0) / embedding.tau;
    write_scaled(state.x, work.iterate.x, factor, lanes);
    write_scaled(state.z, work.iterate.z, factor, lanes);
    write_scaled(state.s, work.iterate.s, factor, lanes);
    for i in 0..state.v.len() {
        state.v[i] = lanes.select(state.s[i] - state.z[i], state.v[i]);
    }
}

/// `out = factor * values` in the lanes in `lanes`.
#[inline(always)]
fn write_scaled<S: Simd>(out: &mut [V<S>], values: &[V<S>], factor: V<S>, lanes: M<S>) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = lanes.select(value * factor, *out);
    }
}
