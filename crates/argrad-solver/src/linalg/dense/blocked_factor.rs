//! Cholesky factors and triangular solves of one large matrix at a time, in blocks of columns.
//!
//! Every entry takes the same steps in the same order as in [`super::matrix`], so it has the same
//! bits; but what a block subtracts from all entries behind it is subtracted in tiles of
//! [`super::panel`] (right-looking, as in Golub, Van Loan: Matrix computations, 4.2.6).

use pulp::Simd;

use super::panel::{
    Line, Rows, add_products, call_task, load, negated, store, width, write_column,
};
use crate::lanes::{LaneTask, V, dispatch};
use crate::program::Instructions;

/// Columns of a block: a multiple of the width of a tile, whatever the registers.
const BLOCK: usize = 32;
/// Registers of rows that are divided by a diagonal block at a time: as many chains hide the
/// latency.
const CHAINS: usize = 8;
/// Below, blocks are no gain.
const LEAST_SIDE: usize = 24;

/// Whether the functions of this file are the faster ones, for one lane.
#[inline(always)]
pub(super) fn is_worthwhile(side: usize) -> bool {
    side >= LEAST_SIDE
}

/// [`super::matrix::cholesky`] of one matrix.
pub(super) fn cholesky(side: usize, m: &mut [f64], inverses: &mut [f64]) {
    dispatch(Instructions::Detect, Cholesky { side, m, inverses });
}

/// [`super::matrix::divide_by_factor`] for all rows of x.
pub(super) fn divide_by_factor(side: usize, l: &[f64], inverses: &[f64], x: &mut [f64]) {
    dispatch(Instructions::Detect, Divide { side, l, inverses, x });
}

struct Cholesky<'a> {
    side: usize,
    m: &'a mut [f64],
    inverses: &'a mut [f64],
}

impl LaneTask for Cholesky<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, m, inverses } = self;
        let mut start = 0;
        while start < side {
            let block = (start, side.min(start + BLOCK));
            factor_diagonal_block(side, m, inverses, block);
            if block.1 < side {
                call_task(simd, DivideColumns { side, m, inverses, block });
                call_task(simd, SubtractBlock { side, m, block });
            }
            start = block.1;
        }
        for i in 0..side {
            m[i * side + i + 1..(i + 1) * side].fill(0.0);
        }
    }
}

/// The factor of the diagonal block with the rows and columns `start..end`.
#[inline(always)]
fn factor_diagonal_block(
    side: usize,
    m: &mut [f64],
    inverses: &mut [f64],
    (start, end): (usize, usize),
) {
    for i in start..end {
        let (above, row) = m[..(i + 1) * side].split_at_mut(i * side);
        let row = &mut row[start..=i];
        for j in start..i {
            let other = &above[j * side + start..][..j - start];
            let mut sum = row[j - start];
            for (&x, &y) in row.iter().zip(other) {
                sum = (-x).mul_add(y, sum);
            }
            row[j - start] = sum * inverses[j];
        }
        let (left, pivot) = row.split_at_mut(i - start);
        let mut sum = pivot[0];
        for &x in left.iter() {
            sum = (-x).mul_add(x, sum);
        }
        let root = if sum > 0.0 { sum.sqrt() } else { f64::NAN };
        pivot[0] = root;
        inverses[i] = 1.0 / root;
    }
}

/// The columns `start..end` of the factor, below their diagonal block. The rows are in the lanes.
struct DivideColumns<'a> {
    side: usize,
    m: &'a mut [f64],
    inverses: &'a [f64],
    block: (usize, usize),
}

impl LaneTask for DivideColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, m, inverses, block: (start, end) } = self;
        let (rows, len) = (CHAINS * V::<S>::LANES, end - start);
        let mut panel = [[V::splat(simd, 0.0); CHAINS]; BLOCK];
        let (factor, below) = m.split_at_mut(end * side);
        for below in below.chunks_mut(rows * side) {
            let floats = V::as_floats_mut(panel.as_flattened_mut());
            for (at, row) in below.chunks_exact(side).enumerate() {
                for (line, &x) in floats.chunks_exact_mut(rows).zip(&row[start..end]) {
                    line[at] = x;
                }
            }
            for j in 0..len {
                let row = &factor[(start + j) * side + start..][..j];
                let mut sums = panel[j];
                for (&l, line) in row.iter().zip(&panel) {
                    let l = V::splat(simd, l);
                    for c in 0..CHAINS {
                        sums[c] = line[c].nfma(l, sums[c]);
                    }
                }
                let inverse = V::splat(simd, inverses[start + j]);
                for c in 0..CHAINS {
                    panel[j][c] = sums[c] * inverse;
                }
            }
            let floats = V::as_floats(panel.as_flattened());
            for (at, row) in below.chunks_exact_mut(side).enumerate() {
                for (line, x) in floats.chunks_exact(rows).zip(&mut row[start..end]) {
                    *x = line[at];
                }
            }
        }
    }
}

