//! The interior point on the duals of a quadratic program with shared matrices.
//!
//! Without x and the equalities, which K0^-1 eliminates, a sample is the linear complementarity
//! problem `w = w0 + M z >= 0, z >= 0, w'z = 0`. Mehrotra's predictor-corrector on it factors
//! `M + diag(w / z)`, of the order of the inequalities, where the general way factors a system
//! over x and all rows. Unlike [`super::pivoting`] it needs no regular M, and where z is not unique
//! it comes near the centre of the solutions, not to one of their vertices.

use pulp::Simd;

use super::pivoting::{product, write_first_slack, write_point};
use crate::lanes::{Kernel, M, V, call};
use crate::system::analysis::Analysis;
use crate::system::memory::{Iterate, PivotingVectors, State, Work};
use crate::system::shared::active;
use crate::system::shared::group::SharedGroup;

/// Most iterations of all rounds.
const MOST_ITERATIONS: usize = 30;
/// Share of the way to the boundary.
const SHARE: f64 = 0.99;
/// A lane with a shorter step makes no progress: it may have no solution.
const SHORTEST: f64 = 1e-4;

/// What is remembered of each lane; z and w are kept in an [`Iterate`].
pub(super) struct DualEmbedding<S: Simd> {
    pub(super) iterations: V<S>,
    /// Lanes that are given up.
    pub(super) stuck: M<S>,
    is_started: bool,
}

impl<S: Simd> DualEmbedding<S> {
    #[inline(always)]
    pub(super) fn new(simd: S) -> Self {
        Self { iterations: V::splat(simd, 0.0), stuck: M::splat(simd, false), is_started: false }
    }
}

/// Iterates in the lanes in `lanes` until residual and gap are below `handover`, relative to their
/// terms, and writes x and v of those that get there into `state`. Returns these lanes.
#[inline(always)]
pub(super) fn dual_interior_point<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    embedding: &mut DualEmbedding<S>,
    (lanes, handover): (M<S>, f64),
) -> M<S> {
    call(simd, Rounds { simd, analysis, state, work, embedding, lanes, handover })
}

struct Rounds<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'s, S>,
    work: &'a mut Work<'w, S>,
    embedding: &'a mut DualEmbedding<S>,
    lanes: M<S>,
    handover: f64,
}

impl<S: Simd> Kernel for Rounds<'_, '_, '_, S> {
    type Output = M<S>;

    #[inline(always)]
    fn run(self) -> M<S> {
        let Self { simd, analysis, state, work, embedding, lanes, handover } = self;
        let none = M::splat(simd, false);
        let Some(group) = state.system(simd, analysis).shared else { return none };
        let Work { lengths, system, iterate, phase, .. } = work;
        let mut vectors = PivotingVectors::new(lengths, phase);
        write_first_slack(group, state, &mut vectors);
        let rows = group.sharing.inequalities.len();
        let Iterate { z, s, .. } = iterate;
        let mut point = Point { group, z: &mut z[..rows], w: &mut s[..rows] };
        if !embedding.is_started {
            point.start(&vectors);
            embedding.is_started = true;
        }
        let mut live = lanes & !embedding.stuck;
        let mut found = none;
        let one = V::splat(simd, 1.0);
        for iteration in 0..=MOST_ITERATIONS {
            let error = point.residual(&mut vectors);
            let done = live & error.le(V::splat(simd, handover));
            found = found | done;
            live = live & !done & error.lt(V::splat(simd, f64::INFINITY));
            live = live & embedding.iterations.lt(V::splat(simd, MOST_ITERATIONS as f64));
            if iteration == MOST_ITERATIONS || !live.any() {
                break;
            }
            let step = point.step(&mut vectors, system.active, live);
            embedding.iterations = live.select(embedding.iterations + one, embedding.iterations);
            live = live & step.gt(V::splat(simd, SHORTEST));
        }
        embedding.stuck = embedding.stuck | (lanes & !found);
        if found.any() {
            let zero = V::splat(simd, 0.0);
            for k in 0..rows {
                vectors.dual[k] = point.z[k];
                // v = s - z with both of them positive.
                vectors.active[k] = zero;
                vectors.slack[k] = group.cost.nfma(point.z[k], point.w[k]);
            }
            write_point(group, found, &mut vectors, (&mut *system.px, &mut *system.rows));
            for (x, &new) in state.x.iter_mut().zip(system.px.iter()) {
                *x = found.select(new, *x);
            }
            for (v, &new) in state.v.iter_mut().zip(system.rows.iter()) {
                *v = found.select(new, *v);
            }
        }
        found
    }
}

/// z, and c times the slack.
struct Point<'a, 'g, S: Simd> {
    group: SharedGroup<'g, S>,
    z: &'a mut [V<S>],
    w: &'a mut [V<S>],
}

impl<S: Simd> Point<'_, '_, S> {
    /// Both of the size that the slack at z = 0 suggests.
    #[inline(always)]
    fn start(&mut self, vectors: &PivotingVectors<'_, S>) {
        let zero = V::splat(self.group.simd, 0.0);
        let mut size = zero;
        for (&first, &row) in vectors.first_slack.iter().zip(&self.group.sharing.inequalities) {
            let kept = self.group.kept[row as usize].gt(zero);
            size = size.max_abs(kept.select(first, zero));
        }
        let size = size.gt(zero).select(size, zero.like(1.0));
        self.w.fill(size);
        let m_size = self.group.matrices.m_size;
        self.z.fill(size / zero.like(if m_size > 0.0 { m_size } else { 1.0 }));
        for (k, &row) in self.group.sharing.inequalities.iter().enumerate() {
            // A removed row has its dual at zero for good, and any slack.
            let kept = self.group.kept[row as usize].gt(zero);
            self.z[k] = kept.select(self.z[k], zero);
        }
    }

