//! Programs whose matrices the batch shares: made once a call, loaded and scaled without them.

use pulp::Simd;

use super::equilibrate::{equilibrate, is_removed, load, load_vectors, set_vector_units};
use crate::lanes::{LaneTask, MOST_LANES, V, Width, dispatch};
use crate::linalg::dense::Table;
use crate::program::{Slot, Values};
use crate::system::analysis::Analysis;
use crate::system::memory::{EquilibrationVectors, State, Work};
use crate::system::shared::matrices::{ScaledProgram, SharedMatrices};

/// The matrices of a batch, where it shares P and A and they serve; with a state and scratch of
/// `width` as memory. Decided by the structure and by what is shared, never by the size of the
/// batch.
pub(crate) fn share(
    analysis: &Analysis,
    width: Width,
    values: &Values<'_>,
    (state, work): (&mut [f64], &mut [f64]),
) -> Option<SharedMatrices> {
    let sharing = analysis.sharing.as_ref()?;
    let (Slot::Shared(p), Slot::Shared(a)) = (values.p, values.a) else { return None };
    let program = dispatch(width, Scale { analysis, values, state, work });
    SharedMatrices::new(sharing, width, program, (p, a))
}

/// Scales P and A as the general way does with a q and b of zero.
struct Scale<'a> {
    analysis: &'a Analysis,
    values: &'a Values<'a>,
    state: &'a mut [f64],
    work: &'a mut [f64],
}

impl LaneTask for Scale<'_> {
    type Output = ScaledProgram;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> ScaledProgram {
        let Self { analysis, values, .. } = self;
        let (n, m) = (analysis.n(), analysis.m());
        let (q, b) = (vec![0.0; n], vec![0.0; m]);
        let values = Values { batch: 1, q: Slot::Shared(&q), b: Slot::Shared(&b), ..*values };
        let state = &mut State::new(simd, analysis, None, self.state, &mut []);
        let work = &mut Work::new(simd, analysis, self.work);
        load(simd, analysis, &values, &[0; MOST_LANES][..V::<S>::LANES], state);
        let vectors = EquilibrationVectors::new(&work.lengths, work.phase);
        equilibrate(simd, analysis, state, vectors);

        let (mut p, mut a) = (Table::zeros(n, n), Table::zeros(m, n));
        for (k, entry) in analysis.stored_p.iter().enumerate() {
            let (i, j) = (entry.row as usize, entry.col as usize);
            let value = state.values[analysis.kkt.p_base + k].lane(0);
            p.row_mut(i)[j] = value;
            p.row_mut(j)[i] = value;
        }
        for (entry, &address) in analysis.stored_a.iter().zip(&analysis.kkt.a_address) {
            let value = state.values[address as usize].lane(0);
            a.row_mut(entry.row as usize)[entry.col as usize] = value;
        }
        let numbers = |values: &[V<S>]| values.iter().map(|value| value.lane(0)).collect();
        ScaledProgram {
            p,
            a,
            x_scale: numbers(state.x_scale),
            row_scale: numbers(state.row_scale),
            cost_scale: state.cost_scale[0].lane(0),
        }
    }
}

/// Loads the programs of the samples `samples` (one per lane) into `state`, and scales them; with
/// the matrices that the batch shares, where `state` has them.
#[inline(always)]
pub(crate) fn load_program<S: Simd>(
    simd: S,
    analysis: &Analysis,
    values: &Values<'_>,
    samples: &[usize],
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
) {
    state.close.fill(V::splat(simd, 0.0));
    state.balance.fill(V::splat(simd, 1.0));
    if let Some(matrices) = state.shared {
        return load_shared(simd, analysis, matrices, values, samples, state);
    }
    load(simd, analysis, values, samples, state);
    let vectors = EquilibrationVectors::new(&work.lengths, work.phase);
    equilibrate(simd, analysis, state, vectors);
    analysis.kkt.write_static(state.values);
}

/// Writes q and b of the samples `samples` (one per lane) into `state`, scaled as the matrices are,
/// in the units of each sample.
#[inline(always)]
fn load_shared<S: Simd>(
    simd: S,
    analysis: &Analysis,
    matrices: &SharedMatrices,
    values: &Values<'_>,
    samples: &[usize],
    state: &mut State<'_, S>,
) {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    load_vectors(simd, analysis, values, samples, state);
    state.cost_scale.fill(V::splat(simd, matrices.cost_scale));
    for (j, &scale) in matrices.x_scale.iter().enumerate() {
        state.x_scale[j] = V::splat(simd, scale);
        state.q[j] *= V::splat(simd, scale * matrices.cost_scale);
    }
    for (i, &scale) in matrices.row_scale.iter().enumerate() {
        state.row_scale[i] = V::splat(simd, scale);
        state.b[i] *= V::splat(simd, scale);
        state.kept[i] = is_removed(state.b[i]).select(zero, one);
    }
    set_vector_units(simd, state, V::splat(simd, matrices.p_size));
}

/// Writes the matrices as those of every lane, for the general way.
#[inline(always)]
pub(super) fn write_general_values<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
) {
    let Some(matrices) = state.shared else { return };
    let cost = state.system(simd, analysis).shared.map_or(V::splat(simd, 1.0), |group| group.cost);
    let p = &mut state.values[analysis.kkt.p_base..];
    for (entry, value) in analysis.stored_p.iter().zip(p) {
        *value = cost * V::splat(simd, matrices.p.get(entry.row as usize, entry.col as usize));
    }
    for (entry, &address) in analysis.stored_a.iter().zip(&analysis.kkt.a_address) {
        let (row, column) = (entry.row as usize, entry.col as usize);
        state.values[address as usize] =
            state.kept[row] * V::splat(simd, matrices.a.get(row, column));
    }
    analysis.kkt.write_static(state.values);
}
