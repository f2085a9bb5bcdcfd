//! Products of dense matrices, in tiles of registers.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// Rows and registers of a tile.
const ROWS: usize = 4;
const REGISTERS: usize = 3;

/// Terms of an entry that are added at once, so that what is packed stays in the nearest cache.
const DEPTH: usize = 128;

/// A matrix: entry (r, c) is `values[r * row + c * column]`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    values: &'a [f64],
    row: usize,
    column: usize,
}

impl<'a> View<'a> {
    /// Of row-major numbers with so many columns.
    pub(super) fn new(values: &'a [f64], cols: usize) -> Self {
        Self { values, row: cols, column: 1 }
    }

    pub(super) fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }

    #[inline(always)]
    fn at(&self, r: usize, c: usize) -> f64 {
        self.values[r * self.row + c * self.column]
    }

    /// Writes some rows, `ROWS` at most, from column `first` on: column by column.
    #[inline(always)]
    fn pack_rows(&self, rows: Range<usize>, first: usize, out: &mut [f64]) {
        let count = out.len() / ROWS;
        for (r, row) in rows.enumerate() {
            for k in 0..count {
                out[k * ROWS + r] = self.at(row, first + k);
            }
        }
    }

    /// Writes some columns from row `first` on: row by row, each `strip` numbers long.
    #[inline(always)]
    fn pack_columns(&self, columns: Range<usize>, first: usize, strip: usize, out: &mut [f64]) {
        let count = out.len() / strip;
        if self.column == 1 {
            for k in 0..count {
                let from = (first + k) * self.row;
                let own = &self.values[from + columns.start..from + columns.end];
                out[k * strip..][..own.len()].copy_from_slice(own);
            }
            return;
        }
        for (at, column) in columns.enumerate() {
            for k in 0..count {
                out[k * strip + at] = self.at(first + k, column);
            }
        }
    }
}

/// Where a product goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of it, row-major.
    Whole,
    /// The lower triangle, row by row.
    Lower,
}

/// Adds `A B` to `out`, row-major; `inner` is the common dimension, `cols` that of the result.
pub(super) fn add_product(a: View<'_>, b: View<'_>, inner: usize, cols: usize, out: &mut [f64]) {
    if inner == 0 || cols == 0 {
        return;
    }
    let rows = out.len() / cols;
    Arch::new().dispatch(Product { a, b, sizes: [rows, inner, cols], part: Part::Whole, out });
}

/// Adds the lower triangle of `A B`, of n rows and columns, to `out`, row by row: entry (i, j) at
/// `i (i + 1) / 2 + j`.
pub(super) fn add_lower_product(a: View<'_>, b: View<'_>, inner: usize, n: usize, out: &mut [f64]) {
    if inner == 0 || n == 0 {
        return;
    }
    Arch::new().dispatch(Product { a, b, sizes: [n, inner, n], part: Part::Lower, out });
}

/// The terms of an entry are added one after the other, and all are fused, so that all instruction
/// sets give the same bits.
struct Product<'a> {
    a: View<'a>,
    b: View<'a>,
    /// Rows, common dimension, columns.
    sizes: [usize; 3],
    part: Part,
    out: &'a mut [f64],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [rows, inner, cols] = self.sizes;
        if rows < ROWS && self.b.column == 1 && self.part == Part::Whole {
            return self.few_rows(simd);
        }
        let Self { a, b, part, out, .. } = self;
        let strip = REGISTERS * S::F64_LANES;
        let depth = inner.min(DEPTH);
        let mut packed_a = vec![0.0; rows.next_multiple_of(ROWS) * depth];
        let mut packed_b = vec![0.0; strip * depth];
        for first in (0..inner).step_by(DEPTH) {
            let count = DEPTH.min(inner - first);
            for top in (0..rows).step_by(ROWS) {
                let own = &mut packed_a[top * depth..][..ROWS * count];
                a.pack_rows(top..rows.min(top + ROWS), first, own);
            }
            for left in (0..cols).step_by(strip) {
                let width = strip.min(cols - left);
                b.pack_columns(left..left + width, first, strip, &mut packed_b[..strip * count]);
                let skipped = if part == Part::Lower { left / ROWS * ROWS } else { 0 };
                for top in (skipped..rows).step_by(ROWS) {
                    let tile = Tile { top, left, width, rows, cols, part };
                    let a = &packed_a[top * depth..][..ROWS * count];
                    let b = &packed_b[..strip * count];
                    match width.div_ceil(S::F64_LANES) {
                        1 => tile.add::<S, 1>(simd, a, b, out),
                        2 => tile.add::<S, 2>(simd, a, b, out),
                        _ => tile.add::<S, REGISTERS>(simd, a, b, out),
                    }
                }
            }
        }
    }
}

impl Product<'_> {
    /// A row after the other, where packing would take as long as the product; B row-major.
    #[inline(always)]
    fn few_rows<S: Simd>(self, simd: S) {
        let Self { a, b, sizes: [_, inner, cols], out, .. } = self;
        for (row, out) in out.chunks_exact_mut(cols).enumerate() {
            for left in (0..cols).step_by(S::F64_LANES) {
                let width = S::F64_LANES.min(cols - left);
                let mut sum = simd.partial_load_f64s(&out[left..left + width]);
                for k in 0..inner {
                    let at = k * b.row + left;
                    let b = simd.partial_load_f64s(&b.values[at..at + width]);
                    sum = simd.mul_add_f64s(simd.splat_f64s(a.at(row, k)), b, sum);
                }
                simd.partial_store_f64s(&mut out[left..left + width], sum);
            }
        }
    }
}

