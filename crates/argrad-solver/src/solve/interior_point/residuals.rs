//! Residuals of an iterate, and whether the last solves were accurate.

use pulp::Simd;

use super::Iteration;
use crate::lanes::{M, V};
use crate::system::memory::SystemWork;

/// Share of a step's reduction of the residuals that must be seen, else solves are refined; ...
const SEEN: f64 = 0.5;
/// ... and the share where the residuals are below this: at the end every digit counts.
const SEEN_AT_END: f64 = 0.9;
const NEAR: f64 = 1e-5;
/// Residuals below this share of their terms are rounding errors.
const EXACT: f64 = 1e-11;
/// One below this share of the largest, each relative to its terms, does not hold the others up: it
/// may be what the regularization leaves.
const MINOR: f64 = 1e-6;
/// Share of the residuals that the error of a refined solve may have, ...
const SLACK: f64 = 0.01;
/// ... but no less than this share of their terms.
const ROUNDING: f64 = 1e-14;

/// What is known of an iterate beside the vectors rx and rz.
pub(super) struct Residuals<S: Simd> {
    pub(super) tau: V<S>,
    pub(super) kappa: V<S>,
    /// Largest entries of rx and of its terms, and the latter but at least tau times their unit.
    pub(super) dual: V<S>,
    dual_terms: V<S>,
    pub(super) dual_scale: V<S>,
    /// The same of rz.
    pub(super) primal: V<S>,
    primal_terms: V<S>,
    pub(super) primal_scale: V<S>,
    /// q'x, b'z, x'Px / tau.
    pub(super) q_x: V<S>,
    pub(super) b_z: V<S>,
    pub(super) x_px_tau: V<S>,
    pub(super) r_tau: V<S>,
    pub(super) mu: V<S>,
    /// Duality gap, and the largest of its terms, at least tau times their unit.
    pub(super) gap: V<S>,
    pub(super) gap_scale: V<S>,
    /// The largest of the three, relative to their terms.
    pub(super) largest: V<S>,
    /// Lanes on the way to a certificate, on which the residuals do not shrink.
    pub(super) departing: M<S>,
}

/// Which lanes need their solves refined, and to what.
pub(super) struct Refinement<S: Simd> {
    pub(super) lanes: M<S>,
    /// Errors that may be left in the first and second equation.
    pub(super) errors: (V<S>, V<S>),
}

impl<S: Simd> Iteration<'_, '_, '_, S> {
    /// rx, rz and rtau at the iterate, with the norms of their terms.
    #[inline(always)]
    pub(super) fn residuals(&mut self) -> Residuals<S> {
        let Self { simd, analysis, state, vectors, .. } = self;
        let simd = *simd;
        let zero = V::splat(simd, 0.0);
        let (n, m) = (analysis.n(), analysis.m());
        // Slices of one known length each spare the bounds checks in the loops below.
        let (q, b) = (&state.q[..n], &state.b[..m]);
        let (x, z, s) = (&self.iterate.x[..n], &self.iterate.z[..m], &self.iterate.s[..m]);
        let (rx, rz) = (&mut vectors.dual_residual[..n], &mut vectors.primal_residual[..m]);
        let SystemWork { ax, atz, .. } = &mut *self.system;
        let (px, ax, atz) = (&mut vectors.px[..n], &mut ax[..m], &mut atz[..n]);
        let (tau, kappa) = (self.embedding.tau, self.embedding.kappa);
        analysis.kkt.products.multiply(simd, state.values, x, z, px, ax, atz);

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
        let degree = V::splat(simd, analysis.cones.degree() as f64 + 1.0);
        let x_px_tau = x_px / tau;
        let gap = (x_px_tau + q_x + b_z).abs();
        // Tau in the units that the data suggested, whatever the units are now.
        let (dual_unit, primal_unit) = (state.balance[0], state.balance[1]);
        let unit = dual_unit * primal_unit;
        let gap_scale = (tau * unit).max_abs(x_px_tau).max_abs(q_x).max_abs(b_z);
        let dual_scale = dual_terms.max(tau * dual_unit);
        let primal_scale = primal_terms.max(tau * primal_unit);
        let largest = (dual / dual_scale).max_abs(primal / primal_scale).max_abs(gap / gap_scale);
        Residuals {
            tau,
            kappa,
            dual,
            dual_terms,
            dual_scale,
            primal,
            primal_terms,
            primal_scale,
            q_x,
            b_z,
            x_px_tau,
            r_tau: q_x + b_z + kappa + x_px_tau,
            mu: tau.fma(kappa, s_z) / degree,
            gap,
            gap_scale,
            largest,
            departing: (tau * unit).lt(kappa),
        }
    }

    /// A step that does not reduce the residuals as it should is no solution of its system: from
    /// then on the solves of that lane are refined.
    #[inline(always)]
    pub(super) fn check_accuracy(&mut self, residuals: &Residuals<S>) -> Refinement<S> {
        let scalar = |value: f64| V::splat(self.simd, value);
        let &Residuals { dual, dual_terms, dual_scale, .. } = residuals;
        let &Residuals { primal, primal_terms, primal_scale, departing, .. } = residuals;
        let (embedding, live) = (&mut *self.embedding, self.live);
        let predicted = embedding.predicted;
        let minor = scalar(MINOR) * residuals.largest;
        let reduced = |now: V<S>, before: V<S>, terms: V<S>, scale: V<S>| {
            now.le(predicted.fma(before, scalar(EXACT) * terms)) | now.le(minor * scale)
        };
        let exact = reduced(dual, embedding.dual, dual_terms, dual_scale)
            & reduced(primal, embedding.primal, primal_terms, primal_scale);
        embedding.refined = embedding.refined | (live & !exact & !departing);
        embedding.dual = live.select(dual, embedding.dual);
        embedding.primal = live.select(primal, embedding.primal);
        let error = |now: V<S>, scale: V<S>| {
            (scalar(SLACK) * now.max(minor * scale)).max(scalar(ROUNDING) * scale)
        };
        Refinement {
            lanes: embedding.refined & live,
            errors: (error(dual, dual_scale), error(primal, primal_scale)),
        }
    }

    /// Remembers, in the lanes in `live`, which share of the residuals a step may leave that aims
    /// at `reduction` of them.
    #[inline(always)]
    pub(super) fn predict(&mut self, residuals: &Residuals<S>, reduction: V<S>) {
        let scalar = |value: f64| V::splat(self.simd, value);
        let seen = residuals.largest.lt(scalar(NEAR)).select(scalar(SEEN_AT_END), scalar(SEEN));
        let predicted = &mut self.embedding.predicted;
        *predicted = self.live.select(seen.nfma(reduction, scalar(1.0)), *predicted);
    }
}
