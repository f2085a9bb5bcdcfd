//! Householder reduction of one large symmetric matrix to tridiagonal form, and its eigenvectors.
//!
//! Reflections make the rows tridiagonal from the last one up, in the lower triangle (Martin,
//! Reinsch, Wilkinson: Householder's tridiagonalization of a symmetric matrix, 1968). What a
//! reflection subtracts from the matrix is subtracted when the next one needs the product with it,
//! so that the matrix goes through the caches once a reflection. Rows are processed in groups of
//! eight whose diagonal block is full: no loop has a remainder. Sums over a row are eight partial
//! sums, whatever the width of the registers, added up in a fixed order.
//!
//! The product of the reflections is I - V' T V for blocks of them (Schreiber, Van Loan: A
//! storage-efficient WY representation for products of Householder transformations, 1989).

use pulp::Simd;

use super::matrix::{Entries, Support};
use super::panel::{RowProducts, Rows, SubtractProduct, call_task};
use crate::lanes::{LaneTask, MOST_LANES, V};

/// Numbers that are summed side by side.
const GROUP: usize = MOST_LANES;
/// Squared norms below are not normal numbers when multiplied by eps^2.
const VANISHING: f64 = 1e-280;
/// Reflections that are applied together to the eigenvectors.
const BLOCK: usize = 32;

/// Distance of the rows of the matrix: a multiple of a group.
#[inline(always)]
pub(super) fn stride(side: usize) -> usize {
    side.next_multiple_of(GROUP)
}

/// Numbers that [`Reduce`] needs for itself.
#[inline(always)]
pub(super) fn reduce_scratch_len(side: usize) -> usize {
    5 * stride(side)
}

/// Numbers that [`Expand`] needs for itself.
#[inline(always)]
pub(super) fn expand_scratch_len(side: usize) -> usize {
    2 * BLOCK * (side + BLOCK)
}

/// Reduces the symmetric matrix `a`, with rows [`stride`] apart and finite numbers between them, to
/// the tridiagonal matrix with diagonal `d` and off-diagonal `e`, e_k between k and k + 1. Leaves
/// the vector of the reflection I - beta v v' that made row i tridiagonal in row i, with zeros
/// after it.
pub(super) struct Reduce<'a> {
    pub(super) side: usize,
    pub(super) a: &'a mut [f64],
    pub(super) d: &'a mut [f64],
    pub(super) e: &'a mut [f64],
    pub(super) betas: &'a mut [f64],
    pub(super) scratch: &'a mut [f64],
}

impl LaneTask for Reduce<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, a, d, e, betas, scratch } = self;
        let stride = stride(side);
        let (v, scratch) = scratch.split_at_mut(stride);
        let (last_v, scratch) = scratch.split_at_mut(stride);
        let (w, scratch) = scratch.split_at_mut(stride);
        let p = &mut scratch[..stride];
        last_v.fill(0.0);
        w.fill(0.0);
        for i in (0..side).rev() {
            let (above, row) = a.split_at_mut(i * stride);
            let row = &mut row[..stride];
            subtract_from_row(simd, (last_v[i], last_v), (w[i], w), row);
            d[i] = row[i];
            row[i..].fill(0.0);
            betas[i] = 0.0;
            if i == 1 {
                e[0] = row[0];
                row[0] = 0.0;
            }
            if i < 2 {
                continue;
            }
            (betas[i], e[i - 1]) = reflector(simd, &mut row[..stride], i);
            v.copy_from_slice(row);
            p.fill(0.0);
            call_task(simd, UpdateAndMultiply { count: i, a: above, last_v, w, v, p });
            let beta = betas[i];
            let share = 0.5 * beta * (beta * dot(simd, p, v));
            for ((w, &p), &v) in w[..i].iter_mut().zip(&p[..i]).zip(&v[..i]) {
                *w = (-share).mul_add(v, beta * p);
            }
            w[i..].fill(0.0);
            last_v.copy_from_slice(v);
        }
    }
}

