//! How the derivative D of the projection changes along a direction.
//!
//! Away from kinks D is analytic, and `D' = (d/dt) D(v + t dv)` is taken by central differences of
//! sixth order, on a ladder of steps of which each lane keeps the one that agrees best with its
//! neighbour (Ridders 1982): about eleven digits, and exactly zero where the projection is linear.

use pulp::Simd;

use super::point::Point;
use crate::cones::Function;
use crate::lanes::{M, V};
use crate::system::memory::{DerivativeWork, SecondOrderVectors};

/// Rungs of the ladder of steps, and the ratio of one to the next.
pub(super) const RUNGS: usize = 7;
const RATIO: f64 = 0.25;
/// The first step moves v by this share of its size.
const FIRST_STEP: f64 = 0.05;
/// Weights of the central difference of sixth order at 1, 2 and 3 steps.
const WEIGHTS: [f64; 3] = [45.0 / 60.0, -9.0 / 60.0, 1.0 / 60.0];

/// `D'w` and `D'gs` with `D' = (d/dt) D(v + t dv)`: on each lane the difference that agrees best
/// with that of the step before.
#[inline(always)]
pub(super) fn derivative_along<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    own: &mut SecondOrderVectors<'_, S>,
) {
    let (simd, zero) = (point.simd, point.zero());
    let (mut size, mut speed) = (zero, zero);
    for (&v, &dv) in point.view.v.iter().zip(work.slack.dv.iter()) {
        size = size.max_abs(v);
        speed = speed.max_abs(dv);
    }
    let moves = speed.gt(zero) & size.gt(zero);
    let mut step = moves.select(V::splat(simd, FIRST_STEP) * size / speed, zero.like(1.0));
    let mut best = V::splat(simd, f64::INFINITY);
    for rung in 0..RUNGS {
        central_difference(point, work, own, step);
        let mut change = zero;
        for i in 0..own.w.len() {
            change = change
                .max_abs(own.now_w[i] - own.last_w[i])
                .max_abs(own.now_gs[i] - own.last_gs[i]);
        }
        let better = if rung == 0 { M::splat(simd, true) } else { change.lt(best) };
        if rung > 0 {
            best = better.select(change, best);
        }
        for i in 0..own.w.len() {
            own.curved_w[i] = better.select(own.now_w[i], own.curved_w[i]);
            own.curved_gs[i] = better.select(own.now_gs[i], own.curved_gs[i]);
        }
        std::mem::swap(&mut own.now_w, &mut own.last_w);
        std::mem::swap(&mut own.now_gs, &mut own.last_gs);
        step *= V::splat(simd, RATIO);
    }
    for curved in own.curved_w.iter_mut().chain(own.curved_gs.iter_mut()) {
        *curved = moves.select(*curved, zero);
    }
}

/// The central difference of sixth order of D(v + t dv) w and D(v + t dv) gs, with this step.
#[inline(always)]
fn central_difference<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    own: &mut SecondOrderVectors<'_, S>,
    step: V<S>,
) {
    let (simd, zero, cones) = (point.simd, point.zero(), &point.analysis.cones);
    let (scratch, dv) = (&mut *work.system.cones, &*work.slack.dv);
    own.now_w.fill(zero);
    own.now_gs.fill(zero);
    for (k, weight) in WEIGHTS.into_iter().enumerate() {
        for sign in [1.0, -1.0] {
            let distance = V::splat(simd, sign * (k + 1) as f64) * step;
            for ((place, &v), &dv) in own.v.iter_mut().zip(point.view.v).zip(dv) {
                *place = distance.fma(dv, v);
            }
            cones.projection(simd, own.v, zero, own.s, own.projection, scratch);
            let weight = V::splat(simd, sign * weight) / step;
            for (x, now) in [(&*own.w, &mut *own.now_w), (&*work.slack.gs, &mut *own.now_gs)] {
                let derivative = Function::Derivative;
                cones.apply(simd, own.projection, derivative, x, own.product, scratch);
                for (now, &product) in now.iter_mut().zip(own.product.iter()) {
                    *now = weight.fma(product, *now);
                }
            }
        }
    }
}
