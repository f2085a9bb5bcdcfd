//! Solves of the system of polish and derivative, refined with the true derivative of the projection.
//!
//! ```text
//! Px + A'z = r1,   (I - D)(Ax - r2) - D z = e
//! ```
//! The factor is that of a nearby matrix: regularized, with steep directions capped, perhaps at a
//! slightly different point. It preconditions GCR (Eisenstat, Elman, Schultz 1983), which needs two steps
//! where it is good, and a few more where a small singular value is below the regularization: plain
//! iterative refinement would crawl there.

use pulp::Simd;

use crate::cones::Function;
use crate::lanes::{Kernel, M, V, call};
use crate::system::analysis::Analysis;

/// Steps between restarts.
pub(crate) const STEPS: usize = 5;
/// Restarts, each from the true residual.
const CYCLES: usize = 3;
/// Relative residual at which a solve ends.
const REFINED: f64 = 1e-14;
/// A cycle that reduces the residual to more than this share was the last.
const GAIN: f64 = 0.25;

/// A factored system.
pub(crate) struct System<'a, S: Simd> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) values: &'a [V<S>],
    pub(crate) inverse_pivots: &'a [V<S>],
    pub(crate) projection: &'a [V<S>],
}

/// Scratch of a solve.
pub(crate) struct Scratch<'a, S: Simd> {
    /// [`len`] registers.
    pub(crate) krylov: &'a mut [V<S>],
    pub(crate) permuted: &'a mut [V<S>],
    pub(crate) cones: &'a mut [V<S>],
    /// Products with P, A, A'.
    pub(crate) products: (&'a mut [V<S>], &'a mut [V<S>], &'a mut [V<S>]),
}

/// Registers of [`Scratch::krylov`].
pub(crate) fn len(n: usize, m: usize) -> usize {
    (2 * STEPS + 1) * (n + m) + 2 * m
}

/// Solves the system for the right-hand side `(r1, r2)`, with e = 0 or `extra`, in the lanes in `lanes`;
/// leaves the others alone. Returns the residual relative to the right-hand side, infinite in
/// the other lanes.
#[inline(always)]
pub(crate) fn solve<S: Simd>(
    simd: S,
    system: &System<'_, S>,
    rhs: (&[V<S>], &[V<S>]),
    extra: Option<&[V<S>]>,
    solution: (&mut [V<S>], &mut [V<S>]),
    scratch: Scratch<'_, S>,
    lanes: M<S>,
) -> V<S> {
    call(simd, Solve { simd, system, rhs, extra, solution, scratch, lanes })
}

struct Solve<'a, S: Simd> {
    simd: S,
    system: &'a System<'a, S>,
    rhs: (&'a [V<S>], &'a [V<S>]),
    extra: Option<&'a [V<S>]>,
    solution: (&'a mut [V<S>], &'a mut [V<S>]),
    scratch: Scratch<'a, S>,
    lanes: M<S>,
}

