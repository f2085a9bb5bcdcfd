//! Cones: what the solver, the polish and the derivative need to know of each factor of K.
//!
//! One cone a file. A cone works on its own rows of the lane vectors; [`ConeProduct`] cuts the
//! vectors and hands each cone its part. With s in K, z in K* and a scaling block H = W'W that
//! satisfies H z = s (symmetric cones), a Newton step of the interior point reads
//! `ds = -(H dz + c)`, where the constant c depends on the kind of step. The projection
//! v = s - z, s = P(v) has a symmetric derivative D with eigenvalues in [0, 1].

mod nonnegative;
mod zero;

use std::ops::Range;

use pulp::Simd;

use crate::lanes::{M, V};
use crate::program::Cone;

pub(crate) use nonnegative::Nonnegative;
pub(crate) use zero::Zero;

/// Stands for an infinite entry of D (I - D)^-1: a direction with D = 1, in which dz = 0.
///
/// In the scaled program all data are of order one, so the pivot's share is below rounding error.
pub(crate) const FREE: f64 = 1e30;

/// The operations of one cone on its rows. Everything is a lane vector; no allocation.
pub(crate) trait LaneCone {
    /// Degree of the barrier.
    fn degree(dim: usize) -> usize;
    /// Entries of the block H, `(row, column)` with row >= column.
    fn h_entries(dim: usize) -> Vec<(usize, usize)>;
    /// Whether rows may be scaled by different factors.
    fn rows_scale_freely() -> bool;
    /// Moves s and z to the inside where they are not; the amount depends on how far out they are.
    fn shift_inside<S: Simd>(simd: S, s: &mut [V<S>], z: &mut [V<S>]);
    /// The scaling block at (s, z).
    fn scaling<S: Simd>(simd: S, s: &[V<S>], z: &[V<S>], h: &mut [V<S>]);
    /// `y = H x`.
    fn multiply_h<S: Simd>(h: &[V<S>], x: &[V<S>], y: &mut [V<S>]);
    /// Zeroes the part of `x` in the directions in which H is infinite.
    fn drop_free<S: Simd>(simd: S, h: &[V<S>], x: &mut [V<S>]);
    /// Zeroes the part of `x` in the directions in which H is small, less than one: there ds = -H dz
    /// is the accurate form of ds, elsewhere ds = db - dA x - A dx is.
    fn keep_steep<S: Simd>(simd: S, h: &[V<S>], x: &mut [V<S>]);
    /// The constant of the affine step.
    fn affine_constant<S: Simd>(simd: S, s: &[V<S>], c: &mut [V<S>]);
    /// The constant of the step towards s o z = `mu` with the second-order correction of the affine step.
    fn combined_constant<S: Simd>(
        simd: S,
        point: (&[V<S>], &[V<S>]),
        affine: (&[V<S>], &[V<S>]),
        mu: V<S>,
        c: &mut [V<S>],
    );
    /// The largest step at most `limit` that keeps s + a ds and z + a dz in the cones.
    fn step_length<S: Simd>(
        simd: S,
        point: (&[V<S>], &[V<S>]),
        direction: (&[V<S>], &[V<S>]),
        limit: V<S>,
    ) -> V<S>;
    /// Projection of v onto K.
    fn project<S: Simd>(simd: S, v: &[V<S>], s: &mut [V<S>]);
    /// The block D (I - D)^-1 of the projection at v, [`FREE`] where D = 1. With `mu > 0`, that of
    /// the central path's projection s(v, mu), s - z = v, s o z = mu.
    fn projection_block<S: Simd>(simd: S, v: &[V<S>], mu: V<S>, h: &mut [V<S>]);
    /// v after a Newton step that led to s and z, with h the block of the step. Where the projection
    /// is piecewise linear this drops the rounding error of the part that the step made zero.
    fn newton_point<S: Simd>(
        simd: S,
        h: &[V<S>],
        point: (&[V<S>], &[V<S>]),
        mu: V<S>,
        v: &mut [V<S>],
    );
    /// The point of the central path's projection: s with s - z = v, s o z = mu.
    fn project_smoothed<S: Simd>(simd: S, v: &[V<S>], mu: V<S>, s: &mut [V<S>]);
    /// Number of directions at v in which D is not clearly 0 or 1.
    fn weakly_active<S: Simd>(simd: S, v: &[V<S>], margin: V<S>) -> V<S>;
}

