//! How far points lie outside K and outside its dual, by the solver's own projections.

use pulp::Simd;

use super::units::Units;
use crate::cones::ConeProduct;
use crate::lanes::{Arena, Buffer, LaneTask, V, Width, dispatch};

/// The projection of s onto K, both in the caller's units: projected are numbers near one, since
/// the rows of a cone that is curved have one unit in common.
///
/// What is not finite must not come here.
pub(super) fn projected(cones: &ConeProduct, units: &Units, s: &[f64]) -> Vec<f64> {
    let scaled: Vec<f64> = s.iter().zip(&units.s).map(|(s, unit)| s / unit).collect();
    let projected = dispatch(Width::One, Project { cones, v: &scaled });
    projected.iter().zip(&units.s).map(|(s, unit)| s * unit).collect()
}

/// What of z is outside K*: its projection onto K* is `z + P_K(-z)` (Moreau 1962).
pub(super) fn outside_dual(cones: &ConeProduct, units: &Units, z: &[f64]) -> Vec<f64> {
    let scaled: Vec<f64> = z.iter().enumerate().map(|(i, z)| -z / units.z(i)).collect();
    let projected = dispatch(Width::One, Project { cones, v: &scaled });
    projected.iter().enumerate().map(|(i, outside)| outside * units.z(i)).collect()
}

/// The projection of v onto K, one sample in one lane.
struct Project<'a> {
    cones: &'a ConeProduct,
    v: &'a [f64],
}

impl LaneTask for Project<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<f64> {
        let Self { cones, v } = self;
        let m = v.len();
        let len = 2 * m + cones.projection_len() + cones.scratch_len();
        let mut memory = Buffer::zeros(len * V::<S>::LANES);
        let mut arena = Arena::new(simd, memory.as_mut_slice());
        let (given, s) = (arena.take(m), arena.take(m));
        let (data, scratch) = (arena.take(cones.projection_len()), arena.take(cones.scratch_len()));
        for (given, v) in given.iter_mut().zip(v) {
            *given = V::splat(simd, *v);
        }
        cones.projection(simd, given, V::splat(simd, 0.0), s, data, scratch);
        s.iter().map(|s| s.lane(0)).collect()
    }
}
