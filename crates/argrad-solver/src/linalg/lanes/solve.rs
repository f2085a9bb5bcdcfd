//! Triangular solves in lanes: K x = r in place, for one or two right-hand sides at a time.
//!
//! K is symmetric, so the transpose solve is the same function.

use pulp::Simd;

use super::symbolic::{Kind, Supernode, Symbolic};
use crate::lanes::{Kernel, Register, call};

/// Solves K x = r for `R` right-hand sides. `rhs` is `[step][R]` in elimination order; holds x on
/// return.
pub(crate) fn solve<S: Simd, T: Register<S>, const R: usize>(
    simd: S,
    symbolic: &Symbolic,
    values: &[T],
    inverse_pivots: &[T],
    rhs: &mut [[T; R]],
) {
    assert!(values.len() >= symbolic.len && inverse_pivots.len() == symbolic.order());
    assert_eq!(rhs.len(), symbolic.order());
    call(simd, Solve { simd, symbolic, values, inverse_pivots, rhs });
}

struct Solve<'a, S: Simd, T: Register<S>, const R: usize> {
    simd: S,
    symbolic: &'a Symbolic,
    values: &'a [T],
    inverse_pivots: &'a [T],
    rhs: &'a mut [[T; R]],
}

impl<S: Simd, T: Register<S>, const R: usize> Kernel for Solve<'_, S, T, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, symbolic, values, inverse_pivots, rhs } = self;
        let system = System {
            zero: T::splat(simd, 0.0),
            values: values.as_ptr(),
            inverse_pivots: inverse_pivots.as_ptr(),
        };
        let rhs = rhs.as_mut_ptr();
        // SAFETY: the lengths were asserted; addresses and rows come from the symbolic
        // factorization.
        unsafe {
            for node in &symbolic.supernodes {
                system.forward::<S, R>(node, rhs);
            }
            for node in symbolic.supernodes.iter().rev() {
                system.backward::<S, R>(node, rhs);
            }
        }
    }
}

/// A factored matrix.
struct System<T> {
    zero: T,
    values: *const T,
    inverse_pivots: *const T,
}

impl<T> System<T> {
    /// Forward substitution and division by the pivots in the columns of `node`, and their products
    /// with the rows below subtracted.
    ///
    /// # Safety
    /// `node` belongs to the factorization of the matrix, and `rhs` has an entry for each of its
    /// steps.
    #[inline(always)]
    unsafe fn forward<S: Simd, const R: usize>(&self, node: &Supernode, rhs: *mut [T; R])
    where
        T: Register<S>,
    {
        let zero = self.zero;
        let width = node.width;
        // SAFETY: by the caller.
        unsafe {
            let x = rhs.add(node.start);
            let inverse = self.inverse_pivots.add(node.start);
            if node.kind == Kind::Dense {
                let diag = self.values.add(node.diag);
                let mut k = 0;
                while k < width {
                    if width - k >= 4 {
                        eliminate::<S, T, R, 4>(zero, diag, width, k, x);
                        k += 4;
                    } else {
                        eliminate::<S, T, R, 1>(zero, diag, width, k, x);
                        k += 1;
                    }
                }
            }
            for k in 0..width {
                for r in 0..R {
                    (*x.add(k))[r] *= *inverse.add(k);
                }
            }
            let panel = self.values.add(node.panel);
            let (rows, count) = (node.rows.as_ptr(), node.rows.len());
            let mut i = 0;
            while i < count {
                let (at, rows) = (panel.add(i * width), rows.add(i));
                if count - i >= 4 {
                    let columns = (node.begin(i, i + 4), width);
                    subtract_rows::<S, T, R, 4>(zero, at, columns, x, rhs, rows);
                    i += 4;
                } else {
                    let columns = (node.begin(i, i + 1), width);
                    subtract_rows::<S, T, R, 1>(zero, at, columns, x, rhs, rows);
                    i += 1;
                }
            }
        }
    }

    /// Backward substitution in the columns of `node`, given the unknowns of the rows below.
    ///
    /// # Safety
    /// As for [`Self::forward`].
    #[inline(always)]
    unsafe fn backward<S: Simd, const R: usize>(&self, node: &Supernode, rhs: *mut [T; R])
    where
        T: Register<S>,
    {
        let zero = self.zero;
        let width = node.width;
        // SAFETY: by the caller.
        unsafe {
            let x = rhs.add(node.start);
            let inverse = self.inverse_pivots.add(node.start);
            let panel = self.values.add(node.panel);
            let mut k = 0;
            while k < width {
                // Without rows the panel has no column k, and nothing is read there.
                let (at, x, inverse) = (panel.wrapping_add(k), x.add(k), inverse.add(k));
                if width - k >= 4 {
                    subtract_columns::<S, T, R, 4>(zero, at, width, inverse, x, rhs, &node.rows);
                    k += 4;
                } else {
                    subtract_columns::<S, T, R, 1>(zero, at, width, inverse, x, rhs, &node.rows);
                    k += 1;
                }
            }
            if node.kind == Kind::Dense {
                let diag = self.values.add(node.diag);
                // The last columns first, those that do not fill a block one by one.
                let mut k = width;
                while k > 0 {
                    if k.is_multiple_of(4) {
                        k -= 4;
                        substitute::<S, T, R, 4>(zero, diag, width, k, x);
                    } else {
                        k -= 1;
                        substitute::<S, T, R, 1>(zero, diag, width, k, x);
                    }
                }
            }
        }
    }
}

