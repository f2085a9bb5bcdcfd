//! The completion of a matrix that is known within cliques only.
//!
//! Of all positive definite matrices with these entries, that of the largest determinant (Grone,
//! Johnson, Sa, Wolkowicz, 1984): its inverse is zero outside of the cliques. A clique, of which
//! the vertices U are known to those before it and R are not, gets
//!
//! ```text
//! Z_RO = Z_RU Z_UU^-1 Z_UO      with all other vertices O that are known so far
//! ```
//! (Vandenberghe and Andersen, Chordal graphs and semidefinite optimization, 2015, section 10.2.)
//! It is what the interior point would have found: on its path z = mu s^-1, the inverse of a matrix
//! that is zero outside of the cliques. Its rank is as large as can be, and the polish needs that:
//! between them s and z must leave no direction out.

use pulp::Simd;

use super::cliques::Clique;
use crate::lanes::{LaneTask, V};
use crate::linalg::dense::{cholesky, triangle_index};

/// Completes the matrix of side `side` whose entries within `cliques` are, clique by clique, those
/// of `known` from `starts` on: upper triangles stacked by columns. `out` is the whole square.
///
/// Z_UU is made regular by this `share` of its largest entry: where entries come from an interior
/// point, smaller eigenvalues mean nothing. Where it is not even then positive definite, the result
/// is not finite.
pub(super) struct Completion<'a> {
    pub(super) side: usize,
    pub(super) cliques: &'a [Clique],
    pub(super) starts: &'a [usize],
    pub(super) known: &'a [f64],
    pub(super) share: f64,
    pub(super) out: &'a mut [f64],
    /// [`scratch_len`] numbers.
    pub(super) scratch: &'a mut [f64],
    /// The places of each separator in its clique.
    pub(super) shared: &'a [Vec<usize>],
}

/// Scratch numbers of a [`Completion`].
pub(super) fn scratch_len(cliques: &[Clique]) -> usize {
    let largest = cliques.iter().map(|clique| clique.separator.len()).max().unwrap_or(0);
    largest * (largest + 2)
}

impl LaneTask for Completion<'_> {
    type Output = ();

    /// With one lane.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, cliques, starts, known, share, out, scratch, shared } = self;
        let (known, out) = (V::<S>::slice(simd, known), V::<S>::slice_mut(simd, out));
        let scratch = V::<S>::slice_mut(simd, scratch);
        let share = V::splat(simd, share);
        // Parents before children.
        for ((clique, &start), shared) in cliques.iter().zip(starts).zip(shared).rev() {
            let own = &known[start..];
            let (x, scratch) = scratch.split_at_mut(shared.len());
            let factor = Factor::new(simd, (own, shared), share, scratch);
            let mut next = 0;
            for (place, &vertex) in clique.vertices.iter().enumerate() {
                if shared.get(next) == Some(&place) {
                    next += 1;
                    continue;
                }
                let row = vertex as usize;
                factor.solve(own, shared, place, x);
                for (&u, &factor) in clique.separator.iter().zip(&*x) {
                    add_row(side, out, (row, u as usize), factor);
                }
                for (other_place, &other) in clique.vertices.iter().enumerate() {
                    let (a, b) = (place.min(other_place), place.max(other_place));
                    out[row * side + other as usize] = own[triangle_index(a, b)];
                }
            }
            mirror(side, out, clique);
        }
    }
}

/// `out[row] += factor * out[from]`, of two different rows.
#[inline(always)]
fn add_row<S: Simd>(side: usize, out: &mut [V<S>], (row, from): (usize, usize), factor: V<S>) {
    let (low, high) = out.split_at_mut(row.max(from) * side);
    let (low, high) = (&mut low[row.min(from) * side..][..side], &mut high[..side]);
    let (to, from) = if row < from { (low, &*high) } else { (high, &*low) };
    for (to, &from) in to.iter_mut().zip(from) {
        *to = factor.fma(from, *to);
    }
}

/// The columns of the vertices that came with `clique`, from their rows.
#[inline(always)]
fn mirror<S: Simd>(side: usize, out: &mut [V<S>], clique: &Clique) {
    for &vertex in &clique.vertices {
        if clique.separator.binary_search(&vertex).is_ok() {
            continue;
        }
        let vertex = vertex as usize;
        for other in 0..side {
            out[other * side + vertex] = out[vertex * side + other];
        }
    }
}

/// The Cholesky factor of Z_UU.
struct Factor<'a, S: Simd> {
    rows: &'a [V<S>],
    /// Of its diagonal.
    inverses: &'a [V<S>],
}

impl<'a, S: Simd> Factor<'a, S> {
    #[inline(always)]
    fn new(
        simd: S,
        (own, shared): (&[V<S>], &[usize]),
        share: V<S>,
        scratch: &'a mut [V<S>],
    ) -> Self {
        let (count, zero) = (shared.len(), V::splat(simd, 0.0));
        let (inverses, scratch) = scratch.split_at_mut(count);
        let rows = &mut scratch[..count * count];
        let largest = shared.iter().fold(zero, |most, &u| most.max_abs(own[triangle_index(u, u)]));
        for (i, &u) in shared.iter().enumerate() {
            for (j, &w) in shared[..=i].iter().enumerate() {
                rows[i * count + j] = own[triangle_index(w, u)];
            }
            rows[i * count + i] += share * largest;
        }
        cholesky(simd, count, rows, inverses);
        Self { rows, inverses }
    }

    /// `x = Z_UU^-1 Z_Ur` for the vertex r at `place`.
    #[inline(always)]
    fn solve(&self, own: &[V<S>], shared: &[usize], place: usize, x: &mut [V<S>]) {
        for (x, &u) in x.iter_mut().zip(shared) {
            *x = own[triangle_index(u.min(place), u.max(place))];
        }
        let count = x.len();
        for i in 0..count {
            let (before, rest) = x.split_at_mut(i);
            for (&l, &known) in self.rows[i * count..].iter().zip(&*before) {
                rest[0] = l.nfma(known, rest[0]);
            }
            rest[0] *= self.inverses[i];
        }
        for i in (0..count).rev() {
            let (before, rest) = x.split_at_mut(i);
            rest[0] *= self.inverses[i];
            for (&l, other) in self.rows[i * count..].iter().zip(before) {
                *other = l.nfma(rest[0], *other);
            }
        }
    }
}
