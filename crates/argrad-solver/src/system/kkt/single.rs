//! The system in single precision, for what a rough solution is enough for.

use std::ops::Range;

use pulp::Simd;

use super::{Factored, Kkt, SMALLEST_PIVOT};
use crate::lanes::{Register, Single};
use crate::linalg::Pivots;

impl Kkt {
    /// Multiplications of a factorization and of a solve in single precision, where there is one:
    /// with no rows eliminated beside it.
    pub(crate) fn single_operations(&self) -> Option<(usize, usize)> {
        let serves = self.has_factor() && self.schur.is_empty();
        serves.then(|| self.factorization.operations())
    }

    /// Addresses of A and P in the value buffer: what `values` of [`Self::factor_single`] must hold
    /// before.
    pub(crate) fn given_addresses(&self) -> [Range<usize>; 2] {
        [0..self.factorization.static_len(), self.factorization.len()..self.values_len]
    }

    /// Assembles and factors the system with cone blocks `h`, regularized by `regularization`.
    #[inline(always)]
    pub(crate) fn factor_single<S: Simd>(
        &self,
        simd: S,
        values: &mut [Single<S>],
        h: &[Single<S>],
        regularization: f64,
        workspace: Factored<'_, Single<S>>,
    ) {
        assert!(h.len() >= self.assembly.h_address.len() && values.len() == self.values_len);
        let regularization = Single::splat(simd, regularization);
        self.assemble(simd, values, h, [regularization; 2]);
        let pivots = Pivots {
            signs: &self.signs,
            smallest: Single::splat(simd, SMALLEST_PIVOT) * regularization,
            replacement: regularization,
            inverse: workspace.inverse_pivots,
            least: &mut Single::splat(simd, 0.0),
        };
        self.factorization.factor_single(simd, values, pivots, workspace.scratch);
    }

    /// `px = P x`, `ax = A x`, `atz = A' z`.
    #[expect(clippy::type_complexity, reason = "one pass writes three vectors")]
    #[inline(always)]
    pub(crate) fn multiply_single<S: Simd>(
        &self,
        simd: S,
        values: &[Single<S>],
        (x, z): (&[Single<S>], &[Single<S>]),
        (px, ax, atz): (&mut [Single<S>], &mut [Single<S>], &mut [Single<S>]),
    ) {
        self.products.multiply(simd, values, x, z, px, ax, atz);
    }

    /// Solves the factored system for the right-hand side in `x` and `z`, in place.
    #[inline(always)]
    pub(crate) fn solve_single<S: Simd>(
        &self,
        simd: S,
        values: &[Single<S>],
        inverse_pivots: &[Single<S>],
        permuted: &mut [Single<S>],
        (x, z): (&mut [Single<S>], &mut [Single<S>]),
    ) {
        let (work, _) = permuted[..self.step.len()].as_chunks_mut::<1>();
        let (of_x, of_z) = self.step.split_at(self.n);
        for (&step, &x) in of_x.iter().zip(x.iter()).chain(of_z.iter().zip(z.iter())) {
            work[step as usize] = [x];
        }
        self.factorization.solve_single(simd, values, inverse_pivots, work);
        for (&step, x) in of_x.iter().zip(x).chain(of_z.iter().zip(z)) {
            [*x] = work[step as usize];
        }
    }
}
