//! A dense matrix of plain numbers that all lanes share, and its products with vectors in lanes.
//!
//! One number of the table is loaded for as many samples as there are lanes, so a product reads a
//! fraction of the memory that a matrix for each lane takes. Every sum is one chain of fused
//! multiply-adds in the order of the rows, whatever the tile: the bits do not depend on lanes.

use pulp::Simd;

use crate::lanes::{Buffer, Kernel, LaneTask, MOST_LANES, V, call};

/// Columns that are summed at once; rows are padded with zeros to a multiple of it.
const TILE: usize = 8;

/// A matrix, row by row.
#[derive(Debug)]
pub(crate) struct Table {
    values: Buffer,
    rows: usize,
    columns: usize,
    /// Numbers from one row to the next.
    stride: usize,
}

impl Table {
    /// Zeros.
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        const { assert!(TILE.is_multiple_of(MOST_LANES)) };
        let stride = columns.next_multiple_of(TILE);
        Self { values: Buffer::zeros(rows * stride), rows, columns, stride }
    }

    /// The matrix with these entries.
    pub(crate) fn from_fn(
        rows: usize,
        columns: usize,
        entry: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let mut table = Self::zeros(rows, columns);
        for i in 0..rows {
            for (j, value) in table.row_mut(i)[..columns].iter_mut().enumerate() {
                *value = entry(i, j);
            }
        }
        table
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i` with its padding.
    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.values.as_slice()[i * self.stride..][..self.stride]
    }

    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.values.as_mut_slice()[i * self.stride..][..self.stride]
    }

    pub(crate) fn get(&self, i: usize, j: usize) -> f64 {
        self.row(i)[j]
    }

    /// The largest absolute value; NaN where any is.
    pub(crate) fn largest(&self) -> f64 {
        let larger = |most: f64, &value: &f64| {
            let value = value.abs();
            if value <= most { most } else { value }
        };
        self.values.as_slice().iter().fold(0.0, larger)
    }

    /// The same matrix, its rows and columns exchanged.
    pub(crate) fn transposed(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |i, j| self.get(j, i))
    }

    /// Replaces a square matrix by the mean of itself and its transpose.
    pub(crate) fn symmetrize(&mut self) {
        for i in 0..self.rows {
            for j in 0..i {
                let mean = 0.5 * (self.get(i, j) + self.get(j, i));
                self.row_mut(i)[j] = mean;
                self.row_mut(j)[i] = mean;
            }
        }
    }

    /// `out = T' input` for `R` vectors at once, input by row and output by column of the table;
    /// the vectors are interleaved.
    ///
    /// # Panics
    /// When the lengths do not fit.
    #[inline(always)]
    pub(crate) fn transpose_product<S: Simd, const R: usize>(
        &self,
        simd: S,
        input: &[[V<S>; R]],
        out: &mut [[V<S>; R]],
    ) {
        assert!(input.len() == self.rows && out.len() == self.columns);
        call(simd, TransposeProduct { simd, table: self, input, out });
    }
}

struct TransposeProduct<'a, S: Simd, const R: usize> {
    simd: S,
    table: &'a Table,
    input: &'a [[V<S>; R]],
    out: &'a mut [[V<S>; R]],
}

impl<S: Simd, const R: usize> Kernel for TransposeProduct<'_, S, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, table, input, out } = self;
        // One vector leaves registers for a whole tile, two for half of one.
        if R == 1 {
            product_tiles::<S, R, TILE>(simd, table, input, out);
        } else {
            product_tiles::<S, R, { TILE / 2 }>(simd, table, input, out);
        }
    }
}

/// The columns of `table`, `W` at a time.
#[inline(always)]
fn product_tiles<S: Simd, const R: usize, const W: usize>(
    simd: S,
    table: &Table,
    input: &[[V<S>; R]],
    out: &mut [[V<S>; R]],
) {
    let zero = V::splat(simd, 0.0);
    for (tile, out) in out.chunks_mut(W).enumerate() {
        let mut sums = [[zero; R]; W];
        let rows = table.values.as_slice().chunks_exact(table.stride.max(1));
        for (row, x) in rows.zip(input) {
            let row = &row[tile * W..][..W];
            for w in 0..W {
                let entry = V::splat(simd, row[w]);
                for r in 0..R {
                    sums[w][r] = entry.fma(x[r], sums[w][r]);
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum;
        }
    }
}

/// `out = A B`, row by row.
pub(crate) struct Product<'a> {
    pub(crate) a: &'a Table,
    pub(crate) b: &'a Table,
}

impl LaneTask for Product<'_> {
    type Output = Table;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Table {
        let Self { a, b } = self;
        let mut out = Table::zeros(a.rows, b.columns);
        for i in 0..a.rows {
            for j in 0..a.columns {
                add_multiple(simd, out.row_mut(i), b.row(j), a.get(i, j));
            }
        }
        out
    }
}

