//! Householder reflections I - f v v' of small vectors and symmetric matrices in lanes.

use pulp::Simd;

use super::matrix::set_both;
use crate::lanes::{M, V};

/// x'y of vectors that are not empty.
#[inline(always)]
pub(crate) fn dot<S: Simd>(x: &[V<S>], y: &[V<S>]) -> V<S> {
    let mut sum = x[0] * y[0];
    for (&x, &y) in x.iter().zip(y).skip(1) {
        sum = x.fma(y, sum);
    }
    sum
}

/// Divides x by its length, and returns that.
#[inline(always)]
pub(crate) fn normalize<S: Simd>(simd: S, x: &mut [V<S>]) -> V<S> {
    let mut largest = V::splat(simd, 0.0);
    for &x in x.iter() {
        largest = largest.max_abs(x);
    }
    let inverse = V::splat(simd, 1.0) / largest;
    for x in x.iter_mut() {
        *x *= inverse;
    }
    let length = dot(x, x).sqrt();
    let inverse = V::splat(simd, 1.0) / length;
    for x in x.iter_mut() {
        *x *= inverse;
    }
    largest * length
}

/// Replaces x, of length one or less, by the vector v for which I - f v v' takes x to the first
/// coordinate, and returns f. Both are zero outside of `lanes`; a short x is replaced by any other.
#[inline(always)]
pub(crate) fn reflector<S: Simd>(simd: S, x: &mut [V<S>], lanes: M<S>) -> V<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let usable = normalize(simd, x).ge(V::splat(simd, 1e-3));
    for (i, x) in x.iter_mut().enumerate() {
        *x = usable.select(*x, if i == 0 { one } else { zero });
    }
    let sign = x[0].lt(zero).select(-one, one);
    x[0] += sign;
    let factor = lanes.select((one + one) / dot(x, x), zero);
    for x in x.iter_mut() {
        *x = lanes.select(*x, zero);
    }
    factor
}

/// y - f v v'y.
#[inline(always)]
pub(crate) fn reflect<S: Simd>(v: &[V<S>], factor: V<S>, y: &mut [V<S>]) {
    let along = factor * dot(v, y);
    for (y, &v) in y.iter_mut().zip(v) {
        *y = along.nfma(v, *y);
    }
}

/// (I - f v v') m (I - f v v') for a symmetric m, with a vector of memory. Symmetric to the last
/// bit where m is: one triangle is computed, the other is its mirror image.
#[inline(always)]
pub(crate) fn congruence<S: Simd>(v: &[V<S>], factor: V<S>, m: &mut [V<S>], work: &mut [V<S>]) {
    let n = v.len();
    for (row, work) in m.chunks_exact(n).zip(work.iter_mut()) {
        *work = factor * dot(row, v);
    }
    let middle = factor.like(0.5) * factor * dot(v, work);
    for (work, &v) in work.iter_mut().zip(v) {
        *work = middle.nfma(v, *work);
    }
    for i in 0..n {
        for j in 0..=i {
            let entry = m[i * n + j] - work[i].fma(v[j], v[i] * work[j]);
            set_both(n, m, (i, j), entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn draw(rng: &mut ChaCha8Rng, len: usize) -> Vec<f64> {
        (0..len).map(|_| StandardNormal.sample(rng)).collect()
    }

    /// The reflection that takes a random vector to the first axis, and that applied to a symmetric
    /// matrix.
    fn reflected(rng: &mut ChaCha8Rng, n: usize) -> (Vec<f64>, f64, Vec<f64>, Vec<f64>) {
        let b = draw(rng, n * n);
        let matrix: Vec<f64> = (0..n * n).map(|at| b[at] + b[at % n * n + at / n]).collect();
        let (mut v, mut result, mut work) = (draw(rng, n), matrix.clone(), vec![0.0; n]);
        let v_lanes = V::slice_mut(Scalar, &mut v);
        normalize(Scalar, v_lanes);
        let factor = reflector(Scalar, v_lanes, M::splat(Scalar, true));
        let work = V::slice_mut(Scalar, &mut work);
        congruence(v_lanes, factor, V::slice_mut(Scalar, &mut result), work);
        (v, factor.lane(0), matrix, result)
    }

    #[test]
    fn congruence_keeps_symmetry_to_the_last_bit() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        for n in 1..7 {
            for _ in 0..100 {
                let (.., result) = reflected(rng, n);
                for at in 0..n * n {
                    assert_eq!(result[at].to_bits(), result[at % n * n + at / n].to_bits());
                }
            }
        }
    }

    #[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
    #[test]
    fn congruence_reflects_from_both_sides() {
        let rng = &mut ChaCha8Rng::seed_from_u64(2);
        for n in 1..7 {
            let (v, factor, matrix, result) = reflected(rng, n);
            let reflection = |i: usize, j: usize| (i == j) as u8 as f64 - factor * v[i] * v[j];
            for at in 0..n * n {
                let mut expected = 0.0;
                for k in 0..n * n {
                    let (k, l) = (k / n, k % n);
                    expected += reflection(at / n, k) * matrix[k * n + l] * reflection(l, at % n);
                }
                assert!((result[at] - expected).abs() < 1e-13, "{n} {at}");
            }
        }
    }
}