/// Turns the first `len` numbers of a row into the vector v for which I - beta v v' takes them to
/// a multiple of the last coordinate. Returns beta and that multiple.
#[inline(always)]
fn reflector<S: Simd>(simd: S, row: &mut [f64], len: usize) -> (f64, f64) {
    let last = row[len - 1];
    let square = dot(simd, row, row);
    let norm = square.sqrt();
    let half = last.abs().mul_add(norm, square);
    let beta = if half > VANISHING { 1.0 / half } else { 0.0 };
    let signed = if last >= 0.0 { norm } else { -norm };
    row[len - 1] = last + signed;
    (beta, -signed)
}

/// x'y of vectors of whole groups.
#[inline(always)]
fn dot<S: Simd>(simd: S, x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [V::splat(simd, 0.0); GROUP];
    for (x, y) in x.chunks_exact(GROUP).zip(y.chunks_exact(GROUP)) {
        let (x, y) = (V::slice(simd, x), V::slice(simd, y));
        for c in 0..GROUP / V::<S>::LANES {
            sums[c] = x[c].fma(y[c], sums[c]);
        }
    }
    total(&sums)
}

/// The sum of the numbers of a group, in a fixed order.
#[inline(always)]
fn total<S: Simd>(sums: &[V<S>; GROUP]) -> f64 {
    let x = &V::as_floats(sums)[..GROUP];
    ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
}

/// row -= vi w' + wi v'.
#[inline(always)]
fn subtract_from_row<S: Simd>(
    simd: S,
    (vi, v): (f64, &[f64]),
    (wi, w): (f64, &[f64]),
    row: &mut [f64],
) {
    let (vi, wi) = (V::splat(simd, vi), V::splat(simd, wi));
    let (v, w) = (V::slice(simd, v), V::slice(simd, w));
    for ((a, &v), &w) in V::slice_mut(simd, row).iter_mut().zip(v).zip(w) {
        *a = vi.nfma(w, wi.nfma(v, *a));
    }
}

/// a -= last_v w' + w last_v' and then p += a v, for the first `count` rows and columns.
struct UpdateAndMultiply<'a> {
    count: usize,
    a: &'a mut [f64],
    last_v: &'a [f64],
    w: &'a [f64],
    v: &'a [f64],
    p: &'a mut [f64],
}

impl LaneTask for UpdateAndMultiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { count, a, last_v, w, v, p } = self;
        let stride = p.len();
        let vectors = Vectors { last_v, w, v };
        let mut group = 0;
        while group < count {
            let mut i = group;
            let end = count.min(group + GROUP);
            while i + 2 <= end {
                let (first, second) = a[i * stride..(i + 2) * stride].split_at_mut(stride);
                rows_of_group(simd, (i, group), [first, second], vectors, p);
                i += 2;
            }
            if i < end {
                let row = &mut a[i * stride..(i + 1) * stride];
                rows_of_group(simd, (i, group), [row], vectors, p);
            }
            group += GROUP;
        }
    }
}

#[derive(Clone, Copy)]
struct Vectors<'a> {
    last_v: &'a [f64],
    w: &'a [f64],
    v: &'a [f64],
}

/// The part of H rows from row i on, in the group of rows that begins with `group`: entries before
/// the group count for their mirror images too.
#[inline(always)]
fn rows_of_group<S: Simd, const H: usize>(
    simd: S,
    (i, group): (usize, usize),
    rows: [&mut [f64]; H],
    vectors: Vectors<'_>,
    p: &mut [f64],
) {
    let zero = V::splat(simd, 0.0);
    let Vectors { last_v, w, v } = vectors;
    let (mut vi, mut wi, mut xi) = ([zero; H], [zero; H], [zero; H]);
    for r in 0..H {
        vi[r] = V::splat(simd, last_v[i + r]);
        wi[r] = V::splat(simd, w[i + r]);
        xi[r] = V::splat(simd, v[i + r]);
    }
    let mut sums = [[zero; GROUP]; H];
    let mut k = 0;
    while k < group {
        let last_v = V::slice(simd, &last_v[k..k + GROUP]);
        let w = V::slice(simd, &w[k..k + GROUP]);
        let v = V::slice(simd, &v[k..k + GROUP]);
        let p = V::slice_mut(simd, &mut p[k..k + GROUP]);
        for c in 0..GROUP / V::<S>::LANES {
            let mut product = p[c];
            for r in 0..H {
                let entry = &mut V::slice_mut(simd, &mut rows[r][k..k + GROUP])[c];
                let value = vi[r].nfma(w[c], wi[r].nfma(last_v[c], *entry));
                *entry = value;
                sums[r][c] = value.fma(v[c], sums[r][c]);
                product = value.fma(xi[r], product);
            }
            p[c] = product;
        }
        k += GROUP;
    }
    let last_v = V::slice(simd, &last_v[k..k + GROUP]);
    let w = V::slice(simd, &w[k..k + GROUP]);
    let products = V::slice_mut(simd, &mut p[k..k + GROUP]);
    for c in 0..GROUP / V::<S>::LANES {
        for r in 0..H {
            let entry = &mut V::slice_mut(simd, &mut rows[r][k..k + GROUP])[c];
            let value = vi[r].nfma(w[c], wi[r].nfma(last_v[c], *entry));
            *entry = value;
            products[c] = value.fma(xi[r], products[c]);
        }
    }
    for r in 0..H {
        p[i + r] += total(&sums[r]);
    }
}