/// Subtracts the products of the columns `start..end` of the factor from the lower triangle behind
/// them.
struct SubtractBlock<'a> {
    side: usize,
    m: &'a mut [f64],
    block: (usize, usize),
}

impl LaneTask for SubtractBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, m, block: (start, end) } = self;
        let mut panel = [[V::splat(simd, 0.0); _]; BLOCK];
        let panel = &mut panel[..end - start];
        let mut j = end;
        while j < side {
            let count = width::<S>().min(side - j);
            for c in 0..count {
                write_column::<S>(panel, c, &m[(j + c) * side..][start..end]);
            }
            for line in panel.iter_mut() {
                *line = negated(*line);
            }
            let mut i = j;
            while i + 4 <= side {
                subtract_tile::<S, 4>(simd, side, m, (start, end), (i, j, count), panel);
                i += 4;
            }
            while i < side {
                subtract_tile::<S, 1>(simd, side, m, (start, end), (i, j, count), panel);
                i += 1;
            }
            j += count;
        }
    }
}

/// The part of [`SubtractBlock`] in the rows `i..i + H` and the columns `j..j + count`, as far as
/// the diagonal.
#[inline(always)]
fn subtract_tile<S: Simd, const H: usize>(
    simd: S,
    side: usize,
    m: &mut [f64],
    (start, end): (usize, usize),
    (i, j, count): (usize, usize, usize),
    panel: &[Line<S>],
) {
    let rows = Rows { values: m, stride: side, count: side }.rows::<H>(i, start..end);
    let mut sums = [[V::splat(simd, 0.0); _]; H];
    for r in 0..H {
        let wanted = count.min(i + r + 1 - j);
        sums[r] = load(simd, &m[(i + r) * side + j..][..wanted]);
    }
    let sums = add_products(simd, rows, panel, sums);
    for r in 0..H {
        let wanted = count.min(i + r + 1 - j);
        store(simd, sums[r], &mut m[(i + r) * side + j..][..wanted]);
    }
}

struct Divide<'a> {
    side: usize,
    l: &'a [f64],
    inverses: &'a [f64],
    x: &'a mut [f64],
}

impl LaneTask for Divide<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, l, inverses, x } = self;
        let mut end = side;
        while end > 0 {
            // From the last block on, which may be the smaller one.
            let start = (end - 1) / BLOCK * BLOCK;
            call_task(simd, DivideBlock { side, l, inverses, x, block: (start, end) });
            end = start;
        }
    }
}

/// Divides the columns `start..end` of x by their diagonal block of L, and subtracts their products
/// from the columns before.
struct DivideBlock<'a> {
    side: usize,
    l: &'a [f64],
    inverses: &'a [f64],
    x: &'a mut [f64],
    block: (usize, usize),
}

impl LaneTask for DivideBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, l, inverses, x, block: (start, end) } = self;
        let depth = end - start;
        for x in x.chunks_exact_mut(side) {
            let x = &mut x[start..end];
            for i in (0..depth).rev() {
                let row = &l[(start + i) * side + start..][..i];
                let value = x[i] * inverses[start + i];
                x[i] = value;
                for (x, &l) in x.iter_mut().zip(row) {
                    *x = (-value).mul_add(l, *x);
                }
            }
        }
        let mut panel = [[V::splat(simd, 0.0); _]; BLOCK];
        let panel = &mut panel[..depth];
        let rows = x.len() / side;
        let mut j = 0;
        while j < start {
            for (at, line) in panel.iter_mut().enumerate() {
                *line = negated(load(simd, &l[(start + at) * side + j..][..width::<S>()]));
            }
            let mut i = 0;
            while i + 4 <= rows {
                divide_tile::<S, 4>(simd, side, x, (start, end), (i, j), panel);
                i += 4;
            }
            while i < rows {
                divide_tile::<S, 1>(simd, side, x, (start, end), (i, j), panel);
                i += 1;
            }
            j += width::<S>();
        }
    }
}

