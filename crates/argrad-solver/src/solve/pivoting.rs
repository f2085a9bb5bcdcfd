//! The solution of a quadratic program with shared matrices by block principal pivoting.
//!
//! Without the equalities and x, which K0^-1 eliminates, a sample is a linear complementarity
//! problem in z: `w = w0 + M z >= 0, z >= 0, w'z = 0`, with the slack w0 at z = 0. Each step takes
//! the z of the active rows that makes their slack zero, and exchanges all rows that are on the
//! wrong side (Kostreva 1978); while their number does not fall, for a few steps more, and then
//! only the last of them, which is finite (Júdice and Pires, "A block principal pivoting algorithm
//! for large-scale strictly monotone linear complementarity problems", Computers and Operations
//! Research 1994). Where M is nearly singular, lanes may not end; other methods solve those.

use pulp::Simd;

use crate::cones::FREE;
use crate::lanes::{Kernel, M, V, call};
use crate::linalg::dense::Table;
use crate::system::analysis::Analysis;
use crate::system::memory::{PivotingVectors, State, Work};
use crate::system::shared::active;
use crate::system::shared::group::SharedGroup;

/// Most exchanges; lanes that need more are left to the interior point on the duals.
const MOST_EXCHANGES: usize = 24;
/// Exchanges of all rows on the wrong side that need not reduce their number.
const PATIENCE: f64 = 3.0;
/// A slack or dual below zero by less than this share of what it is computed from is zero.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// Writes x and v of the solutions of the lanes in `lanes` into `state`. Returns those that it
/// found; the others stay.
#[inline(always)]
pub(super) fn pivoting<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    lanes: M<S>,
) -> M<S> {
    call(simd, Pivoting { simd, analysis, state, work, lanes })
}

struct Pivoting<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'s, S>,
    work: &'a mut Work<'w, S>,
    lanes: M<S>,
}

