//! From adjoint solutions to gradients of the values: outer products on the patterns.

use crate::program::Pattern;
use crate::threads::for_each;

use super::rows::split;

/// A vector for each sample of a batch.
#[derive(Clone, Copy)]
pub(super) struct Vectors<'a> {
    values: &'a [f64],
    len: usize,
    stride: usize,
}

impl<'a> Vectors<'a> {
    /// Of `len` numbers each, one after the other.
    pub(super) fn each(values: &'a [f64], len: usize) -> Self {
        Self { values, len, stride: len }
    }

    /// The same for every sample.
    pub(super) fn repeated(values: &'a [f64]) -> Self {
        Self { values, len: values.len(), stride: 0 }
    }

    #[inline(always)]
    fn sample(&self, index: usize) -> &'a [f64] {
        &self.values[index * self.stride..][..self.len]
    }
}

/// Adjoint and point of each sample, in the caller's units.
#[derive(Clone, Copy)]
pub(super) struct Adjoints<'a> {
    pub(super) l1: Vectors<'a>,
    pub(super) l2: Vectors<'a>,
    pub(super) x: Vectors<'a>,
    pub(super) z: Vectors<'a>,
}

impl<'a> Adjoints<'a> {
    #[inline(always)]
    fn sample(&self, index: usize) -> Adjoint<'a> {
        Adjoint {
            l1: self.l1.sample(index),
            l2: self.l2.sample(index),
            x: self.x.sample(index),
            z: self.z.sample(index),
        }
    }
}

/// Those of one sample.
#[derive(Clone, Copy)]
pub(super) struct Adjoint<'a> {
    pub(super) l1: &'a [f64],
    pub(super) l2: &'a [f64],
    pub(super) x: &'a [f64],
    pub(super) z: &'a [f64],
}

/// Adds column `j` of dA = -(l2 x' + z l1') to `out`.
#[inline(always)]
fn add_a_column(adjoint: &Adjoint<'_>, rows: &[usize], j: usize, out: &mut [f64]) {
    let (x, l1) = (adjoint.x[j], adjoint.l1[j]);
    match contiguous(rows) {
        Some(range) => {
            for ((out, l2), z) in
                out.iter_mut().zip(&adjoint.l2[range.clone()]).zip(&adjoint.z[range])
            {
                *out -= l2 * x + z * l1;
            }
        }
        None => {
            for (out, &i) in out.iter_mut().zip(rows) {
                *out -= adjoint.l2[i] * x + adjoint.z[i] * l1;
            }
        }
    }
}

