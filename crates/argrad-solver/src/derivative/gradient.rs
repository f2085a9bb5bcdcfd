//! From adjoint solutions to gradients of the values: outer products on the patterns.

use crate::program::Pattern;
use crate::threads::for_each;

/// One instance's adjoint and point, in the caller's units.
#[derive(Clone, Copy)]
pub(crate) struct Adjoint<'a> {
    pub(crate) l1: &'a [f64],
    pub(crate) l2: &'a [f64],
    pub(crate) x: &'a [f64],
    pub(crate) z: &'a [f64],
}

impl Adjoint<'_> {
    /// Adds column `j` of dA = -(l2 x' + z l1') to `out`.
    #[inline(always)]
    fn add_a_column(&self, rows: &[usize], j: usize, out: &mut [f64]) {
        let (x, l1) = (self.x[j], self.l1[j]);
        match contiguous(rows) {
            Some(range) => {
                for ((out, l2), z) in
                    out.iter_mut().zip(&self.l2[range.clone()]).zip(&self.z[range])
                {
                    *out -= l2 * x + z * l1;
                }
            }
            None => {
                for (out, &i) in out.iter_mut().zip(rows) {
                    *out -= self.l2[i] * x + self.z[i] * l1;
                }
            }
        }
    }

    /// Adds column `j` of dP = -sym(l1 x') on the upper triangle to `out`.
    #[inline(always)]
    fn add_p_column(&self, rows: &[usize], j: usize, out: &mut [f64]) {
        let (x, l1) = (self.x[j], self.l1[j]);
        match contiguous(rows) {
            Some(range) => {
                for ((out, l), p) in out.iter_mut().zip(&self.l1[range.clone()]).zip(&self.x[range])
                {
                    *out -= l * x + p * l1;
                }
            }
            None => {
                for (out, &i) in out.iter_mut().zip(rows) {
                    *out -= self.l1[i] * x + self.x[i] * l1;
                }
            }
        }
        // The sum above counts a diagonal entry twice.
        if rows.last() == Some(&j)
            && let Some(diagonal) = out.last_mut()
        {
            *diagonal += l1 * x;
        }
    }

    /// dA of this instance.
    #[inline(always)]
    pub(crate) fn write_a(&self, pattern: &Pattern, out: &mut [f64]) {
        for (j, ends) in pattern.colptr().windows(2).enumerate() {
            self.add_a_column(&pattern.rowval()[ends[0]..ends[1]], j, &mut out[ends[0]..ends[1]]);
        }
    }

    /// dP of this instance.
    #[inline(always)]
    pub(crate) fn write_p(&self, pattern: &Pattern, out: &mut [f64]) {
        for (j, ends) in pattern.colptr().windows(2).enumerate() {
            self.add_p_column(&pattern.rowval()[ends[0]..ends[1]], j, &mut out[ends[0]..ends[1]]);
        }
    }
}

#[inline(always)]
fn contiguous(rows: &[usize]) -> Option<std::ops::Range<usize>> {
    let (&first, &last) = (rows.first()?, rows.last()?);
    (last - first + 1 == rows.len()).then_some(first..last + 1)
}

/// Which matrix a shared gradient belongs to.
#[derive(Clone, Copy)]
pub(crate) enum Matrix {
    P,
    A,
}

/// Sum over the batch of dP or dA. Every entry is summed in the order of the instances, so the
/// result does not depend on the number of threads.
pub(crate) fn sum_matrix<'a>(
    pattern: &Pattern,
    which: Matrix,
    batch: usize,
    adjoint: impl Fn(usize) -> Adjoint<'a> + Sync,
) -> Vec<f64> {
    /// Columns summed by one task.
    const COLUMNS: usize = 8;
    let mut sum = vec![0.0; pattern.nnz()];
    let mut tasks: Vec<(usize, &mut [f64])> = Vec::new();
    let mut rest = &mut sum[..];
    for first in (0..pattern.cols()).step_by(COLUMNS) {
        let last = (first + COLUMNS).min(pattern.cols());
        let (columns, tail) = rest.split_at_mut(pattern.colptr()[last] - pattern.colptr()[first]);
        rest = tail;
        tasks.push((first, columns));
    }
    let add_columns = |first: usize, mut out: &mut [f64]| {
        for j in first..(first + COLUMNS).min(pattern.cols()) {
            let rows = &pattern.rowval()[pattern.colptr()[j]..pattern.colptr()[j + 1]];
            let (column, tail) = out.split_at_mut(rows.len());
            out = tail;
            for instance in 0..batch {
                match which {
                    Matrix::P => adjoint(instance).add_p_column(rows, j, column),
                    Matrix::A => adjoint(instance).add_a_column(rows, j, column),
                }
            }
        }
    };
    let cost = batch * pattern.nnz() / tasks.len().max(1);
    for_each(tasks, cost, || (), |(), (first, out)| add_columns(first, out));
    sum
}

/// Sum over the batch of rows of `len` numbers, times `sign`.
pub(crate) fn sum_rows(rows: &[f64], len: usize, sign: f64) -> Vec<f64> {
    let mut sum = vec![0.0; len];
    if len > 0 {
        for row in rows.chunks_exact(len) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += sign * value;
            }
        }
    }
    sum
}
