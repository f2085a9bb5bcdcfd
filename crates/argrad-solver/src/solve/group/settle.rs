//! What is left to do once it is known which lanes are solved: points and factors that derivatives
//! and reports can rely on.

use pulp::Simd;

use super::{LaneGroup, POLISHED, STRICT, copy_lanes, keep_point, recall_point};
use crate::lanes::{M, V, apart};
use crate::solve::balance::balance;
use crate::solve::measure::measure;
use crate::solve::polish::{Target, polish};
use crate::solve::uniqueness::{DOUBTFUL, uniqueness};
use crate::system::memory::SystemWork;

/// Solved lanes whose s and z are so far apart have lost as much of the smaller one to rounding.
const LOST: f64 = 128.0;

impl<S: Simd> LaneGroup<'_, '_, '_, S> {
    /// All that is left.
    #[inline(always)]
    pub(super) fn settle(&mut self) {
        self.regain_digits();
        self.project_unpolished();
        self.factor();
        self.look_for_others();
    }

    /// Polishes the solved lanes whose s and z over curved cones are far apart once more, in units
    /// in which they are not.
    #[inline(always)]
    fn regain_digits(&mut self) {
        apart!(self.simd, || {
            let Self { simd, analysis, state, work, outcome, .. } = self;
            let when = (STRICT, LOST, outcome.solved);
            let balance = balance(*simd, analysis, state, work, when);
            let lanes = balance.lanes();
            if lanes.any() {
                let growth = self.polish_again(lanes, M::splat(self.simd, false));
                self.outcome.growth = lanes.select(growth, self.outcome.growth);
            }
        })
    }

    /// Certificates and points that were not polished: v follows from s and z.
    #[inline(always)]
    fn project_unpolished(&mut self) {
        apart!(self.simd, || {
            let Self { simd, analysis, state, work, all, outcome, .. } = self;
            let solved = outcome.solved;
            if (solved | !*all).all() {
                return;
            }
            for i in 0..state.v.len() {
                state.v[i] = solved.select(state.v[i], state.s[i] - state.z[i]);
            }
            let SystemWork { rows: s, cones, .. } = &mut work.system;
            let zero = V::splat(*simd, 0.0);
            analysis.cones.projection(*simd, state.v, zero, s, state.projection, cones);
            outcome.is_factored = false;
        })
    }

    /// Factors the system of the derivative at the v of all lanes where that was not done last.
    #[inline(always)]
    fn factor(&mut self) {
        apart!(self.simd, || {
            let Self { simd, analysis, state, work, outcome, .. } = self;
            if outcome.is_factored || !analysis.kkt.has_factor() {
                return;
            }
            let cones = &mut *work.system.cones;
            analysis.cones.write_projection_block(*simd, state.projection, state.h, cones);
            for (h, &kept) in state.h.iter_mut().zip(work.solved_h.iter()) {
                *h = outcome.solved.select(kept, *h);
            }
            state.factor(*simd, analysis, &mut work.system, M::splat(*simd, false));
        })
    }

    /// Whether x and z are unique where the factor leaves a doubt.
    #[inline(always)]
    fn look_for_others(&mut self) {
        apart!(self.simd, || {
            let Self { simd, analysis, state, work, all, outcome, .. } = self;
            // Not a comparison that NaN, of a factor that is none, does not fulfil.
            let doubtful = *all & !outcome.growth.lt(V::splat(*simd, DOUBTFUL));
            if !doubtful.any() || !analysis.kkt.has_factor() {
                return;
            }
            let found = uniqueness(*simd, analysis, state, work, doubtful);
            outcome.take_found(&found, doubtful);
            let ill_conditioned = doubtful & (found.in_x | !found.x);
            if ill_conditioned.any() {
                self.look_closely(ill_conditioned);
            }
        })
    }

    /// The same with a factor that is closer to a nearly singular P. Where x proves to be unique,
    /// the factor stays, and the point is polished with it: what is left of its error lies in
    /// directions that the usual factor hardly sees.
    #[inline(always)]
    fn look_closely(&mut self, lanes: M<S>) {
        self.factor_closely(lanes);
        let Self { simd, analysis, state, work, outcome, .. } = self;
        let found = uniqueness(*simd, analysis, state, work, lanes);
        let close = lanes & found.x;
        outcome.take_found(&found, close);
        if (lanes & !close).any() {
            self.factor_closely(close);
        }
        let solved = close & self.outcome.solved;
        if solved.any() {
            self.polish_again(solved, close);
        }
    }

    /// Polishes solved lanes once more, with a factor that is closer to a nearly singular P in the
    /// lanes in `close`. A lane that was within the tolerance and is no more goes back. Returns the
    /// growth of the probe.
    #[inline(always)]
    fn polish_again(&mut self, lanes: M<S>, close: M<S>) -> V<S> {
        let Self { simd, analysis, settings, state, work, outcome, .. } = self;
        keep_point(state, &mut work.best, lanes);
        let target = Target {
            mu: V::splat(*simd, 0.0),
            residual: POLISHED[1],
            enough: 0.0,
            max_steps: settings.max_polish_steps,
            is_last: lanes,
            close,
        };
        let polished = polish(*simd, analysis, state, work, lanes, target);
        outcome.book_again(&polished, lanes);
        let found = measure(*simd, analysis, state, &mut work.system).residual();
        let worse = lanes & !found.le(V::splat(*simd, settings.tolerance));
        if worse.any() {
            self.go_back(worse);
            self.factor_closely(close);
        }
        polished.growth
    }

    /// Returns to the points that are kept in the lanes in `lanes`, with the cone blocks there.
    #[inline(always)]
    fn go_back(&mut self, lanes: M<S>) {
        let Self { simd, analysis, state, work, .. } = self;
        let zero = V::splat(*simd, 0.0);
        recall_point(state, &work.best, lanes);
        for i in 0..state.v.len() {
            state.v[i] = lanes.select(state.s[i] - state.z[i], state.v[i]);
        }
        let SystemWork { rows: s, cones, .. } = &mut work.system;
        analysis.cones.projection(*simd, state.v, zero, s, state.projection, cones);
        analysis.cones.write_projection_block(*simd, state.projection, work.solved_h, cones);
        copy_lanes(state.h, work.solved_h, lanes);
        work.solved_h.copy_from_slice(state.h);
    }

    /// Factors the system at hand again, with the regularization for a nearly singular P in the
    /// lanes in `close`.
    #[inline(always)]
    fn factor_closely(&mut self, close: M<S>) {
        let Self { simd, analysis, state, work, .. } = self;
        state.factor(*simd, analysis, &mut work.system, close);
    }
}
