//! Register tiles: the outer product of a panel with itself, subtracted where it belongs.
//!
//! C(i, j) -= sum over k of X(i, k) X(j, k) / d(k). The j side is scaled by 1/d and packed so that
//! a block of it stays in the first-level cache while all rows i pass by. Each entry is summed in
//! the order of k whatever the tile shape, so results do not depend on the instruction set.

use pulp::Simd;

use super::symbolic::{Supernode, Update};
use crate::lanes::Register;

/// Columns of the panel taken at a time; a block of the packed side is `DEPTH * COLUMNS` registers.
const DEPTH: usize = 36;
/// Columns of the result taken at a time.
const COLUMNS: usize = 18;
/// Registers of scratch.
pub(crate) const SCRATCH: usize = DEPTH * COLUMNS;

/// Subtracts the outer product of the panel of `node` from the later supernodes.
///
/// # Safety
/// `values` has all the addresses of the symbolic factorization that `node` is part of;
/// `inverse_pivots` has one entry for each column of `node`; `scratch` has [`SCRATCH`] entries.
#[inline(always)]
pub(crate) unsafe fn subtract_outer_product<S: Simd, T: Register<S>>(
    simd: S,
    node: &Supernode,
    values: *mut T,
    inverse_pivots: *const T,
    scratch: *mut T,
) {
    // SAFETY: the contract is handed on.
    unsafe {
        if node.width == 1 {
            subtract_outer_product_of_column(node, values, *inverse_pivots);
        } else if S::REGISTER_COUNT >= 32 {
            with_tile_width::<S, T, 6>(simd, node, values, inverse_pivots, scratch);
        } else {
            with_tile_width::<S, T, 3>(simd, node, values, inverse_pivots, scratch);
        }
    }
}

/// The same for one column, of which there is nothing to keep close, with the same bits.
///
/// # Safety
/// As for [`subtract_outer_product`].
#[inline(always)]
unsafe fn subtract_outer_product_of_column<S: Simd, T: Register<S>>(
    node: &Supernode,
    values: *mut T,
    inverse_pivot: T,
) {
    // SAFETY: panel and target addresses are below the length of `values`.
    unsafe {
        let panel = values.add(node.panel).cast_const();
        for update in &node.updates {
            for (j, &column) in (update.first..update.last).zip(&update.column_offset) {
                let factor = *panel.add(j) * inverse_pivot;
                let target = values.add(column as usize);
                for (i, &row) in (j..node.rows.len()).zip(&update.row_offset[j - update.first..]) {
                    let entry = target.add(row as usize);
                    *entry -= *panel.add(i) * factor;
                }
            }
        }
    }
}

/// # Safety
/// As for [`subtract_outer_product`].
#[inline(always)]
pub(super) unsafe fn with_tile_width<S: Simd, T: Register<S>, const NR: usize>(
    simd: S,
    node: &Supernode,
    values: *mut T,
    inverse_pivots: *const T,
    scratch: *mut T,
) {
    const { assert!(COLUMNS.is_multiple_of(NR)) };
    let rows = node.rows.len();
    let width = node.width;
    // SAFETY: panel addresses are below the length of `values`; `k0 + depth <= width`; packed
    // columns are at most COLUMNS, each of at most DEPTH registers.
    unsafe {
        let panel = values.add(node.panel).cast_const();
        // Chunks of nearly equal depth: a short last one would pay for the result and do little.
        let chunk = width.div_ceil(width.div_ceil(DEPTH).max(1));
        let mut k0 = 0;
        while k0 < width {
            let depth = chunk.min(width - k0);
            for update in &node.updates {
                let mut block = update.first;
                while block < update.last {
                    let block_end = (block + COLUMNS).min(update.last);
                    pack::<S, T, NR>(
                        simd,
                        panel.add(k0),
                        width,
                        depth,
                        inverse_pivots.add(k0),
                        block,
                        block_end,
                        scratch,
                    );
                    let mut i = block;
                    while i < rows {
                        let left = panel.add(i * width + k0);
                        let columns = (k0, depth);
                        let target = Target { node, update, values, i, block, block_end, columns };
                        let remaining = rows - i;
                        if remaining >= 4 {
                            target.row_of_tiles::<S, 4, NR>(simd, left, scratch);
                            i += 4;
                        } else if remaining >= 2 {
                            target.row_of_tiles::<S, 2, NR>(simd, left, scratch);
                            i += 2;
                        } else {
                            target.row_of_tiles::<S, 1, NR>(simd, left, scratch);
                            i += 1;
                        }
                    }
                    block = block_end;
                }
            }
            k0 += depth;
        }
    }
}

