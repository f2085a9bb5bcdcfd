//! Loading of samples into lanes, and Ruiz equilibration by powers of two.
//!
//! With x = D x^, s = E^-1 s^, z = E z^ / c the scaled program has P^ = c D P D, q^ = c D q,
//! A^ = E A D, b^ = E b. All factors are powers of two, so scaling rounds nothing: the scaled
//! program is the given program exactly.
//!
//! D and E bring the entries of the KKT matrix near one. A common factor of D and E^-1, the unit of
//! x and s, leaves A alone; it and c bring b and the objective near one, so that the scaled program
//! does not depend on the units of the given one: x(tp, tb) = t x(p, b) to the last bit, where t is
//! a power of two.

use pulp::Simd;

use super::alignment::align;
use super::scales::{apply, nearest_power_of_two, to_one, within};
use crate::lanes::{Kernel, M, MOST_LANES, V, call};
use crate::program::{Slot, Values};
use crate::system::analysis::Analysis;
use crate::system::memory::{EquilibrationVectors, State};

/// Most passes of the equilibration; it stops when no norm is off by more than a factor of two.
const PASSES: usize = 12;
/// A right-hand side of a nonnegative row from here on is no constraint: files write 1e20, or a
/// little less, for infinity. It is 1e19 in single precision, a little below 1e19, so that the same
/// number is infinite in both.
pub(crate) const INFINITE: f64 = 1e19_f32 as f64;
/// Largest factor, and reciprocal of the smallest.
const LARGEST: f64 = (1_u128 << 100) as f64;

/// Writes the samples `samples` (one per lane) into `state`, unscaled, with scales of one.
#[inline(always)]
pub(crate) fn load<S: Simd>(
    simd: S,
    analysis: &Analysis,
    values: &Values<'_>,
    samples: &[usize],
    state: &mut State<'_, S>,
) {
    call(simd, Load { simd, analysis, values, samples, state });
}

struct Load<'a, 'b, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    values: &'a Values<'a>,
    samples: &'a [usize],
    state: &'a mut State<'b, S>,
}

impl<S: Simd> Kernel for Load<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, analysis, values, samples, state } = self;
        let one = V::splat(simd, 1.0);
        state.x_scale.fill(one);
        state.row_scale.fill(one);
        state.cost_scale.fill(one);
        load_vectors(simd, analysis, values, samples, state);
        let (p_len, a_len) = (analysis.structure.p.nnz(), analysis.structure.a.nnz());
        let p = &mut state.values[analysis.kkt.p_base..][..analysis.stored_p.len()];
        let places = analysis.stored_p.iter().map(|entry| entry.source).zip(0..);
        interleave(simd, values.p, p_len, samples, places, p);
        let addresses = analysis.kkt.a_address.iter().map(|&address| address as usize);
        let places = analysis.stored_a.iter().map(|entry| entry.source).zip(addresses);
        interleave(simd, values.a, a_len, samples, places, state.values);
        remove_infinite_rows(simd, analysis, state);
    }
}

/// Writes q and b of the samples `samples` (one per lane) into `state`, unscaled. The b of a row
/// that is no constraint becomes truly infinite.
#[inline(always)]
pub(super) fn load_vectors<S: Simd>(
    simd: S,
    analysis: &Analysis,
    values: &Values<'_>,
    samples: &[usize],
    state: &mut State<'_, S>,
) {
    let (n, m) = (analysis.n(), analysis.m());
    interleave(simd, values.q, n, samples, (0..).zip(0..n), state.q);
    interleave(simd, values.b, m, samples, (0..).zip(0..m), state.b);
    let (infinite, infinity) = (V::splat(simd, INFINITE), V::splat(simd, f64::INFINITY));
    for (b, _) in state.b.iter_mut().zip(&analysis.removable).filter(|&(_, &removable)| removable) {
        *b = b.ge(infinite).select(infinity, *b);
    }
}

/// A row with infinite b is no constraint: its entries of A become zero, for [`set_units`] to make
/// it 0 x <= 1.
#[inline(always)]
fn remove_infinite_rows<S: Simd>(simd: S, analysis: &Analysis, state: &mut State<'_, S>) {
    let zero = V::splat(simd, 0.0);
    let mut any = M::splat(simd, false);
    for &b in state.b.iter() {
        any = any | is_removed(b);
    }
    if !any.any() {
        return;
    }
    for (stored, &address) in analysis.stored_a.iter().zip(&analysis.kkt.a_address) {
        let (row, entry) = (stored.row as usize, &mut state.values[address as usize]);
        *entry = is_removed(state.b[row]).select(zero, *entry);
    }
}

/// The lanes in which the b of a row removes it.
#[inline(always)]
pub(super) fn is_removed<S: Simd>(b: V<S>) -> M<S> {
    b.ge(b.like(f64::INFINITY))
}

/// Writes numbers of `slot`, of which each sample has `len`, to `out`: from the first of each of
/// `places` to the second.
#[inline(always)]
fn interleave<S: Simd>(
    simd: S,
    slot: Slot<'_>,
    len: usize,
    samples: &[usize],
    places: impl Iterator<Item = (u32, usize)>,
    out: &mut [V<S>],
) {
    match slot {
        Slot::Shared(values) => {
            for (from, to) in places {
                out[to] = V::splat(simd, values[from as usize]);
            }
        }
        Slot::Each(_) => {
            // All lanes of a number at once: one store for each.
            let rows: [&[f64]; MOST_LANES] =
                std::array::from_fn(|lane| slot.sample(samples[lane.min(samples.len() - 1)], len));
            let zero = V::splat(simd, 0.0);
            for (from, to) in places {
                let mut number = zero;
                for (lane, row) in rows.iter().enumerate().take(V::<S>::LANES) {
                    number.set_lane(lane, row[from as usize]);
                }
                out[to] = number;
            }
        }
    }
}