/// Writes the product of the reflections of [`Reduce`], Q' with A = Q T Q', to the rows of `u`.
pub(super) struct Expand<'a> {
    pub(super) side: usize,
    pub(super) reflectors: &'a [f64],
    pub(super) betas: &'a [f64],
    pub(super) u: &'a mut [f64],
    pub(super) scratch: &'a mut [f64],
}

impl LaneTask for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, reflectors, betas, u, scratch } = self;
        let (along, scratch) = scratch.split_at_mut(BLOCK * side);
        let (factors, scratch) = scratch.split_at_mut(BLOCK * side);
        let (t, scratch) = scratch.split_at_mut(BLOCK * BLOCK);
        let gram = &mut scratch[..BLOCK * BLOCK];
        u.fill(0.0);
        for k in 0..side {
            u[k * side + k] = 1.0;
        }
        let stride = stride(side);
        // The vector in row i has i entries: the block leaves all behind `len` as it is.
        let mut start = 2;
        while start < side {
            let end = side.min(start + BLOCK);
            let (count, len) = (end - start, end - 1);
            let v = Rows { values: &reflectors[start * stride..], stride, count };
            triangular_factor(simd, len, v, &betas[start..end], t, gram);
            let q = Rows { values: u, stride: side, count: len };
            row_products(simd, len, q, v, along);
            let along = Rows { values: along, stride: BLOCK, count: len };
            row_products(simd, count, along, Rows { values: t, stride: BLOCK, count }, factors);
            let a = Rows { values: factors, stride: BLOCK, count: len };
            call_task(simd, SubtractProduct { a, b: v, columns: len, out: u, stride: side });
            start = end;
        }
    }
}

/// `out = A B'`, with rows [`BLOCK`] apart.
#[inline(always)]
fn row_products<S: Simd>(simd: S, len: usize, a: Rows<'_>, b: Rows<'_>, out: &mut [f64]) {
    let (support, entries) = (Support::Full, Entries::Full);
    let rows = 0..a.count;
    call_task(simd, RowProducts { len, a, rows, support, b, entries, out, stride: BLOCK });
}

/// The transpose of the upper triangular T with which the product of the reflections is I - V' T V.
#[inline(always)]
fn triangular_factor<S: Simd>(
    simd: S,
    len: usize,
    v: Rows<'_>,
    betas: &[f64],
    t: &mut [f64],
    gram: &mut [f64],
) {
    row_products(simd, len, v, v, gram);
    t.fill(0.0);
    for j in 0..v.count {
        // Column j of T is -beta_j T V v_j above the diagonal: a sum of its columns before.
        let (before, row) = t.split_at_mut(j * BLOCK);
        let row = &mut row[..BLOCK];
        for l in 0..j {
            let factor = -betas[j] * gram[j * BLOCK + l];
            for (x, &y) in row[..=l].iter_mut().zip(&before[l * BLOCK..]) {
                *x = factor.mul_add(y, *x);
            }
        }
        row[j] = betas[j];
    }
}