/// Packs columns `first..last` of the result: scratch[tile][k][c] = X(first + tile NR + c, k) /
/// d(k), zero past the last column.
#[expect(clippy::too_many_arguments, reason = "the operands of a kernel")]
#[inline(always)]
unsafe fn pack<S: Simd, T: Register<S>, const NR: usize>(
    simd: S,
    panel: *const T,
    width: usize,
    depth: usize,
    inverse_pivots: *const T,
    first: usize,
    last: usize,
    scratch: *mut T,
) {
    let mut column = first;
    let mut tile = scratch;
    while column < last {
        for c in 0..NR {
            // SAFETY: rows below `last` are inside the panel; the tile has NR * depth registers.
            unsafe {
                if column + c < last {
                    let row = panel.add((column + c) * width);
                    for k in 0..depth {
                        *tile.add(k * NR + c) = *row.add(k) * *inverse_pivots.add(k);
                    }
                } else {
                    for k in 0..depth {
                        *tile.add(k * NR + c) = T::splat(simd, 0.0);
                    }
                }
            }
        }
        column += NR;
        // SAFETY: stays within, or one past, the scratch.
        tile = unsafe { tile.add(NR * depth) };
    }
}

/// Where a row of tiles is subtracted: rows from `i`, columns `block..block_end`.
struct Target<'a, T> {
    node: &'a Supernode,
    update: &'a Update,
    values: *mut T,
    i: usize,
    block: usize,
    block_end: usize,
    /// The columns of the panel that are multiplied: the first, and how many.
    columns: (usize, usize),
}

impl<T> Target<'_, T> {
    #[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
    #[inline(always)]
    unsafe fn row_of_tiles<S: Simd, const MR: usize, const NR: usize>(
        &self,
        simd: S,
        left: *const T,
        packed: *const T,
    ) where
        T: Register<S>,
    {
        let Self { node, update, i, columns: (k0, depth), .. } = *self;
        // What is before the first entries of the rows is zero.
        let begin = node.begin(i, i + MR);
        let mut row_offset = [0usize; MR];
        for (r, offset) in row_offset.iter_mut().enumerate() {
            *offset = update.row_offset[i + r - update.first] as usize;
        }
        let mut j = self.block;
        let mut right = packed;
        while j < self.block_end && j < i + MR {
            let begin = begin.max(node.begin(j, (j + NR).min(self.block_end)));
            let skipped = begin.saturating_sub(k0).min(depth);
            // SAFETY: MR rows of the panel from `left`, one packed tile from `right`; the target
            // addresses come from the symbolic factorization.
            unsafe {
                let (left, right_begin) = (left.add(skipped), right.add(skipped * NR));
                let sums =
                    product::<S, T, MR, NR>(simd, left, node.width, right_begin, depth - skipped);
                let columns = &update.column_offset[j - update.first..];
                if i + 1 >= j + NR && self.block_end - j >= NR {
                    for c in 0..NR {
                        let column = self.values.add(*columns.get_unchecked(c) as usize);
                        for r in 0..MR {
                            let entry = column.add(row_offset[r]);
                            *entry -= sums[r][c];
                        }
                    }
                } else {
                    for c in 0..NR.min(self.block_end - j) {
                        let column = self.values.add(columns[c] as usize);
                        for r in 0..MR {
                            if i + r >= j + c {
                                let entry = column.add(row_offset[r]);
                                *entry -= sums[r][c];
                            }
                        }
                    }
                }
                j += NR;
                right = right.add(NR * depth);
            }
        }
    }
}

/// MR x NR dot products of rows of `left` (stride `width`) with a packed tile.
#[inline(always)]
unsafe fn product<S: Simd, T: Register<S>, const MR: usize, const NR: usize>(
    simd: S,
    left: *const T,
    width: usize,
    right: *const T,
    depth: usize,
) -> [[T; NR]; MR] {
    let mut sums = [[T::splat(simd, 0.0); NR]; MR];
    for k in 0..depth {
        // SAFETY: `left` has MR rows of at least `depth` registers, `right` NR * depth.
        unsafe {
            let mut factors = [T::splat(simd, 0.0); NR];
            for (c, factor) in factors.iter_mut().enumerate() {
                *factor = *right.add(k * NR + c);
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let entry = *left.add(r * width + k);
                for (sum, factor) in sums.iter_mut().zip(factors) {
                    *sum = entry.fma(factor, *sum);
                }
            }
        }
    }
    sums
}
