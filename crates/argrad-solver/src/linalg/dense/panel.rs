//! Products of one large matrix at a time, with columns of the result in the lanes.
//!
//! Where a number type is one f64, vector registers would be idle. A few rows of B are copied to a
//! panel in which their entries for the same k lie side by side; a tile of the result, some rows
//! high and a panel wide, then stays in registers while k runs (Goto, van de Geijn: Anatomy of
//! high-performance matrix multiplication, 2008). Long sums go on from one panel to the next. Every
//! entry is one chain of fused multiply-adds in the order of k, as in [`super::matrix`]; so the
//! results have the same bits for registers of any width, and the same as those of that file.

use std::ops::Range;

use pulp::Simd;

use super::matrix::{Entries, Support, mirror_lower, triangle_len};
use crate::lanes::{Kernel, LaneTask, V, call, dispatch};
use crate::program::Instructions;

/// Registers side by side in a tile: with four rows, eight sums, which hide the latency of two
/// multiply-adds a cycle. With twelve, compilers run out of the 16 registers of AVX2.
const REGISTERS: usize = 2;
/// Terms that a panel holds: 16 kB with AVX2.
const DEPTH: usize = 256;
/// Below, copies are no gain.
const LEAST_SIDE: usize = 16;
/// Multiply-adds that are worth waking a thread.
const TERMS_A_THREAD: usize = 1 << 20;

/// Entries side by side.
pub(super) type Line<S> = [V<S>; REGISTERS];

/// Entries in a [`Line`].
#[inline(always)]
pub(super) fn width<S: Simd>() -> usize {
    REGISTERS * V::<S>::LANES
}

/// Whether [`row_products`] of this file is the faster one, for one lane.
#[inline(always)]
pub(super) fn is_worthwhile(rows: usize, columns: usize, len: usize) -> bool {
    rows >= LEAST_SIDE && columns >= LEAST_SIDE && len >= LEAST_SIDE
}

/// Does `task` in a function of its own, see [`call`].
#[inline(always)]
pub(super) fn call_task<S: Simd, T: LaneTask>(simd: S, task: T) -> T::Output {
    struct On<S, T>(S, T);
    impl<S: Simd, T: LaneTask> Kernel for On<S, T> {
        type Output = T::Output;
        #[inline(always)]
        fn run(self) -> T::Output {
            self.1.run(self.0)
        }
    }
    call(simd, On(simd, task))
}

/// Rows of a matrix, the beginnings of which are `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f64],
    pub(super) stride: usize,
    pub(super) count: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn row(self, row: usize, columns: Range<usize>) -> &'a [f64] {
        &self.values[row * self.stride..][columns]
    }

    /// The columns `columns` of H rows.
    #[inline(always)]
    pub(super) fn rows<const H: usize>(self, row: usize, columns: Range<usize>) -> [&'a [f64]; H] {
        let mut rows = [&self.values[..0]; H];
        for (r, place) in rows.iter_mut().enumerate() {
            *place = self.row(row + r, columns.clone());
        }
        rows
    }
}

/// `out = A B'`, as [`super::matrix::row_products`] makes it, by as many threads as that is worth:
/// each makes some of the rows.
pub(super) fn row_products(
    len: usize,
    (a, support): (&[f64], Support),
    b: &[f64],
    (entries, out): (Entries, &mut [f64]),
) {
    let rows = |values| Rows { values, stride: len, count: values.len() / len };
    let (a, b) = (rows(a), rows(b));
    let (count, stride) = (a.count, b.count);
    let terms = count * stride * len / if entries == Entries::Full { 1 } else { 2 };
    let threads = rayon::current_num_threads().min(terms / TERMS_A_THREAD).max(1);
    {
        let out = &mut *out;
        RowProducts { len, a, rows: 0..count, support, b, entries, out, stride }.spread(threads);
    }
    if entries == Entries::Symmetric {
        mirror_lower(count, out);
    }
}

/// `out = A B'`; rows of A and B have `len` entries. Where the result is not [`Entries::Triangle`],
/// its rows are `stride` apart. Of a symmetric result the lower triangle is made.
pub(super) struct RowProducts<'a> {
    pub(super) len: usize,
    pub(super) a: Rows<'a>,
    /// The rows of A whose products are made, from a multiple of four on; they begin at the
    /// beginning of `out`.
    pub(super) rows: Range<usize>,
    pub(super) support: Support,
    pub(super) b: Rows<'a>,
    pub(super) entries: Entries,
    pub(super) out: &'a mut [f64],
    pub(super) stride: usize,
}