/// Forward substitution of columns `k..k + N` of a dense triangle, L' in its upper half.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[inline(always)]
unsafe fn eliminate<S: Simd, T: Register<S>, const R: usize, const N: usize>(
    zero: T,
    diag: *const T,
    width: usize,
    k: usize,
    x: *mut [T; R],
) {
    // SAFETY: columns up to k + N of a width x width block, and as many unknowns.
    unsafe {
        let mut known = [[zero; R]; N];
        for c in 0..N {
            known[c] = *x.add(k + c);
            for p in 0..c {
                let l = *diag.add((k + p) * width + k + c);
                for r in 0..R {
                    known[c][r] = known[p][r].nfma(l, known[c][r]);
                }
            }
            *x.add(k + c) = known[c];
        }
        for i in k + N..width {
            let mut entry = *x.add(i);
            for (c, known) in known.iter().enumerate() {
                let l = *diag.add((k + c) * width + i);
                for r in 0..R {
                    entry[r] = known[r].nfma(l, entry[r]);
                }
            }
            *x.add(i) = entry;
        }
    }
}

/// Backward substitution of columns `k..k + N` of a dense triangle.
#[inline(always)]
unsafe fn substitute<S: Simd, T: Register<S>, const R: usize, const N: usize>(
    zero: T,
    diag: *const T,
    width: usize,
    k: usize,
    x: *mut [T; R],
) {
    // SAFETY: as for `eliminate`.
    unsafe {
        let mut sums = [[zero; R]; N];
        for i in k + N..width {
            let known = *x.add(i);
            for (c, sum) in sums.iter_mut().enumerate() {
                let l = *diag.add((k + c) * width + i);
                for r in 0..R {
                    sum[r] = known[r].fma(l, sum[r]);
                }
            }
        }
        for c in (0..N).rev() {
            let mut entry = *x.add(k + c);
            for r in 0..R {
                entry[r] -= sums[c][r];
            }
            for p in c + 1..N {
                let (l, known) = (*diag.add((k + c) * width + k + p), *x.add(k + p));
                for r in 0..R {
                    entry[r] = known[r].nfma(l, entry[r]);
                }
            }
            *x.add(k + c) = entry;
        }
    }
}

/// rhs(rows) -= panel x, for N rows, which are zero before column `begin`.
#[inline(always)]
unsafe fn subtract_rows<S: Simd, T: Register<S>, const R: usize, const N: usize>(
    zero: T,
    panel: *const T,
    (begin, width): (usize, usize),
    x: *const [T; R],
    rhs: *mut [T; R],
    rows: *const u32,
) {
    // SAFETY: N rows of the panel of `width` columns; row indices inside the right-hand side.
    unsafe {
        let mut sums = [[zero; R]; N];
        for k in begin..width {
            let known = *x.add(k);
            for (i, sums) in sums.iter_mut().enumerate() {
                let entry = *panel.add(i * width + k);
                for r in 0..R {
                    sums[r] = entry.fma(known[r], sums[r]);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let target = &mut *rhs.add(*rows.add(i) as usize);
            for r in 0..R {
                target[r] -= sums[r];
            }
        }
    }
}

/// x -= (panel' rhs(rows)) / d, for N columns.
#[inline(always)]
unsafe fn subtract_columns<S: Simd, T: Register<S>, const R: usize, const N: usize>(
    zero: T,
    panel: *const T,
    width: usize,
    inverse_pivots: *const T,
    x: *mut [T; R],
    rhs: *const [T; R],
    rows: &[u32],
) {
    // SAFETY: N columns of the panel; row indices inside the right-hand side.
    unsafe {
        let mut sums = [[zero; R]; N];
        for (i, &row) in rows.iter().enumerate() {
            let known = *rhs.add(row as usize);
            let entries = panel.add(i * width);
            for (k, sums) in sums.iter_mut().enumerate() {
                let entry = *entries.add(k);
                for r in 0..R {
                    sums[r] = entry.fma(known[r], sums[r]);
                }
            }
        }
        for (k, sums) in sums.iter().enumerate() {
            let inverse = *inverse_pivots.add(k);
            let target = &mut *x.add(k);
            for r in 0..R {
                target[r] = sums[r].nfma(inverse, target[r]);
            }
        }
    }
}
