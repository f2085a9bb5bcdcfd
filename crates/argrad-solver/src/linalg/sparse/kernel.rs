//! Dense kernels on panels: columns of `height` numbers, rows contiguous.
//!
//! All are `#[inline(always)]` so that they are compiled with the instructions of their caller. An
//! entry is changed by one fused multiply-add after the other, in the order of the columns, so
//! results depend neither on the instructions nor on which of these kernels did the work.

use pulp::Simd;

use crate::lanes::{Number, Register, numbers};

/// Most columns eliminated before the columns behind them are updated.
pub(super) const BLOCK: usize = if cfg!(miri) { 8 } else { 96 };
/// Columns of a tile.
const TILE: usize = 4;
/// Multipliers of the columns of a tile, `[column of the block][column of the tile]`.
pub(super) type Multipliers<T> = [T; BLOCK * TILE];
/// Columns of a tile of a large product: two registers of rows and this many columns fill the 16
/// registers of AVX2, four and this many the 32 of AVX-512.
const WIDE_TILE: usize = 6;
/// Rows of a large product taken at a time. With [`BLOCK`] columns they stay in the second-level
/// cache.
pub(super) const ROWS: usize = 64;
/// Distance of their columns: with a power of two, columns would compete for places in the cache.
const ROWS_STRIDE: usize = ROWS + 8;

/// Signs by elimination step, and what is done to pivots that contradict them.
#[derive(Clone, Copy, Debug)]
pub(super) struct PivotRule<'a> {
    pub(super) signs: &'a [i8],
    pub(super) smallest: f64,
    pub(super) replacement: f64,
}

impl PivotRule<'_> {
    /// The pivot to divide by. A NaN is not replaced: it marks the factorization as failed.
    #[inline(always)]
    pub(super) fn apply<T: Number>(&self, step: usize, pivot: T, least: &mut f64) -> T {
        let sign = f64::from(self.signs[step]);
        let signed = sign * pivot.to_f64();
        if signed < *least || signed.is_nan() {
            *least = signed;
        }
        if signed < self.smallest { T::of(sign * self.replacement) } else { pivot }
    }
}

/// A panel in the factor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel<T> {
    pub(super) at: *mut T,
    pub(super) height: usize,
}

// SAFETY: a pointer into a factor; whoever shares a panel writes to disjoint rows only.
unsafe impl<T: Number> Send for Panel<T> {}
// SAFETY: as above.
unsafe impl<T: Number> Sync for Panel<T> {}

impl<T: Number> Panel<T> {
    /// # Safety
    /// (row, column) lies in the panel.
    #[inline(always)]
    pub(super) unsafe fn entry(self, row: usize, column: usize) -> *mut T {
        // SAFETY: in the panel, by the caller.
        unsafe { self.at.add(row + column * self.height) }
    }
}

/// Factors columns `first..last` of the panel in rows `first..end`: L below the diagonal, the
/// inverse of the pivots on it. `pivots[j]` is the pivot of column `first + j`.
///
/// # Safety
/// The panel has `last` columns, `last - first <= BLOCK`, and `last <= end <= height`.
#[inline(always)]
pub(super) unsafe fn factor_block<S: Simd, T: Number>(
    simd: S,
    panel: Panel<T>,
    (first, last, end): (usize, usize, usize),
    multipliers: &mut Multipliers<T>,
    pivots: &mut [T],
    mut pivot: impl FnMut(usize, T) -> T,
) {
    let mut k = first;
    while k < last {
        let columns = (last - k).min(TILE);
        // SAFETY: k + columns <= last; the tile reads columns first..k and writes k..k + columns.
        unsafe {
            pack(panel, (k, columns), first, &pivots[..k - first], tiles(multipliers));
            let depth = k - first;
            let tile = Tile {
                to: panel.entry(k, k),
                to_height: panel.height,
                from: panel.entry(k, first),
                from_height: panel.height,
                depth,
            };
            if depth > 0 {
                tile.subtract::<S, false>(simd, columns, columns, multipliers, &Corner::NONE);
            }
            let corner =
                factor_corner(panel, k, columns, &mut pivots[depth..], |t, d| pivot(k + t, d));
            let tile = tile.below(columns);
            tile.subtract::<S, true>(simd, end - k - columns, columns, multipliers, &corner);
        }
        k += columns;
    }
}

