//! Dense matrices in lanes, for the cone of positive semidefinite matrices.
//!
//! A matrix of side n is the full square, row by row: n^2 registers. Products are sums over rows of
//! both factors, A B', so that all access is contiguous. Every entry is one chain of fused
//! multiply-adds in the order of the columns, whatever tile it is computed in. So where there is
//! one lane, large matrices may take other loops, [`super::panel`] and [`super::blocked_factor`],
//! and have the same bits.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use pulp::Simd;

use super::{blocked_factor, panel};
use crate::lanes::{Kernel, V, call};

/// Place of the entry (i, j), i <= j, in an upper triangle stacked by columns.
#[inline(always)]
pub(crate) fn triangle_index(i: usize, j: usize) -> usize {
    debug_assert!(i <= j);
    j * (j + 1) / 2 + i
}

/// Number of entries in a triangle, with the diagonal.
#[inline(always)]
pub(crate) fn triangle_len(side: usize) -> usize {
    side * (side + 1) / 2
}

/// Which entries of A B' are wanted, and where they go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entries {
    /// All of them, row by row.
    Full,
    /// Of a symmetric product: all of them, row by row, computed once a pair.
    Symmetric,
    /// Those with row >= column, row by row: of a symmetric product, its upper triangle stacked by
    /// columns.
    Triangle,
}

/// The entries of A in A B' that are not zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    Full,
    /// Those with row <= column.
    Upper,
    /// Those with row >= column.
    Lower,
}

/// `out = A B'`; rows of A and B have `len` entries. Products with the zeros outside of `support`
/// are left out, up to the height of a tile.
#[inline(always)]
pub(crate) fn row_products<S: Simd>(
    simd: S,
    len: usize,
    (a, support): (&[V<S>], Support),
    b: &[V<S>],
    (entries, out): (Entries, &mut [V<S>]),
) {
    if V::<S>::LANES == 1 && panel::is_worthwhile(rows_of(len, a), rows_of(len, b), len) {
        let (a, b) = (V::as_floats(a), V::as_floats(b));
        panel::row_products(len, (a, support), b, (entries, V::as_floats_mut(out)));
    } else if len > 0 {
        call(simd, RowProducts { simd, len, a, support, b, entries, out });
    }
}

/// Number of rows with `len` entries.
#[inline(always)]
fn rows_of<S: Simd>(len: usize, a: &[V<S>]) -> usize {
    a.len().checked_div(len).unwrap_or(0)
}

struct RowProducts<'a, S: Simd> {
    simd: S,
    len: usize,
    a: &'a [V<S>],
    support: Support,
    b: &'a [V<S>],
    entries: Entries,
    out: &'a mut [V<S>],
}

impl<S: Simd> Kernel for RowProducts<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let (rows, columns) = (self.a.len() / self.len, self.b.len() / self.len);
        let mut i = 0;
        while i + 4 <= rows {
            self.tiles::<4>(i, columns);
            i += 4;
        }
        if i + 2 <= rows {
            self.tiles::<2>(i, columns);
            i += 2;
        }
        if i < rows {
            self.tiles::<1>(i, columns);
        }
        if self.entries == Entries::Symmetric {
            mirror_lower(rows, self.out);
        }
    }
}

impl<S: Simd> RowProducts<'_, S> {
    /// The rows `i..i + H`, i even, two columns at a time.
    #[inline(always)]
    fn tiles<const H: usize>(&mut self, i: usize, columns: usize) {
        let len = self.len;
        let range = match self.support {
            Support::Full => 0..len,
            Support::Upper => i..len,
            Support::Lower => 0..len.min(i + H),
        };
        let (mut rows, mut places) = ([&self.a[..0]; H], [0; H]);
        for r in 0..H {
            rows[r] = &self.a[(i + r) * len..][..len][range.clone()];
            let triangle = self.entries == Entries::Triangle;
            places[r] = if triangle { triangle_len(i + r) } else { (i + r) * columns };
        }
        // The columns that all rows want, and those that any row wants.
        let full = self.entries == Entries::Full;
        let (common, end) = if full { (columns & !1, columns) } else { (i, columns.min(i + H)) };
        let mut j = 0;
        while j < common {
            let first = &self.b[j * len..][..len][range.clone()];
            let second = &self.b[(j + 1) * len..][..len][range.clone()];
            let sums = tile(self.simd, rows, first, second);
            for r in 0..H {
                self.out[places[r] + j..][..2].copy_from_slice(&sums[r]);
            }
            j += 2;
        }
        while j < end {
            // The last of an odd number of columns is paired with itself.
            let next = (j + 1).min(end - 1);
            let first = &self.b[j * len..][..len][range.clone()];
            let second = &self.b[next * len..][..len][range.clone()];
            let sums = tile(self.simd, rows, first, second);
            for r in 0..H {
                if full || j <= i + r {
                    self.out[places[r] + j] = sums[r][0];
                }
                if full || next <= i + r {
                    self.out[places[r] + next] = sums[r][1];
                }
            }
            j += 2;
        }
    }
}