/// The part of [`DivideBlock`] in the rows `i..i + H` and the columns of a tile, with the last term
/// first.
#[inline(always)]
fn divide_tile<S: Simd, const H: usize>(
    simd: S,
    side: usize,
    x: &mut [f64],
    (start, end): (usize, usize),
    (i, j): (usize, usize),
    panel: &[Line<S>],
) {
    let mut rows = Rows { values: x, stride: side, count: 0 }.rows::<H>(i, start..end);
    let mut sums = [[V::splat(simd, 0.0); _]; H];
    for r in 0..H {
        rows[r] = &rows[r][..panel.len()];
        sums[r] = load(simd, &x[(i + r) * side + j..][..width::<S>()]);
    }
    for k in (0..panel.len()).rev() {
        let line = panel[k];
        for r in 0..H {
            let a = V::splat(simd, rows[r][k]);
            for c in 0..line.len() {
                sums[r][c] = a.fma(line[c], sums[r][c]);
            }
        }
    }
    for r in 0..H {
        store(simd, sums[r], &mut x[(i + r) * side + j..][..width::<S>()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETS: [Instructions; 3] =
        [Instructions::Detect, Instructions::Avx2, Instructions::Scalar];

    /// Numbers without pattern in (-1, 1).
    fn numbers(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|k| (seed + 1.7 * (k % 1009 * k) as f64 + k as f64).sin()).collect()
    }

    /// NaN has many bits, which mean the same.
    fn bits(x: &[f64]) -> Vec<u64> {
        x.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
    }

    /// A symmetric matrix with eigenvalues around `shift`.
    fn symmetric(side: usize, shift: f64) -> Vec<f64> {
        let x = numbers(side * side, 0.4);
        let mut m: Vec<f64> =
            (0..side * side).map(|at| x[at] + x[at % side * side + at / side]).collect();
        for k in 0..side {
            m[k * side + k] += shift;
        }
        m
    }

    /// As in `matrix`, row by row.
    fn plain_cholesky(side: usize, m: &mut [f64]) -> Vec<f64> {
        let mut inverses = vec![0.0; side];
        for i in 0..side {
            for j in 0..=i {
                let mut sum = m[i * side + j];
                for k in 0..j {
                    sum = (-m[i * side + k]).mul_add(m[j * side + k], sum);
                }
                m[i * side + j] = sum * inverses[j];
                if j == i {
                    let root = if sum > 0.0 { sum.sqrt() } else { f64::NAN };
                    m[i * side + i] = root;
                    inverses[i] = 1.0 / root;
                }
            }
            m[i * side + i + 1..(i + 1) * side].fill(0.0);
        }
        inverses
    }

    #[test]
    fn factors_and_quotients_have_the_bits_of_plain_loops() {
        for side in [1, 2, 23, 24, 31, 32, 33, 47, 63, 64, 65, 77, 96, 101, 130] {
            let m = symmetric(side, 3.0 * side as f64);
            let mut expected = m.clone();
            let expected_inverses = plain_cholesky(side, &mut expected);
            assert!(expected.iter().all(|x| x.is_finite()));
            let rows = [1, 4, side][side % 3];
            let x = numbers(rows * side, 0.6);
            let mut quotients = x.clone();
            for x in quotients.chunks_exact_mut(side) {
                for i in (0..side).rev() {
                    x[i] *= expected_inverses[i];
                    for j in 0..i {
                        x[j] = (-x[i]).mul_add(expected[i * side + j], x[j]);
                    }
                }
            }
            for set in SETS {
                let (mut m, mut inverses, mut x) = (m.clone(), vec![0.0; side], x.clone());
                dispatch(set, Cholesky { side, m: &mut m, inverses: &mut inverses });
                assert_eq!(bits(&m), bits(&expected), "side {side}");
                assert_eq!(bits(&inverses), bits(&expected_inverses));
                dispatch(set, Divide { side, l: &m, inverses: &inverses, x: &mut x });
                assert_eq!(bits(&x), bits(&quotients), "side {side}");
            }
        }
    }

    #[test]
    fn an_indefinite_matrix_is_nan_from_the_same_row_on() {
        for side in [40, 70] {
            let m = symmetric(side, 6.0);
            let mut expected = m.clone();
            let expected_inverses = plain_cholesky(side, &mut expected);
            assert!(expected_inverses[side - 1].is_nan());
            for set in SETS {
                let (mut m, mut inverses) = (m.clone(), vec![0.0; side]);
                dispatch(set, Cholesky { side, m: &mut m, inverses: &mut inverses });
                assert_eq!(bits(&m), bits(&expected));
                assert_eq!(bits(&inverses), bits(&expected_inverses));
            }
        }
    }
}
