//! Certificates of infeasibility.
//!
//! z in K* with b'z < 0 proves that there is no feasible point where A'z = 0. Where it is not quite
//! zero, a feasible point has `|x| >= -b'z / |A'z|`. That is compared with the size of x that the
//! data suggest on the rows at hand, the size of the terms of b'z over that of z: with rows of A
//! near one, both sides have the unit of x, and the test does not depend on any unit. The same for
//! a direction (x, s) along which the objective falls for ever.
//!
//! A solution that large looks like a certificate until the iterations come to it. So one that is
//! within the tolerance counts when it gets no better any more while tau goes on falling faster
//! than kappa, or when it is much better than the tolerance.

use pulp::Simd;

use super::Iteration;
use super::residuals::Residuals;
use crate::lanes::{M, V};
use crate::system::gcr::largest;

/// A certificate whose error is this share of the tolerance is one.
const BEYOND_DOUBT: f64 = 1e-4;
/// One within the tolerance is when its error was not reduced to this share ...
const PROGRESS: f64 = 0.5;
/// ... in so many iterations.
const PATIENCE: f64 = 3.0;

impl<S: Simd> Iteration<'_, '_, '_, S> {
    /// Lanes in which z is a certificate of primal, and in which (x, s) is one of dual
    /// infeasibility. `is_last` are lanes that do not iterate any more.
    #[inline(always)]
    pub(super) fn certificates(&mut self, residuals: &Residuals<S>, is_last: M<S>) -> (M<S>, M<S>) {
        let departing = residuals.departing & self.live;
        if !departing.any() {
            return (departing, departing);
        }
        let scalar = |value: f64| V::splat(self.simd, value);
        let tolerance = scalar(self.round.infeasibility);
        let (primal, dual) = (self.primal_error(residuals), self.dual_error(residuals));
        let error = primal.min(dual);
        let embedding = &mut *self.embedding;
        let course = residuals.tau / residuals.kappa;
        let returns = course.gt(embedding.course);
        embedding.course = departing.select(course, embedding.course);
        let better = returns | error.lt(scalar(PROGRESS) * embedding.doubt);
        embedding.doubt = (departing & better).select(error, embedding.doubt);
        let undecided = better.select(scalar(0.0), embedding.undecided + scalar(1.0));
        embedding.undecided = departing.select(undecided, embedding.undecided);
        let settled = (is_last & !returns) | embedding.undecided.ge(scalar(PATIENCE));
        let enough = settled.select(tolerance, scalar(BEYOND_DOUBT) * tolerance);
        (departing & primal.le(enough), departing & dual.le(enough))
    }

    /// How far z is from a certificate, infinite where `b'z >= 0`.
    #[inline(always)]
    fn primal_error(&self, residuals: &Residuals<S>) -> V<S> {
        let zero = V::splat(self.simd, 0.0);
        let z = &*self.iterate.z;
        let share = -residuals.b_z / absolute_product(zero, self.state.b, z);
        let error = largest(zero, self.system.atz) / (share * total(zero, z));
        self.if_certain(share, error)
    }

    /// How far (x, s) is from one, infinite where `q'x >= 0`.
    #[inline(always)]
    fn dual_error(&self, residuals: &Residuals<S>) -> V<S> {
        let zero = V::splat(self.simd, 0.0);
        let x = &*self.iterate.x;
        let mut error = zero;
        for (&ax, &s) in self.system.ax.iter().zip(self.iterate.s.iter()) {
            error = error.max_abs(ax + s);
        }
        let p_size = self.state.p_size[0];
        let curvature = largest(zero, self.vectors.px) / p_size;
        let error = p_size.gt(zero).select(error.max(curvature), error);
        let share = -residuals.q_x / absolute_product(zero, self.state.q, x);
        let error = error / (share * total(zero, x));
        self.if_certain(share, error)
    }

    /// The error, infinite where the share of its terms that b'z or q'x has is not negative, or
    /// rounding.
    #[inline(always)]
    fn if_certain(&self, share: V<S>, error: V<S>) -> V<S> {
        let infinite = V::splat(self.simd, f64::INFINITY);
        (share.gt(self.embedding.least_share) & share.gt(V::splat(self.simd, 0.0)))
            .select(error, infinite)
    }
}

/// Sum of the absolute values.
#[inline(always)]
fn total<S: Simd>(zero: V<S>, values: &[V<S>]) -> V<S> {
    let mut sum = zero;
    for &value in values {
        sum += value.abs();
    }
    sum
}

/// Sum of the absolute values of the products.
#[inline(always)]
fn absolute_product<S: Simd>(zero: V<S>, a: &[V<S>], b: &[V<S>]) -> V<S> {
    let mut sum = zero;
    for (&a, &b) in a.iter().zip(b) {
        sum += (a * b).abs();
    }
    sum
}