/// Completes [`factor_block`] in other rows, `rows.0..rows.1`.
///
/// # Safety
/// As for [`factor_block`], which was called for these columns; the rows lie below `last`.
#[inline(always)]
pub(super) unsafe fn solve_rows<S: Simd, T: Number>(
    simd: S,
    panel: Panel<T>,
    (first, last): (usize, usize),
    rows: (usize, usize),
    multipliers: &mut Multipliers<T>,
    pivots: &[T],
) {
    let mut k = first;
    while k < last {
        let columns = (last - k).min(TILE);
        // SAFETY: as in `factor_block`.
        unsafe {
            pack(panel, (k, columns), first, &pivots[..k - first], tiles(multipliers));
            let mut corner = Corner::NONE;
            for t in 0..columns {
                corner.inverse[t] = *panel.entry(k + t, k + t);
                for u in t + 1..columns {
                    corner.lower[t][u] = *panel.entry(k + u, k + t);
                }
            }
            Tile {
                to: panel.entry(rows.0, k),
                to_height: panel.height,
                from: panel.entry(rows.0, first),
                from_height: panel.height,
                depth: k - first,
            }
            .subtract::<S, true>(simd, rows.1 - rows.0, columns, multipliers, &corner);
        }
        k += columns;
    }
}

/// L D L' subtracted from the lower part of a matrix. The upper part is not kept.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, T> {
    /// Columns `block.0..block.1` of this panel are L, at most [`BLOCK`] of them.
    pub(super) panel: Panel<T>,
    pub(super) block: (usize, usize),
    /// D.
    pub(super) pivots: &'a [T],
    /// Rows of the panel that are columns of the product; its rows are these and all below.
    pub(super) columns: (usize, usize),
    /// The matrix, its entry on the diagonal of the first of these columns first.
    pub(super) to: Panel<T>,
}