impl RowProducts<'_> {
    /// Where a row of the result begins in a matrix that has all of them.
    #[inline(always)]
    fn start_of(&self, row: usize) -> usize {
        if self.entries == Entries::Triangle { triangle_len(row) } else { row * self.stride }
    }

    /// Does the work on `threads` threads.
    fn spread(self, threads: usize) {
        let (first, last) = (self.rows.start, self.rows.end);
        // Rows of a triangle get longer.
        let middle = if self.entries == Entries::Full {
            first.midpoint(last)
        } else {
            (((first * first + last * last) / 2) as f64).sqrt() as usize
        };
        let middle = middle & !3;
        if threads < 2 || middle <= first {
            return dispatch(Instructions::Detect, self);
        }
        let place = self.start_of(middle) - self.start_of(first);
        let Self { len, a, support, b, entries, out, stride, .. } = self;
        let (above, below) = out.split_at_mut(place);
        let part = |rows, out| RowProducts { len, a, rows, support, b, entries, out, stride };
        rayon::join(
            || part(first..middle, above).spread(threads / 2),
            || part(middle..last, below).spread(threads - threads / 2),
        );
    }
}

impl LaneTask for RowProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let zero = V::splat(simd, 0.0);
        let mut panel = [[zero; REGISTERS]; DEPTH];
        let (rows, columns) = (self.rows.end, self.b.count);
        let columns = if self.entries == Entries::Full { columns } else { columns.min(rows) };
        let mut j = 0;
        while j < columns {
            let count = width::<S>().min(columns - j);
            // Tiles begin at multiples of four, as those of other widths do.
            let first = if self.entries == Entries::Full { 0 } else { j & !3 };
            let first = first.max(self.rows.start);
            let mut k = 0;
            while k < self.len {
                let depth = DEPTH.min(self.len - k);
                for c in 0..count {
                    let row = self.b.row(j + c, k..k + depth);
                    write_column::<S>(&mut panel[..depth], c, row);
                }
                let panel = &panel[..depth];
                let mut i = first;
                while i + 4 <= rows {
                    self.tile::<S, 4>(simd, i, (j, count), k, panel);
                    i += 4;
                }
                if i + 2 <= rows {
                    self.tile::<S, 2>(simd, i, (j, count), k, panel);
                    i += 2;
                }
                if i < rows {
                    self.tile::<S, 1>(simd, i, (j, count), k, panel);
                }
                k += depth;
            }
            j += count;
        }
    }
}

impl RowProducts<'_> {
    /// Adds the terms of a panel that begins with term k to the entries in the rows `i..i + H` and
    /// the columns `j..j + count`.
    #[inline(always)]
    fn tile<S: Simd, const H: usize>(
        &mut self,
        simd: S,
        i: usize,
        (j, count): (usize, usize),
        k: usize,
        panel: &[Line<S>],
    ) {
        let (start, end) = match self.support {
            Support::Full => (0, self.len),
            Support::Upper => (i, self.len),
            Support::Lower => (0, i + H),
        };
        let (start, end) = (start.max(k), end.min(k + panel.len()));
        if start >= end && k > 0 {
            return;
        }
        let end = end.max(start);
        let (mut places, mut wanted) = ([0; H], [0; H]);
        for r in 0..H {
            places[r] = self.start_of(i + r) - self.start_of(self.rows.start) + j;
            let full = self.entries == Entries::Full;
            wanted[r] = if full { count } else { count.min((i + r + 1).saturating_sub(j)) };
        }
        let mut sums = [[V::splat(simd, 0.0); REGISTERS]; H];
        if k > 0 {
            for r in 0..H {
                sums[r] = load(simd, &self.out[places[r]..][..wanted[r]]);
            }
        }
        if start < end {
            let rows = self.a.rows::<H>(i, start..end);
            sums = add_products(simd, rows, &panel[start - k..end - k], sums);
        }
        for r in 0..H {
            store(simd, sums[r], &mut self.out[places[r]..][..wanted[r]]);
        }
    }
}

/// `out -= A B` for the first `columns` columns; the terms come in the order of the rows of B.
pub(super) struct SubtractProduct<'a> {
    pub(super) a: Rows<'a>,
    pub(super) b: Rows<'a>,
    pub(super) columns: usize,
    pub(super) out: &'a mut [f64],
    pub(super) stride: usize,
}

