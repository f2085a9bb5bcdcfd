//! How a block H of the second-order cone stands in the KKT matrix.
//!
//! H has one eigenvalue each on w+ and w- and a third on the rest. Small blocks are dense. Large
//! ones are kept sparse by two auxiliary nodes, whose elimination gives H = G + u u' - v v':
//! ```text
//! [ -G   a u   b v ]
//! [  a u' a^2   0  ]      G = diag(g0, g, ..., g),  u = (u0, u1 k),  v = (0, v1 k)
//! [  b v' 0   -b^2 ]
//! ```
//! with k a vector along the axis of w+. The choice of g0 is that of Domahidi ("Methods and tools
//! for embedded optimization and control", 2013, section 4.4): G - v v' stays positive definite
//! where H is, so that the KKT matrix is quasidefinite and any elimination order works. The weights
//! a^2 = max(1, H_00) and b^2 = max(1, g) are ours: with pivots of one, the regularization of a
//! node would be magnified to g times itself, and rounding errors of the pivot that v has after the
//! rows, as small as 1 / g, too.

use pulp::Simd;

use crate::lanes::V;

/// Largest dimension with a dense block.
pub(super) const DENSE_LIMIT: usize = 8;

pub(super) fn is_expanded(dim: usize) -> bool {
    dim > DENSE_LIMIT
}

/// Signs of the auxiliary nodes.
pub(super) fn auxiliary(dim: usize) -> Vec<f64> {
    if is_expanded(dim) { vec![1.0, -1.0] } else { Vec::new() }
}

/// Number of entries.
pub(super) fn len(dim: usize) -> usize {
    if is_expanded(dim) { 3 * dim + 1 } else { dim * (dim + 1) / 2 }
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

/// The block [tip, column k'; column k, diagonal I + outer k k'].
pub(super) struct Dense<S: Simd> {
    pub(super) tip: V<S>,
    pub(super) column: V<S>,
    pub(super) outer: V<S>,
    pub(super) diagonal: V<S>,
}

impl<S: Simd> Dense<S> {
    /// Writes the lower triangle, row by row.
    #[inline(always)]
    pub(super) fn write(self, k: &[V<S>], h: &mut [V<S>]) {
        h[0] = self.tip;
        let mut start = 1;
        for i in 0..k.len() {
            let row = &mut h[start..start + i + 2];
            let scaled = self.outer * k[i];
            row[0] = self.column * k[i];
            for j in 0..i {
                row[j + 1] = scaled * k[j];
            }
            row[i + 1] = scaled.fma(k[i], self.diagonal);
            start += i + 2;
        }
    }
}

/// The sparse form.
pub(super) struct Expanded<S: Simd> {
    /// H_00.
    pub(super) tip: V<S>,
    pub(super) g0: V<S>,
    pub(super) g: V<S>,
    pub(super) u0: V<S>,
    pub(super) u1: V<S>,
    pub(super) v1: V<S>,
}

impl<S: Simd> Expanded<S> {
    /// Writes what the KKT matrix holds the negative of.
    #[inline(always)]
    pub(super) fn write(self, k: &[V<S>], h: &mut [V<S>]) {
        let n = k.len() + 1;
        let (diagonal, rest) = h.split_at_mut(n);
        let (row_u, rest) = rest.split_at_mut(n + 1);
        let (row_v, pivot_v) = rest.split_at_mut(n - 1);
        let one = self.g.like(1.0);
        let (weight_u, weight_v) = (one.max(self.tip), one.max(self.g));
        let (a, b) = (weight_u.sqrt(), weight_v.sqrt());
        diagonal.fill(self.g);
        diagonal[0] = self.g0;
        row_u[0] = -(a * self.u0);
        row_u[n] = -weight_u;
        pivot_v[0] = weight_v;
        let (minus_u1, minus_v1) = (-(a * self.u1), -(b * self.v1));
        for ((u, v), &k) in row_u[1..n].iter_mut().zip(row_v).zip(k) {
            *u = minus_u1 * k;
            *v = minus_v1 * k;
        }
    }
}