impl<T: Number> Product<'_, T> {
    fn depth(&self) -> usize {
        self.block.1 - self.block.0
    }

    /// Fused multiply-adds, about.
    pub(super) fn work(&self) -> usize {
        let columns = self.columns.1 - self.columns.0;
        columns * (self.panel.height - self.columns.0 - columns / 2) * self.depth()
    }

    /// Subtracts all of it: for small products.
    ///
    /// # Safety
    /// The columns of the block lie in the panel, the rows and columns of the product in the
    /// matrix, and nobody else writes to either.
    #[inline(always)]
    pub(super) unsafe fn subtract<S: Simd>(&self, simd: S, multipliers: &mut Multipliers<T>) {
        let (first, last) = self.columns;
        for q in (first..last).step_by(TILE) {
            let columns = (last - q).min(TILE);
            let packed = tiles(multipliers);
            // SAFETY: by the caller; q + columns <= last.
            unsafe {
                pack(self.panel, (q, columns), self.block.0, self.pivots, packed);
                let tile = Tile {
                    to: self.to.entry(q - first, q - first),
                    to_height: self.to.height,
                    from: self.panel.entry(q, self.block.0),
                    from_height: self.panel.height,
                    depth: self.depth(),
                };
                let rows = self.panel.height - q;
                tile.subtract::<S, false>(simd, rows, columns, multipliers, &Corner::NONE);
            }
        }
    }

    /// Numbers that [`Self::pack`] writes for a product of `columns` columns.
    pub(super) fn packed_len(columns: usize, depth: usize) -> usize {
        columns.next_multiple_of(WIDE_TILE) * depth
    }

    /// Writes -D L' by tiles, each `[column of the block][column of the tile]`.
    ///
    /// # Safety
    /// The columns of the block lie in the panel and are not written meanwhile.
    pub(super) unsafe fn pack(&self, multipliers: &mut [T]) {
        let (first, last) = self.columns;
        let tiles = multipliers.chunks_exact_mut(WIDE_TILE * self.depth());
        for (row, tile) in (first..last).step_by(WIDE_TILE).zip(tiles) {
            let rows = (last - row).min(WIDE_TILE);
            // SAFETY: by the caller.
            unsafe {
                pack(
                    self.panel,
                    (row, rows),
                    self.block.0,
                    self.pivots,
                    tile.as_chunks_mut::<WIDE_TILE>().0,
                )
            }
        }
    }

    /// Subtracts rows `rows.0..rows.1` of the product, at most [`ROWS`].
    ///
    /// # Safety
    /// The columns of the block lie in the panel and are not written meanwhile; nobody else writes
    /// to these rows of the matrix; `multipliers` are packed.
    #[inline(always)]
    pub(super) unsafe fn subtract_rows<S: Simd>(
        &self,
        simd: S,
        rows: (usize, usize),
        multipliers: &[T],
    ) {
        let depth = self.depth();
        assert!(depth <= BLOCK && rows.1 - rows.0 <= ROWS && rows.1 <= self.panel.height);
        let mut left = [T::ZERO; ROWS_STRIDE * BLOCK];
        for (k, left) in left.chunks_exact_mut(ROWS_STRIDE).take(depth).enumerate() {
            // SAFETY: these rows of the panel, by the caller.
            let from = unsafe {
                let at = self.panel.entry(rows.0, self.block.0 + k).cast_const();
                std::slice::from_raw_parts(at, rows.1 - rows.0)
            };
            left[..from.len()].copy_from_slice(from);
        }
        let (first, last) = self.columns;
        for column in (first..last.min(rows.1)).step_by(WIDE_TILE) {
            let start = rows.0.max(column);
            let multipliers = &multipliers[(column - first) * depth..][..WIDE_TILE * depth];
            // SAFETY: rows from `start` on lie in the part packed and, by the caller, in the
            // matrix.
            unsafe {
                Tile {
                    to: self.to.entry(start - first, column - first),
                    to_height: self.to.height,
                    from: left.as_ptr().add(start - rows.0),
                    from_height: ROWS_STRIDE,
                    depth,
                }
                .subtract_wide(
                    simd,
                    rows.1 - start,
                    (last - column).min(WIDE_TILE),
                    multipliers,
                );
            }
        }
    }
}

/// Writes -L D of rows `row..row + rows`, columns from `first` on, one for each of `pivots`.
///
/// # Safety
/// These rows and columns lie in the panel.
#[inline(always)]
unsafe fn pack<T: Number, const TILE: usize>(
    panel: Panel<T>,
    (row, rows): (usize, usize),
    first: usize,
    pivots: &[T],
    packed: &mut [[T; TILE]],
) {
    for ((j, packed), &pivot) in packed[..pivots.len()].iter_mut().enumerate().zip(pivots) {
        // SAFETY: by the caller.
        unsafe {
            let entry = panel.entry(row, first + j);
            for (t, packed) in packed[..rows].iter_mut().enumerate() {
                *packed = -*entry.add(t) * pivot;
            }
        }
    }
}

#[inline(always)]
fn tiles<T>(multipliers: &mut Multipliers<T>) -> &mut [[T; TILE]] {
    multipliers.as_chunks_mut().0
}

/// Divides columns `0..width` of the panel, of which none has an entry in the row of another, by
/// their pivots: [`factor_block`] for such columns.
///
/// # Safety
/// The panel has `width` columns, one for each of `pivots`.
#[inline(always)]
pub(super) unsafe fn divide_columns<S: Simd, T: Number>(
    simd: S,
    panel: Panel<T>,
    pivots: &mut [T],
    mut pivot: impl FnMut(usize, T) -> T,
) {
    let width = pivots.len();
    for (column, place) in pivots.iter_mut().enumerate() {
        // SAFETY: by the caller.
        let (diagonal, below) = unsafe {
            let rows = panel.height - width;
            (
                &mut *panel.entry(column, column),
                std::slice::from_raw_parts_mut(panel.entry(width, column), rows),
            )
        };
        *place = pivot(column, *diagonal);
        *diagonal = T::ONE / *place;
        let inverse = T::splat(simd, *diagonal);
        let (head, tail) = T::registers_mut(simd, below);
        head.iter_mut().for_each(|entries| *entries *= inverse);
        let inverse = *diagonal;
        tail.iter_mut().for_each(|entry| *entry *= inverse);
    }
}