/// One cone with its rows and its entries of H.
#[derive(Clone, Debug)]
struct Factor {
    cone: Cone,
    rows: Range<usize>,
    h: Range<usize>,
}

/// K as the solver sees it.
#[derive(Clone, Debug)]
pub(crate) struct ConeProduct {
    factors: Vec<Factor>,
    degree: usize,
    h_len: usize,
}

/// Calls `$body` with `$C` the lane cone of each factor and `$factor` the factor.
macro_rules! each_cone {
    ($self:ident, $C:ident, $factor:ident => $body:expr) => {
        for $factor in &$self.factors {
            match $factor.cone {
                Cone::Zero(_) => {
                    type $C = Zero;
                    $body
                }
                Cone::Nonnegative(_) => {
                    type $C = Nonnegative;
                    $body
                }
                _ => unimplemented!(),
            }
        }
    };
}

impl ConeProduct {
    pub(crate) fn new(cones: &[Cone]) -> Self {
        let mut product = Self { factors: Vec::new(), degree: 0, h_len: 0 };
        let mut row = 0;
        for cone in cones {
            let cone = cone.clone();
            let dim = cone.dim();
            product.factors.push(Factor { cone, rows: row..row + dim, h: 0..0 });
            row += dim;
        }
        let (mut degree, mut h_len) = (0, 0);
        let mut ranges = Vec::new();
        each_cone!(product, C, factor => {
            degree += C::degree(factor.rows.len());
            let entries = C::h_entries(factor.rows.len()).len();
            ranges.push(h_len..h_len + entries);
            h_len += entries;
        });
        for (factor, h) in product.factors.iter_mut().zip(ranges) {
            factor.h = h;
        }
        Self { degree, h_len, ..product }
    }

    /// Degree of the barrier of K.
    pub(crate) fn degree(&self) -> usize {
        self.degree
    }

    /// Number of entries of H.
    pub(crate) fn h_len(&self) -> usize {
        self.h_len
    }

    /// Entries of H as `(row, column)` of A's rows.
    pub(crate) fn h_entries(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut entries = Vec::with_capacity(self.h_len);
        each_cone!(self, C, factor => {
            let start = factor.rows.start;
            entries.extend(C::h_entries(factor.rows.len()).into_iter().map(|(i, j)| (start + i, start + j)));
        });
        entries.into_iter()
    }

    /// Makes row scalings equal within the cones that need it.
    #[inline(always)]
    pub(crate) fn unify_scaling<S: Simd>(&self, simd: S, scale: &mut [V<S>]) {
        each_cone!(self, C, factor => {
            let rows = &mut scale[factor.rows.clone()];
            if !C::rows_scale_freely() && !rows.is_empty() {
                let mut least = V::splat(simd, f64::INFINITY);
                for &row in rows.iter() {
                    least = row.min(least);
                }
                rows.fill(least);
            }
        });
    }

