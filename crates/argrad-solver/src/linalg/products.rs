//! Products with P and A, in the storage of either engine.

use pulp::Simd;

use super::lanes::Blocks;
use super::sparse::SparseProducts;
use crate::lanes::{AsNumbers, V};

#[derive(Clone, Debug)]
pub(crate) enum Products {
    Blocks(Blocks),
    Sparse(Box<SparseProducts>),
}

impl Products {
    /// `px = P x`, `ax = A x`, `atz = A' z`.
    #[expect(clippy::too_many_arguments, reason = "one pass reads two vectors and writes three")]
    #[inline(always)]
    pub(crate) fn multiply<S: Simd, T: AsNumbers<S>>(
        &self,
        simd: S,
        values: &[T],
        x: &[T],
        z: &[T],
        px: &mut [T],
        ax: &mut [T],
        atz: &mut [T],
    ) {
        match self {
            Self::Blocks(blocks) => blocks.multiply(simd, values, x, z, px, ax, atz),
            Self::Sparse(sparse) => sparse.multiply(simd, values, x, z, px, ax, atz),
        }
    }

    /// Raises `column[j]`, `row[i]` to the largest absolute value of the entries of P (both
    /// triangles) and A in that column of the program and row of A.
    #[inline(always)]
    pub(crate) fn largest_entries<S: Simd>(
        &self,
        values: &[V<S>],
        column: &mut [V<S>],
        row: &mut [V<S>],
    ) {
        match self {
            Self::Blocks(blocks) => blocks.largest_entries(values, column, row),
            Self::Sparse(sparse) => sparse.largest_entries(values, column, row),
        }
    }

    /// P(i, j) *= column(i) column(j), A(i, j) *= row(i) column(j).
    #[inline(always)]
    pub(crate) fn scale<S: Simd>(&self, values: &mut [V<S>], column: &[V<S>], row: &[V<S>]) {
        match self {
            Self::Blocks(blocks) => blocks.scale(values, column, row),
            Self::Sparse(sparse) => sparse.scale(values, column, row),
        }
    }
}