impl LaneTask for SubtractProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { a, b, columns, out, stride } = self;
        let mut panel = [[V::splat(simd, 0.0); REGISTERS]; DEPTH];
        let mut j = 0;
        while j < columns {
            let count = width::<S>().min(columns - j);
            let mut k = 0;
            while k < b.count {
                let depth = DEPTH.min(b.count - k);
                for (at, line) in panel[..depth].iter_mut().enumerate() {
                    *line = negated(load(simd, b.row(k + at, j..j + count)));
                }
                let mut i = 0;
                while i + 4 <= a.count {
                    let rows = a.rows::<4>(i, k..k + depth);
                    add_to_tile(simd, rows, &panel[..depth], (out, stride), (i, j), [count; 4]);
                    i += 4;
                }
                while i < a.count {
                    let rows = a.rows::<1>(i, k..k + depth);
                    add_to_tile(simd, rows, &panel[..depth], (out, stride), (i, j), [count]);
                    i += 1;
                }
                k += depth;
            }
            j += count;
        }
    }
}

/// Adds the products of rows with a panel to a tile of `out`, of which row r has `wanted[r]`
/// entries.
#[inline(always)]
fn add_to_tile<S: Simd, const H: usize>(
    simd: S,
    rows: [&[f64]; H],
    panel: &[Line<S>],
    (out, stride): (&mut [f64], usize),
    (i, j): (usize, usize),
    wanted: [usize; H],
) {
    let mut sums = [[V::splat(simd, 0.0); REGISTERS]; H];
    for r in 0..H {
        sums[r] = load(simd, &out[(i + r) * stride + j..][..wanted[r]]);
    }
    let sums = add_products(simd, rows, panel, sums);
    for r in 0..H {
        store(simd, sums[r], &mut out[(i + r) * stride + j..][..wanted[r]]);
    }
}

/// `sums` and the products of H rows with a panel of as many lines as they have entries, in their
/// order.
#[inline(always)]
pub(super) fn add_products<S: Simd, const H: usize>(
    simd: S,
    rows: [&[f64]; H],
    panel: &[Line<S>],
    mut sums: [Line<S>; H],
) -> [Line<S>; H] {
    let depth = panel.len();
    let mut cut = rows;
    for r in 0..H {
        cut[r] = &rows[r][..depth];
    }
    for k in 0..depth {
        let line = panel[k];
        for r in 0..H {
            let a = V::splat(simd, cut[r][k]);
            for c in 0..REGISTERS {
                sums[r][c] = a.fma(line[c], sums[r][c]);
            }
        }
    }
    sums
}

/// Up to a line of numbers; zeros after them.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, values: &[f64]) -> Line<S> {
    let mut line = [V::splat(simd, 0.0); REGISTERS];
    if values.len() == width::<S>() {
        line.copy_from_slice(V::slice(simd, values));
        return line;
    }
    let mut partial = line;
    V::as_floats_mut(&mut partial)[..values.len()].copy_from_slice(values);
    partial
}

/// Writes as many numbers of a line as `out` has.
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, line: Line<S>, out: &mut [f64]) {
    if out.len() == width::<S>() {
        V::slice_mut(simd, out).copy_from_slice(&line);
        return;
    }
    let partial = line;
    out.copy_from_slice(&V::as_floats(&partial)[..out.len()]);
}

#[inline(always)]
pub(super) fn negated<S: Simd>(mut line: Line<S>) -> Line<S> {
    for x in &mut line {
        *x = -*x;
    }
    line
}

