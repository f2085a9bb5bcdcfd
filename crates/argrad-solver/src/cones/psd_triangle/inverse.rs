//! The inverse of a block H of the cone, for rows that are eliminated by it: both blocks of the
//! cone are congruences in a basis G, up to a number for each pair of directions,
//!
//! ```text
//! H^-1 X = G (F .* (G' X G)) G',     F_ij = 1 / (h_ij + regularization)
//! ```
//!
//! with G = R^-T and h = 1 for the scaling H X = R (R' X R) R', and with G = U and the h of the
//! projection for its H X = U (h .* (U' X U)) U'. Nothing of the order of the square of the rows is
//! formed.

use pulp::Simd;

use crate::lanes::{Kernel, V, call};
use crate::linalg::dense::{
    Entries, congruence, scale_off_diagonals, set_both, triangle_index, triangle_len, unpack,
};

/// The parts of a block: matrices are row by row.
#[derive(Clone, Copy)]
pub(crate) struct InverseBlock<'a, S: Simd> {
    pub(crate) side: usize,
    /// G', one direction a row.
    pub(crate) directions: &'a [V<S>],
    /// G.
    pub(crate) basis: &'a [V<S>],
    /// h of each pair as the cone writes it, F as the system keeps it; upper triangle stacked by
    /// columns.
    pub(crate) pairs: &'a [V<S>],
}

impl<'a, S: Simd> InverseBlock<'a, S> {
    /// Cuts the registers of a block.
    #[inline(always)]
    pub(crate) fn of(side: usize, data: &'a [V<S>]) -> Self {
        let (directions, data) = data.split_at(side * side);
        let (basis, pairs) = data.split_at(side * side);
        Self { side, directions, basis, pairs }
    }

    /// `y = H^-1 x`, with F in place of h.
    #[inline(always)]
    pub(crate) fn apply(self, simd: S, x: &[V<S>], y: &mut [V<S>], scratch: &mut [V<S>]) {
        call(simd, Apply { simd, block: self, x, y, scratch });
    }
}

/// Registers of a block.
pub(crate) fn inverse_len(side: usize) -> usize {
    2 * side * side + triangle_len(side)
}

/// Registers of scratch that [`InverseBlock::apply`] needs.
pub(crate) fn apply_scratch_len(side: usize) -> usize {
    2 * side * side
}

struct Apply<'a, S: Simd> {
    simd: S,
    block: InverseBlock<'a, S>,
    x: &'a [V<S>],
    y: &'a mut [V<S>],
    scratch: &'a mut [V<S>],
}

impl<S: Simd> Kernel for Apply<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, block, x, y, scratch } = self;
        let InverseBlock { side, directions, basis, pairs } = block;
        let (m, scratch) = scratch.split_at_mut(side * side);
        let t = &mut scratch[..side * side];
        unpack(simd, side, x, m);
        congruence(simd, side, directions, m, t, (Entries::Triangle, y));
        for j in 0..side {
            for i in 0..=j {
                let at = triangle_index(i, j);
                set_both(side, m, (i, j), y[at] * pairs[at]);
            }
        }
        congruence(simd, side, basis, m, t, (Entries::Triangle, y));
        scale_off_diagonals(simd, side, y);
    }
}
