//! The inverse of a block H of the cone, for rows that are eliminated by it: both blocks of the
//! cone are congruences in a basis G, up to a number for each pair of directions,
//!
//! ```text
//! H^-1 X = G (F .* (G' X G)) G',     F_ij = 1 / (h_ij + regularization)
//! ```
//!
//! with G = U and the h of the projection for its H X = U (h .* (U' X U)) U'; with G = R^-T and
//! F = 1 for the scaling H X = R (R' X R) R'. That is K X K with K = W^-1, but a product with K has
//! an error of the size of its largest entries in every direction; here it is as small as each
//! direction. Nothing of the order of the square of the rows is formed.

use pulp::Simd;

use crate::cones::Point;
use crate::lanes::{Kernel, V, call};
use crate::linalg::dense::{
    Entries, Support, row_products, scale_off_diagonals, set_both, transpose, triangle_index,
    triangle_len, unpack,
};

/// The parts of a block: matrices are row by row.
#[derive(Clone, Copy)]
pub(crate) struct InverseBlock<'a, S: Simd> {
    pub(crate) side: usize,
    pub(crate) point: Point,
    /// G', one direction a row.
    pub(crate) directions: &'a [V<S>],
    /// G.
    pub(crate) basis: &'a [V<S>],
    /// h of each pair as the cone writes it, F as the system keeps it; upper triangle stacked by
    /// columns.
    pub(crate) pairs: &'a [V<S>],
}

/// A symmetric matrix as a vector of the cone, and where it has entries.
#[derive(Clone, Copy)]
pub(crate) struct Argument<'a, S: Simd> {
    pub(crate) x: &'a [V<S>],
    /// The entries that may be other than zero, `(row, column)` with row <= column; `None` for all.
    pub(crate) entries: Option<&'a [(u32, u32)]>,
}

impl<'a, S: Simd> InverseBlock<'a, S> {
    /// Cuts the registers of a block.
    #[inline(always)]
    pub(crate) fn of(side: usize, point: Point, data: &'a [V<S>]) -> Self {
        let (directions, data) = data.split_at(side * side);
        let (basis, pairs) = data.split_at(side * side);
        Self { side, point, directions, basis, pairs }
    }

    /// `y = H^-1 x`, with F in place of h.
    #[inline(always)]
    pub(crate) fn apply(
        self,
        simd: S,
        argument: Argument<'_, S>,
        y: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        call(simd, Apply { simd, block: self, argument, y, scratch });
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
    argument: Argument<'a, S>,
    y: &'a mut [V<S>],
    scratch: &'a mut [V<S>],
}

impl<S: Simd> Kernel for Apply<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, block, argument, y, scratch } = self;
        let InverseBlock { side, point, directions, basis, pairs } = block;
        let (m, scratch) = scratch.split_at_mut(side * side);
        let t = &mut scratch[..side * side];
        match argument.entries {
            // M = G' X.
            None => {
                unpack(simd, side, argument.x, t);
                row_products(simd, side, (directions, Support::Full), t, (Entries::Full, m));
            }
            // X G has few rows; M is its transpose.
            Some(entries) => {
                multiply_sparse(simd, side, (argument.x, entries), basis, t);
                transpose(side, t, m);
            }
        }
        row_products(simd, side, (m, Support::Full), directions, (Entries::Triangle, y));
        for j in 0..side {
            for i in 0..=j {
                let at = triangle_index(i, j);
                let value = if point == Point::Scaling { y[at] } else { y[at] * pairs[at] };
                set_both(side, m, (i, j), value);
            }
        }
        row_products(simd, side, (basis, Support::Full), m, (Entries::Full, t));
        row_products(simd, side, (t, Support::Full), basis, (Entries::Triangle, y));
        scale_off_diagonals(simd, side, y);
    }
}

/// `out = X M` for a symmetric X with few entries, and the rows of M in `m`.
#[inline(always)]
fn multiply_sparse<S: Simd>(
    simd: S,
    side: usize,
    (x, entries): (&[V<S>], &[(u32, u32)]),
    m: &[V<S>],
    out: &mut [V<S>],
) {
    let half = V::splat(simd, std::f64::consts::FRAC_1_SQRT_2);
    out.fill(V::splat(simd, 0.0));
    for &(a, b) in entries {
        let (a, b) = (a as usize, b as usize);
        let value = x[triangle_index(a, b)];
        if a == b {
            add_row(value, &m[a * side..][..side], &mut out[a * side..][..side]);
        } else {
            add_row(half * value, &m[b * side..][..side], &mut out[a * side..][..side]);
            add_row(half * value, &m[a * side..][..side], &mut out[b * side..][..side]);
        }
    }
}

/// `out += value row`.
#[inline(always)]
pub(crate) fn add_row<S: Simd>(value: V<S>, row: &[V<S>], out: &mut [V<S>]) {
    for k in 0..out.len() {
        out[k] = value.fma(row[k], out[k]);
    }
}
