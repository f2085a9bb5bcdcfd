//! Rows and columns of A whose numbers are far apart are brought together.
//!
//! The scales r of the rows and c of the columns minimize the sum of the squares of
//! `log |a_ij| + log r_i + log c_j` over the entries of A (A. R. Curtis and J. K. Reid, "On the
//! automatic scaling of matrices for Gaussian elimination", 1972): each is the geometric mean of
//! what its entries ask for, rows and columns by turns. That minimum is the same in all units of
//! rows and columns. Largest entries would not do: of a row they tell nothing about the others, and
//! there are many scalings that make all of them one.

use pulp::Simd;

use super::scales::{apply, to_one_by_exponent};
use crate::lanes::{M, V};
use crate::system::analysis::Analysis;
use crate::system::memory::{EquilibrationVectors, State};

/// Norms with this ratio are far apart.
const APART: f64 = 128.0;
/// Most turns.
const TURNS: usize = 8;
/// An entry below this share of the norms of its row and its column is the rounding of the others.
const FAINT: f64 = f64::EPSILON;

/// Aligns the lanes in which the norms of the columns, or of the rows, are far apart.
#[inline(always)]
pub(super) fn align<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    vectors: &mut EquilibrationVectors<'_, S>,
) {
    write_norms(simd, analysis, state, vectors);
    let apart = far_apart(simd, vectors.column) | far_apart(simd, vectors.row);
    if !apart.any() {
        return;
    }
    let one = V::splat(simd, 1.0);
    for turn in 0..TURNS {
        if turn > 0 {
            write_norms(simd, analysis, state, vectors);
        }
        write_means(simd, analysis, state, vectors);
        let EquilibrationVectors { column, row, column_mean, .. } = &mut *vectors;
        let mut changed = false;
        for (factor, &mean) in column.iter_mut().zip(column_mean.iter()) {
            *factor = apart.select(to_one_by_exponent(mean), one);
            changed |= (factor.lt(one) | factor.gt(one)).any();
        }
        row.fill(one);
        apply(analysis, state, column, row);

        write_norms(simd, analysis, state, vectors);
        write_means(simd, analysis, state, vectors);
        let EquilibrationVectors { column, row, row_mean, .. } = &mut *vectors;
        for (factor, &mean) in row.iter_mut().zip(row_mean.iter()) {
            *factor = apart.select(to_one_by_exponent(mean), one);
            changed |= (factor.lt(one) | factor.gt(one)).any();
        }
        column.fill(one);
        analysis.cones.unify_scaling(simd, row);
        apply(analysis, state, column, row);
        if !changed {
            break;
        }
    }
}

/// Norms of the columns and rows of A: their largest entries. That of a column is at least what the
/// diagonal of P makes of it, as a share of the largest: so the unit of a variable that A hardly
/// touches is that in which the objective sees it.
#[inline(always)]
fn write_norms<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &State<'_, S>,
    vectors: &mut EquilibrationVectors<'_, S>,
) {
    let zero = V::splat(simd, 0.0);
    let EquilibrationVectors { column, row, .. } = vectors;
    column.fill(zero);
    row.fill(zero);
    for (stored, &address) in analysis.stored_a.iter().zip(&analysis.kkt.a_address) {
        let entry = state.values[address as usize];
        let (i, j) = (stored.row as usize, stored.col as usize);
        column[j] = column[j].max_abs(entry);
        row[i] = row[i].max_abs(entry);
    }
    let mut of_a = zero;
    for &norm in column.iter() {
        of_a = of_a.max(norm);
    }
    let diagonal = || {
        let p = &state.values[analysis.kkt.p_base..];
        analysis.stored_p.iter().zip(p).filter(|(stored, _)| stored.row == stored.col)
    };
    let mut of_p = zero;
    for (_, &entry) in diagonal() {
        of_p = of_p.max_abs(entry);
    }
    let unit = of_p.gt(zero).select(of_a / of_p.sqrt(), zero);
    for (stored, &entry) in diagonal() {
        let norm = &mut column[stored.col as usize];
        *norm = norm.max(unit * entry.abs().sqrt());
    }
}

/// Exponents of the geometric means of the entries of the columns and rows of A whose norms
/// [`write_norms`] wrote: of entries that are not faint in row and column. A column without any has
/// that of its norm, which is P's; and so has every column where P has all of its diagonal: there
/// the objective sees each variable, and a scale that a few small entries of A ask for would blow P
/// up.
#[inline(always)]
fn write_means<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &State<'_, S>,
    vectors: &mut EquilibrationVectors<'_, S>,
) {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let EquilibrationVectors { column, row, column_mean, row_mean, column_count, row_count } =
        vectors;
    for sum in [&mut **column_mean, row_mean, column_count, row_count] {
        sum.fill(zero);
    }
    for (stored, &address) in analysis.stored_a.iter().zip(&analysis.kkt.a_address) {
        let size = state.values[address as usize].abs();
        let (i, j) = (stored.row as usize, stored.col as usize);
        let counts = size.gt(V::splat(simd, FAINT) * row[i].min(column[j]));
        let exponent = counts.select(size, one).exponent();
        let weight = counts.select(one, zero);
        column_mean[j] += exponent;
        row_mean[i] += exponent;
        column_count[j] += weight;
        row_count[i] += weight;
    }
    let columns = column_mean.iter_mut().zip(column_count.iter()).zip(column.iter());
    let rows = row_mean.iter_mut().zip(row_count.iter()).zip(row.iter());
    for ((mean, &count), &norm) in columns.chain(rows) {
        let other = norm.gt(zero).select(norm, one).exponent();
        *mean = count.gt(zero).select(*mean / count.max(one), other);
    }
    let (mut seen, mut entries) = (zero, 0);
    let p = &state.values[analysis.kkt.p_base..];
    for (_, entry) in analysis.stored_p.iter().zip(p).filter(|(stored, _)| stored.row == stored.col)
    {
        seen += entry.abs().gt(zero).select(one, zero);
        entries += 1;
    }
    let all_seen = seen.ge(V::splat(simd, analysis.n() as f64));
    if entries < analysis.n() || !all_seen.any() {
        return;
    }
    for (mean, &norm) in column_mean.iter_mut().zip(column.iter()) {
        *mean = all_seen.select(norm.exponent(), *mean);
    }
}

/// Lanes in which the largest of the norms is much larger than the smallest that is not zero.
#[inline(always)]
fn far_apart<S: Simd>(simd: S, norms: &[V<S>]) -> M<S> {
    let infinite = V::splat(simd, f64::INFINITY);
    let (mut largest, mut smallest) = (V::splat(simd, 0.0), infinite);
    for &norm in norms {
        largest = largest.max(norm);
        smallest = norm.gt(norm.like(0.0)).select(norm, infinite).min(smallest);
    }
    largest.gt(V::splat(simd, APART) * smallest)
}