/// The triangle on the diagonal of a tile: L by columns, and the inverse pivots.
struct Corner<T> {
    lower: [[T; TILE]; TILE],
    inverse: [T; TILE],
}

impl<T: Number> Corner<T> {
    const NONE: Self = Self { lower: [[T::ZERO; TILE]; TILE], inverse: [T::ONE; TILE] };
}

/// # Safety
/// Rows and columns `k..k + columns` lie in the panel; `columns <= TILE`.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[inline(always)]
unsafe fn factor_corner<T: Number>(
    panel: Panel<T>,
    k: usize,
    columns: usize,
    pivots: &mut [T],
    mut pivot: impl FnMut(usize, T) -> T,
) -> Corner<T> {
    let mut corner = Corner::NONE;
    for t in 0..columns {
        // SAFETY: by the caller.
        unsafe {
            let diagonal = panel.entry(k + t, k + t);
            pivots[t] = pivot(t, *diagonal);
            let inverse = T::ONE / pivots[t];
            *diagonal = inverse;
            corner.inverse[t] = inverse;
            for u in t + 1..columns {
                let entry = panel.entry(k + u, k + t);
                let multiplier = *entry * inverse;
                for v in u..columns {
                    *panel.entry(k + v, k + u) -= multiplier * *panel.entry(k + v, k + t);
                }
                corner.lower[t][u] = multiplier;
            }
            for u in t + 1..columns {
                *panel.entry(k + u, k + t) = corner.lower[t][u];
            }
        }
    }
    corner
}

/// A few columns from which the product of others with multipliers is subtracted.
#[derive(Clone, Copy)]
struct Tile<T> {
    to: *mut T,
    to_height: usize,
    from: *const T,
    from_height: usize,
    /// Columns of `from`.
    depth: usize,
}

impl<T: Number> Tile<T> {
    /// # Safety
    /// There are `rows` more rows.
    #[inline(always)]
    unsafe fn below(mut self, rows: usize) -> Self {
        // SAFETY: by the caller.
        unsafe {
            self.to = self.to.add(rows);
            self.from = self.from.add(rows);
        }
        self
    }

    /// # Safety
    /// `rows` rows, `columns` of `to` and `depth` of `from` are there; they do not overlap.
    #[inline(always)]
    unsafe fn subtract<S: Simd, const FINISH: bool>(
        self,
        simd: S,
        rows: usize,
        columns: usize,
        multipliers: &Multipliers<T>,
        corner: &Corner<T>,
    ) {
        // SAFETY: by the caller.
        unsafe {
            match columns {
                1 => self.columns::<S, TILE, 1, FINISH>(simd, rows, multipliers, corner),
                2 => self.columns::<S, TILE, 2, FINISH>(simd, rows, multipliers, corner),
                3 => self.columns::<S, TILE, 3, FINISH>(simd, rows, multipliers, corner),
                _ => self.columns::<S, TILE, TILE, FINISH>(simd, rows, multipliers, corner),
            }
        }
    }

    /// [`Self::subtract`] for a tile of up to [`WIDE_TILE`] columns.
    ///
    /// # Safety
    /// As there; `multipliers` has [`WIDE_TILE`] numbers for each of `depth` columns.
    #[inline(always)]
    unsafe fn subtract_wide<S: Simd>(
        self,
        simd: S,
        rows: usize,
        columns: usize,
        multipliers: &[T],
    ) {
        const W: usize = WIDE_TILE;
        let corner = &Corner::NONE;
        // SAFETY: by the caller.
        unsafe {
            match columns {
                1 => self.columns::<S, W, 1, false>(simd, rows, multipliers, corner),
                2 => self.columns::<S, W, 2, false>(simd, rows, multipliers, corner),
                3 => self.columns::<S, W, 3, false>(simd, rows, multipliers, corner),
                4 => self.columns::<S, W, 4, false>(simd, rows, multipliers, corner),
                5 => self.columns::<S, W, 5, false>(simd, rows, multipliers, corner),
                _ => self.columns::<S, W, WIDE_TILE, false>(simd, rows, multipliers, corner),
            }
        }
    }

