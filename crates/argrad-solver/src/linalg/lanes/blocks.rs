//! Products with P and A, where A is a disjoint union of dense blocks.
//!
//! Rows of A with the same columns form one block. A dense A is one block; a diagonal one is a
//! block an entry. Each value is read once for both Ax and A'z.

use std::collections::BTreeMap;

use pulp::Simd;

use crate::lanes::{Kernel, Register, V, call};
use crate::program::Pattern;

/// A dense block of A, stored `[outer][inner]` from address `base`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) base: usize,
    /// Whether the outer index runs over rows of A (else over columns).
    pub(crate) outer_is_row: bool,
    pub(crate) outer: Vec<u32>,
    pub(crate) inner: Vec<u32>,
}

/// Where P and A lie and how to multiply by them.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    /// Address of the first entry of P; the rest follow in the order of its pattern.
    p_base: usize,
    p_colptr: Vec<usize>,
    p_rowval: Vec<u32>,
    a: Vec<Block>,
}

/// Rows of A grouped by equal columns: `(rows, columns)` of each group, rows ascending.
pub(crate) fn equal_rows(a: &Pattern) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut columns_of = vec![Vec::new(); a.rows()];
    for (i, j) in a.entries() {
        columns_of[i].push(j);
    }
    let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (i, columns) in columns_of.into_iter().enumerate() {
        if !columns.is_empty() {
            groups.entry(columns).or_default().push(i);
        }
    }
    groups.into_iter().map(|(columns, rows)| (rows, columns)).collect()
}

impl Blocks {
    pub(crate) fn new(p: &Pattern, p_base: usize, a: Vec<Block>) -> Self {
        Self {
            p_base,
            p_colptr: p.colptr().to_vec(),
            p_rowval: p.rowval().iter().map(|&i| i as u32).collect(),
            a,
        }
    }

    /// `px = P x`, `ax = A x`, `atz = A' z`.
    #[expect(clippy::too_many_arguments, reason = "the operands of a kernel")]
    #[inline(always)]
    pub(crate) fn multiply<S: Simd, T: Register<S>>(
        &self,
        simd: S,
        values: &[T],
        x: &[T],
        z: &[T],
        px: &mut [T],
        ax: &mut [T],
        atz: &mut [T],
    ) {
        assert!(px.len() == x.len() && atz.len() == x.len() && ax.len() == z.len());
        assert!(self.p_colptr.len() == x.len() + 1);
        call(simd, Multiply { simd, blocks: self, values, x, z, px, ax, atz });
    }
}

impl Blocks {
    /// Raises `column[j]`, `row[i]` to the largest absolute value of the entries of P (both
    /// triangles) and A in that column of the program and row of A.
    #[inline(always)]
    pub(crate) fn largest_entries<S: Simd>(
        &self,
        values: &[V<S>],
        column: &mut [V<S>],
        row: &mut [V<S>],
    ) {
        let mut base = self.p_base;
        for j in 0..column.len() {
            let rows = &self.p_rowval[self.p_colptr[j]..self.p_colptr[j + 1]];
            let mut largest = column[j];
            for (entry, &i) in values[base..base + rows.len()].iter().zip(rows) {
                let size = entry.abs();
                largest = size.max(largest);
                column[i as usize] = size.max(column[i as usize]);
            }
            column[j] = largest;
            base += rows.len();
        }
        for block in &self.a {
            let (outer_norm, inner_norm) = if block.outer_is_row {
                (&mut *row, &mut *column)
            } else {
                (&mut *column, &mut *row)
            };
            let entries = &values[block.base..block.base + block.outer.len() * block.inner.len()];
            for (&o, entries) in block.outer.iter().zip(entries.chunks_exact(block.inner.len())) {
                let mut largest = outer_norm[o as usize];
                for (entry, &k) in entries.iter().zip(&block.inner) {
                    let size = entry.abs();
                    largest = size.max(largest);
                    inner_norm[k as usize] = size.max(inner_norm[k as usize]);
                }
                outer_norm[o as usize] = largest;
            }
        }
    }

    /// P(i, j) *= column(i) column(j), A(i, j) *= row(i) column(j).
    #[inline(always)]
    pub(crate) fn scale<S: Simd>(&self, values: &mut [V<S>], column: &[V<S>], row: &[V<S>]) {
        let mut base = self.p_base;
        for (j, &factor) in column.iter().enumerate() {
            let rows = &self.p_rowval[self.p_colptr[j]..self.p_colptr[j + 1]];
            for (entry, &i) in values[base..base + rows.len()].iter_mut().zip(rows) {
                *entry *= column[i as usize] * factor;
            }
            base += rows.len();
        }
        for block in &self.a {
            let (outer, inner) = if block.outer_is_row { (row, column) } else { (column, row) };
            let entries =
                &mut values[block.base..block.base + block.outer.len() * block.inner.len()];
            for (&o, entries) in block.outer.iter().zip(entries.chunks_exact_mut(block.inner.len()))
            {
                let factor = outer[o as usize];
                for (entry, &k) in entries.iter_mut().zip(&block.inner) {
                    *entry *= inner[k as usize] * factor;
                }
            }
        }
    }
}

