//! What the exponential and the power cone share: both have three dimensions, are not symmetric,
//! and have a barrier f* of the dual cone that is known in closed form.
//!
//! A cone of this kind implements [`Barrier`]; it is then a [`LaneCone`] with the primal-dual
//! scaling of [`scaling`], projection data of [`spectrum`] and the central path's projection of
//! [`central`]. Conventions: f* is logarithmically homogeneous of degree 3, f is its conjugate
//! barrier of K, and `grad f*(z) = -s~`, `grad f(s) = -z~` name the shadows of a point (s, z), with
//! s~ in K, z~ in K*. The central path is s = mu s~.

mod central;
mod scaling;
mod spectrum;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use spectrum::{Projected, Spectrum};

use pulp::Simd;

use super::{Function, LaneCone, Pair};
use crate::lanes::{M, V};

/// A vector in R^3, one per lane.
pub(crate) type Triple<S> = [V<S>; 3];

/// The rows of a 3 x 3 matrix, one per lane.
pub(crate) type ThreeRows<S> = [Triple<S>; 3];

/// A cone in R^3 by its two barriers, and the projection onto it.
///
/// Points given to the derivatives lie inside; elsewhere the results are arbitrary, NaN included.
/// Membership of NaN is false. Lanes never mix.
pub(crate) trait Barrier {
    /// What the derivatives of f* at one point share: logarithms, reciprocals.
    type Local<S: Simd>: Copy;

    /// The point e of the central path with s = z = e: grad f*(e) = -e.
    fn unit(&self) -> [f64; 3];
    /// Where s lies in the interior of K.
    fn inside_primal<S: Simd>(&self, s: Triple<S>) -> M<S>;
    /// Where z lies in the interior of K*.
    fn inside_dual<S: Simd>(&self, z: Triple<S>) -> M<S>;

    /// Prepares the derivatives of f* at z.
    fn local<S: Simd>(&self, z: Triple<S>) -> Self::Local<S>;
    /// The same where s = -mu grad f*(z) is known as well, up to the rounding error of s - z. Close
    /// to the boundary of K* the distance of z from it, about mu / |s|, is found with less
    /// cancellation from s.
    #[inline(always)]
    fn local_on_path<S: Simd>(&self, z: Triple<S>, _s: Triple<S>, _mu: V<S>) -> Self::Local<S> {
        self.local(z)
    }
    /// grad f*.
    fn gradient<S: Simd>(&self, at: Self::Local<S>) -> Triple<S>;
    /// Rows r of a root of the Hessian, H* = sum r r'. The rows may differ much in length close to
    /// the boundary; each is accurate relative to its length, and scaled to length one they are far
    /// from dependent.
    fn root<S: Simd>(&self, at: Self::Local<S>) -> ThreeRows<S>;
    /// The third derivative D^3 f*[a, b].
    fn third<S: Simd>(&self, at: Self::Local<S>, a: Triple<S>, b: Triple<S>) -> Triple<S>;
    /// z~ with -grad f*(z~) = s, which is -grad f(s).
    fn shadow<S: Simd>(&self, s: Triple<S>) -> Triple<S>;

    /// The projection onto K with its derivative; NaN in, NaN out.
    fn project<S: Simd>(&self, simd: S, v: Triple<S>) -> Projected<S>;
    /// The projection of the central path in the lanes with mu > 0, `exact` (that for mu = 0) in
    /// the others. For a cone that knows nothing better: Newton's method for z.
    #[inline(always)]
    fn project_central<S: Simd>(
        &self,
        simd: S,
        v: Triple<S>,
        mu: V<S>,
        exact: Projected<S>,
    ) -> Projected<S> {
        central::project(self, simd, v, mu, exact)
    }

    /// Number of directions in which the derivative of the projection jumps within `margin` of v.
    fn kinks<S: Simd>(&self, simd: S, v: Triple<S>, margin: V<S>) -> V<S>;
}

/// Tries of the backtracking, and the factor from one to the next.
const TRIES: usize = 100;
const SHRINK: f64 = 0.8;

impl<B: Barrier> LaneCone for B {
    fn dim(&self) -> usize {
        3
    }

    fn degree(&self) -> usize {
        3
    }

    fn is_symmetric(&self) -> bool {
        false
    }

    fn scaling_len(&self) -> usize {
        scaling::LEN
    }

    fn projection_len(&self) -> usize {
        spectrum::LEN
    }

    fn scratch_len(&self) -> usize {
        0
    }

