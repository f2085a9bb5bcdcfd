//! The shared matrices in the units of a lane group.

use pulp::Simd;

use super::matrices::{SharedMatrices, Sharing};
use crate::lanes::V;

/// How a lane group sees what the batch shares.
#[derive(Clone, Copy)]
pub(crate) struct SharedGroup<'a, S: Simd> {
    pub(crate) simd: S,
    pub(crate) sharing: &'a Sharing,
    pub(crate) matrices: &'a SharedMatrices,
    /// c: the P of the lane's scaled program is c times the shared one. A power of two.
    pub(crate) cost: V<S>,
    /// One for each row, zero where `b = +inf` removes it.
    pub(crate) kept: &'a [V<S>],
}

/// The c of a lane group with these scales: P is scaled by `cost_scale x_scale^2`.
#[inline(always)]
pub(crate) fn relative_cost<S: Simd>(
    matrices: &SharedMatrices,
    x_scale: &[V<S>],
    cost_scale: V<S>,
) -> V<S> {
    let unit = x_scale[0] / x_scale[0].like(matrices.x_scale[0]);
    cost_scale * unit * unit / cost_scale.like(matrices.cost_scale)
}

impl<S: Simd> SharedGroup<'_, S> {
    /// `px = P x`, `ax = A x`, `atz = A' z` of each lane's scaled program.
    #[inline(always)]
    pub(crate) fn multiply(
        &self,
        simd: S,
        x: &[V<S>],
        z: &[V<S>],
        px: &mut [V<S>],
        ax: &mut [V<S>],
        atz: &mut [V<S>],
    ) {
        let SharedMatrices { p, a, a_transposed, .. } = self.matrices;
        let (x, _) = x.as_chunks::<1>();
        p.transpose_product(simd, x, px.as_chunks_mut().0);
        for px in px.iter_mut() {
            *px *= self.cost;
        }
        // The product with z needs a copy without the removed rows: `ax` has room until it is used.
        for ((copy, &z), &kept) in ax.iter_mut().zip(z).zip(self.kept) {
            *copy = z * kept;
        }
        a.transpose_product(simd, ax.as_chunks::<1>().0, atz.as_chunks_mut().0);
        a_transposed.transpose_product(simd, x, ax.as_chunks_mut().0);
        for (ax, &kept) in ax.iter_mut().zip(self.kept) {
            *ax *= kept;
        }
    }
}