/// Some rows of some columns of a product.
struct Tile {
    top: usize,
    left: usize,
    width: usize,
    rows: usize,
    cols: usize,
    part: Part,
}

impl Tile {
    /// The entries of a row of the tile in register `register` of its columns.
    #[inline(always)]
    fn range<S: Simd>(&self, row: usize, register: usize) -> Range<usize> {
        let row = self.top + row;
        if row >= self.rows {
            return 0..0;
        }
        let (start, end) = match self.part {
            Part::Whole => (row * self.cols, self.left + self.width),
            Part::Lower => (row * (row + 1) / 2, (self.left + self.width).min(row + 1)),
        };
        let first = self.left + register * S::F64_LANES;
        let last = end.min(first + S::F64_LANES).max(first);
        start + first..start + last
    }

    /// Adds the product of packed rows and columns, in `R` registers of columns.
    #[inline(always)]
    fn add<S: Simd, const R: usize>(&self, simd: S, a: &[f64], b: &[f64], out: &mut [f64]) {
        let ranges: [[Range<usize>; R]; ROWS] =
            std::array::from_fn(|row| std::array::from_fn(|r| self.range::<S>(row, r)));
        let zeros = [simd.splat_f64s(0.0); R];
        let mut sums: [[S::f64s; R]; ROWS] = std::array::from_fn(|row| {
            std::array::from_fn(|r| {
                let range = ranges[row][r].clone();
                simd.partial_load_f64s(out.get(range).unwrap_or_default())
            })
        });
        let (b, _) = S::as_simd_f64s(b);
        let (a, _) = a.as_chunks::<ROWS>();
        // By index, so that the sums stay in registers.
        for (k, a) in a.iter().enumerate() {
            let b: &[S::f64s; R] = b[k * REGISTERS..].first_chunk().unwrap_or(&zeros);
            for row in 0..ROWS {
                let a = simd.splat_f64s(a[row]);
                for r in 0..R {
                    sums[row][r] = simd.mul_add_f64s(a, b[r], sums[row][r]);
                }
            }
        }
        for (ranges, sums) in ranges.into_iter().zip(sums) {
            for (range, sum) in ranges.into_iter().zip(sums) {
                if !range.is_empty() {
                    simd.partial_store_f64s(&mut out[range], sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar, WithSimd};

    use super::{Part, Product, View, add_lower_product, add_product};

    /// Bit for bit, and so whatever the instruction set: the terms one after the other.
    #[test]
    fn products_are_the_fused_sums_of_their_terms() {
        let numbers = |len: usize, phase: f64| -> Vec<f64> {
            (0..len).map(|k| (1.7 * k as f64 + phase).sin()).collect()
        };
        for (rows, inner, cols) in [
            (1, 1, 1),
            (8, 3, 8),
            (9, 1, 17),
            (3, 20, 5),
            (16, 7, 33),
            (5, 300, 26),
            (30, 129, 30),
            (0, 2, 3),
            (2, 0, 3),
        ] {
            let (a, b) = (numbers(rows * inner, 0.1), numbers(inner * cols, 0.2));
            let start = numbers(rows * cols, 0.3);
            let entry = |r: usize, c: usize, start: f64| {
                (0..inner).fold(start, |sum, k| a[r * inner + k].mul_add(b[k * cols + c], sum))
            };
            let (mut other_a, mut other_b) = (vec![0.0; a.len()], vec![0.0; b.len()]);
            (0..a.len()).for_each(|k| other_a[k % inner * rows + k / inner] = a[k]);
            (0..b.len()).for_each(|k| other_b[k % cols * inner + k / cols] = b[k]);
            let expected: Vec<f64> =
                (0..start.len()).map(|k| entry(k / cols, k % cols, start[k])).collect();
            let of_a = [View::new(&a, inner), View::new(&other_a, rows).transposed()];
            let of_b = [View::new(&b, cols), View::new(&other_b, inner).transposed()];
            for (a, b) in of_a.into_iter().flat_map(|a| of_b.map(|b| (a, b))) {
                let mut out = start.clone();
                add_product(a, b, inner, cols, &mut out);
                assert_eq!(out, expected, "{rows} x {inner} x {cols}");
                // The same without vector instructions.
                let (sizes, part) = ([rows, inner, cols], Part::Whole);
                let mut out = start.clone();
                Product { a, b, sizes, part, out: &mut out }.with_simd(Scalar::new());
                assert_eq!(out, expected, "{rows} x {inner} x {cols}, scalar");
                if rows == cols {
                    let mut out = numbers(rows * (rows + 1) / 2, 0.4);
                    let all = (0..rows).flat_map(|r| (0..=r).map(move |c| (r, c)));
                    let expected: Vec<f64> =
                        all.zip(&out).map(|((r, c), start)| entry(r, c, *start)).collect();
                    add_lower_product(a, b, inner, rows, &mut out);
                    assert_eq!(out, expected, "lower triangle of {rows} x {inner}");
                }
            }
        }
    }
}
