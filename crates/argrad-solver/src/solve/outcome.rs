//! What became of the samples of a group.

use pulp::Simd;

use crate::lanes::{M, V};
use crate::program::{Report, Status};
use crate::solve::interior_point::Embedding;
use crate::solve::polish::Polished;
use crate::solve::uniqueness::Uniqueness;

/// The part of one group in the solution.
pub(crate) struct SolutionRows<'a> {
    pub(crate) x: &'a mut [f64],
    pub(crate) z: &'a mut [f64],
    pub(crate) s: &'a mut [f64],
    pub(crate) reports: &'a mut [Report],
}

impl SolutionRows<'_> {
    /// Ends samples on which no work was done at zero, where the relative residuals are one.
    pub(crate) fn leave(self, status: Status) {
        [self.x, self.z, self.s].into_iter().for_each(|rows| rows.fill(0.0));
        self.reports.fill(Report {
            status,
            residual: 1.0,
            primal_residual: 1.0,
            dual_residual: 1.0,
            ..Report::default()
        });
    }
}

/// What became of the lanes: each stage of a solve updates it.
pub(super) struct Outcome<S: Simd> {
    /// Lanes that are not solved, and not given up.
    pub(super) pending: M<S>,
    /// Lanes that are solved, with the factor of their point.
    pub(super) solved: M<S>,
    /// Lanes that are solved from their start.
    pub(super) warm: M<S>,
    /// Lanes that are solved without the general interior point on their own program: in single
    /// precision, on its dual with the matrices that the batch shares, or on a decomposed program;
    /// and the iterations there.
    pub(super) elsewhere: M<S>,
    pub(super) iterations_elsewhere: V<S>,
    pub(super) polish_steps: V<S>,
    /// Of the polishes.
    pub(super) factorizations: V<S>,
    /// Growth of the probe: an estimate of the condition number.
    pub(super) growth: V<S>,
    /// Lanes whose x, and whose z, is not known to be not unique.
    pub(super) unique_x: M<S>,
    pub(super) unique_z: M<S>,
    /// Lanes whose x runs away while the residual shrinks.
    pub(super) escaping: M<S>,
    /// Residual of the best point of each lane that is not solved yet.
    pub(super) best: V<S>,
    /// Of the interior point, where there was one.
    pub(super) embedding: Option<Embedding<S>>,
    /// Whether the factor at hand belongs to the v of all lanes.
    pub(super) is_factored: bool,
}

impl<S: Simd> Outcome<S> {
    /// Before the first stage.
    #[inline(always)]
    pub(super) fn new(simd: S, all: M<S>) -> Self {
        let (zero, no) = (V::splat(simd, 0.0), M::splat(simd, false));
        Self {
            pending: all,
            solved: no,
            warm: no,
            elsewhere: no,
            iterations_elsewhere: zero,
            polish_steps: zero,
            factorizations: zero,
            growth: zero,
            unique_x: M::splat(simd, true),
            unique_z: M::splat(simd, true),
            escaping: no,
            best: V::splat(simd, f64::INFINITY),
            embedding: None,
            is_factored: false,
        }
    }

    /// Books a polish of the pending lanes, of which those in `good` are solved by it.
    #[inline(always)]
    pub(super) fn book(&mut self, polished: &Polished<S>, good: M<S>) {
        let pending = self.pending;
        let steps = self.polish_steps + polished.steps;
        self.polish_steps = pending.select(steps, self.polish_steps);
        let factorizations = self.factorizations + polished.factorizations;
        self.factorizations = pending.select(factorizations, self.factorizations);
        self.growth = pending.select(polished.growth, self.growth);
        let informed = pending & polished.informed;
        self.escaping = (polished.escaping & informed) | (self.escaping & !informed);
        self.solved = self.solved | (good & pending);
        self.pending = pending & !good;
        self.is_factored = true;
    }

    /// Books another polish of solved lanes.
    #[inline(always)]
    pub(super) fn book_again(&mut self, polished: &Polished<S>, lanes: M<S>) {
        self.polish_steps = lanes.select(self.polish_steps + polished.steps, self.polish_steps);
        let factorizations = self.factorizations + polished.factorizations;
        self.factorizations = lanes.select(factorizations, self.factorizations);
        self.is_factored = true;
    }

    /// Takes what was found of the lanes in `lanes`.
    #[inline(always)]
    pub(super) fn take_found(&mut self, found: &Uniqueness<S>, lanes: M<S>) {
        self.unique_x = (found.x & lanes) | (self.unique_x & !lanes);
        self.unique_z = (found.z & lanes) | (self.unique_z & !lanes);
        self.growth = lanes.select(found.growth, self.growth);
    }

    /// Forgets what was booked of the lanes that are pending: what becomes of them is then the same
    /// as without what was tried.
    #[inline(always)]
    pub(super) fn forget_pending(&mut self, simd: S) {
        let zero = V::splat(simd, 0.0);
        self.best = self.pending.select(V::splat(simd, f64::INFINITY), self.best);
        self.escaping = self.escaping & !self.pending;
        self.polish_steps = self.pending.select(zero, self.polish_steps);
        self.factorizations = self.pending.select(zero, self.factorizations);
        self.growth = self.pending.select(zero, self.growth);
    }
}