/// Writes the column `c` of a panel.
#[inline(always)]
pub(super) fn write_column<S: Simd>(panel: &mut [Line<S>], c: usize, values: &[f64]) {
    let width = width::<S>();
    let floats = V::as_floats_mut(panel.as_flattened_mut());
    for k in 0..values.len() {
        floats[k * width + c] = values[k];
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::super::matrix;
    use super::*;

    /// Numbers without pattern in (-1, 1).
    fn numbers(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|k| (seed + 1.7 * (k % 1009 * k) as f64 + k as f64).sin()).collect()
    }

    fn bits(x: &[f64]) -> Vec<u64> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    const SETS: [Instructions; 3] =
        [Instructions::Detect, Instructions::Avx2, Instructions::Scalar];

    /// Rows of A, rows of B, and their entries.
    const SHAPES: [(usize, usize, usize); 9] = [
        (16, 16, 16),
        (17, 19, 16),
        (18, 16, 23),
        (33, 33, 33),
        (30, 41, 300),
        (47, 47, 257),
        (64, 64, 64),
        (71, 71, 71),
        (102, 102, 102),
    ];

    /// The products of all rows, made by so many threads.
    fn on_threads(
        threads: usize,
        len: usize,
        (a, support): (&[f64], Support),
        b: &[f64],
        entries: Entries,
    ) -> Vec<f64> {
        let rows_of = |values: &'_ [f64]| values.len().checked_div(len).unwrap_or(0);
        let (count, stride) = (rows_of(a), rows_of(b));
        let triangle = entries == Entries::Triangle;
        let mut out = vec![f64::NAN; if triangle { triangle_len(count) } else { count * stride }];
        let a = Rows { values: a, stride: len, count };
        let b = Rows { values: b, stride: len, count: stride };
        let rows = 0..count;
        RowProducts { len, a, rows, support, b, entries, out: &mut out, stride }.spread(threads);
        if entries == Entries::Symmetric {
            mirror_lower(count, &mut out);
        }
        out
    }

    #[test]
    fn products_have_the_bits_of_single_chains_for_all_shapes_and_instructions() {
        for (rows, columns, len) in SHAPES {
            for support in [Support::Full, Support::Upper, Support::Lower] {
                let mut a = numbers(rows * len, 0.3);
                let b = numbers(columns * len, 0.8);
                for i in 0..rows {
                    for k in 0..len {
                        let outside = match support {
                            Support::Full => false,
                            Support::Upper => k < i,
                            Support::Lower => k > i,
                        };
                        if outside {
                            a[i * len + k] = 0.0;
                        }
                    }
                }
                if support != Support::Full && rows > len {
                    continue;
                }
                let mut full = vec![0.0; rows * columns];
                for (at, sum) in full.iter_mut().enumerate() {
                    for k in 0..len {
                        let (x, y) = (a[at / columns * len + k], b[at % columns * len + k]);
                        *sum = x.mul_add(y, *sum);
                    }
                }
                let mut expected = vec![(Entries::Full, full.clone())];
                if rows == columns {
                    let (mut symmetric, mut triangle) = (full.clone(), Vec::new());
                    for i in 0..rows {
                        for j in 0..=i {
                            symmetric[j * rows + i] = full[i * rows + j];
                            triangle.push(full[i * rows + j]);
                        }
                    }
                    expected.push((Entries::Symmetric, symmetric));
                    expected.push((Entries::Triangle, triangle));
                }
                for (entries, expected) in expected {
                    for set in SETS {
                        let mut out = vec![f64::NAN; expected.len()];
                        let rows_of = |values, count| Rows { values, stride: len, count };
                        let task = RowProducts {
                            len,
                            a: rows_of(&a, rows),
                            rows: 0..rows,
                            support,
                            b: rows_of(&b, columns),
                            entries,
                            out: &mut out,
                            stride: columns,
                        };
                        dispatch(set, task);
                        if entries == Entries::Symmetric {
                            mirror_lower(rows, &mut out);
                        }
                        assert_eq!(bits(&out), bits(&expected), "{rows} {columns} {len}");
                    }
                    for threads in [1, 2, 3, 7] {
                        let out = on_threads(threads, len, (&a, support), &b, entries);
                        assert_eq!(bits(&out), bits(&expected), "{threads} threads");
                    }
                    let mut out = vec![f64::NAN; expected.len()];
                    let factor = (V::slice(Scalar, &a), support);
                    let (b, out_lanes) = (V::slice(Scalar, &b), V::slice_mut(Scalar, &mut out));
                    matrix::row_products(Scalar, len, factor, b, (entries, out_lanes));
                    assert_eq!(bits(&out), bits(&expected));
                }
            }
        }
    }

    #[test]
    fn differences_have_the_bits_of_single_chains() {
        for (rows, columns, len) in [(1, 1, 1), (5, 37, 32), (50, 64, 3), (43, 29, 270)] {
            let (a, b) = (numbers(rows * len, 0.2), numbers(len * columns, 0.5));
            let c = numbers(rows * columns, 0.7);
            let mut expected = c.clone();
            for (at, x) in expected.iter_mut().enumerate() {
                for k in 0..len {
                    *x = (-a[at / columns * len + k]).mul_add(b[k * columns + at % columns], *x);
                }
            }
            for set in SETS {
                let mut out = c.clone();
                let a = Rows { values: &a, stride: len, count: rows };
                let b = Rows { values: &b, stride: columns, count: len };
                dispatch(set, SubtractProduct { a, b, columns, out: &mut out, stride: columns });
                assert_eq!(bits(&out), bits(&expected), "{rows} {columns} {len}");
            }
        }
    }
}