/// Adds column `j` of dP = -sym(l1 x') on the upper triangle to `out`.
#[inline(always)]
fn add_p_column(adjoint: &Adjoint<'_>, rows: &[usize], j: usize, out: &mut [f64]) {
    let (x, l1) = (adjoint.x[j], adjoint.l1[j]);
    match contiguous(rows) {
        Some(range) => {
            for ((out, l), p) in
                out.iter_mut().zip(&adjoint.l1[range.clone()]).zip(&adjoint.x[range])
            {
                *out -= l * x + p * l1;
            }
        }
        None => {
            for (out, &i) in out.iter_mut().zip(rows) {
                *out -= adjoint.l1[i] * x + adjoint.x[i] * l1;
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

impl Adjoint<'_> {
    /// Adds dP or dA of this sample to `out`.
    #[inline(always)]
    pub(super) fn add(&self, which: Which, pattern: &Pattern, out: &mut [f64]) {
        match which {
            Which::P => self.add_columns(pattern, out, add_p_column),
            Which::A => self.add_columns(pattern, out, add_a_column),
        }
    }

    #[inline(always)]
    fn add_columns(&self, pattern: &Pattern, out: &mut [f64], add_column: impl AddColumn) {
        for (j, ends) in pattern.colptr().windows(2).enumerate() {
            let (start, end) = (ends[0], ends[1]);
            add_column(self, &pattern.rowval()[start..end], j, &mut out[start..end]);
        }
    }
}

/// Adds column `j`, with these rows, of an outer product to the last argument. A type per matrix:
/// loops over columns are compiled for each, and do not ask in every column which one it is.
trait AddColumn: Fn(&Adjoint<'_>, &[usize], usize, &mut [f64]) + Copy + Sync {}

impl<F: Fn(&Adjoint<'_>, &[usize], usize, &mut [f64]) + Copy + Sync> AddColumn for F {}

#[inline(always)]
fn contiguous(rows: &[usize]) -> Option<std::ops::Range<usize>> {
    let (&first, &last) = (rows.first()?, rows.last()?);
    (last - first + 1 == rows.len()).then_some(first..last + 1)
}

/// Which matrix a gradient belongs to.
#[derive(Clone, Copy)]
pub(super) enum Which {
    P,
    A,
}

/// Gradient of a matrix: dP or dA of all `terms` added up, over the batch too where the batch
/// shares the matrix, else one row per sample.
pub(super) fn of_matrix(
    pattern: &Pattern,
    which: Which,
    batch: usize,
    is_shared: bool,
    terms: &[Adjoints<'_>],
) -> Vec<f64> {
    match (which, is_shared) {
        (Which::P, true) => sum_over_batch(pattern, batch, terms, add_p_column),
        (Which::A, true) => sum_over_batch(pattern, batch, terms, add_a_column),
        (Which::P, false) => of_each(pattern, batch, terms, add_p_column),
        (Which::A, false) => of_each(pattern, batch, terms, add_a_column),
    }
}

/// One row per sample.
fn of_each(
    pattern: &Pattern,
    batch: usize,
    terms: &[Adjoints<'_>],
    add_column: impl AddColumn,
) -> Vec<f64> {
    let len = pattern.nnz();
    let mut gradient = vec![0.0; batch * len];
    for (sample, out) in gradient.chunks_mut(len.max(1)).enumerate() {
        for adjoints in terms {
            adjoints.sample(sample).add_columns(pattern, out, add_column);
        }
    }
    gradient
}

/// The sum over all samples and terms.
fn sum_over_batch(
    pattern: &Pattern,
    batch: usize,
    terms: &[Adjoints<'_>],
    add_column: impl AddColumn,
) -> Vec<f64> {
    let sums = terms.iter().map(|adjoints| sum_matrix(pattern, batch, adjoints, add_column));
    sums.reduce(add).unwrap_or_default()
}

fn add(mut one: Vec<f64>, other: Vec<f64>) -> Vec<f64> {
    one.iter_mut().zip(other).for_each(|(one, other)| *one += other);
    one
}

/// Gradient of a vector of `len` numbers: the rows times `sign`, added up where the batch shares
/// the vector.
pub(super) fn of_vector(mut rows: Vec<f64>, len: usize, is_shared: bool, sign: f64) -> Vec<f64> {
    if is_shared {
        return sum_rows(&rows, len, sign);
    }
    if sign != 1.0 {
        rows.iter_mut().for_each(|value| *value *= sign);
    }
    rows
}

/// Sum over the batch of dP or dA. Every entry is summed in the order of the samples, so the
/// result does not depend on the number of threads.
fn sum_matrix(
    pattern: &Pattern,
    batch: usize,
    adjoints: &Adjoints<'_>,
    add_column: impl AddColumn,
) -> Vec<f64> {
    /// Columns summed by one task.
    const COLUMNS: usize = 8;
    let mut sum = vec![0.0; pattern.nnz()];
    let mut rest = &mut sum[..];
    let tasks: Vec<(usize, &mut [f64])> = (0..pattern.cols())
        .step_by(COLUMNS)
        .map(|first| {
            let last = (first + COLUMNS).min(pattern.cols());
            (first, split(&mut rest, pattern.colptr()[last] - pattern.colptr()[first]))
        })
        .collect();
    let add_columns = |first: usize, mut out: &mut [f64]| {
        for j in first..(first + COLUMNS).min(pattern.cols()) {
            let rows = &pattern.rowval()[pattern.colptr()[j]..pattern.colptr()[j + 1]];
            let (column, tail) = out.split_at_mut(rows.len());
            out = tail;
            for sample in 0..batch {
                add_column(&adjoints.sample(sample), rows, j, column);
            }
        }
    };
    let cost = batch * pattern.nnz() / tasks.len().max(1);
    for_each(tasks, cost, || (), |(), (first, out)| add_columns(first, out));
    sum
}

/// Sum over the batch of rows of `len` numbers, times `sign`.
fn sum_rows(rows: &[f64], len: usize, sign: f64) -> Vec<f64> {
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
