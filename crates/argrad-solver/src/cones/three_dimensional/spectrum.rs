//! The derivative D of a projection in R^3 by its eigenvectors and eigenvalues.

use pulp::Simd;

use super::super::{FREE, Function, STEEPEST};
use super::{ThreeRows, Triple, along, cross, dot, scale, select, triple};
use crate::lanes::{M, V};

/// Registers of the data.
pub(super) const LEN: usize = 16;

/// D = sum d u u' over an orthonormal basis.
#[derive(Clone, Copy)]
pub(crate) struct Spectrum<S: Simd> {
    /// The eigenvectors u.
    pub(crate) basis: ThreeRows<S>,
    /// The eigenvalues d.
    pub(crate) d: Triple<S>,
    /// 1 - d, without cancellation.
    pub(crate) complement: Triple<S>,
    /// What keeps the block d / (1 - d + delta) finite.
    pub(crate) delta: V<S>,
}

/// A projection and its derivative.
#[derive(Clone, Copy)]
pub(crate) struct Projected<S: Simd> {
    pub(crate) point: Triple<S>,
    pub(crate) spectrum: Spectrum<S>,
}

impl<S: Simd> Spectrum<S> {
    /// D is diagonal with entries 0 and 1: v lies inside K (all 1), inside the polar cone (all 0),
    /// or the projection is locally that onto a face spanned by axes. The block is diagonal too.
    #[inline(always)]
    pub(crate) fn diagonal(simd: S, d: Triple<S>) -> Self {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        Self {
            basis: [[one, zero, zero], [zero, one, zero], [zero, zero, one]],
            d,
            complement: [one - d[0], one - d[1], one - d[2]],
            delta: V::splat(simd, 1.0 / FREE),
        }
    }

    /// v projects to a smooth point p != 0 of the boundary, with z = p - v != 0. Eigenvectors are z
    /// (D z = 0, since v - a z has the same projection), p (D p = p, since D is homogeneous), and
    /// q orthogonal to both, with eigenvalue 1 / (1 + k |z|) where k is the boundary's curvature
    /// along q: for a boundary g = 0, k |z| = nu q'(D^2 g) q with z = -nu grad g(p).
    /// Takes the unit vectors along z and p, and d and 1 - d along q.
    #[inline(always)]
    pub(crate) fn boundary(z: Triple<S>, p: Triple<S>, d: V<S>, complement: V<S>) -> Self {
        let (zero, one) = (d.like(0.0), d.like(1.0));
        Self {
            basis: [z, p, cross(z, p)],
            d: [zero, one, d],
            complement: [one, zero, complement],
            delta: d.like(1.0 / STEEPEST),
        }
    }

    /// D = I - (I + mu R'R)^-1, the derivative of the central path's projection when R'R is the
    /// Hessian of f* at z: eigenvalues mu h / (1 + mu h) for the eigenvalues h of R'R.
    #[inline(always)]
    pub(crate) fn central(root: ThreeRows<S>, mu: V<S>) -> Self {
        let one = mu.like(1.0);
        let mut basis = orthogonal_rows(root);
        let (mut d, mut complement) = ([one; 3], [one; 3]);
        for (k, u) in basis.iter_mut().enumerate() {
            let square = dot(*u, *u);
            *u = scale(one / square.sqrt(), *u);
            let slope = mu * square;
            complement[k] = one / (one + slope);
            d[k] = slope * complement[k];
        }
        Self { basis, d, complement, delta: mu.like(1.0 / STEEPEST) }
    }

    /// `a` where true, `b` where false.
    #[inline(always)]
    pub(crate) fn select(mask: M<S>, a: Self, b: Self) -> Self {
        Self {
            basis: [
                select(mask, a.basis[0], b.basis[0]),
                select(mask, a.basis[1], b.basis[1]),
                select(mask, a.basis[2], b.basis[2]),
            ],
            d: select(mask, a.d, b.d),
            complement: select(mask, a.complement, b.complement),
            delta: mask.select(a.delta, b.delta),
        }
    }