    /// `C` columns, with multipliers that are `STRIDE` apart.
    #[inline(always)]
    unsafe fn columns<S: Simd, const STRIDE: usize, const C: usize, const FINISH: bool>(
        self,
        simd: S,
        rows: usize,
        multipliers: &[T],
        corner: &Corner<T>,
    ) {
        debug_assert!(multipliers.len() >= self.depth * STRIDE);
        let lanes = numbers::<S, T>();
        let all = T::first(simd, lanes);
        // Of 32 registers.
        let is_wide = size_of::<T::Register<S>>() == 64;
        let mut row = 0;
        // SAFETY: rows `row..` up to the height of the piece are below `rows`.
        unsafe {
            if is_wide && C > 1 {
                while row + 4 * lanes <= rows {
                    let piece = self.below(row);
                    piece.piece::<S, STRIDE, C, 4, false, FINISH>(simd, all, multipliers, corner);
                    row += 4 * lanes;
                }
            }
            while row + 2 * lanes <= rows {
                let piece = self.below(row);
                piece.piece::<S, STRIDE, C, 2, false, FINISH>(simd, all, multipliers, corner);
                row += 2 * lanes;
            }
            while row < rows {
                let some = T::first(simd, (rows - row).min(lanes));
                let piece = self.below(row);
                piece.piece::<S, STRIDE, C, 1, true, FINISH>(simd, some, multipliers, corner);
                row += lanes;
            }
        }
    }

    /// `V` registers of rows, `C` columns.
    #[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
    #[inline(always)]
    unsafe fn piece<
        S: Simd,
        const STRIDE: usize,
        const C: usize,
        const V: usize,
        const MASKED: bool,
        const FINISH: bool,
    >(
        self,
        simd: S,
        first: T::First<S>,
        multipliers: &[T],
        corner: &Corner<T>,
    ) {
        let lanes = numbers::<S, T>();
        // SAFETY: the rows of the piece are there, by the caller; the mask leaves out the others.
        let load = |from: *const T| unsafe {
            if MASKED {
                T::load_first(simd, first, from)
            } else {
                from.cast::<T::Register<S>>().read_unaligned()
            }
        };
        // SAFETY: as above.
        let store = |to: *mut T, value: T::Register<S>| unsafe {
            if MASKED {
                T::store_first(simd, first, to, value);
            } else {
                to.cast::<T::Register<S>>().write_unaligned(value);
            }
        };
        // SAFETY: as above, and C and depth columns are there.
        unsafe {
            let mut sum = [[T::splat(simd, T::ZERO); V]; C];
            for c in 0..C {
                for v in 0..V {
                    sum[c][v] = load(self.to.add(c * self.to_height + v * lanes));
                }
            }
            let mut from = self.from;
            let mut multiplier = multipliers.as_ptr();
            for _ in 0..self.depth {
                let mut column = [T::splat(simd, T::ZERO); V];
                for v in 0..V {
                    column[v] = load(from.add(v * lanes));
                }
                for c in 0..C {
                    let by = T::splat(simd, *multiplier.add(c));
                    for v in 0..V {
                        sum[c][v] = column[v].fma(by, sum[c][v]);
                    }
                }
                // The last of these may leave the panel; it is not read.
                from = from.wrapping_add(self.from_height);
                multiplier = multiplier.wrapping_add(STRIDE);
            }
            if FINISH {
                for c in 0..C {
                    for u in c + 1..C {
                        let by = T::splat(simd, -corner.lower[c][u]);
                        for v in 0..V {
                            sum[u][v] = sum[c][v].fma(by, sum[u][v]);
                        }
                    }
                }
                for c in 0..C {
                    let by = T::splat(simd, corner.inverse[c]);
                    for v in 0..V {
                        sum[c][v] *= by;
                    }
                }
            }
            for c in 0..C {
                for v in 0..V {
                    store(self.to.add(c * self.to_height + v * lanes), sum[c][v]);
                }
            }
        }
    }
}
