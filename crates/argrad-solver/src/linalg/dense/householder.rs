//! Householder reflections I - f v v' of small vectors and symmetric matrices in lanes.

use pulp::Simd;

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

/// Replaces x, of length one or less, by the vector v for which I - f v v' takes x to the first coordinate, and
/// returns f. Both are zero outside of `lanes`; a short x is replaced by any other.
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

/// (I - f v v') m (I - f v v') for a symmetric m, with a vector of memory.
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
        for j in 0..n {
            m[i * n + j] -= work[i].fma(v[j], v[i] * work[j]);
        }
    }
}
