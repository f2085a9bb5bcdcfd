//! The starting point.

use pulp::Simd;

use super::Embedding;
use crate::cones::Point;
use crate::lanes::V;
use crate::system::analysis::Analysis;
use crate::system::kkt::Factored;
use crate::system::memory::{Iterate, StartVectors, State, Work};

/// Starting point: the least-squares-like solution of the program with the cones' identity blocks,
/// moved inside the cones (Clarabel section 4.1).
#[inline(always)]
pub(crate) fn start<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
) -> Embedding<S> {
    if analysis.cones.is_symmetric() {
        factor_at_unit(simd, analysis, state, work);
        if analysis.stored_p.is_empty() {
            solve_linear(simd, analysis, state, work);
        } else {
            solve_quadratic(simd, analysis, state, work);
        }
        let Iterate { s, z, .. } = &mut work.iterate;
        analysis.cones.shift_inside(simd, s, z, work.system.cones);
    } else {
        let Iterate { x, z, s } = &mut work.iterate;
        x.fill(V::splat(simd, 0.0));
        analysis.cones.unit(simd, s, z);
    }
    Embedding::new(simd)
}

/// Factors the system with H at the unit point; equality rows have no block.
#[inline(always)]
fn factor_at_unit<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
) {
    let Work { lengths, system, phase, .. } = work;
    let StartVectors { scaling, unit_s, unit_z, .. } = StartVectors::new(lengths, phase);
    analysis.cones.unit(simd, unit_s, unit_z);
    let one = V::splat(simd, 1.0);
    analysis.cones.scaling(simd, (unit_s, unit_z), one, scaling, system.cones);
    analysis.cones.write_scaling_block(simd, scaling, state.h);
    analysis.kkt.factor(
        simd,
        state.values,
        (Point::Scaling, state.h),
        Factored { inverse_pivots: state.inverse_pivots, scratch: system.factor },
    );
}

/// x, z and s = -z from one solve.
#[inline(always)]
fn solve_quadratic<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &State<'_, S>,
    work: &mut Work<'_, S>,
) {
    let Work { lengths, system, iterate: Iterate { x, z, s }, phase, .. } = work;
    let StartVectors { rhs_x, rhs_z, .. } = StartVectors::new(lengths, phase);
    load_right_hand_side(state, rhs_x, rhs_z);
    analysis.kkt.solve::<S, 1>(
        simd,
        state.values,
        state.inverse_pivots,
        [(rhs_x, rhs_z)],
        system.permuted,
        [(x, z)],
    );
    write_negative(s, z);
}

/// A linear objective: the smallest s for the constraints, the smallest z for the objective.
#[inline(always)]
fn solve_linear<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &State<'_, S>,
    work: &mut Work<'_, S>,
) {
    let Work { lengths, system, iterate: Iterate { x, z, s }, phase, .. } = work;
    let StartVectors { rhs_x, rhs_z, zero_x, zero_z, other_x, other_z, .. } =
        StartVectors::new(lengths, phase);
    load_right_hand_side(state, rhs_x, rhs_z);
    let zero = V::splat(simd, 0.0);
    zero_x.fill(zero);
    zero_z.fill(zero);
    analysis.kkt.solve::<S, 2>(
        simd,
        state.values,
        state.inverse_pivots,
        [(rhs_x, zero_z), (zero_x, rhs_z)],
        system.permuted,
        [(other_x, z), (x, other_z)],
    );
    write_negative(s, other_z);
}

/// (-q, b).
#[inline(always)]
fn load_right_hand_side<S: Simd>(state: &State<'_, S>, rhs_x: &mut [V<S>], rhs_z: &mut [V<S>]) {
    write_negative(rhs_x, state.q);
    rhs_z.copy_from_slice(state.b);
}

/// `out = -values`.
#[inline(always)]
fn write_negative<S: Simd>(out: &mut [V<S>], values: &[V<S>]) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = -value;
    }
}
