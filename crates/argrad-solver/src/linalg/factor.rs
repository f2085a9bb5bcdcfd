//! Numeric LDL' in lanes, right-looking over supernodes.

use pulp::Simd;

use super::symbolic::{Kind, Supernode, Symbolic};
use super::tile::subtract_outer_product;
use crate::lanes::{Kernel, V, call};

/// The pivots of a factorization and what they must be like.
pub(crate) struct Pivots<'a, S: Simd> {
    /// Expected sign of each pivot, +1 or -1, in elimination order.
    pub(crate) signs: &'a [f64],
    /// A pivot of the wrong sign, or smaller than this, is replaced by this times its sign.
    pub(crate) smallest: f64,
    /// Receives 1 / d.
    pub(crate) inverse: &'a mut [V<S>],
    /// Receives the smallest `sign * d` met before replacement.
    pub(crate) least: &'a mut V<S>,
}

/// Factors the matrix whose entries lie in `values` at the addresses of `symbolic`; `values` then
/// holds L (unit diagonal blocks) and L D (panels).
pub(crate) fn factor<S: Simd>(
    simd: S,
    symbolic: &Symbolic,
    values: &mut [V<S>],
    pivots: Pivots<'_, S>,
    scratch: &mut [V<S>],
) {
    assert!(values.len() >= symbolic.len && scratch.len() >= symbolic.scratch_len);
    assert!(pivots.inverse.len() == symbolic.order() && pivots.signs.len() == symbolic.order());
    call(simd, Factor { simd, symbolic, values, pivots, scratch });
}

struct Factor<'a, S: Simd> {
    simd: S,
    symbolic: &'a Symbolic,
    values: &'a mut [V<S>],
    pivots: Pivots<'a, S>,
    scratch: &'a mut [V<S>],
}

impl<S: Simd> Kernel for Factor<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, symbolic, values, mut pivots, scratch } = self;
        let values = values.as_mut_ptr();
        *pivots.least = V::splat(simd, f64::INFINITY);
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
fn invert_pivot<S: Simd>(simd: S, pivot: V<S>, step: usize, pivots: &mut Pivots<'_, S>) -> V<S> {
    let sign = V::splat(simd, pivots.signs[step]);
    let smallest = V::splat(simd, pivots.smallest);
    let signed = pivot * sign;
    *pivots.least = signed.min(*pivots.least);
    // A NaN pivot is not replaced: it marks its lane as failed.
    let pivot = signed.lt(smallest).select(smallest * sign, pivot);
    let inverse = V::splat(simd, 1.0) / pivot;
    pivots.inverse[step] = inverse;
    inverse
}

/// LDL' of the dense triangle of `node`: leaves L below the diagonal and (L D)' above it.
#[inline(always)]
unsafe fn factor_triangle<S: Simd>(simd: S, diag: *mut V<S>, node: &Supernode, pivots: &mut Pivots<'_, S>) {
    let width = node.width;
    for k in 0..width {
        // SAFETY: rows and columns below `width` of a width x width block.
        unsafe {
            let inverse = invert_pivot(simd, *diag.add(k * width + k), node.start + k, pivots);
            let mirror = diag.add(k * width);
            for i in k + 1..width {
                let x = *diag.add(i * width + k);
                *mirror.add(i) = x;
                *diag.add(i * width + k) = x * inverse;
            }
            for i in k + 1..width {
                let row = diag.add(i * width);
                let l = *row.add(k);
                for j in k + 1..=i {
                    *row.add(j) = l.nfma(*mirror.add(j), *row.add(j));
                }
            }
        }
    }
}

/// Turns the panel B into X with X L' = B, that is X = (L of the panel) D.
#[inline(always)]
unsafe fn solve_panel<S: Simd>(simd: S, diag: *const V<S>, panel: *mut V<S>, node: &Supernode) {
    let (rows, width) = (node.rows.len(), node.width);
    let mut i = 0;
    while i < rows {
        // SAFETY: row i and the next three, where there are so many, lie in the panel.
        unsafe {
            let row = panel.add(i * width);
            if rows - i >= 4 {
                solve_rows::<S, 4>(simd, diag, row, width);
                i += 4;
            } else {
                solve_rows::<S, 1>(simd, diag, row, width);
                i += 1;
            }
        }
    }
}

/// Forward substitution of MR rows, three columns at a time.
#[inline(always)]
unsafe fn solve_rows<S: Simd, const MR: usize>(simd: S, diag: *const V<S>, rows: *mut V<S>, width: usize) {
    const NC: usize = 3;
    // SAFETY: columns below `width` of MR rows of the panel and of the diagonal block.
    unsafe {
        let mut k = 0;
        while k < width {
            let columns = NC.min(width - k);
            let mut x = [[V::splat(simd, 0.0); NC]; MR];
            let mut l = [diag; NC];
            for c in 0..NC {
                // Past the last column, repeat it: computed but not stored.
                l[c] = diag.add((k + c.min(columns - 1)) * width);
                for r in 0..MR {
                    x[r][c] = *rows.add(r * width + k + c.min(columns - 1));
                }
            }
            for p in 0..k {
                let factors = [*l[0].add(p), *l[1].add(p), *l[2].add(p)];
                for (r, x) in x.iter_mut().enumerate() {
                    let known = *rows.add(r * width + p);
                    for (x, factor) in x.iter_mut().zip(factors) {
                        *x = known.nfma(factor, *x);
                    }
                }
            }
            let (l10, l20, l21) = (*l[1].add(k), *l[2].add(k), *l[2].add(k + 1.min(columns - 1)));
            for (r, x) in x.iter_mut().enumerate() {
                let row = rows.add(r * width + k);
                *row = x[0];
                if columns > 1 {
                    x[1] = x[0].nfma(l10, x[1]);
                    *row.add(1) = x[1];
                }
                if columns > 2 {
                    x[2] = x[1].nfma(l21, x[0].nfma(l20, x[2]));
                    *row.add(2) = x[2];
                }
            }
            k += columns;
        }
    }
}
