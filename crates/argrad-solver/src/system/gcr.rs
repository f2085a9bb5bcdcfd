//! GCR (Eisenstat, Elman, Schultz 1983) with a factor as preconditioner, from which it needs two
//! steps where the factor is good and a few more where a small singular value is below the
//! regularization: plain iterative refinement would crawl there.

use pulp::Simd;

use crate::lanes::{M, V};

/// Steps between restarts.
const STEPS: usize = 5;

/// A linear system and its preconditioner. Vectors are over x and then z.
pub(crate) trait Operator<S: Simd> {
    /// `error = rhs - K (x, z)`.
    fn residual(&mut self, point: (&[V<S>], &[V<S>]), error: &mut [V<S>]);
    /// `out = M^-1 error`, with a matrix M that is close to K; what `scratch` of the same length
    /// holds is arbitrary.
    fn precondition(&mut self, error: &[V<S>], out: &mut [V<S>], scratch: &mut [V<S>]);
    /// `out = K direction`.
    fn multiply(&mut self, direction: &[V<S>], out: &mut [V<S>]);
}

/// How residuals are measured.
pub(crate) trait Norm<S: Simd> {
    /// The product in which images are orthogonal.
    fn product(&self, a: &[V<S>], b: &[V<S>]) -> V<S>;
    /// The norm in which a residual is small.
    fn size(&self, error: &[V<S>]) -> V<S>;
}

/// When a solve ends.
pub(crate) struct Ending {
    /// Restarts, each from the true residual.
    pub(crate) cycles: usize,
    /// A cycle that reduces the residual to more than this share was the last.
    pub(crate) gain: f64,
    /// Size of a residual that is small enough, ...
    pub(crate) tolerance: f64,
    /// ... relative to the first one or not.
    pub(crate) is_relative: bool,
    /// An image smaller than this share of its direction is rounding error: the direction is one
    /// that the system does not see. Zero where vectors and images have different units.
    pub(crate) rounding: f64,
}

/// Registers of the scratch `krylov`.
pub(crate) fn krylov_len(n: usize, m: usize) -> usize {
    (2 * STEPS + 1) * (n + m)
}

/// Improves `(x, z)` in the lanes in `lanes`; leaves the others alone. Returns the size of the
/// residual, relative where the tolerance is, and infinite in the other lanes.
#[inline(always)]
pub(crate) fn gcr<S: Simd>(
    simd: S,
    operator: &mut impl Operator<S>,
    norm: &impl Norm<S>,
    ending: &Ending,
    (x, z): (&mut [V<S>], &mut [V<S>]),
    krylov: &mut [V<S>],
    lanes: M<S>,
) -> V<S> {
    let len = x.len() + z.len();
    let (error, basis) = krylov.split_at_mut(len);
    let tolerance = V::splat(simd, ending.tolerance);
    let mut unit = V::splat(simd, 1.0);
    let mut residual = V::splat(simd, f64::INFINITY);
    let mut live = lanes;
    for cycle in 0..=ending.cycles {
        operator.residual((x, z), error);
        let size = norm.size(error);
        if cycle == 0 && ending.is_relative {
            unit = V::splat(simd, f64::MIN_POSITIVE).max_abs(size);
        }
        let now = size / unit;
        let improved = now.lt(V::splat(simd, ending.gain) * residual);
        residual = live.select(now, residual);
        live = live & improved & now.gt(tolerance);
        if cycle == ending.cycles || !live.any() {
            break;
        }
        let limits = (tolerance * unit, V::splat(simd, ending.rounding));
        run_cycle(simd, operator, norm, limits, (x, z), error, basis, live);
    }
    residual
}

/// Steps from the residual `error` until its recurrence is at `goal`, or images are below
/// `rounding`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the inner loop of the function above")]
fn run_cycle<S: Simd>(
    simd: S,
    operator: &mut impl Operator<S>,
    norm: &impl Norm<S>,
    (goal, rounding): (V<S>, V<S>),
    (x, z): (&mut [V<S>], &mut [V<S>]),
    error: &mut [V<S>],
    basis: &mut [V<S>],
    mut moving: M<S>,
) {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let len = error.len();
    let (directions, images) = basis.split_at_mut(STEPS * len);
    let images = &mut images[..STEPS * len];
    for step in 0..STEPS {
        let (earlier_directions, direction) = directions.split_at_mut(step * len);
        let (earlier_images, image) = images.split_at_mut(step * len);
        let (direction, image) = (&mut direction[..len], &mut image[..len]);
        operator.precondition(error, direction, image);
        operator.multiply(direction, image);
        // Orthogonal to the earlier images.
        for k in 0..step {
            let earlier = &earlier_images[k * len..][..len];
            let share = -norm.product(image, earlier);
            advance(image, earlier, share);
            advance(direction, &earlier_directions[k * len..][..len], share);
        }
        let length = norm.product(image, image).sqrt();
        let size = norm.product(direction, direction).sqrt();
        let usable = length.gt(rounding * size) & length.lt(V::splat(simd, f64::INFINITY));
        let inverse = usable.select(one / length, zero);
        for value in direction.iter_mut().chain(image.iter_mut()) {
            *value = usable.select(*value * inverse, zero);
        }
        moving = moving & usable;
        let length = norm.product(error, image);
        let (direction_x, direction_z) = direction.split_at(x.len());
        for (values, direction, length) in [
            (&mut *error, &*image, -length),
            (&mut *x, direction_x, length),
            (&mut *z, direction_z, length),
        ] {
            for (value, &direction) in values.iter_mut().zip(direction) {
                *value = moving.select(length.fma(direction, *value), *value);
            }
        }
        moving = moving & norm.size(error).gt(goal);
        if !moving.any() {
            return;
        }
    }
}

/// Euclidean product.
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

/// Largest absolute value.
#[inline(always)]
pub(crate) fn largest<S: Simd>(zero: V<S>, values: &[V<S>]) -> V<S> {
    let mut largest = zero;
    for &value in values {
        largest = largest.max_abs(value);
    }
    largest
}

/// `values += length * direction`.
#[inline(always)]
fn advance<S: Simd>(values: &mut [V<S>], direction: &[V<S>], length: V<S>) {
    for (value, &direction) in values.iter_mut().zip(direction) {
        *value = length.fma(direction, *value);
    }
}
