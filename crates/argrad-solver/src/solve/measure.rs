//! Residuals and diagnostics of a point, in the units of the caller's program.

use pulp::Simd;

use crate::lanes::{Kernel, M, V, call};
use crate::system::analysis::Analysis;
use crate::system::gcr::largest;
use crate::system::memory::{State, SystemWork};

/// Terms below this share of the units of the scaled program, ...
const OF_UNIT: f64 = 1e-8;
/// ... or of the numbers whose rounding is in them, do not make a residual relative to themselves.
const OF_ROUNDED: f64 = 1e-4;
/// |v| below this, in the units of the scaled program, is weakly active, ...
const WEAK_MARGIN: f64 = 1e-8;
/// ... and so is |v| below this share of its largest entry.
const WEAK_SHARE: f64 = 1e-14;
/// Both for points that were not polished: there s and z are known to half the digits only.
const WEAK_MARGIN_UNPOLISHED: f64 = 1e-4;

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
        state.system(simd, analysis).multiply(simd, (state.x, state.z), (px, ax, atz));
        let (mut dual_terms, mut primal_terms) = (zero, zero);
        let (mut x_px, mut q_x, mut q_x_terms) = (zero, zero, zero);
        for j in 0..px.len() {
            let terms = zero.max_abs(px[j]).max_abs(state.q[j]).max_abs(atz[j]);
            dual_terms = dual_terms.max(terms / state.x_scale[j]);
            x_px = state.x[j].fma(px[j], x_px);
            let product = state.q[j] * state.x[j];
            q_x += product;
            q_x_terms += product.abs();
        }
        let (mut b_z, mut b_z_terms) = (zero, zero);
        for i in 0..ax.len() {
            let terms = zero.max_abs(ax[i]).max_abs(state.s[i]).max_abs(state.b[i]);
            primal_terms = primal_terms.max(terms / state.row_scale[i]);
            let product = state.b[i] * state.z[i];
            b_z += product;
            b_z_terms += product.abs();
        }
        // Each against the largest of all terms in the caller's units, but its own floor: that of
        // another equation, whose unit may be so much smaller, says nothing about this one.
        let Floors { dual: dual_floor, primal: primal_floor } = floors(simd, analysis, state);
        let (mut dual, mut primal) = (zero, zero);
        for j in 0..px.len() {
            let terms = dual_floor.max(dual_terms * state.x_scale[j]);
            dual = dual.max_abs((px[j] + state.q[j] + atz[j]) / terms);
        }
        for i in 0..ax.len() {
            let terms = primal_floor.max(primal_terms * state.row_scale[i]);
            primal = primal.max_abs((ax[i] + state.s[i] - state.b[i]) / terms);
        }
        let gap = (x_px + q_x + b_z).abs();
        // Without cancellation, so that an optimal value of zero is one like any other.
        let unit = V::splat(simd, OF_UNIT) * state.balance[0] * state.balance[1];
        let gap_terms = unit.max_abs(x_px).max_abs(q_x_terms).max_abs(b_z_terms);
        let half = V::splat(simd, 0.5);
        Measure {
            objective: half.fma(x_px, q_x) / state.cost_scale[0],
            primal_residual: primal,
            dual_residual: dual,
            gap: gap / gap_terms,
        }
    }
}

/// What residuals of the scaled program are compared to at least.
pub(crate) struct Floors<S: Simd> {
    pub(crate) dual: V<S>,
    pub(crate) primal: V<S>,
}

/// The floors at the x and v of `state`: so small that nothing which matters is below, so large
/// that rounding errors are: those of the products with x, and, where K is curved, those of s and z
/// as projections of v.
#[inline(always)]
pub(crate) fn floors<S: Simd>(simd: S, analysis: &Analysis, state: &State<'_, S>) -> Floors<S> {
    let (zero, share) = (V::splat(simd, 0.0), V::splat(simd, OF_ROUNDED));
    let [dual_unit, primal_unit] = units(simd, state);
    let x = largest(zero, state.x);
    let v = if analysis.cones.is_polyhedral() { zero } else { largest(zero, state.v) };
    let dual = dual_unit.max(share * v.max(state.p_size[0] * x));
    Floors { dual, primal: primal_unit.max(share * v.max(x)) }
}

/// [`OF_UNIT`] in the units that the data suggested, whatever those of `state` are now.
#[inline(always)]
fn units<S: Simd>(simd: S, state: &State<'_, S>) -> [V<S>; 2] {
    [0, 1].map(|k| V::splat(simd, OF_UNIT) * state.balance[k])
}

/// Number of weakly active directions at v, of a point that was polished or not.
#[inline(always)]
pub(crate) fn weakly_active<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &State<'_, S>,
    polished: M<S>,
    scratch: &mut [V<S>],
) -> V<S> {
    let scalar = |value: f64| V::splat(simd, value);
    let size = largest(scalar(0.0), state.v);
    let margin = polished.select(
        scalar(WEAK_MARGIN).max(scalar(WEAK_SHARE) * size),
        scalar(WEAK_MARGIN_UNPOLISHED) * size.max(scalar(1.0)),
    );
    analysis.cones.weakly_active(simd, state.v, state.projection, margin, scratch)
}
