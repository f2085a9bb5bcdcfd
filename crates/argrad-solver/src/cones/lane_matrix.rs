//! Small dense matrices in lanes, for the cone of positive semidefinite matrices.
//!
//! A matrix of side n is the full square, row by row: n^2 registers. Products are sums over rows of
//! both factors, A B', so that all access is contiguous. Every entry is one chain of fused
//! multiply-adds in the order of the columns, whatever tile it is computed in.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};
use std::ops::Range;

use pulp::Simd;

use crate::lanes::V;

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

/// The entries of A B' that are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// Those with row >= column.
    Lower,
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

impl Support {
    /// Columns of the rows `first..end` outside of which there are only zeros.
    #[inline(always)]
    fn columns(self, first: usize, end: usize, len: usize) -> Range<usize> {
        match self {
            Support::Full => 0..len,
            Support::Upper => first..len,
            Support::Lower => 0..end.min(len),
        }
    }
}

/// Gives `store` the entries `(i, j, (A B')_ij)`; rows of A and B have `len` entries. Products with
/// the zeros outside of `support` are left out, up to the height of a tile.
#[inline(always)]
pub(crate) fn row_products<S: Simd>(
    simd: S,
    len: usize,
    (a, support): (&[V<S>], Support),
    b: &[V<S>],
    part: Part,
    mut store: impl FnMut(usize, usize, V<S>),
) {
    if len == 0 {
        return;
    }
    let (rows, columns) = (a.len() / len, b.len() / len);
    let mut i = 0;
    while i < rows {
        let height = (rows - i).min(2);
        let range = support.columns(i, i + height, len);
        let end = if part == Part::Lower { i + height } else { columns };
        let mut j = 0;
        while j < end {
            let width = (end - j).min(2);
            let at = (i, j);
            let tile = match (height, width) {
                (2, 2) => tile::<S, 2, 2>(simd, len, (a, b), at, range.clone()),
                (2, _) => tile::<S, 2, 1>(simd, len, (a, b), at, range.clone()),
                (_, 2) => tile::<S, 1, 2>(simd, len, (a, b), at, range.clone()),
                _ => tile::<S, 1, 1>(simd, len, (a, b), at, range.clone()),
            };
            for (r, row) in tile.iter().enumerate().take(height) {
                for (c, &value) in row.iter().enumerate().take(width) {
                    if part == Part::All || j + c <= i + r {
                        store(i + r, j + c, value);
                    }
                }
            }
            j += width;
        }
        i += height;
    }
}

/// The entries of A B' at `at` and in the H - 1 rows below and the W - 1 columns beside it.
#[inline(always)]
fn tile<S: Simd, const H: usize, const W: usize>(
    simd: S,
    len: usize,
    (a, b): (&[V<S>], &[V<S>]),
    (i, j): (usize, usize),
    range: Range<usize>,
) -> [[V<S>; 2]; 2] {
    let count = range.len();
    let a: [&[V<S>]; H] = std::array::from_fn(|r| &a[(i + r) * len + range.start..][..count]);
    let b: [&[V<S>]; W] = std::array::from_fn(|c| &b[(j + c) * len + range.start..][..count]);
    let mut sums = [[V::splat(simd, 0.0); 2]; 2];
    for k in 0..count {
        for r in 0..H {
            for c in 0..W {
                sums[r][c] = a[r][k].fma(b[c][k], sums[r][c]);
            }
        }
    }
    sums
}

/// G X G' for a symmetric X: gives `store` its lower triangle, with `t` as memory.
#[inline(always)]
pub(crate) fn congruence<S: Simd>(
    simd: S,
    side: usize,
    g: &[V<S>],
    x: &[V<S>],
    t: &mut [V<S>],
    store: impl FnMut(usize, usize, V<S>),
) {
    row_products(simd, side, (g, Support::Full), x, Part::All, |i, j, value| {
        t[i * side + j] = value;
    });
    row_products(simd, side, (t, Support::Full), g, Part::Lower, store);
}