/// Scales the program in `state` so that the rows and columns of its KKT matrix have norms near
/// one.
#[inline(always)]
pub(crate) fn equilibrate<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    vectors: EquilibrationVectors<'_, S>,
) {
    call(simd, Equilibrate { simd, analysis, state, vectors });
}

struct Equilibrate<'a, 'b, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'b, S>,
    vectors: EquilibrationVectors<'a, S>,
}

impl<S: Simd> Kernel for Equilibrate<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, analysis, state, mut vectors } = self;
        let zero = V::splat(simd, 0.0);
        normalize(simd, analysis, state, &mut vectors);
        let EquilibrationVectors { column, row, .. } = vectors;
        for _ in 0..PASSES {
            column.fill(zero);
            row.fill(zero);
            analysis.kkt.products.largest_entries(state.values, column, row);
            let mut changed = false;
            for (norm, scale) in column.iter_mut().zip(state.x_scale.iter()) {
                changed |= to_factor(norm, *scale);
            }
            for (norm, scale) in row.iter_mut().zip(state.row_scale.iter()) {
                changed |= to_factor(norm, *scale);
            }
            if !changed {
                break;
            }
            analysis.cones.unify_scaling(simd, row);
            apply(analysis, state, column, row);
        }
        set_units(simd, analysis, state);
    }
}

/// Brings the largest entry of A near one, rows and columns of A that are far apart together, and
/// then the largest of P near one: what follows does not depend on units that all variables, all
/// rows or the objective have in common, and little on those that each has.
#[inline(always)]
fn normalize<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    vectors: &mut EquilibrationVectors<'_, S>,
) {
    let zero = V::splat(simd, 0.0);
    let (mut of_a, mut of_p) = (zero, zero);
    for &address in &analysis.kkt.a_address {
        of_a = of_a.max_abs(state.values[address as usize]);
    }
    let unit = to_one(of_a);
    for &address in &analysis.kkt.a_address {
        state.values[address as usize] *= unit;
    }
    for (scale, b) in state.row_scale.iter_mut().zip(state.b.iter_mut()) {
        *scale = unit;
        *b *= unit;
    }
    align(simd, analysis, state, vectors);
    let p = &mut state.values[analysis.kkt.p_base..][..analysis.stored_p.len()];
    for &entry in p.iter() {
        of_p = of_p.max_abs(entry);
    }
    let unit = to_one(of_p);
    for number in p.iter_mut().chain(state.q.iter_mut()) {
        *number *= unit;
    }
    state.cost_scale[0] = unit;
}

/// Chooses the units of x and s and of the objective. A solution has the size of b, or that of the
/// minimizer without constraints, or one between them: the unit of x is their geometric mean, or
/// the one of them that is not zero. The unit of the objective brings the larger of P and q to
/// order one.
#[inline(always)]
fn set_units<S: Simd>(simd: S, analysis: &Analysis, state: &mut State<'_, S>) {
    let mut of_p = V::splat(simd, 0.0);
    let p = analysis.kkt.p_base..analysis.kkt.p_base + analysis.stored_p.len();
    for &entry in &state.values[p.clone()] {
        of_p = of_p.max_abs(entry);
    }
    let c = set_vector_units(simd, state, of_p);
    for entry in &mut state.values[p] {
        *entry *= c;
    }
}

/// [`set_units`] of q, b and the scales, where the largest entry of P is `of_p`. Returns the factor
/// of P.
#[inline(always)]
pub(super) fn set_vector_units<S: Simd>(simd: S, state: &mut State<'_, S>, of_p: V<S>) -> V<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let (mut of_q, mut of_b) = (zero, zero);
    for &q in state.q.iter() {
        of_q = of_q.max_abs(q);
    }
    for &b in state.b.iter() {
        of_b = of_b.max_abs(is_removed(b).select(zero, b));
    }
    let has_minimizer = of_p.gt(zero) & of_q.gt(zero);
    let of_minimizer = has_minimizer.select(of_q / of_p, of_b);
    let of_b = of_b.gt(zero).select(of_b, of_minimizer);
    let mean = (within(of_b) * within(of_minimizer)).sqrt();
    let unit = of_b.gt(zero).select(nearest_power_of_two(mean), one);
    let per_unit = one / unit;
    let largest = of_p.max(of_q * per_unit);
    let c = to_one(largest);
    state.p_size[0] = c * of_p;
    for q in state.q.iter_mut() {
        *q *= c * per_unit;
    }
    for b in state.b.iter_mut() {
        *b = is_removed(*b).select(one, *b * per_unit);
    }
    for scale in state.x_scale.iter_mut() {
        *scale *= unit;
    }
    for scale in state.row_scale.iter_mut() {
        *scale *= per_unit;
    }
    // P^ = c D P D with the D before this.
    state.cost_scale[0] *= c * per_unit * per_unit;
    c
}

/// Replaces a norm by the factor that brings it to one half to two, and says whether any is not
/// one. `scale` is the factor so far, which the new one keeps within bounds.
#[inline(always)]
fn to_factor<S: Simd>(norm: &mut V<S>, scale: V<S>) -> bool {
    let (zero, one) = (norm.like(0.0), norm.like(1.0));
    let wanted = norm.inverse_root_power_of_two() * scale;
    let bounded = wanted.min(norm.like(LARGEST)).max(norm.like(1.0 / LARGEST));
    let factor = norm.gt(zero).select(bounded * scale.inverse_power_of_two(), one);
    *norm = factor;
    (factor.lt(one) | factor.gt(one)).any()
}