/// The products of H rows with two others.
#[inline(always)]
fn tile<S: Simd, const H: usize>(
    simd: S,
    rows: [&[V<S>]; H],
    first: &[V<S>],
    second: &[V<S>],
) -> [[V<S>; 2]; H] {
    let mut sums = [[V::splat(simd, 0.0); 2]; H];
    for (k, (&x, &y)) in first.iter().zip(second).enumerate() {
        for r in 0..H {
            let a = rows[r][k];
            sums[r] = [a.fma(x, sums[r][0]), a.fma(y, sums[r][1])];
        }
    }
    sums
}

/// `out = G X G'` for a symmetric X, with `t` as memory.
#[inline(always)]
pub(crate) fn congruence<S: Simd>(
    simd: S,
    side: usize,
    g: &[V<S>],
    x: &[V<S>],
    t: &mut [V<S>],
    out: (Entries, &mut [V<S>]),
) {
    row_products(simd, side, (g, Support::Full), x, (Entries::Full, t));
    row_products(simd, side, (t, Support::Full), g, out);
}

/// Writes an entry and its mirror image.
#[inline(always)]
pub(crate) fn set_both<S: Simd>(side: usize, m: &mut [V<S>], (i, j): (usize, usize), value: V<S>) {
    m[i * side + j] = value;
    m[j * side + i] = value;
}

/// Rows and columns of the squares in which matrices are transposed: they stay in the cache.
const SQUARE: usize = 16;

/// The transpose of `m`.
#[inline(always)]
pub(crate) fn transpose<S: Simd>(side: usize, m: &[V<S>], out: &mut [V<S>]) {
    for top in (0..side).step_by(SQUARE) {
        for left in (0..side).step_by(SQUARE) {
            for j in left..side.min(left + SQUARE) {
                let row = &mut out[j * side..][..side];
                for i in top..side.min(top + SQUARE) {
                    row[i] = m[i * side + j];
                }
            }
        }
    }
}

/// Overwrites the upper triangle by the mirror image of the lower one.
#[inline(always)]
pub(super) fn mirror_lower<T: Copy>(side: usize, m: &mut [T]) {
    for top in (0..side).step_by(SQUARE) {
        for left in (0..=top).step_by(SQUARE) {
            for j in left..side.min(left + SQUARE) {
                for i in (top.max(j + 1))..side.min(top + SQUARE) {
                    m[j * side + i] = m[i * side + j];
                }
            }
        }
    }
}

/// The symmetric matrix of a vector of its upper triangle, off-diagonals times sqrt 2.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[inline(always)]
pub(crate) fn unpack<S: Simd>(simd: S, side: usize, x: &[V<S>], m: &mut [V<S>]) {
    let half = V::splat(simd, FRAC_1_SQRT_2);
    for j in 0..side {
        let column = &x[triangle_index(0, j)..][..j + 1];
        for i in 0..j {
            set_both(side, m, (i, j), half * column[i]);
        }
        m[j * side + j] = column[j];
    }
}

/// Makes the vector of a symmetric matrix from its upper triangle: off-diagonals times sqrt 2.
#[inline(always)]
pub(crate) fn scale_off_diagonals<S: Simd>(simd: S, side: usize, x: &mut [V<S>]) {
    let root = V::splat(simd, SQRT_2);
    for j in 0..side {
        for x in &mut x[triangle_index(0, j)..triangle_index(j, j)] {
            *x *= root;
        }
    }
}

/// Replaces the lower triangle of a positive definite matrix by its Cholesky factor L, the upper
/// one by zeros; `inverses` are those of the diagonal of L. A lane whose matrix is not positive
/// definite becomes NaN.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[inline(always)]
pub(crate) fn cholesky<S: Simd>(simd: S, side: usize, m: &mut [V<S>], inverses: &mut [V<S>]) {
    if V::<S>::LANES == 1 && blocked_factor::is_worthwhile(side) {
        let (m, inverses) = (V::as_floats_mut(m), V::as_floats_mut(inverses));
        return blocked_factor::cholesky(side, m, inverses);
    }
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    for i in 0..side {
        let (above, row) = m[..(i + 1) * side].split_at_mut(i * side);
        for j in 0..i {
            let other = &above[j * side..j * side + side];
            let mut sum = row[j];
            for k in 0..j {
                sum = row[k].nfma(other[k], sum);
            }
            row[j] = sum * inverses[j];
        }
        let mut pivot = row[i];
        for k in 0..i {
            pivot = row[k].nfma(row[k], pivot);
        }
        let root = pivot.gt(zero).select(pivot, pivot.like(f64::NAN)).sqrt();
        row[i] = root;
        inverses[i] = one / root;
        row[i + 1..].fill(zero);
    }
}