    /// Writes `w0 + M z - w` into `slack`. Returns the larger of it and of the gap, relative to
    /// their terms.
    #[inline(always)]
    fn residual(&mut self, vectors: &mut PivotingVectors<'_, S>) -> V<S> {
        let group = self.group;
        let zero = V::splat(group.simd, 0.0);
        product(group, &group.matrices.m, self.z, vectors.slack);
        let (mut size, mut terms) = (zero, zero);
        let (mut gap, mut gap_terms) = (zero, zero);
        for (k, &row) in group.sharing.inequalities.iter().enumerate() {
            let kept = group.kept[row as usize].gt(zero);
            let first = kept.select(vectors.first_slack[k], zero);
            let product = kept.select(vectors.slack[k], zero);
            self.w[k] = kept.select(self.w[k], zero.like(1.0));
            let residual = kept.select(first + product - self.w[k], zero);
            vectors.slack[k] = residual;
            size = size.max_abs(residual);
            terms = terms.max_abs(first).max_abs(product);
            gap = self.z[k].fma(self.w[k], gap);
            gap_terms = self.z[k].fma(first.abs() + product.abs(), gap_terms);
        }
        let ratio = |size: V<S>, terms: V<S>| size.gt(zero).select(size / terms, size);
        zero.max_abs(ratio(size, terms)).max_abs(ratio(gap, gap_terms))
    }

    /// A step in the lanes in `live`. Returns its length.
    #[inline(always)]
    fn step(
        &mut self,
        vectors: &mut PivotingVectors<'_, S>,
        memory: &mut [V<S>],
        live: M<S>,
    ) -> V<S> {
        let group = self.group;
        let (simd, rows) = (group.simd, &group.sharing.inequalities);
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let PivotingVectors { h, slack: residual, dual: dz, active: dw, .. } = vectors;
        let (mut mu, mut count) = (zero, zero);
        for (k, &row) in rows.iter().enumerate() {
            let kept = group.kept[row as usize].gt(zero);
            let ratio = kept.select(self.w[k] / self.z[k], zero);
            h[row as usize] = ratio / group.cost;
            mu = self.z[k].fma(self.w[k], mu);
            count += kept.select(one, zero);
        }
        active::factor(simd, group, h, memory);
        // The affine step: to z o w = 0.
        for k in 0..rows.len() {
            dz[k] = -(residual[k] + self.w[k]);
        }
        active::solve_dual(simd, group.sharing, dz, memory);
        self.write_slack_step(h, dz, dw, false);
        let affine = self.longest(dz, dw);
        let mut affine_mu = zero;
        for k in 0..rows.len() {
            let (z, w) = (affine.fma(dz[k], self.z[k]), affine.fma(dw[k], self.w[k]));
            affine_mu = z.fma(w, affine_mu);
        }
        let share = affine_mu / mu;
        let target = share * share * share * mu / count.max(one);
        // The centred and corrected one. The constant takes the place of the affine step of w.
        for k in 0..rows.len() {
            let constant = dz[k].nfma(dw[k], target) / self.z[k];
            let constant = self.z[k].gt(zero).select(constant, zero);
            dw[k] = constant;
            dz[k] = constant - (residual[k] + self.w[k]);
        }
        active::solve_dual(simd, group.sharing, dz, memory);
        self.write_slack_step(h, dz, dw, true);
        let longest = self.longest(dz, dw);
        let length = longest.ge(one).select(one, V::splat(simd, SHARE) * longest);
        for k in 0..rows.len() {
            self.z[k] = live.select(length.fma(dz[k], self.z[k]), self.z[k]);
            self.w[k] = live.select(length.fma(dw[k], self.w[k]), self.w[k]);
        }
        length
    }

    /// `dw = constant - w - (w / z) dz`, where `dw` holds the constant if there is one.
    #[inline(always)]
    fn write_slack_step(&self, h: &[V<S>], dz: &[V<S>], dw: &mut [V<S>], has_constant: bool) {
        let zero = V::splat(self.group.simd, 0.0);
        for (k, &row) in self.group.sharing.inequalities.iter().enumerate() {
            let constant = if has_constant { dw[k] } else { zero };
            let ratio = h[row as usize] * self.group.cost;
            let step = ratio.nfma(dz[k], constant - self.w[k]);
            dw[k] = self.group.kept[row as usize].gt(zero).select(step, zero);
        }
    }

    /// The longest step, at most about 100, that keeps z and w positive.
    #[inline(always)]
    fn longest(&self, dz: &[V<S>], dw: &[V<S>]) -> V<S> {
        let zero = V::splat(self.group.simd, 0.0);
        let one = zero.like(1.0);
        let mut steepest = zero.like(0.01);
        for k in 0..dz.len() {
            let of_z = self.z[k].gt(zero).select(-dz[k] / self.z[k], zero);
            steepest = of_z.max(steepest);
            steepest = (-dw[k] / self.w[k]).max(steepest);
        }
        (one / steepest).min(one.like(1.0 / SHARE))
    }
}