impl<S: Simd> Kernel for Pivoting<'_, '_, '_, S> {
    type Output = M<S>;

    #[inline(always)]
    fn run(self) -> M<S> {
        let Self { simd, analysis, state, work, lanes } = self;
        let none = M::splat(simd, false);
        let Some(group) = state.system(simd, analysis).shared else { return none };
        let Work { lengths, system, phase, .. } = work;
        let mut vectors = PivotingVectors::new(lengths, phase);
        write_first_slack(group, state, &mut vectors);
        vectors.h.fill(V::splat(simd, FREE));
        vectors.active.fill(V::splat(simd, 0.0));
        let mut exchange = Exchange::new(simd, lanes);
        for step in 0..=MOST_EXCHANGES {
            solve_active(simd, group, &mut vectors, system.active);
            exchange.look(group, &vectors);
            if step == MOST_EXCHANGES || !exchange.live.any() {
                break;
            }
            exchange.exchange(group, &mut vectors);
        }
        let found = exchange.found;
        if found.any() {
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

/// The solution of K0 alone, and the slack there.
#[inline(always)]
pub(super) fn write_first_slack<S: Simd>(
    group: SharedGroup<'_, S>,
    state: &State<'_, S>,
    vectors: &mut PivotingVectors<'_, S>,
) {
    let SharedGroup { sharing, matrices, cost, .. } = group;
    let n = state.q.len();
    for (to, &q) in vectors.rhs.iter_mut().zip(state.q.iter()) {
        *to = -q;
    }
    for (to, &row) in vectors.rhs[n..].iter_mut().zip(&sharing.equalities) {
        *to = cost * state.b[row as usize];
    }
    product(group, &matrices.inverse, vectors.rhs, vectors.point);
    product(group, &matrices.a_transposed, &vectors.point[..n], vectors.ax);
    for (to, &row) in vectors.first_slack.iter_mut().zip(&sharing.inequalities) {
        let row = row as usize;
        *to = cost.fma(state.b[row], -vectors.ax[row]);
    }
}

/// z, which makes the slack of the active rows zero, and the slack.
#[inline(always)]
fn solve_active<S: Simd>(
    simd: S,
    group: SharedGroup<'_, S>,
    vectors: &mut PivotingVectors<'_, S>,
    memory: &mut [V<S>],
) {
    let PivotingVectors { h, first_slack, slack, dual, .. } = vectors;
    active::factor(simd, group, h, memory);
    for (dual, &first) in dual.iter_mut().zip(first_slack.iter()) {
        *dual = -first;
    }
    active::solve_dual(simd, group.sharing, dual, memory);
    product(group, &group.matrices.m, dual, slack);
    for (slack, &first) in slack.iter_mut().zip(first_slack.iter()) {
        *slack += first;
    }
}

/// x and v = s - z of the solution.
#[inline(always)]
pub(super) fn write_point<S: Simd>(
    group: SharedGroup<'_, S>,
    found: M<S>,
    vectors: &mut PivotingVectors<'_, S>,
    (x, v): (&mut [V<S>], &mut [V<S>]),
) {
    let SharedGroup { sharing, matrices, cost, kept, .. } = group;
    let PivotingVectors { rhs: correction, point, slack, dual, active, .. } = vectors;
    let n = x.len();
    let zero = cost.like(0.0);
    for dual in dual.iter_mut() {
        *dual = found.select(*dual, zero);
    }
    product(group, &matrices.y, dual, correction);
    for (j, x) in x.iter_mut().enumerate() {
        *x = (point[j] - correction[j]) / cost;
    }
    for (k, &row) in sharing.equalities.iter().enumerate() {
        v[row as usize] = correction[n + k] - point[n + k];
    }
    for (k, &row) in sharing.inequalities.iter().enumerate() {
        let row = row as usize;
        let value = active[k].gt(zero).select(-dual[k], slack[k] / cost);
        // A removed row is 0 x <= 1.
        v[row] = kept[row].gt(zero).select(value, zero.like(1.0));
    }
}

/// `out = T' input`.
#[inline(always)]
pub(super) fn product<S: Simd>(
    group: SharedGroup<'_, S>,
    table: &Table,
    input: &[V<S>],
    out: &mut [V<S>],
) {
    let simd = group.simd;
    table.transpose_product::<S, 1>(simd, input.as_chunks().0, out.as_chunks_mut().0);
}

/// Which rows change sides, lane by lane.
struct Exchange<S: Simd> {
    /// Lanes that still have rows on the wrong side, and those that have none.
    live: M<S>,
    found: M<S>,
    /// Rows on the wrong side; the fewest so far; how many steps more may not reduce them.
    count: V<S>,
    fewest: V<S>,
    patience: V<S>,
    /// Bounds below which a slack and a dual are on the wrong side.
    slack_bound: V<S>,
    dual_bound: V<S>,
}

impl<S: Simd> Exchange<S> {
    #[inline(always)]
    fn new(simd: S, lanes: M<S>) -> Self {
        let zero = V::splat(simd, 0.0);
        Self {
            live: lanes,
            found: M::splat(simd, false),
            count: zero,
            fewest: V::splat(simd, f64::INFINITY),
            patience: V::splat(simd, PATIENCE),
            slack_bound: zero,
            dual_bound: zero,
        }
    }

    /// Counts the rows on the wrong side.
    #[inline(always)]
    fn look(&mut self, group: SharedGroup<'_, S>, vectors: &PivotingVectors<'_, S>) {
        let zero = self.count.like(0.0);
        let (mut of_slack, mut of_dual) = (zero, zero);
        for (&first, &dual) in vectors.first_slack.iter().zip(vectors.dual.iter()) {
            of_slack = of_slack.max_abs(first);
            of_dual = of_dual.max_abs(dual);
        }
        let rounding = zero.like(-ROUNDING);
        let of_slack = of_slack.max(of_dual * zero.like(group.matrices.m_size));
        self.slack_bound = rounding * of_slack;
        self.dual_bound = rounding * of_dual;
        self.count = zero;
        for k in 0..vectors.active.len() {
            self.count += self.is_wrong(group, vectors, k).select(zero.like(1.0), zero);
        }
        // A point that is not finite is no solution.
        let finite = of_slack.max_abs(of_dual).lt(zero.like(f64::INFINITY));
        self.found = self.found | (self.live & finite & self.count.le(zero));
        self.live = self.live & finite & !self.found;
    }

    #[inline(always)]
    fn is_wrong(
        &self,
        group: SharedGroup<'_, S>,
        vectors: &PivotingVectors<'_, S>,
        k: usize,
    ) -> M<S> {
        let zero = self.count.like(0.0);
        let kept = group.kept[group.sharing.inequalities[k] as usize].gt(zero);
        let is_active = vectors.active[k].gt(zero);
        (is_active & vectors.dual[k].lt(self.dual_bound))
            | (!is_active & kept & vectors.slack[k].lt(self.slack_bound))
    }

    /// Moves rows to the other side.
    #[inline(always)]
    fn exchange(&mut self, group: SharedGroup<'_, S>, vectors: &mut PivotingVectors<'_, S>) {
        let (zero, one) = (self.count.like(0.0), self.count.like(1.0));
        let fewer = self.count.lt(self.fewest);
        self.fewest = fewer.select(self.count, self.fewest);
        let all = fewer | self.patience.gt(zero);
        self.patience = fewer.select(zero.like(PATIENCE), self.patience - one);
        let mut single = self.live & !all;
        for k in (0..vectors.active.len()).rev() {
            let wrong = self.live & self.is_wrong(group, vectors, k);
            let moved = wrong & (all | single);
            single = single & !wrong;
            let active = &mut vectors.active[k];
            *active = moved.select(one - *active, *active);
            let row = group.sharing.inequalities[k] as usize;
            vectors.h[row] = active.gt(zero).select(zero, zero.like(FREE));
        }
    }
}
