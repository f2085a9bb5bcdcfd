//! The check that P is positive semidefinite.

use std::ops::Range;

use pulp::Simd;

use crate::lanes::V;
use crate::linalg::Pivots;
use crate::program::{Error, Settings, Values};
use crate::system::analysis::Analysis;
use crate::system::memory::{ConvexityVectors, State, Work};

/// LDL' of the scaled P, every diagonal entry shifted by a share of the largest in its row, so that
/// variables of other units do not hide it: every pivot must be positive.
#[inline(always)]
pub(super) fn check_convexity<S: Simd>(
    simd: S,
    analysis: &Analysis,
    settings: &Settings,
    values: &Values<'_>,
    state: &State<'_, S>,
    work: &mut Work<'_, S>,
    samples: Range<usize>,
) -> Result<(), Error> {
    let zero = V::splat(simd, 0.0);
    let base = analysis.kkt.p_base;
    let p = &state.values[base..base + analysis.stored_p.len()];
    let convexity = &analysis.convexity;
    let ConvexityVectors { matrix, inverse_pivots: inverse } =
        ConvexityVectors::new(&work.lengths, work.phase);
    matrix.fill(zero);
    // The inverse pivots are not known yet.
    let largest = &mut *inverse;
    largest.fill(V::splat(simd, f64::MIN_POSITIVE));
    for (stored, &entry) in analysis.stored_p.iter().zip(p) {
        for index in [stored.row as usize, stored.col as usize] {
            largest[index] = largest[index].max_abs(entry);
        }
    }
    for (&address, &size) in analysis.convexity_diagonal.iter().zip(largest.iter()) {
        let shift = V::splat(simd, settings.convexity_tolerance) * size;
        matrix[address as usize] = shift.max(V::splat(simd, f64::MIN_POSITIVE));
    }
    for (&address, &entry) in analysis.convexity_address.iter().zip(p) {
        matrix[address as usize] += entry;
    }
    let mut least = zero;
    convexity.factor(
        simd,
        matrix,
        Pivots {
            signs: &analysis.plus,
            smallest: zero,
            replacement: V::splat(simd, 1.0),
            inverse,
            least: &mut least,
        },
        work.system.factor,
    );
    for (lane, sample) in samples.enumerate() {
        let pivot = least.lane(lane);
        if pivot <= 0.0 {
            let sample = (!values.p.is_shared()).then_some(sample);
            return Err(Error::NotConvex { argument: "P", sample, pivot });
        }
    }
    Ok(())
}
