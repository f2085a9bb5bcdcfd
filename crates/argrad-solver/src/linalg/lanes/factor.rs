//! Numeric LDL' in lanes, right-looking over supernodes.

use pulp::Simd;

use super::symbolic::{Kind, Supernode, Symbolic};
use super::tile::subtract_outer_product;
use crate::lanes::{Kernel, Mask, Register, call};

/// The pivots of a factorization and what they must be like.
pub(crate) struct Pivots<'a, T> {
    /// Expected sign of each pivot, +1 or -1, in elimination order.
    pub(crate) signs: &'a [f64],
    /// A pivot of the wrong sign, or smaller than this, ...
    pub(crate) smallest: T,
    /// ... is replaced by this times its sign.
    pub(crate) replacement: T,
    /// Receives 1 / d.
    pub(crate) inverse: &'a mut [T],
    /// Receives the smallest `sign * d` met before replacement.
    pub(crate) least: &'a mut T,
}

/// Factors the matrix whose entries lie in `values` at the addresses of `symbolic`; `values` then
/// holds L D, and L' in the upper triangles of the dense diagonal blocks.
pub(crate) fn factor<S: Simd, T: Register<S>>(
    simd: S,
    symbolic: &Symbolic,
    values: &mut [T],
    pivots: Pivots<'_, T>,
    scratch: &mut [T],
) {
    assert!(values.len() >= symbolic.len && scratch.len() >= symbolic.scratch_len);
    assert!(pivots.inverse.len() == symbolic.order() && pivots.signs.len() == symbolic.order());
    call(simd, Factor { simd, symbolic, values, pivots, scratch });
}

struct Factor<'a, S: Simd, T: Register<S>> {
    simd: S,
    symbolic: &'a Symbolic,
    values: &'a mut [T],
    pivots: Pivots<'a, T>,
    scratch: &'a mut [T],
}

impl<S: Simd, T: Register<S>> Kernel for Factor<'_, S, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, symbolic, values, mut pivots, scratch } = self;
        let values = values.as_mut_ptr();
        *pivots.least = T::splat(simd, f64::INFINITY);
        for node in &symbolic.supernodes {
            // SAFETY: the lengths were asserted; all addresses of a supernode are below the length
            // of the symbolic factorization.
            unsafe {
                let diag = values.add(node.diag);
                match node.kind {
                    Kind::Diagonal => {
                        for k in 0..node.width {
                            invert_pivot(simd, *diag.add(k), node.start + k, &mut pivots);
                        }
                    }
                    Kind::Dense => {
                        factor_triangle(simd, diag, node, &mut pivots);
                        solve_panel(simd, diag, values.add(node.panel), node);
                    }
                }
                let inverse = pivots.inverse.as_ptr().add(node.start);
                subtract_outer_product(simd, node, values, inverse, scratch.as_mut_ptr());
            }
        }
    }
}

#[inline(always)]
fn invert_pivot<S: Simd, T: Register<S>>(
    simd: S,
    pivot: T,
    step: usize,
    pivots: &mut Pivots<'_, T>,
) -> T {
    let sign = T::splat(simd, pivots.signs[step]);
    let smallest = pivots.smallest;
    let signed = pivot * sign;
    *pivots.least = signed.min(*pivots.least);
    // A NaN pivot is not replaced: it marks its lane as failed.
    let replacement = pivots.replacement * sign;
    let pivot = signed.lt(smallest).select(replacement, pivot);
    let inverse = T::splat(simd, 1.0) / pivot;
    pivots.inverse[step] = inverse;
    inverse
}

/// Columns of a dense block eliminated together.
const COLUMNS: usize = 3;

/// LDL' of the dense triangle of `node`, left-looking by blocks of columns: leaves L D below the
/// diagonal and L' above it.
#[inline(always)]
unsafe fn factor_triangle<S: Simd, T: Register<S>>(
    simd: S,
    diag: *mut T,
    node: &Supernode,
    pivots: &mut Pivots<'_, T>,
) {
    let width = node.width;
    let mut k = 0;
    while k < width {
        // SAFETY: columns k.. of the width x width block, as many as there are.
        unsafe {
            match width - k {
                1 => eliminate_columns::<S, T, 1>(simd, diag, width, k, node.start, pivots),
                2 => eliminate_columns::<S, T, 2>(simd, diag, width, k, node.start, pivots),
                _ => eliminate_columns::<S, T, COLUMNS>(simd, diag, width, k, node.start, pivots),
            }
        }
        k += COLUMNS;
    }
}

/// Eliminates columns `k..k + NC` of a dense triangle whose earlier columns are done.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[inline(always)]
unsafe fn eliminate_columns<S: Simd, T: Register<S>, const NC: usize>(
    simd: S,
    diag: *mut T,
    width: usize,
    k: usize,
    start: usize,
    pivots: &mut Pivots<'_, T>,
) {
    // SAFETY: rows and columns below `width` of a width x width block.
    unsafe {
        // The triangle on the diagonal.
        let mut x =
            gather_rows::<S, T, NC, NC>(simd, diag.add(k * width), width, diag, width, (0, k));
        let mut inverse = [T::splat(simd, 0.0); NC];
        for c in 0..NC {
            for p in 0..c {
                // x[c][p] is final; its multiplier eliminates row c.
                let l = x[c][p] * inverse[p];
                for r in c..NC {
                    x[r][c] = x[r][p].nfma(l, x[r][c]);
                }
                *diag.add((k + p) * width + k + c) = l;
            }
            inverse[c] = invert_pivot(simd, x[c][c], start + k + c, pivots);
        }
        for r in 1..NC {
            for c in 0..r {
                *diag.add((k + r) * width + k + c) = x[r][c];
            }
        }
        // The rows below.
        let mut i = k + NC;
        while i < width {
            let left = width - i;
            if left >= 4 {
                eliminate_rows::<S, T, 4, NC>(simd, diag, width, k, i, inverse);
                i += 4;
            } else if left >= 2 {
                eliminate_rows::<S, T, 2, NC>(simd, diag, width, k, i, inverse);
                i += 2;
            } else {
                eliminate_rows::<S, T, 1, NC>(simd, diag, width, k, i, inverse);
                i += 1;
            }
        }
    }
}

