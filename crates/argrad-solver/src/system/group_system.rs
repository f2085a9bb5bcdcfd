//! The projection system of a lane group, whether its matrices are its own or those of the batch.

use pulp::Simd;

use crate::lanes::V;
use crate::system::analysis::Analysis;
use crate::system::shared::active;
use crate::system::shared::group::SharedGroup;

/// Products with P and A of a group, and solves with its last factor.
#[derive(Clone, Copy)]
pub(crate) struct GroupSystem<'a, S: Simd> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) values: &'a [V<S>],
    pub(crate) inverse_pivots: &'a [V<S>],
    /// Cone blocks of the factor.
    pub(crate) h: &'a [V<S>],
    /// The matrices of the batch, where they serve.
    pub(crate) shared: Option<SharedGroup<'a, S>>,
}

impl<S: Simd> GroupSystem<'_, S> {
    /// `px = P x`, `ax = A x`, `atz = A' z`.
    #[expect(clippy::type_complexity, reason = "as many vectors as products")]
    #[inline(always)]
    pub(crate) fn multiply(
        &self,
        simd: S,
        (x, z): (&[V<S>], &[V<S>]),
        (px, ax, atz): (&mut [V<S>], &mut [V<S>], &mut [V<S>]),
    ) {
        match self.shared {
            Some(shared) => shared.multiply(simd, x, z, px, ax, atz),
            None => {
                self.analysis.kkt.products.multiply(simd, self.values, x, z, px, ax, atz);
            }
        }
    }

    /// Solves for `R` right-hand sides, as [`Kkt::solve`]; `scratch` is the room that either way
    /// needs: for the permuted vectors, and with the factor over the active rows.
    ///
    /// [`Kkt::solve`]: crate::system::kkt::Kkt::solve
    #[expect(clippy::type_complexity, reason = "pairs of vectors over x and z")]
    #[inline(always)]
    pub(crate) fn solve<const R: usize>(
        &self,
        simd: S,
        rhs: [(&[V<S>], &[V<S>]); R],
        (permuted, active): (&mut [V<S>], &mut [V<S>]),
        out: [(&mut [V<S>], &mut [V<S>]); R],
    ) {
        let Self { analysis, values, inverse_pivots, h, shared } = *self;
        match shared {
            Some(shared) => active::solve(simd, shared, h, rhs, active, out),
            None => analysis.kkt.solve(simd, values, inverse_pivots, rhs, permuted, out),
        }
    }
}
