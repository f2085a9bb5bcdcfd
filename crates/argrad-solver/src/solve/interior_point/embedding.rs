//! The scalars of the embedding, and how each lane fares.

use pulp::Simd;

use crate::lanes::{M, V};
use crate::solve::balance::Balance;

/// The scalars of the iterate, what is remembered of earlier ones, and what became of each lane.
#[derive(Clone, Copy)]
pub(crate) struct Embedding<S: Simd> {
    pub(super) tau: V<S>,
    pub(super) kappa: V<S>,
    /// Iterations made.
    pub(crate) iterations: V<S>,
    pub(crate) primal_infeasible: M<S>,
    pub(crate) dual_infeasible: M<S>,
    /// Lanes that came no further, or to the end of their iterations. Their iterate is their best.
    pub(crate) stuck: M<S>,
    /// Lanes that the time limit stopped.
    pub(crate) out_of_time: M<S>,
    /// Lanes whose solves are refined from now on.
    pub(super) refined: M<S>,
    /// Norms of rx and rz at the last iterate, and the share of them that may be left at this one.
    pub(super) dual: V<S>,
    pub(super) primal: V<S>,
    pub(super) predicted: V<S>,
    /// Largest relative residual of the best iterate, and iterations since.
    pub(super) best: V<S>,
    pub(super) stalled: V<S>,
    /// Error of the best certificate, and iterations since.
    pub(super) doubt: V<S>,
    pub(super) undecided: V<S>,
    /// tau / kappa when a certificate was looked for last.
    pub(super) course: V<S>,
    /// Share of the terms of b'z, or of q'x, that a certificate must leave.
    pub(crate) least_share: V<S>,
}

impl<S: Simd> Embedding<S> {
    /// Before the first iteration.
    #[inline(always)]
    pub(super) fn new(simd: S) -> Self {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let no = M::splat(simd, false);
        Self {
            tau: one,
            kappa: one,
            iterations: zero,
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
            doubt: V::splat(simd, f64::INFINITY),
            undecided: zero,
            course: V::splat(simd, f64::INFINITY),
            least_share: zero,
        }
    }

    /// Changes the units: kappa has that of the objective, as q'x and b'z have.
    #[inline(always)]
    pub(crate) fn change_units(&mut self, balance: &Balance<S>) {
        let Balance { dual, primal } = *balance;
        self.dual *= dual;
        self.primal *= primal;
        self.kappa *= dual * primal;
        self.course = self.course / (dual * primal);
    }

    /// Lanes with a certificate.
    #[inline(always)]
    pub(crate) fn infeasible(&self) -> M<S> {
        self.primal_infeasible | self.dual_infeasible
    }
}