/// Rows `i..i + MR` of columns `k..k + NC` of a dense triangle.
#[inline(always)]
unsafe fn eliminate_rows<S: Simd, T: Register<S>, const MR: usize, const NC: usize>(
    simd: S,
    diag: *mut T,
    width: usize,
    k: usize,
    i: usize,
    inverse: [T; NC],
) {
    // SAFETY: as for the caller.
    unsafe {
        let rows = diag.add(i * width);
        let x = solve_columns::<S, T, MR, NC>(simd, rows, width, diag, width, (0, k));
        for (r, x) in x.iter().enumerate() {
            for c in 0..NC {
                *diag.add((k + c) * width + i + r) = x[c] * inverse[c];
            }
        }
    }
}

/// Turns the panel B into X with X L' = B, that is X = (L of the panel) D.
#[inline(always)]
unsafe fn solve_panel<S: Simd, T: Register<S>>(
    simd: S,
    diag: *const T,
    panel: *mut T,
    node: &Supernode,
) {
    let (rows, width) = (node.rows.len(), node.width);
    let mut i = 0;
    while i < rows {
        // SAFETY: row i and the next three, where there are so many, lie in the panel.
        unsafe {
            let row = panel.add(i * width);
            let left = rows - i;
            if left >= 4 {
                solve_rows::<S, T, 4>(simd, diag, row, width, node.begin(i, i + 4));
                i += 4;
            } else if left >= 2 {
                solve_rows::<S, T, 2>(simd, diag, row, width, node.begin(i, i + 2));
                i += 2;
            } else {
                solve_rows::<S, T, 1>(simd, diag, row, width, node.begin(i, i + 1));
                i += 1;
            }
        }
    }
}

/// Forward substitution of MR rows, which are zero before column `begin`, against the triangle.
#[inline(always)]
unsafe fn solve_rows<S: Simd, T: Register<S>, const MR: usize>(
    simd: S,
    diag: *const T,
    rows: *mut T,
    width: usize,
    begin: usize,
) {
    let mut k = begin;
    while k < width {
        let columns = (begin, k);
        // SAFETY: columns k.. of MR rows and of the triangle.
        unsafe {
            match width - k {
                1 => _ = solve_columns::<S, T, MR, 1>(simd, rows, width, diag, width, columns),
                2 => _ = solve_columns::<S, T, MR, 2>(simd, rows, width, diag, width, columns),
                _ => {
                    solve_columns::<S, T, MR, COLUMNS>(simd, rows, width, diag, width, columns);
                }
            }
        }
        k += COLUMNS;
    }
}

/// Columns `k..k + NC` of a forward substitution of MR rows whose columns `begin..k` are done and
/// those before zero; stores and returns them.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[inline(always)]
unsafe fn solve_columns<S: Simd, T: Register<S>, const MR: usize, const NC: usize>(
    simd: S,
    rows: *mut T,
    stride: usize,
    diag: *const T,
    width: usize,
    (begin, k): (usize, usize),
) -> [[T; NC]; MR] {
    // SAFETY: columns up to k + NC of MR rows and of the triangle.
    unsafe {
        let mut x = gather_rows::<S, T, MR, NC>(simd, rows, stride, diag, width, (begin, k));
        for c in 1..NC {
            for p in 0..c {
                let l = *diag.add((k + p) * width + k + c);
                for x in &mut x {
                    x[c] = x[p].nfma(l, x[c]);
                }
            }
        }
        for (r, x) in x.iter().enumerate() {
            for c in 0..NC {
                *rows.add(r * stride + k + c) = x[c];
            }
        }
        x
    }
}

/// Entries `k..k + NC` of MR rows, less the product of their columns `begin..k` with L'.
#[inline(always)]
unsafe fn gather_rows<S: Simd, T: Register<S>, const MR: usize, const NC: usize>(
    simd: S,
    rows: *const T,
    stride: usize,
    diag: *const T,
    width: usize,
    (begin, k): (usize, usize),
) -> [[T; NC]; MR] {
    // SAFETY: columns up to k + NC of MR rows and of the triangle.
    unsafe {
        let mut x = [[T::splat(simd, 0.0); NC]; MR];
        for (r, x) in x.iter_mut().enumerate() {
            for (c, x) in x.iter_mut().enumerate() {
                *x = *rows.add(r * stride + k + c);
            }
        }
        for p in begin..k {
            let mut l = [T::splat(simd, 0.0); NC];
            for (c, l) in l.iter_mut().enumerate() {
                *l = *diag.add(p * width + k + c);
            }
            for (r, x) in x.iter_mut().enumerate() {
                let known = *rows.add(r * stride + p);
                for (x, l) in x.iter_mut().zip(l) {
                    *x = known.nfma(l, *x);
                }
            }
        }
        x
    }
}
