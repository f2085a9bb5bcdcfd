//! Loading of samples into lanes, and Ruiz equilibration by powers of two.
//!
//! With x = D x^, s = E^-1 s^, z = E z^ / c the scaled program has P^ = c D P D, q^ = c D q,
//! A^ = E A D, b^ = E b. All factors are powers of two, so scaling rounds nothing: the scaled
//! program is the given program exactly.

use pulp::Simd;

use crate::lanes::{Kernel, MOST_LANES, V, call};
use crate::program::{Slot, Values};
use crate::system::analysis::Analysis;
use crate::system::memory::State;

/// Most passes of the equilibration; it stops when no norm is off by more than a factor of two.
const PASSES: usize = 12;
/// A right-hand side of a nonnegative row from here on is no constraint: files write 1e20, or a
/// little less, for infinity. It is 1e19 in single precision, a little below 1e19, so that the same
/// number is infinite in both.
pub(crate) const INFINITE: f64 = 1e19_f32 as f64;
/// Largest factor, and reciprocal of the smallest.
const LARGEST: f64 = 1_048_576.0;

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
        let (p_len, a_len) = (analysis.structure.p.nnz(), analysis.structure.a.nnz());
        let p = &mut state.values[analysis.kkt.p_base..][..analysis.stored_p.len()];
        let places = analysis.stored_p.iter().map(|entry| entry.source).zip(0..);
        interleave(simd, values.p, p_len, samples, places, p);
        interleave(simd, values.q, analysis.n(), samples, (0..).zip(0..analysis.n()), state.q);
        interleave(simd, values.b, analysis.m(), samples, (0..).zip(0..analysis.m()), state.b);
        let addresses = analysis.kkt.a_address.iter().map(|&address| address as usize);
        let places = analysis.stored_a.iter().map(|entry| entry.source).zip(addresses);
        interleave(simd, values.a, a_len, samples, places, state.values);
        remove_infinite_rows(simd, analysis, state);
    }
}

/// A row with infinite b is no constraint: 0 x <= 1 has the same solutions and stays finite.
#[inline(always)]
fn remove_infinite_rows<S: Simd>(simd: S, analysis: &Analysis, state: &mut State<'_, S>) {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let infinite = V::splat(simd, INFINITE);
    let mut any = zero;
    for (&b, &removable) in state.b.iter().zip(&analysis.removable) {
        any = if removable { any.max(b) } else { any };
    }
    if !any.ge(infinite).any() {
        return;
    }
    let removed = |row: usize, b: V<S>| if analysis.removable[row] { b } else { zero }.ge(infinite);
    for (stored, &address) in analysis.stored_a.iter().zip(&analysis.kkt.a_address) {
        let (row, entry) = (stored.row as usize, &mut state.values[address as usize]);
        *entry = removed(row, state.b[row]).select(zero, *entry);
    }
    for (row, b) in state.b.iter_mut().enumerate() {
        *b = removed(row, *b).select(one, *b);
    }
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
/// one. `norms` is scratch of n and m entries.
#[inline(always)]
pub(crate) fn equilibrate<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    norms: (&mut [V<S>], &mut [V<S>]),
) {
    call(simd, Equilibrate { simd, analysis, state, norms });
}

struct Equilibrate<'a, 'b, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'b, S>,
    norms: (&'a mut [V<S>], &'a mut [V<S>]),
}

impl<S: Simd> Kernel for Equilibrate<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, analysis, state, norms: (column, row) } = self;
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let p_base = analysis.kkt.p_base;
        let p_len = analysis.stored_p.len();
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
        // The cost scale brings the objective to order one.
        let mut largest = zero;
        for &q in state.q.iter() {
            largest = q.abs().max(largest);
        }
        let p = &mut state.values[p_base..p_base + p_len];
        for entry in p.iter() {
            largest = entry.abs().max(largest);
        }
        let c = largest.gt(zero).select(nearest_power_of_two(one / largest), one);
        state.cost_scale[0] = c;
        for entry in p.iter_mut().chain(state.q.iter_mut()) {
            *entry *= c;
        }
    }
}

/// Multiplies the program by the factors of this pass and accumulates them.
#[inline(always)]
fn apply<S: Simd>(analysis: &Analysis, state: &mut State<'_, S>, column: &[V<S>], row: &[V<S>]) {
    analysis.kkt.products.scale(state.values, column, row);
    for (j, &factor) in column.iter().enumerate() {
        state.q[j] *= factor;
        state.x_scale[j] *= factor;
    }
    for (i, &factor) in row.iter().enumerate() {
        state.b[i] *= factor;
        state.row_scale[i] *= factor;
    }
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

/// The power of two nearest to a positive number, in the logarithm.
#[inline(always)]
fn nearest_power_of_two<S: Simd>(value: V<S>) -> V<S> {
    (value * value.like(std::f64::consts::SQRT_2)).floor_power_of_two()
}