/// The inverse of a square matrix by Gauss-Jordan elimination with partial pivoting (Golub, Van
/// Loan: Matrix computations, 3.4), or `None` where it is singular to rounding.
pub(crate) struct Inverse<'a>(pub(crate) &'a Table);

impl LaneTask for Inverse<'_> {
    type Output = Option<Table>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<Table> {
        let n = self.0.rows;
        // A pivot that is rounding error only.
        let least = n as f64 * f64::EPSILON * self.0.largest();
        let mut left = Table::from_fn(n, n, |i, j| self.0.get(i, j));
        let mut right = Table::from_fn(n, n, |i, j| if i == j { 1.0 } else { 0.0 });
        let (mut pivot_left, mut pivot_right) = (left.row(0).to_vec(), right.row(0).to_vec());
        for column in 0..n {
            let mut at = column;
            for row in column..n {
                if left.get(row, column).abs() > left.get(at, column).abs() {
                    at = row;
                }
            }
            let pivot = left.get(at, column);
            if pivot.is_nan() || pivot.abs() <= least {
                return None;
            }
            for (table, kept) in [(&mut left, &mut pivot_left), (&mut right, &mut pivot_right)] {
                let moved = table.row(column).to_vec();
                kept.copy_from_slice(table.row(at));
                table.row_mut(at).copy_from_slice(&moved);
                kept.iter_mut().for_each(|value| *value /= pivot);
                table.row_mut(column).copy_from_slice(kept);
            }
            for row in 0..n {
                let share = -left.get(row, column);
                if row != column && share != 0.0 {
                    add_multiple(simd, left.row_mut(row), &pivot_left, share);
                    add_multiple(simd, right.row_mut(row), &pivot_right, share);
                }
            }
        }
        Some(right)
    }
}

/// `out += share row`.
#[inline(always)]
fn add_multiple<S: Simd>(simd: S, out: &mut [f64], row: &[f64], share: f64) {
    let share = V::splat(simd, share);
    for (out, &value) in V::slice_mut(simd, out).iter_mut().zip(V::slice(simd, row)) {
        *out = share.fma(value, *out);
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;
    use crate::lanes::dispatch;
    use crate::program::Instructions;

    /// Numbers without a pattern in [-1, 1], and 2 on the diagonal.
    fn table(rows: usize, columns: usize) -> Table {
        let number = |i: usize, j: usize| ((37 * i * i + 11 * i * j + 5 * j + 1) as f64).sin();
        Table::from_fn(rows, columns, |i, j| if i == j { 2.0 } else { number(i, j) })
    }

    #[test]
    fn an_inverse_times_its_matrix_is_the_identity() {
        for n in [1, 2, 7, 8, 9, 30] {
            let matrix = table(n, n);
            for instructions in [Instructions::Detect, Instructions::Scalar] {
                let inverse = dispatch(instructions, Inverse(&matrix)).unwrap();
                let product = dispatch(instructions, Product { a: &matrix, b: &inverse });
                for i in 0..n {
                    for j in 0..n {
                        let expected = if i == j { 1.0 } else { 0.0 };
                        assert!((product.get(i, j) - expected).abs() < 1e-9, "n = {n}");
                    }
                }
            }
        }
    }

    #[test]
    fn bits_of_inverse_and_product_do_not_depend_on_the_instructions() {
        let (a, b) = (table(13, 13), table(13, 5));
        let bits = |instructions| {
            let inverse = dispatch(instructions, Inverse(&a)).unwrap();
            let product = dispatch(instructions, Product { a: &inverse, b: &b });
            let bits = |table: &Table| -> Vec<u64> {
                table.values.as_slice().iter().map(|x| x.to_bits()).collect()
            };
            (bits(&inverse), bits(&product))
        };
        assert_eq!(bits(Instructions::Detect), bits(Instructions::Scalar));
    }

    #[test]
    fn a_singular_matrix_has_no_inverse() {
        let singular = Table::from_fn(4, 4, |i, j| ((i + 1) * (j + 1)) as f64);
        assert!(dispatch(Instructions::Detect, Inverse(&singular)).is_none());
    }

    #[test]
    fn transpose_products_are_sums_over_the_rows() {
        let table = table(5, 11);
        let input: Vec<[V<Scalar>; 2]> = (0..5)
            .map(|i| [V::splat(Scalar, i as f64 - 2.0), V::splat(Scalar, 0.5 * i as f64)])
            .collect();
        let mut out = vec![[V::splat(Scalar, f64::NAN); 2]; 11];
        table.transpose_product(Scalar, &input, &mut out);
        for (j, out) in out.iter().enumerate() {
            for r in 0..2 {
                let sum: f64 = (0..5).map(|i| table.get(i, j) * input[i][r].lane(0)).sum();
                assert!((out[r].lane(0) - sum).abs() < 1e-14);
            }
        }
    }
}