    #[inline(always)]
    pub(crate) fn shift_inside<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        each_cone!(self, C, f => C::shift_inside(simd, &mut s[f.rows.clone()], &mut z[f.rows.clone()]));
    }

    #[inline(always)]
    pub(crate) fn scaling<S: Simd>(&self, simd: S, s: &[V<S>], z: &[V<S>], h: &mut [V<S>]) {
        each_cone!(self, C, f => C::scaling(simd, &s[f.rows.clone()], &z[f.rows.clone()], &mut h[f.h.clone()]));
    }

    #[inline(always)]
    pub(crate) fn multiply_h<S: Simd>(&self, h: &[V<S>], x: &[V<S>], y: &mut [V<S>]) {
        each_cone!(self, C, f => C::multiply_h(&h[f.h.clone()], &x[f.rows.clone()], &mut y[f.rows.clone()]));
    }

    #[inline(always)]
    pub(crate) fn drop_free<S: Simd>(&self, simd: S, h: &[V<S>], x: &mut [V<S>]) {
        each_cone!(self, C, f => C::drop_free(simd, &h[f.h.clone()], &mut x[f.rows.clone()]));
    }

    #[inline(always)]
    pub(crate) fn keep_steep<S: Simd>(&self, simd: S, h: &[V<S>], x: &mut [V<S>]) {
        each_cone!(self, C, f => C::keep_steep(simd, &h[f.h.clone()], &mut x[f.rows.clone()]));
    }

    #[inline(always)]
    pub(crate) fn affine_constant<S: Simd>(&self, simd: S, s: &[V<S>], c: &mut [V<S>]) {
        each_cone!(self, C, f => C::affine_constant(simd, &s[f.rows.clone()], &mut c[f.rows.clone()]));
    }

    #[inline(always)]
    pub(crate) fn combined_constant<S: Simd>(
        &self,
        simd: S,
        point: (&[V<S>], &[V<S>]),
        affine: (&[V<S>], &[V<S>]),
        mu: V<S>,
        c: &mut [V<S>],
    ) {
        each_cone!(self, C, f => C::combined_constant(
            simd,
            (&point.0[f.rows.clone()], &point.1[f.rows.clone()]),
            (&affine.0[f.rows.clone()], &affine.1[f.rows.clone()]),
            mu,
            &mut c[f.rows.clone()],
        ));
    }

    #[inline(always)]
    pub(crate) fn step_length<S: Simd>(
        &self,
        simd: S,
        point: (&[V<S>], &[V<S>]),
        direction: (&[V<S>], &[V<S>]),
        limit: V<S>,
    ) -> V<S> {
        let mut length = limit;
        each_cone!(self, C, f => {
            length = C::step_length(
                simd,
                (&point.0[f.rows.clone()], &point.1[f.rows.clone()]),
                (&direction.0[f.rows.clone()], &direction.1[f.rows.clone()]),
                length,
            );
        });
        length
    }

    #[inline(always)]
    pub(crate) fn project<S: Simd>(&self, simd: S, v: &[V<S>], s: &mut [V<S>]) {
        each_cone!(self, C, f => C::project(simd, &v[f.rows.clone()], &mut s[f.rows.clone()]));
    }

    #[inline(always)]
    pub(crate) fn project_smoothed<S: Simd>(&self, simd: S, v: &[V<S>], mu: V<S>, s: &mut [V<S>]) {
        each_cone!(self, C, f => C::project_smoothed(simd, &v[f.rows.clone()], mu, &mut s[f.rows.clone()]));
    }

    #[inline(always)]
    pub(crate) fn projection_block<S: Simd>(&self, simd: S, v: &[V<S>], mu: V<S>, h: &mut [V<S>]) {
        each_cone!(self, C, f => C::projection_block(simd, &v[f.rows.clone()], mu, &mut h[f.h.clone()]));
    }

    #[inline(always)]
    pub(crate) fn newton_point<S: Simd>(
        &self,
        simd: S,
        h: &[V<S>],
        s: &[V<S>],
        z: &[V<S>],
        mu: V<S>,
        v: &mut [V<S>],
    ) {
        each_cone!(self, C, f => C::newton_point(
            simd,
            &h[f.h.clone()],
            (&s[f.rows.clone()], &z[f.rows.clone()]),
            mu,
            &mut v[f.rows.clone()],
        ));
    }

    #[inline(always)]
    pub(crate) fn weakly_active<S: Simd>(&self, simd: S, v: &[V<S>], margin: V<S>) -> V<S> {
        let mut count = V::splat(simd, 0.0);
        each_cone!(self, C, f => count += C::weakly_active(simd, &v[f.rows.clone()], margin));
        count
    }

    /// Whether any lane of v lies on another side of a kink than `h` was made for. Always true for
    /// cones with curvature.
    #[inline(always)]
    pub(crate) fn block_changed<S: Simd>(
        &self,
        simd: S,
        h: &[V<S>],
        new: &[V<S>],
        live: M<S>,
    ) -> bool {
        let mut changed = M::splat(simd, false);
        for (&old, &new) in h.iter().zip(new) {
            changed = changed | old.lt(new) | new.lt(old);
        }
        (changed & live).any()
    }
}
