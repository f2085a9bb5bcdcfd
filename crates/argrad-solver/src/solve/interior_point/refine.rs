//! Refinement of the solves of one iteration, for the lanes that need it.
//!
//! The factor is that of the regularized system; it preconditions GCR, as in [`crate::system::refined`], but
//! here the cone blocks are those of the interior point, and a solve is good enough when its error
//! is small against the residual that the step is to remove.

use pulp::Simd;

use crate::lanes::{Kernel, M, V, call};
use crate::system::analysis::Analysis;
use crate::system::refined::{STEPS, advance, dot};

/// Restarts, each from the true residual.
const CYCLES: usize = 2;
/// A cycle that reduces the error to more than this share was the last.
const GAIN: f64 = 0.5;

/// A factored system and its parts.
pub(super) struct System<'a, S: Simd> {
    pub(super) analysis: &'a Analysis,
    pub(super) values: &'a [V<S>],
    pub(super) inverse_pivots: &'a [V<S>],
    pub(super) scaling: &'a [V<S>],
}

/// Scratch of a solve.
pub(super) struct Scratch<'a, S: Simd> {
    /// [`crate::system::refined::len`] registers.
    pub(super) krylov: &'a mut [V<S>],
    pub(super) permuted: &'a mut [V<S>],
    pub(super) cones: &'a mut [V<S>],
    /// Products with P, A, A'.
    pub(super) products: (&'a mut [V<S>], &'a mut [V<S>], &'a mut [V<S>]),
}

/// Refines a solution against the system without regularization, in the lanes in `lanes`, until the
/// errors in the first and second equation are below `goals`, or nothing is gained.
#[inline(always)]
pub(super) fn refine<S: Simd>(
    simd: S,
    system: &System<'_, S>,
    rhs: (&[V<S>], &[V<S>]),
    solution: (&mut [V<S>], &mut [V<S>]),
    goals: (V<S>, V<S>),
    scratch: Scratch<'_, S>,
    lanes: M<S>,
) {
    call(simd, Refine { simd, system, rhs, solution, goals, scratch, lanes });
}

struct Refine<'a, S: Simd> {
    simd: S,
    system: &'a System<'a, S>,
    rhs: (&'a [V<S>], &'a [V<S>]),
    solution: (&'a mut [V<S>], &'a mut [V<S>]),
    goals: (V<S>, V<S>),
    scratch: Scratch<'a, S>,
    lanes: M<S>,
}

impl<S: Simd> Kernel for Refine<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, system, rhs, solution, goals, scratch, lanes } = self;
        let ((rhs_x, rhs_z), (x, z)) = (rhs, solution);
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let System { analysis, values, inverse_pivots, scaling } = *system;
        let Scratch { krylov, permuted, cones, products: (px, ax, atz) } = scratch;
        let (n, m) = (x.len(), z.len());
        let (error, rest) = krylov.split_at_mut(n + m);
        let (hz, rest) = rest.split_at_mut(m);
        let (directions, images) = rest.split_at_mut(STEPS * (n + m));
        let images = &mut images[..STEPS * (n + m)];
        // In units of the goals.
        let (weight_x, weight_z) = (one / goals.0, one / goals.1);
        let product = |a: &[V<S>], b: &[V<S>]| {
            let (a, b) = (a.split_at(n), b.split_at(n));
            let x = dot(zero, a.0, b.0) * (weight_x * weight_x);
            dot(zero, a.1, b.1).fma(weight_z * weight_z, x)
        };
        let size = |error: &[V<S>]| {
            let (mut x, mut z) = (zero, zero);
            for &error in &error[..n] {
                x = x.max_abs(error);
            }
            for &error in &error[n..] {
                z = z.max_abs(error);
            }
            (x * weight_x).max_abs(z * weight_z)
        };
        let mut before = V::splat(simd, f64::INFINITY);
        let mut live = lanes;
        for cycle in 0..=CYCLES {
            analysis.kkt.products.multiply(simd, values, x, z, px, ax, atz);
            analysis.cones.multiply_scaling(simd, scaling, z, hz, cones);
            for j in 0..n {
                error[j] = rhs_x[j] - (px[j] + atz[j]);
            }
            for i in 0..m {
                error[n + i] = rhs_z[i] - (ax[i] - hz[i]);
            }
            let now = size(error);
            live = live & now.gt(one) & now.lt(V::splat(simd, GAIN) * before);
            before = now;
            if cycle == CYCLES || !live.any() {
                return;
            }
            let mut moving = live;
            for step in 0..STEPS {
                let (earlier_directions, direction) = directions.split_at_mut(step * (n + m));
                let (earlier_images, image) = images.split_at_mut(step * (n + m));
                let (direction, image) = (&mut direction[..n + m], &mut image[..n + m]);
                let (direction_x, direction_z) = direction.split_at_mut(n);
                analysis.kkt.solve::<S, 1>(
                    simd,
                    values,
                    inverse_pivots,
                    [(&error[..n], &error[n..])],
                    permuted,
                    [(&mut *direction_x, &mut *direction_z)],
                );
                analysis.kkt.products.multiply(simd, values, direction_x, direction_z, px, ax, atz);
                analysis.cones.multiply_scaling(simd, scaling, direction_z, hz, cones);
                for j in 0..n {
                    image[j] = px[j] + atz[j];
                }
                for i in 0..m {
                    image[n + i] = ax[i] - hz[i];
                }
                for k in 0..step {
                    let earlier = &earlier_images[k * (n + m)..][..n + m];
                    let share = -product(image, earlier);
                    advance(image, earlier, share);
                    advance(direction, &earlier_directions[k * (n + m)..][..n + m], share);
                }
                let norm = product(image, image).sqrt();
                let usable = norm.gt(zero) & norm.lt(V::splat(simd, f64::INFINITY));
                let inverse = usable.select(one / norm, zero);
                for value in direction.iter_mut().chain(image.iter_mut()) {
                    *value = usable.select(*value * inverse, zero);
                }
                moving = moving & usable;
                let length = moving.select(product(error, image), zero);
                let (direction_x, direction_z) = direction.split_at(n);
                for (values, direction, length) in [
                    (&mut *error, &*image, -length),
                    (&mut *x, direction_x, length),
                    (&mut *z, direction_z, length),
                ] {
                    for (value, &direction) in values.iter_mut().zip(direction) {
                        *value = moving.select(length.fma(direction, *value), *value);
                    }
                }
                moving = moving & size(error).gt(one);
                if !moving.any() {
                    break;
                }
            }
        }
    }
}