    /// f(D) x.
    #[inline(always)]
    pub(super) fn apply(&self, f: Function, x: Triple<S>) -> Triple<S> {
        let zero = x[0].like(0.0);
        let mut y = [zero; 3];
        for k in 0..3 {
            let value = f.at(self.d[k], self.complement[k], self.delta);
            y = along(y, value * dot(self.basis[k], x), self.basis[k]);
        }
        y
    }

    /// f(D), lower triangle, row by row.
    #[inline(always)]
    pub(super) fn matrix(&self, f: Function) -> [V<S>; 6] {
        let zero = self.delta.like(0.0);
        let mut h = [zero; 6];
        for k in 0..3 {
            let u = self.basis[k];
            let [a, b, c] = scale(f.at(self.d[k], self.complement[k], self.delta), u);
            let products = [(a, u[0]), (b, u[0]), (b, u[1]), (c, u[0]), (c, u[1]), (c, u[2])];
            for (h, (x, y)) in h.iter_mut().zip(products) {
                *h = x.fma(y, *h);
            }
        }
        h
    }

    #[inline(always)]
    pub(super) fn store(&self, data: &mut [V<S>]) {
        data[..9].copy_from_slice(self.basis.as_flattened());
        data[9..12].copy_from_slice(&self.d);
        data[12..15].copy_from_slice(&self.complement);
        data[15] = self.delta;
    }

    #[inline(always)]
    pub(super) fn load(data: &[V<S>]) -> Self {
        Self {
            basis: [triple(&data[..3]), triple(&data[3..6]), triple(&data[6..9])],
            d: triple(&data[9..12]),
            complement: triple(&data[12..15]),
            delta: data[15],
        }
    }
}

impl<S: Simd> Projected<S> {
    /// `a` where true, `b` where false.
    #[inline(always)]
    pub(crate) fn select(mask: M<S>, a: Self, b: Self) -> Self {
        Self {
            point: select(mask, a.point, b.point),
            spectrum: Spectrum::select(mask, a.spectrum, b.spectrum),
        }
    }
}

/// Rows with the same R'R that are orthogonal: its eigenvectors, with lengths the roots of its
/// eigenvalues. One-sided Jacobi rotations (Hestenes), which find small eigenvalues as accurately
/// as large ones when only the lengths of the rows differ (Demmel and Veselic, 1992).
#[inline(always)]
fn orthogonal_rows<S: Simd>(mut rows: ThreeRows<S>) -> ThreeRows<S> {
    /// Three to five sweeps suffice.
    const SWEEPS: usize = 12;
    for _ in 0..SWEEPS {
        let skew = [rotate(&mut rows, 0, 1), rotate(&mut rows, 0, 2), rotate(&mut rows, 1, 2)];
        if !(skew[0] | skew[1] | skew[2]).any() {
            break;
        }
    }
    rows
}

/// Rotates two rows so that they become orthogonal, where they are not; true there.
#[inline(always)]
fn rotate<S: Simd>(rows: &mut ThreeRows<S>, i: usize, j: usize) -> M<S> {
    /// Square of the cosine that counts as orthogonal.
    const ORTHOGONAL: f64 = 4e-31;
    let (x, y) = (rows[i], rows[j]);
    let (a, b, c) = (dot(x, x), dot(y, y), dot(x, y));
    let (zero, one) = (c.like(0.0), c.like(1.0));
    let skew = (c * c).gt(c.like(ORTHOGONAL) * a * b);
    // tan of the angle: the smaller root of t^2 + 2 w t - 1.
    let w = (b - a) / (c + c);
    let size = one / (w.abs() + w.fma(w, one).sqrt());
    let t = w.lt(zero).select(-size, size);
    let cos = one / t.fma(t, one).sqrt();
    rows[i] = select(skew, scale(cos, along(x, -t, y)), x);
    rows[j] = select(skew, scale(cos, along(y, t, x)), y);
    skew
}
