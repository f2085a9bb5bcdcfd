//! Dense blocks of the maps X -> W X W and X -> U (F .* (U' X U)) U' on symmetric matrices, in the
//! coordinates of their triangles; lower triangles row by row.
//!
//! With T_(ac),(bd) the coefficient of X_cd in the entry (a, b) of the image, the entry of the
//! block for the coordinates (a, b) and (c, d) is
//!
//! ```text
//! B_(ab),(cd) = w_ab w_cd (T_(ac),(bd) + T_(ad),(bc)),     w_ab = 1 if a < b, 1/sqrt 2 if a = b.
//! ```
//!
//! For the first map T_(ac),(bd) = W_ac W_bd. For the second one T = G F G' with the rows
//! G_(ac),i = U_ai U_ci, one for each pair.

use std::f64::consts::SQRT_2;

use pulp::Simd;

use crate::lanes::{Kernel, V, call};
use crate::linalg::dense::{Entries, Support, row_products, triangle_index, triangle_len};

/// The block of X -> W X W.
#[inline(always)]
pub(super) fn write_symmetric_products<S: Simd>(simd: S, side: usize, w: &[V<S>], h: &mut [V<S>]) {
    let root = V::splat(simd, SQRT_2);
    let mut rest = h;
    for b in 0..side {
        for a in 0..=b {
            let (mut row, tail) = std::mem::take(&mut rest).split_at_mut(triangle_index(a, b) + 1);
            rest = tail;
            let (wa, wb) = (&w[a * side..][..side], &w[b * side..][..side]);
            for d in 0..=b {
                // The entries (c, d), c <= d, as far as the diagonal of the block.
                let (column, tail) = row.split_at_mut(row.len().min(d + 1));
                row = tail;
                let (wad, wbd) = (wa[d], wb[d]);
                if a < b {
                    for ((h, &wac), &wbc) in column.iter_mut().zip(wa).zip(wb) {
                        *h = wac.fma(wbd, wad * wbc);
                    }
                    if let Some(h) = column.get_mut(d) {
                        *h = root * (wad * wbd);
                    }
                } else {
                    let scaled = root * wad;
                    for (h, &wac) in column.iter_mut().zip(wa) {
                        *h = wac * scaled;
                    }
                    if let Some(h) = column.get_mut(d) {
                        *h = wad * wad;
                    }
                }
            }
        }
    }
}

/// Registers that [`write_divided_differences`] needs.
#[inline(always)]
pub(super) fn divided_differences_scratch_len(side: usize) -> usize {
    2 * triangle_len(side) * side
}

/// The block of X -> U (F .* (U' X U)) U'.
#[inline(always)]
pub(super) fn write_divided_differences<S: Simd>(
    simd: S,
    side: usize,
    u: &[V<S>],
    f: &[V<S>],
    h: &mut [V<S>],
    scratch: &mut [V<S>],
) {
    let len = triangle_len(side) * side;
    let (g, scratch) = scratch.split_at_mut(len);
    let product = &mut scratch[..len];
    for c in 0..side {
        for a in 0..=c {
            let (ua, uc) = (&u[a * side..][..side], &u[c * side..][..side]);
            let row = &mut g[triangle_index(a, c) * side..][..side];
            for ((g, &ua), &uc) in row.iter_mut().zip(ua).zip(uc) {
                *g = ua * uc;
            }
        }
    }
    row_products(simd, side, (g, Support::Full), f, (Entries::Full, product));
    row_products(simd, side, (product, Support::Full), g, (Entries::Triangle, h));
    call(simd, Symmetrize { simd, side, h });
}

/// Turns the lower triangle of T into that of B, in place: the three ways to make two pairs of a <=
/// b <= c <= d are three places, fewer where some are equal, and B has sums of T at the other
/// places.
struct Symmetrize<'a, S: Simd> {
    simd: S,
    side: usize,
    h: &'a mut [V<S>],
}

impl<S: Simd> Kernel for Symmetrize<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, side, h } = self;
        let (one, root) = (V::splat(simd, 1.0), V::splat(simd, SQRT_2));
        for d in 0..side {
            for c in 0..d {
                for b in 0..c {
                    let (first, second) = (at((c, d), (0, b)), at((b, d), (0, c)));
                    let mut third = at((0, d), (b, c));
                    for a in 0..b {
                        let (x, y, z) = (h[first + a], h[second + a], h[third]);
                        h[first + a] = y + z;
                        h[second + a] = x + z;
                        h[third] = x + y;
                        third += triangle_index(a, d) + 1;
                    }
                    exchange(h, at((c, d), (b, b)), at((b, d), (b, c)), root);
                    exchange(h, at((b, d), (c, c)), at((c, d), (b, c)), root);
                }
                for a in 0..c {
                    exchange(h, at((d, d), (a, c)), at((c, d), (a, d)), root);
                }
                exchange(h, at((d, d), (c, c)), at((c, d), (c, d)), one);
                h[at((c, d), (c, c))] *= root;
                h[at((d, d), (c, d))] *= root;
            }
        }
    }
}

/// Place of an entry whose row and column are pairs.
#[inline(always)]
fn at(row: (usize, usize), column: (usize, usize)) -> usize {
    triangle_index(triangle_index(column.0, column.1), triangle_index(row.0, row.1))
}

/// (x, y) becomes (factor y, x + y).
#[inline(always)]
fn exchange<S: Simd>(h: &mut [V<S>], x: usize, y: usize, factor: V<S>) {
    (h[x], h[y]) = (factor * h[y], h[x] + h[y]);
}