    #[inline(always)]
    fn unit<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        for (i, e) in Barrier::unit(self).into_iter().enumerate() {
            s[i] = V::splat(simd, e);
            z[i] = s[i];
        }
    }

    #[inline(always)]
    fn shift_inside<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>], _: &mut [V<S>]) {
        LaneCone::unit(self, simd, s, z);
    }

    #[inline(always)]
    fn scaling<S: Simd>(
        &self,
        _: S,
        (s, z): Pair<'_, S>,
        mu: V<S>,
        data: &mut [V<S>],
        _: &mut [V<S>],
    ) {
        scaling::store(scaling::factor(self, triple(s), triple(z), mu), data);
    }

    #[inline(always)]
    fn write_scaling_block<S: Simd>(&self, _: S, data: &[V<S>], h: &mut [V<S>]) {
        h.copy_from_slice(&scaling::gram(scaling::load(data)));
    }

    #[inline(always)]
    fn multiply_scaling<S: Simd>(
        &self,
        _: S,
        data: &[V<S>],
        x: &[V<S>],
        y: &mut [V<S>],
        _: &mut [V<S>],
    ) {
        y.copy_from_slice(&scaling::multiply(scaling::load(data), triple(x)));
    }

    #[inline(always)]
    fn combined_constant<S: Simd>(
        &self,
        _: S,
        _: &[V<S>],
        (s, z): Pair<'_, S>,
        (ds, dz): Pair<'_, S>,
        target: V<S>,
        c: &mut [V<S>],
        _: &mut [V<S>],
    ) {
        let constant = scaling::combined_constant(
            self,
            (triple(s), triple(z)),
            (triple(ds), triple(dz)),
            target,
        );
        c.copy_from_slice(&constant);
    }

    /// Backtracking: the first of `limit`, 0.8 `limit`, ... that is inside.
    #[inline(always)]
    fn step_length<S: Simd>(
        &self,
        simd: S,
        _: &[V<S>],
        (s, z): Pair<'_, S>,
        (ds, dz): Pair<'_, S>,
        limit: V<S>,
        _: &mut [V<S>],
    ) -> V<S> {
        let (zero, shrink) = (V::splat(simd, 0.0), V::splat(simd, SHRINK));
        let (s, z, ds, dz) = (triple(s), triple(z), triple(ds), triple(dz));
        let mut size = limit.abs();
        for x in [ds, dz].as_flattened() {
            size += x.abs();
        }
        let mut outside = size.lt(V::splat(simd, f64::INFINITY));
        let mut step = outside.select(limit, zero);
        for _ in 0..TRIES {
            let inside = self.inside_primal(along(s, step, ds));
            let inside = inside & self.inside_dual(along(z, step, dz));
            outside = outside & !inside;
            if !outside.any() {
                return step;
            }
            step = outside.select(step * shrink, step);
        }
        outside.select(zero, step)
    }

    #[inline(always)]
    fn projection<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        mu: V<S>,
        s: &mut [V<S>],
        data: &mut [V<S>],
        _: &mut [V<S>],
    ) {
        let v = triple(v);
        let mut projected = self.project(simd, v);
        let smooth = mu.gt(V::splat(simd, 0.0));
        if smooth.any() {
            projected = self.project_central(simd, v, mu, projected);
        }
        let invalid = mu.is_nan();
        for (s, point) in s.iter_mut().zip(projected.point) {
            *s = invalid.select(mu, point);
        }
        projected.spectrum.store(data);
    }

    #[inline(always)]
    fn write_projection_block<S: Simd>(&self, _: S, data: &[V<S>], h: &mut [V<S>], _: &mut [V<S>]) {
        h.copy_from_slice(&Spectrum::load(data).matrix(Function::Block));
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &self,
        _: S,
        data: &[V<S>],
        f: Function,
        x: &[V<S>],
        y: &mut [V<S>],
        _: &mut [V<S>],
    ) {
        y.copy_from_slice(&Spectrum::load(data).apply(f, triple(x)));
    }

    #[inline(always)]
    fn weakly_active<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        _: &[V<S>],
        margin: V<S>,
        _: &mut [V<S>],
    ) -> V<S> {
        self.kinks(simd, triple(v), margin)
    }
}

/// The three numbers of a slice.
#[inline(always)]
fn triple<S: Simd>(x: &[V<S>]) -> Triple<S> {
    [x[0], x[1], x[2]]
}

/// x + a y.
#[inline(always)]
pub(crate) fn along<S: Simd>(x: Triple<S>, a: V<S>, y: Triple<S>) -> Triple<S> {
    [a.fma(y[0], x[0]), a.fma(y[1], x[1]), a.fma(y[2], x[2])]
}

#[inline(always)]
pub(crate) fn scale<S: Simd>(a: V<S>, x: Triple<S>) -> Triple<S> {
    [a * x[0], a * x[1], a * x[2]]
}

#[inline(always)]
pub(crate) fn dot<S: Simd>(x: Triple<S>, y: Triple<S>) -> V<S> {
    x[0].fma(y[0], x[1].fma(y[1], x[2] * y[2]))
}

#[inline(always)]
pub(crate) fn cross<S: Simd>(x: Triple<S>, y: Triple<S>) -> Triple<S> {
    [x[1].fma(y[2], -(x[2] * y[1])), x[2].fma(y[0], -(x[0] * y[2])), x[0].fma(y[1], -(x[1] * y[0]))]
}

/// x over its length.
#[inline(always)]
pub(crate) fn normalized<S: Simd>(x: Triple<S>) -> Triple<S> {
    let length = dot(x, x).sqrt();
    scale(length.like(1.0) / length, x)
}

/// `a` where true, `b` where false.
#[inline(always)]
pub(crate) fn select<S: Simd>(mask: M<S>, a: Triple<S>, b: Triple<S>) -> Triple<S> {
    [mask.select(a[0], b[0]), mask.select(a[1], b[1]), mask.select(a[2], b[2])]
}