impl<S: Simd> Kernel for Solve<'_, S> {
    type Output = V<S>;

    #[inline(always)]
    fn run(self) -> V<S> {
        let Self { simd, system, rhs, extra, solution, scratch, lanes } = self;
        let ((rhs_x, rhs_z), (x, z)) = (rhs, solution);
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let System { analysis, values, inverse_pivots, projection } = *system;
        let (cones, products) = (&analysis.cones, &analysis.kkt.products);
        let Scratch { krylov, permuted, cones: cone_scratch, products: (px, ax, atz) } = scratch;
        let (n, m) = (x.len(), z.len());
        let (error, rest) = krylov.split_at_mut(n + m);
        let (spare, rest) = rest.split_at_mut(m);
        let (spare_z, rest) = rest.split_at_mut(m);
        let (directions, images) = rest.split_at_mut(STEPS * (n + m));
        for value in x.iter_mut().chain(z.iter_mut()) {
            *value = lanes.select(zero, *value);
        }
        let extra = extra.unwrap_or_default();
        let mut size = V::splat(simd, f64::MIN_POSITIVE);
        let mut residual = V::splat(simd, f64::INFINITY);
        let mut live = lanes;
        for cycle in 0..=CYCLES {
            // The true residual.
            products.multiply(simd, values, x, z, px, ax, atz);
            for j in 0..n {
                error[j] = rhs_x[j] - (px[j] + atz[j]);
            }
            for i in 0..m {
                spare[i] = rhs_z[i] - ax[i];
            }
            let error_z = &mut error[n..n + m];
            cones.apply(simd, projection, Function::Complement, spare, error_z, cone_scratch);
            cones.apply(simd, projection, Function::Derivative, z, spare, cone_scratch);
            for i in 0..m {
                error_z[i] += spare[i];
            }
            for (error, &extra) in error_z.iter_mut().zip(extra) {
                *error += extra;
            }
            let mut now = zero;
            for &error in error.iter() {
                now = now.max_abs(error);
            }
            if cycle == 0 {
                size = size.max_abs(now);
            }
            let now = now / size;
            let improved = now.lt(V::splat(simd, GAIN) * residual);
            residual = live.select(now, residual);
            live = live & improved & now.gt(V::splat(simd, REFINED));
            if cycle == CYCLES || !live.any() {
                break;
            }
            // GCR on the residual, until its recurrence is at rounding error.
            let goal = V::splat(simd, REFINED) * size;
            let mut moving = live;
            for step in 0..STEPS {
                let (earlier_directions, direction) = directions.split_at_mut(step * (n + m));
                let (earlier_images, image) = images.split_at_mut(step * (n + m));
                let (direction, image) = (&mut direction[..n + m], &mut image[..n + m]);
                // The factored rows are those above times (I - D)^-1.
                let inverse = Function::InverseComplement;
                cones.apply(simd, projection, inverse, &error[n..], spare, cone_scratch);
                let (direction_x, direction_z) = direction.split_at_mut(n);
                analysis.kkt.solve::<S, 1>(
                    simd,
                    values,
                    inverse_pivots,
                    [(&error[..n], spare)],
                    permuted,
                    [(&mut *direction_x, &mut *direction_z)],
                );
                products.multiply(simd, values, direction_x, direction_z, px, ax, atz);
                let (image_x, image_z) = image.split_at_mut(n);
                for j in 0..n {
                    image_x[j] = px[j] + atz[j];
                }
                cones.apply(simd, projection, Function::Complement, ax, image_z, cone_scratch);
                cones.apply(
                    simd,
                    projection,
                    Function::Derivative,
                    direction_z,
                    spare_z,
                    cone_scratch,
                );
                for i in 0..m {
                    image_z[i] -= spare_z[i];
                }
                // Orthogonal to the earlier images.
                for k in 0..step {
                    let earlier = &earlier_images[k * (n + m)..][..n + m];
                    let share = -dot(zero, image, earlier);
                    advance(image, earlier, share);
                    advance(direction, &earlier_directions[k * (n + m)..][..n + m], share);
                }
                let norm = dot(zero, image, image).sqrt();
                let usable = norm.gt(zero) & norm.lt(V::splat(simd, f64::INFINITY));
                let inverse = usable.select(one / norm, zero);
                for value in direction.iter_mut().chain(image.iter_mut()) {
                    *value = usable.select(*value * inverse, zero);
                }
                moving = moving & usable;
                let length = dot(zero, error, image);
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
                let mut now = zero;
                for &error in error.iter() {
                    now = now.max_abs(error);
                }
                moving = moving & now.gt(goal);
                if !moving.any() {
                    break;
                }
            }
        }
        // A right-hand side that is not finite has no solution; zero would hide that.
        let lost = lanes & residual.is_nan();
        for value in x.iter_mut().chain(z.iter_mut()) {
            *value = lost.select(residual, *value);
        }
        residual
    }
}

#[inline(always)]
pub(crate) fn dot<S: Simd>(zero: V<S>, a: &[V<S>], b: &[V<S>]) -> V<S> {
    // Four sums, so that the additions do not wait for each other.
    let mut sums = [zero; 4];
    let (a_chunks, a_rest) = a.as_chunks::<4>();
    let (b_chunks, b_rest) = b.as_chunks::<4>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for k in 0..4 {
            sums[k] = a[k].fma(b[k], sums[k]);
        }
    }
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        sums[0] = a.fma(b, sums[0]);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// `values += length * direction`.
#[inline(always)]
pub(crate) fn advance<S: Simd>(values: &mut [V<S>], direction: &[V<S>], length: V<S>) {
    for (value, &direction) in values.iter_mut().zip(direction) {
        *value = length.fma(direction, *value);
    }
}