struct Multiply<'a, S: Simd, T> {
    simd: S,
    blocks: &'a Blocks,
    values: &'a [T],
    x: &'a [T],
    z: &'a [T],
    px: &'a mut [T],
    ax: &'a mut [T],
    atz: &'a mut [T],
}

impl<S: Simd, T: Register<S>> Kernel for Multiply<'_, S, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, blocks, values, x, z, px, ax, atz } = self;
        let zero = T::splat(simd, 0.0);
        px.fill(zero);
        ax.fill(zero);
        atz.fill(zero);
        let mut base = blocks.p_base;
        for j in 0..x.len() {
            let rows = &blocks.p_rowval[blocks.p_colptr[j]..blocks.p_colptr[j + 1]];
            let column = &values[base..base + rows.len()];
            base += rows.len();
            let (above, diagonal) = match rows.last() {
                Some(&last) if last as usize == j => {
                    (rows.len() - 1, column[rows.len() - 1] * x[j])
                }
                _ => (rows.len(), zero),
            };
            let xj = x[j];
            // Two sums, so that the additions do not wait for each other.
            let (mut even, mut odd) = (diagonal, zero);
            let mut k = 0;
            while k + 1 < above {
                let (i0, i1) = (rows[k] as usize, rows[k + 1] as usize);
                // SAFETY: row indices of P are below x.len(), the length of px.
                unsafe {
                    even = column[k].fma(*x.get_unchecked(i0), even);
                    odd = column[k + 1].fma(*x.get_unchecked(i1), odd);
                    *px.get_unchecked_mut(i0) = column[k].fma(xj, *px.get_unchecked(i0));
                    *px.get_unchecked_mut(i1) = column[k + 1].fma(xj, *px.get_unchecked(i1));
                }
                k += 2;
            }
            if k < above {
                let i = rows[k] as usize;
                even = column[k].fma(x[i], even);
                px[i] = column[k].fma(xj, px[i]);
            }
            px[j] += even + odd;
        }
        for block in &blocks.a {
            let size = block.outer.len() * block.inner.len();
            let entries = &values[block.base..block.base + size];
            if block.outer_is_row {
                multiply_block::<S, T>(zero, block, entries, x, ax, z, atz);
            } else {
                multiply_block::<S, T>(zero, block, entries, z, atz, x, ax);
            }
        }
    }
}

/// `outer_out += B inner_in` and `inner_out += B' outer_in`.
#[inline(always)]
fn multiply_block<S: Simd, T: Register<S>>(
    zero: T,
    block: &Block,
    entries: &[T],
    inner_in: &[T],
    outer_out: &mut [T],
    outer_in: &[T],
    inner_out: &mut [T],
) {
    let mut o = 0;
    while o < block.outer.len() {
        let left = block.outer.len() - o;
        // SAFETY: block indices are valid for the vectors they index: they come from the pattern
        // of A, and the caller checked the lengths.
        unsafe {
            if left >= 4 {
                multiply_rows::<S, T, 4>(
                    zero, block, o, entries, inner_in, outer_out, outer_in, inner_out,
                );
                o += 4;
            } else {
                multiply_rows::<S, T, 1>(
                    zero, block, o, entries, inner_in, outer_out, outer_in, inner_out,
                );
                o += 1;
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the operands of a kernel")]
#[inline(always)]
unsafe fn multiply_rows<S: Simd, T: Register<S>, const N: usize>(
    zero: T,
    block: &Block,
    o: usize,
    entries: &[T],
    inner_in: &[T],
    outer_out: &mut [T],
    outer_in: &[T],
    inner_out: &mut [T],
) {
    let width = block.inner.len();
    let entries = entries[o * width..(o + N) * width].as_ptr();
    // SAFETY: N rows of the block; indices valid by the caller's word.
    unsafe {
        let mut sums = [zero; N];
        let mut known = [zero; N];
        for (r, known) in known.iter_mut().enumerate() {
            *known = *outer_in.get_unchecked(*block.outer.get_unchecked(o + r) as usize);
        }
        for (k, &inner) in block.inner.iter().enumerate() {
            let u = *inner_in.get_unchecked(inner as usize);
            let mut w = *inner_out.get_unchecked(inner as usize);
            for r in 0..N {
                let entry = *entries.add(r * width + k);
                sums[r] = entry.fma(u, sums[r]);
                w = entry.fma(known[r], w);
            }
            *inner_out.get_unchecked_mut(inner as usize) = w;
        }
        for (r, sum) in sums.iter().enumerate() {
            let target = outer_out.get_unchecked_mut(*block.outer.get_unchecked(o + r) as usize);
            *target += *sum;
        }
    }
}
