//! Scales: powers of two as factors, which round nothing.

use pulp::Simd;

use crate::lanes::{V, nearest_power};
use crate::system::analysis::Analysis;
use crate::system::memory::State;

/// Smallest unit, and reciprocal of the largest.
const SMALLEST_UNIT: f64 = 1e-60;
/// Largest exponent of a factor, and of its reciprocal.
const LARGEST_EXPONENT: f64 = 200.0;

/// The power of two that brings `size` near one; one for zero.
#[inline(always)]
pub(super) fn to_one<S: Simd>(size: V<S>) -> V<S> {
    let one = size.like(1.0);
    size.gt(size.like(0.0)).select(nearest_power_of_two(one / within(size)), one)
}

/// The power of two that brings a number of this exponent, which may be a fraction, near one.
#[inline(always)]
pub(super) fn to_one_by_exponent<S: Simd>(exponent: V<S>) -> V<S> {
    let most = exponent.like(LARGEST_EXPONENT);
    nearest_power(-(exponent.min(most).max(-most)))
}

/// `size`, or what is nearest to it among numbers whose powers are far from over- and underflow.
#[inline(always)]
pub(super) fn within<S: Simd>(size: V<S>) -> V<S> {
    size.min(size.like(1.0 / SMALLEST_UNIT)).max(size.like(SMALLEST_UNIT))
}

/// Multiplies the program by the factors of this pass and accumulates them.
#[inline(always)]
pub(super) fn apply<S: Simd>(
    analysis: &Analysis,
    state: &mut State<'_, S>,
    column: &[V<S>],
    row: &[V<S>],
) {
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

/// The power of two nearest to a positive number, in the logarithm.
#[inline(always)]
pub(super) fn nearest_power_of_two<S: Simd>(value: V<S>) -> V<S> {
    (value * value.like(std::f64::consts::SQRT_2)).floor_power_of_two()
}
