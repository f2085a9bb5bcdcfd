//! Residuals and diagnostics of a point, in the units of the caller's program.

use pulp::Simd;

use crate::lanes::{Kernel, V, call};
use crate::system::analysis::Analysis;
use crate::system::memory::{State, SystemWork};

/// Terms of the scaled program below this do not make a residual relative to themselves.
const FLOOR: f64 = 1e-3;
/// |v| below this times its largest entry (at least one) is weakly active.
pub(crate) const WEAK_MARGIN: f64 = 1e-8;
/// The same for points that were not polished: there s and z are known to half the digits only.
pub(crate) const WEAK_MARGIN_UNPOLISHED: f64 = 1e-4;

/// One number per lane.
pub(crate) struct Measure<S: Simd> {
    pub(crate) objective: V<S>,
    pub(crate) primal_residual: V<S>,
    pub(crate) dual_residual: V<S>,
    pub(crate) gap: V<S>,
}

impl<S: Simd> Measure<S> {
    #[inline(always)]
    pub(crate) fn residual(&self) -> V<S> {
        self.gap.max_abs(self.primal_residual).max_abs(self.dual_residual)
    }
}

/// Measures (x, z, s) of `state`. Unscaling by powers of two is exact, so these are the residuals
/// of the program as given, rounded as the products round.
#[inline(always)]
pub(crate) fn measure<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &State<'_, S>,
    work: &mut SystemWork<'_, S>,
) -> Measure<S> {
    call(simd, TakeMeasure { simd, analysis, state, work })
}

struct TakeMeasure<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a State<'s, S>,
    work: &'a mut SystemWork<'w, S>,
}

impl<S: Simd> Kernel for TakeMeasure<'_, '_, '_, S> {
    type Output = Measure<S>;

    #[inline(always)]
    fn run(self) -> Measure<S> {
        let Self { simd, analysis, state, work } = self;
        let SystemWork { px, ax, atz, .. } = work;
        let zero = V::splat(simd, 0.0);
        let one = V::splat(simd, 1.0);
        let floor = V::splat(simd, FLOOR);
        analysis.kkt.products.multiply(simd, state.values, state.x, state.z, px, ax, atz);
        let (mut dual, mut dual_terms) = (zero, zero);
        let (mut x_px, mut q_x) = (zero, zero);
        for j in 0..px.len() {
            let scale = one / state.x_scale[j];
            dual = dual.max_abs((px[j] + state.q[j] + atz[j]) * scale);
            let term = floor.max_abs(px[j]).max_abs(state.q[j]).max_abs(atz[j]);
            dual_terms = dual_terms.max_abs(term * scale);
            x_px = state.x[j].fma(px[j], x_px);
            q_x = state.q[j].fma(state.x[j], q_x);
        }
        let (mut primal, mut primal_terms) = (zero, zero);
        let mut b_z = zero;
        for i in 0..ax.len() {
            let scale = one / state.row_scale[i];
            primal = primal.max_abs((ax[i] + state.s[i] - state.b[i]) * scale);
            let term = floor.max_abs(ax[i]).max_abs(state.s[i]).max_abs(state.b[i]);
            primal_terms = primal_terms.max_abs(term * scale);
            b_z = state.b[i].fma(state.z[i], b_z);
        }
        let gap = (x_px + q_x + b_z).abs();
        let gap_terms = floor.max_abs(x_px).max_abs(q_x).max_abs(b_z);
        let half = V::splat(simd, 0.5);
        Measure {
            objective: half.fma(x_px, q_x) / state.cost_scale[0],
            primal_residual: primal / primal_terms.max(V::splat(simd, f64::MIN_POSITIVE)),
            dual_residual: dual / dual_terms.max(V::splat(simd, f64::MIN_POSITIVE)),
            gap: gap / gap_terms,
        }
    }
}

/// Number of weakly active directions at v, with a margin relative to the largest entry.
#[inline(always)]
pub(crate) fn weakly_active<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &State<'_, S>,
    margin: V<S>,
    scratch: &mut [V<S>],
) -> V<S> {
    let mut size = V::splat(simd, 1.0);
    for &v in state.v.iter() {
        size = size.max_abs(v);
    }
    analysis.cones.weakly_active(simd, state.v, state.projection, margin * size, scratch)
}