/// Replaces every row x of a matrix by x L^-1.
#[inline(always)]
pub(crate) fn divide_by_factor<S: Simd>(
    side: usize,
    l: &[V<S>],
    inverses: &[V<S>],
    x: &mut [V<S>],
) {
    if V::<S>::LANES == 1 && blocked_factor::is_worthwhile(side) {
        let (l, inverses) = (V::as_floats(l), V::as_floats(inverses));
        return blocked_factor::divide_by_factor(side, l, inverses, V::as_floats_mut(x));
    }
    for x in x.chunks_exact_mut(side.max(1)) {
        for i in (0..side).rev() {
            let row = &l[i * side..i * side + i];
            let value = x[i] * inverses[i];
            x[i] = value;
            for (x, &l) in x.iter_mut().zip(row) {
                *x = value.nfma(l, *x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    /// Numbers without pattern in (-1, 1).
    fn numbers(count: usize, seed: f64) -> Vec<V<Scalar>> {
        (0..count)
            .map(|k| V::splat(Scalar, (seed + 1.7 * (k * k) as f64 + k as f64).sin()))
            .collect()
    }

    #[test]
    fn row_products_are_those_of_rows_with_all_entries_and_supports() {
        let sizes = [(0, 0, 0), (1, 1, 1), (2, 3, 4), (5, 5, 5), (7, 4, 3), (6, 6, 6), (11, 11, 2)];
        for (rows, columns, len) in sizes {
            for support in [Support::Full, Support::Upper, Support::Lower] {
                if support != Support::Full && rows > len {
                    continue;
                }
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
                            a[i * len + k] = V::splat(Scalar, 0.0);
                        }
                    }
                }
                let entry = |i: usize, j: usize| {
                    let sum = |sum: f64, k: usize| {
                        a[i * len + k].lane(0).mul_add(b[j * len + k].lane(0), sum)
                    };
                    (0..len).fold(0.0, sum)
                };
                let mut out = vec![V::splat(Scalar, 0.0); rows * columns];
                row_products(Scalar, len, (&a, support), &b, (Entries::Full, &mut out));
                for (at, value) in out.iter().enumerate() {
                    assert_eq!(value.lane(0), entry(at / columns, at % columns));
                }
                if rows == columns {
                    let mut out = vec![V::splat(Scalar, 0.0); triangle_len(rows)];
                    row_products(Scalar, len, (&a, support), &b, (Entries::Triangle, &mut out));
                    for i in 0..rows {
                        for j in 0..=i {
                            assert_eq!(out[triangle_index(j, i)].lane(0), entry(i, j));
                        }
                    }
                }
                if rows == columns && columns == len {
                    row_products(Scalar, len, (&a, support), &b, (Entries::Symmetric, &mut out));
                    for (at, value) in out.iter().enumerate() {
                        let (i, j) = (at / columns, at % columns);
                        assert_eq!(value.lane(0), entry(i.max(j), i.min(j)));
                    }
                }
            }
        }
    }

    #[test]
    fn cholesky_factor_reproduces_the_matrix_and_divides_rows() {
        for n in 0..9 {
            let b = numbers(n * n, 0.1);
            let mut m = vec![V::splat(Scalar, 0.0); n * n];
            row_products(Scalar, n, (&b, Support::Full), &b, (Entries::Symmetric, &mut m));
            for k in 0..n {
                m[k * n + k] += V::splat(Scalar, 1.0);
            }
            let mut l = m.clone();
            let mut inverses = vec![V::splat(Scalar, 0.0); n];
            cholesky(Scalar, n, &mut l, &mut inverses);
            let mut product = m.clone();
            row_products(Scalar, n, (&l, Support::Lower), &l, (Entries::Full, &mut product));
            for (&product, &m) in product.iter().zip(&m) {
                assert!((product - m).abs().lane(0) <= 1e-14 * (n as f64));
            }
            let x = numbers(n, 0.9);
            let mut y = x.clone();
            divide_by_factor(n, &l, &inverses, &mut y);
            for j in 0..n {
                let sum: f64 = (0..n).map(|i| y[i].lane(0) * l[i * n + j].lane(0)).sum();
                assert!((sum - x[j].lane(0)).abs() <= 1e-14 * (n as f64));
            }
        }
    }

    #[test]
    fn cholesky_of_an_indefinite_matrix_is_nan() {
        let mut m = [1.0, 2.0, 2.0, 1.0].map(|x| V::splat(Scalar, x));
        let mut inverses = [V::splat(Scalar, 0.0); 2];
        cholesky(Scalar, 2, &mut m, &mut inverses);
        assert!(m[3].lane(0).is_nan() && inverses[1].lane(0).is_nan());
        let mut zero = [V::splat(Scalar, 0.0)];
        cholesky(Scalar, 1, &mut zero, &mut inverses[..1]);
        assert!(zero[0].lane(0).is_nan());
    }

    #[test]
    fn unpacking_and_packing_are_inverse() {
        let n = 5;
        let x = numbers(triangle_len(n), 0.4);
        let mut m = vec![V::splat(Scalar, 0.0); n * n];
        unpack(Scalar, n, &x, &mut m);
        let mut y = Vec::new();
        for j in 0..n {
            for i in 0..=j {
                assert_eq!(m[i * n + j].lane(0), m[j * n + i].lane(0));
                y.push(m[i * n + j]);
            }
        }
        scale_off_diagonals(Scalar, n, &mut y);
        for (x, y) in x.iter().zip(&y) {
            assert!((x.lane(0) - y.lane(0)).abs() <= 5e-16 * x.lane(0).abs());
        }
    }
}
