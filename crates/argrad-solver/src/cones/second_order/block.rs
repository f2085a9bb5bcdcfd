//! How a block H of the second-order cone stands in the KKT matrix.
//!
//! H has one eigenvalue each on w+ and w- and a third on the rest. Small blocks are dense. Large ones are
//! kept sparse by two auxiliary nodes, whose elimination gives H = G + u u' - v v':
//! ```text
//! [ -G  u   v ]
//! [  u' 1   0 ]      G = diag(g0, g, ..., g),  u = (u0, u1 g1),  v = (0, v1 g1)
//! [  v' 0  -1 ]
//! ```
//! with g1 the direction of the axis. The choice of g0 is that of Domahidi ("Methods and tools for embedded
//! optimization and control", 2013, section 4.4): G - v v' stays positive definite where H is, so
//! that the KKT matrix is quasidefinite and any elimination order works.

use pulp::Simd;

use crate::lanes::{M, V};

use super::dot;

/// Largest dimension with a dense block.
pub(super) const DENSE_LIMIT: usize = 8;

pub(super) fn is_expanded(dim: usize) -> bool {
    dim > DENSE_LIMIT
}

/// Signs of the auxiliary nodes.
pub(super) fn auxiliary(dim: usize) -> Vec<f64> {
    if is_expanded(dim) { vec![1.0, -1.0] } else { Vec::new() }
}

/// The entries, in the order in which they are written.
pub(super) fn entries(dim: usize) -> Vec<(usize, usize)> {
    if !is_expanded(dim) {
        return (0..dim).flat_map(|i| (0..=i).map(move |j| (i, j))).collect();
    }
    let mut entries: Vec<_> = (0..dim).map(|i| (i, i)).collect();
    entries.extend((0..=dim).map(|j| (dim, j)));
    entries.extend((1..dim).map(|j| (dim + 1, j)));
    entries.push((dim + 1, dim + 1));
    entries
}

/// The block [tip, column g1'; column g1, diagonal I + outer g1 g1'].
pub(super) struct Dense<S: Simd> {
    pub(super) tip: V<S>,
    pub(super) column: V<S>,
    pub(super) outer: V<S>,
    pub(super) diagonal: V<S>,
}

impl<S: Simd> Dense<S> {
    /// Writes the lower triangle, row by row.
    #[inline(always)]
    pub(super) fn write(self, g1: &[V<S>], h: &mut [V<S>]) {
        h[0] = self.tip;
        let mut start = 1;
        for i in 0..g1.len() {
            let row = &mut h[start..start + i + 2];
            let scaled = self.outer * g1[i];
            row[0] = self.column * g1[i];
            for j in 0..i {
                row[j + 1] = scaled * g1[j];
            }
            row[i + 1] = scaled.fma(g1[i], self.diagonal);
            start += i + 2;
        }
    }
}

/// The sparse form.
pub(super) struct Expanded<S: Simd> {
    pub(super) g0: V<S>,
    pub(super) g: V<S>,
    pub(super) u0: V<S>,
    pub(super) u1: V<S>,
    pub(super) v1: V<S>,
}

impl<S: Simd> Expanded<S> {
    /// Writes what the KKT matrix holds the negative of.
    #[inline(always)]
    pub(super) fn write(self, g1: &[V<S>], h: &mut [V<S>]) {
        let n = g1.len() + 1;
        let (diagonal, rest) = h.split_at_mut(n);
        let (row_u, rest) = rest.split_at_mut(n + 1);
        let (row_v, pivot_v) = rest.split_at_mut(n - 1);
        diagonal.fill(self.g);
        diagonal[0] = self.g0;
        row_u[0] = -self.u0;
        row_u[n] = self.g.like(-1.0);
        pivot_v[0] = self.g.like(1.0);
        let (minus_u1, minus_v1) = (-self.u1, -self.v1);
        for ((u, v), &g1) in row_u[1..n].iter_mut().zip(row_v).zip(g1) {
            *u = minus_u1 * g1;
            *v = minus_v1 * g1;
        }
    }
}

/// What a written block says of its eigenvalues and its axis.
struct Spectrum<S: Simd> {
    /// H_00, the mean of the eigenvalues on w+ and w-.
    tip: V<S>,
    /// The eigenvalue on the rest; zero where there is no rest.
    rest: V<S>,
    /// Of the stored first column: below H_00, scale times column is half the difference of the
    /// eigenvalues on w+ and w-, times the axis.
    column_scale: V<S>,
}

impl<S: Simd> Spectrum<S> {
    #[inline(always)]
    fn new(simd: S, dim: usize, h: &[V<S>]) -> Self {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        if is_expanded(dim) {
            let u0 = h[dim];
            return Self { tip: u0.fma(u0, h[0]), rest: h[1], column_scale: u0 };
        }
        let tip = h[0];
        let mut rest = zero;
        if dim > 2 {
            // The trace is the sum of all eigenvalues, and 2 tip that of two of them.
            for i in 1..dim {
                rest += h[i * (i + 3) / 2];
            }
            rest = (rest - tip) * V::splat(simd, 1.0 / (dim - 2) as f64);
        }
        Self { tip, rest, column_scale: one }
    }
}

/// The product of two stored first columns, below H_00.
#[inline(always)]
fn column_dot<S: Simd>(simd: S, dim: usize, x: &[V<S>], y: &[V<S>]) -> V<S> {
    if is_expanded(dim) {
        return dot(simd, &x[dim + 1..2 * dim], &y[dim + 1..2 * dim]);
    }
    let mut sum = V::splat(simd, 0.0);
    for i in 1..dim {
        let at = i * (i + 1) / 2;
        sum = x[at].fma(y[at], sum);
    }
    sum
}

/// The lanes in which a factor with the block `old` serves to refine solves with `new`. Both the
/// eigenvalues and w+ must be close: where an eigenvalue is steep, a turn of w+ puts its steepness on what
/// had none, and refinement diverges unless turn^2 steepness < 1.
#[inline(always)]
pub(super) fn settled<S: Simd>(simd: S, dim: usize, old: &[V<S>], new: &[V<S>]) -> M<S> {
    /// Square of the turn of w+, times the difference of the eigenvalues.
    const TURN: f64 = 1e-4;
    if dim == 0 {
        return M::splat(simd, true);
    }
    let (a, b) = (Spectrum::new(simd, dim, old), Spectrum::new(simd, dim, new));
    let (scale_a, scale_b) = (a.column_scale, b.column_scale);
    let half_a = (column_dot(simd, dim, old, old) * scale_a * scale_a).sqrt();
    let half_b = (column_dot(simd, dim, new, new) * scale_b * scale_b).sqrt();
    // |a| |b| turn^2 / 2.
    let turn = half_a.fma(half_b, -(column_dot(simd, dim, old, new) * scale_a * scale_b));
    near(a.tip + half_a, b.tip + half_b)
        & near(a.tip - half_a, b.tip - half_b)
        & near(a.rest, b.rest)
        & turn.le(V::splat(simd, 0.25 * TURN) * half_a)
}

/// Eigenvalues h that differ little, relative to 1 + h.
#[inline(always)]
fn near<S: Simd>(old: V<S>, new: V<S>) -> M<S> {
    const CLOSE: f64 = 1e-3;
    (new - old).abs().le(old.like(CLOSE) * (old.like(1.0) + old.abs()))
}