/// Writes an entry and its mirror image.
#[inline(always)]
pub(crate) fn set_both<S: Simd>(side: usize, m: &mut [V<S>], (i, j): (usize, usize), value: V<S>) {
    m[i * side + j] = value;
    m[j * side + i] = value;
}

/// The transpose of `m`.
#[inline(always)]
pub(crate) fn transpose<S: Simd>(side: usize, m: &[V<S>], out: &mut [V<S>]) {
    for i in 0..side {
        for j in 0..side {
            out[j * side + i] = m[i * side + j];
        }
    }
}

/// The symmetric matrix of a vector of its upper triangle, off-diagonals times sqrt 2.
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

/// The entry of the vector of a symmetric matrix for its entry (i, j).
#[inline(always)]
pub(crate) fn packed<S: Simd>(i: usize, j: usize, value: V<S>) -> V<S> {
    if i == j { value } else { value.like(SQRT_2) * value }
}

/// Replaces the lower triangle of a positive definite matrix by its Cholesky factor L, the upper one by
/// zeros; `inverses` are those of the diagonal of L. A lane whose matrix is not positive definite
/// becomes NaN.
#[inline(always)]
pub(crate) fn cholesky<S: Simd>(simd: S, side: usize, m: &mut [V<S>], inverses: &mut [V<S>]) {
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

/// Replaces a row x by x L^-1.
#[inline(always)]
pub(crate) fn divide_by_factor<S: Simd>(
    side: usize,
    l: &[V<S>],
    inverses: &[V<S>],
    x: &mut [V<S>],
) {
    for i in (0..side).rev() {
        let row = &l[i * side..i * side + i];
        let value = x[i] * inverses[i];
        x[i] = value;
        for (x, &l) in x.iter_mut().zip(row) {
            *x = value.nfma(l, *x);
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
    fn row_products_are_those_of_rows_in_every_part_and_support() {
        for (rows, columns, len) in
            [(0, 0, 0), (1, 1, 1), (2, 3, 4), (5, 5, 5), (7, 4, 3), (6, 6, 6)]
        {
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
                            a[i * len + k] = V::splat(Scalar, 0.0);
                        }
                    }
                }
                for part in [Part::All, Part::Lower] {
                    if (support == Support::Full || rows <= len)
                        && (part == Part::All || rows <= columns)
                    {
                        let mut seen = 0;
                        row_products(Scalar, len, (&a, support), &b, part, |i, j, value| {
                            let mut sum = 0.0_f64;
                            for k in 0..len {
                                sum = a[i * len + k].lane(0).mul_add(b[j * len + k].lane(0), sum);
                            }
                            assert_eq!(value.lane(0), sum);
                            assert!(part == Part::All || j <= i);
                            seen += 1;
                        });
                        let all = part == Part::All;
                        assert_eq!(seen, if all { rows * columns } else { triangle_len(rows) });
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
            row_products(Scalar, n, (&b, Support::Full), &b, Part::All, |i, j, value| {
                m[i * n + j] = value + V::splat(Scalar, if i == j { 1.0 } else { 0.0 });
            });
            let mut l = m.clone();
            let mut inverses = vec![V::splat(Scalar, 0.0); n];
            cholesky(Scalar, n, &mut l, &mut inverses);
            row_products(Scalar, n, (&l, Support::Lower), &l, Part::All, |i, j, value| {
                assert!((value - m[i * n + j]).abs().lane(0) <= 1e-14 * (n as f64));
            });
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
        for j in 0..n {
            for i in 0..=j {
                let value = packed(i, j, m[j * n + i]).lane(0);
                let exact = x[triangle_index(i, j)].lane(0);
                assert!((value - exact).abs() <= 5e-16 * exact.abs());
                assert_eq!(m[i * n + j].lane(0), m[j * n + i].lane(0));
            }
        }
    }
}
