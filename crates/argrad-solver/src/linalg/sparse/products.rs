//! Products with P and A in compressed sparse columns.

use pulp::Simd;

use super::runs::{MultiplyRuns, Runs};
use crate::lanes::{AsNumbers, Kernel, Register, V, call, dispatch};
use crate::program::{Instructions, Pattern, Structure};

/// A matrix whose values lie in the order of its pattern from address `base` on.
#[derive(Clone, Debug)]
struct Columns {
    base: usize,
    colptr: Vec<usize>,
    rowval: Vec<u32>,
}

impl Columns {
    fn new(pattern: &Pattern, base: usize) -> Self {
        let rowval = pattern.rowval().iter().map(|&i| i as u32).collect();
        Self { base, colptr: pattern.colptr().to_vec(), rowval }
    }

    /// Row indices and addresses of column `j`.
    #[inline(always)]
    fn column(&self, j: usize) -> (&[u32], std::ops::Range<usize>) {
        let (start, end) = (self.colptr[j], self.colptr[j + 1]);
        (&self.rowval[start..end], self.base + start..self.base + end)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct SparseProducts {
    p: Columns,
    a: Columns,
    /// Where the entries of columns follow each other, with the instructions to use: the products
    /// of one sample then go by several rows at a time.
    runs: Option<(Runs, Instructions)>,
}

impl SparseProducts {
    /// Products with one sample at a time, whose P and A lie from these addresses on.
    pub(crate) fn new(
        structure: &Structure,
        (p_base, a_base): (usize, usize),
        instructions: Instructions,
    ) -> Self {
        Self {
            p: Columns::new(&structure.p, p_base),
            a: Columns::new(&structure.a, a_base),
            runs: Runs::new((&structure.p, p_base), (&structure.a, a_base))
                .map(|runs| (runs, instructions)),
        }
    }

    /// `px = P x`, `ax = A x`, `atz = A' z`.
    #[expect(clippy::too_many_arguments, reason = "one pass reads two vectors and writes three")]
    #[inline(always)]
    pub(crate) fn multiply<S: Simd, T: AsNumbers<S>>(
        &self,
        simd: S,
        values: &[T],
        x: &[T],
        z: &[T],
        px: &mut [T],
        ax: &mut [T],
        atz: &mut [T],
    ) {
        debug_assert!(S::F64_LANES == 1, "one sample at a time");
        if let Some((runs, instructions)) = &self.runs {
            let (values, x, z) = (T::as_numbers(values), T::as_numbers(x), T::as_numbers(z));
            let [px, ax, atz] = [px, ax, atz].map(T::as_numbers_mut);
            return dispatch(*instructions, MultiplyRuns { runs, values, x, z, px, ax, atz });
        }
        call(simd, Multiply { simd, products: self, values, x, z, px, ax, atz });
    }

    #[inline(always)]
    pub(crate) fn largest_entries<S: Simd>(
        &self,
        values: &[V<S>],
        column: &mut [V<S>],
        row: &mut [V<S>],
    ) {
        for j in 0..column.len() {
            let (rows, entries) = self.p.column(j);
            for (&i, entry) in rows.iter().zip(&values[entries]) {
                let size = entry.abs();
                column[i as usize] = size.max(column[i as usize]);
                column[j] = size.max(column[j]);
            }
            let (rows, entries) = self.a.column(j);
            for (&i, entry) in rows.iter().zip(&values[entries]) {
                let size = entry.abs();
                row[i as usize] = size.max(row[i as usize]);
                column[j] = size.max(column[j]);
            }
        }
    }

    #[inline(always)]
    pub(crate) fn scale<S: Simd>(&self, values: &mut [V<S>], column: &[V<S>], row: &[V<S>]) {
        for (j, &factor) in column.iter().enumerate() {
            let (rows, entries) = self.p.column(j);
            for (&i, entry) in rows.iter().zip(&mut values[entries]) {
                *entry *= column[i as usize] * factor;
            }
            let (rows, entries) = self.a.column(j);
            for (&i, entry) in rows.iter().zip(&mut values[entries]) {
                *entry *= row[i as usize] * factor;
            }
        }
    }
}

struct Multiply<'a, S, T> {
    simd: S,
    products: &'a SparseProducts,
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
        let Self { simd, products, values, x, z, px, ax, atz } = self;
        let zero = T::splat(simd, 0.0);
        px.fill(zero);
        ax.fill(zero);
        for (j, &xj) in x.iter().enumerate() {
            let (rows, entries) = products.p.column(j);
            let mut sum = zero;
            for (&i, &entry) in rows.iter().zip(&values[entries]) {
                let i = i as usize;
                if i == j {
                    sum = entry.fma(xj, sum);
                } else {
                    sum = entry.fma(x[i], sum);
                    px[i] = entry.fma(xj, px[i]);
                }
            }
            px[j] += sum;
            let (rows, entries) = products.a.column(j);
            let mut sum = zero;
            for (&i, &entry) in rows.iter().zip(&values[entries]) {
                let i = i as usize;
                ax[i] = entry.fma(xj, ax[i]);
                sum = entry.fma(z[i], sum);
            }
            atz[j] = sum;
        }
    }
}
