//! The least eigenvalue of small symmetric matrices in lanes, approached from below.
//!
//! Householder reflections make the matrix tridiagonal; Laguerre's iteration for the characteristic
//! polynomial, started below the spectrum, then rises to its least root. With the gaps g_i between
//! the eigenvalues and x, S1 = sum 1/g_i and S2 = sum 1/g_i^2, a step is
//!
//! ```text
//! x += n / (S1 + sqrt((n - 1) (n S2 - S1^2))),
//! ```
//!
//! the largest that is surely no larger than the least gap (Wilkinson: The algebraic eigenvalue
//! problem, 1965, chapter 7). So every iterate is a lower bound, and convergence is cubic at a
//! simple root, linear at a multiple one. The sums come from the pivots of the tridiagonal matrix
//! minus x, q_k = d_k - x - e_k^2 / q_(k-1), and their derivatives, all without cancellation;
//! pivots that are all positive prove the bound (Li, Zeng: The Laguerre iteration in solving the
//! symmetric tridiagonal eigenproblem, revisited, 1994).
//!
//! Large matrices are made tridiagonal one at a time, by [`super::large_eigen`].

use pulp::Simd;

use super::large_eigen::{self, is_large, tridiagonalize_scratch_len};
use crate::lanes::{Kernel, M, V, call};

/// Steps at a multiple eigenvalue shrink the gap by a constant factor: then the bound is not sharp.
const MAX_STEPS: usize = 40;
/// After a step smaller than this, relative to the bound, a simple eigenvalue is found to rounding
/// error.
const SMALL_STEP: f64 = 1e-6;
/// Distance of the start from the discs of Gershgorin, relative to their size.
const CLEARANCE: f64 = 1e-3;
/// Squared norms below are not normal numbers when multiplied by eps^2.
const VANISHING: f64 = 1e-280;

/// Registers that [`least_eigenvalues`] needs for itself.
#[inline(always)]
pub(crate) fn least_scratch_len(side: usize, matrices: usize) -> usize {
    let own = if is_large(side) { tridiagonalize_scratch_len(side) } else { side };
    2 * matrices * side + own
}

/// A lower bound of the least eigenvalue of each of K symmetric matrices (full squares, destroyed):
/// the eigenvalue itself up to a relative 1e-6 at worst where it is below `enough` and not
/// multiple, elsewhere perhaps less. Where a lane is not finite, it is NaN. The matrices are dealt
/// with side by side to fill the time of the divisions.
#[inline(always)]
pub(crate) fn least_eigenvalues<S: Simd, const K: usize>(
    simd: S,
    side: usize,
    matrices: [&mut [V<S>]; K],
    enough: V<S>,
    scratch: &mut [V<S>],
) -> [V<S>; K] {
    if side == 0 {
        return [V::splat(simd, f64::INFINITY); K];
    }
    call(simd, LeastEigenvalues { simd, side, matrices, enough, scratch })
}

struct LeastEigenvalues<'a, S: Simd, const K: usize> {
    simd: S,
    side: usize,
    matrices: [&'a mut [V<S>]; K],
    enough: V<S>,
    scratch: &'a mut [V<S>],
}

impl<S: Simd, const K: usize> Kernel for LeastEigenvalues<'_, S, K> {
    type Output = [V<S>; K];

    #[expect(clippy::type_complexity, reason = "pairs of vectors over x and z")]
    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { simd, side, matrices, enough, scratch } = self;
        let own = least_scratch_len(side, 0);
        let (own, mut rest) = scratch.split_at_mut(own);
        let mut tridiagonals: [(&[V<S>], &[V<S>]); K] = [(&[], &[]); K];
        for (tridiagonal, a) in tridiagonals.iter_mut().zip(matrices) {
            let (d, tail) = std::mem::take(&mut rest).split_at_mut(side);
            let (e, tail) = tail.split_at_mut(side);
            rest = tail;
            if is_large(side) {
                large_eigen::tridiagonalize(simd, side, a, (d, e), own);
            } else {
                tridiagonalize(simd, side, a, (d, e), own);
            }
            *tridiagonal = (d, e);
        }
        rise(simd, tridiagonals, enough)
    }
}

/// Laguerre's iteration from below the spectra.
#[expect(clippy::type_complexity, reason = "pairs of vectors over x and z")]
#[inline(always)]
fn rise<S: Simd, const K: usize>(
    simd: S,
    tridiagonals: [(&[V<S>], &[V<S>]); K],
    enough: V<S>,
) -> [V<S>; K] {
    let mut x = [V::splat(simd, 0.0); K];
    let mut poison = x;
    for k in 0..K {
        (x[k], poison[k]) = start(simd, tridiagonals[k]);
    }
    let mut going = [M::splat(simd, true); K];
    for _ in 0..MAX_STEPS {
        let steps = laguerre_steps(simd, tridiagonals, x);
        let mut any = M::splat(simd, false);
        for k in 0..K {
            let (step, below) = steps[k];
            going[k] = going[k] & below & x[k].lt(enough);
            x[k] = going[k].select(x[k] + step, x[k]);
            going[k] = going[k] & step.gt(V::splat(simd, SMALL_STEP) * x[k].abs());
            any = any | going[k];
        }
        if !any.any() {
            break;
        }
    }
    for k in 0..K {
        x[k] += poison[k];
    }
    x
}

/// Reduces `a` to the tridiagonal matrix with diagonal `d` and off-diagonal `e`, e_k between k - 1
/// and k, e_0 = 0, up to signs of e.
#[inline(always)]
fn tridiagonalize<S: Simd>(
    simd: S,
    side: usize,
    a: &mut [V<S>],
    (d, e): (&mut [V<S>], &mut [V<S>]),
    w: &mut [V<S>],
) {
    let zero = V::splat(simd, 0.0);
    e[0] = zero;
    for k in 0..side {
        let (head, tail) = a.split_at_mut((k + 1) * side);
        let row = &mut head[k * side + k..];
        d[k] = row[0];
        if k + 2 < side {
            e[k + 1] = reflect(simd, side, &mut row[1..], tail, w);
        } else if k + 1 < side {
            e[k + 1] = row[1];
        }
    }
}

/// Applies the reflection that maps the vector `v` to a multiple of the first unit vector to the
/// trailing rows and columns: A - v w' - w v'. Returns the norm of v.
#[inline(always)]
fn reflect<S: Simd>(
    simd: S,
    side: usize,
    v: &mut [V<S>],
    rows: &mut [V<S>],
    w: &mut [V<S>],
) -> V<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let len = v.len();
    let first = side - len;
    let w = &mut w[..len];
    let mut square = zero;
    for &v in v.iter() {
        square = v.fma(v, square);
    }
    let norm = square.sqrt();
    let half = v[0].abs().fma(norm, square);
    let beta = half.gt(V::splat(simd, VANISHING)).select(one / half, zero);
    v[0] += v[0].ge(zero).select(norm, -norm);

    let mut product = zero;
    for (i, row) in rows.chunks_exact(side).enumerate() {
        let mut sum = zero;
        for (&a, &v) in row[first..].iter().zip(v.iter()) {
            sum = a.fma(v, sum);
        }
        w[i] = beta * sum;
        product = w[i].fma(v[i], product);
    }
    let share = V::splat(simd, 0.5) * beta * product;
    for (w, &v) in w.iter_mut().zip(v.iter()) {
        *w = share.nfma(v, *w);
    }
    for (i, row) in rows.chunks_exact_mut(side).enumerate() {
        let (vi, wi) = (v[i], w[i]);
        for ((a, &v), &w) in row[first..].iter_mut().zip(v.iter()).zip(w.iter()) {
            *a = vi.nfma(w, wi.nfma(v, *a));
        }
    }
    norm
}

/// A point below the discs of Gershgorin; and 0, or NaN where a number is not finite.
#[inline(always)]
fn start<S: Simd>(simd: S, (d, e): (&[V<S>], &[V<S>])) -> (V<S>, V<S>) {
    let zero = V::splat(simd, 0.0);
    let mut least = V::splat(simd, f64::INFINITY);
    let mut size = zero;
    let mut poison = zero;
    for k in 0..d.len() {
        let next = if k + 1 < d.len() { e[k + 1].abs() } else { zero };
        let radius = e[k].abs() + next;
        least = (d[k] - radius).min(least);
        size = (d[k].abs() + radius).max(size);
        poison = d[k].fma(zero, e[k].fma(zero, poison));
    }
    (V::splat(simd, CLEARANCE).nfma(size, least), poison)
}

/// Laguerre's step from each x, and whether x is below the spectrum.
#[expect(clippy::type_complexity, reason = "pairs of vectors over x and z")]
#[inline(always)]
fn laguerre_steps<S: Simd, const K: usize>(
    simd: S,
    tridiagonals: [(&[V<S>], &[V<S>]); K],
    x: [V<S>; K],
) -> [(V<S>, M<S>); K] {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let mut pivot = [zero; K];
    // Minus the first derivative of the pivot, and the second one with its sign turned twice.
    let mut slope = [one; K];
    let mut bend = [zero; K];
    let mut sum = [zero; K];
    let mut squares = [zero; K];
    let mut below = [M::splat(simd, true); K];
    for k in 0..K {
        pivot[k] = tridiagonals[k].0[0] - x[k];
        below[k] = pivot[k].gt(zero);
    }
    let side = tridiagonals.first().map_or(0, |(d, _)| d.len());
    for i in 0..side {
        for k in 0..K {
            let inverse = one / pivot[k];
            let ratio = slope[k] * inverse;
            sum[k] += ratio;
            squares[k] += ratio.fma(ratio, bend[k] * inverse);
            if i + 1 < side {
                let (d, e) = (tridiagonals[k].0[i + 1], tridiagonals[k].1[i + 1]);
                let factor = e * inverse;
                pivot[k] = factor.nfma(e, d - x[k]);
                let factor = factor * factor;
                bend[k] = factor * (ratio + ratio).fma(slope[k], bend[k]);
                slope[k] = factor.fma(slope[k], one);
                below[k] = below[k] & pivot[k].gt(zero);
            }
        }
    }
    let n = V::splat(simd, side as f64);
    let mut steps = [(zero, below[0]); K];
    for k in 0..K {
        let spread = sum[k].nfma(sum[k], n * squares[k]).max(zero);
        steps[k] = (n / (sum[k] + ((n - one) * spread).sqrt()), below[k]);
    }
    steps
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::super::symmetric_eigen::{eigen, eigen_scratch_len};
    use super::*;

    fn random_symmetric(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
        let b: Vec<f64> = (0..n * n).map(|_| StandardNormal.sample(rng)).collect();
        (0..n * n).map(|k| b[k] + b[k % n * n + k / n]).collect()
    }

    fn jacobi(n: usize, a: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut values, mut u) = (vec![0.0; n], vec![0.0; n * n]);
        let mut scratch = vec![0.0; eigen_scratch_len(n)];
        eigen(
            Scalar,
            n,
            V::slice_mut(Scalar, &mut a.to_vec()),
            V::slice_mut(Scalar, &mut u),
            V::slice_mut(Scalar, &mut values),
            V::slice_mut(Scalar, &mut scratch),
        );
        (values, u)
    }

    fn with_spectrum(rng: &mut ChaCha8Rng, l: &[f64]) -> Vec<f64> {
        let n = l.len();
        let (_, u) = jacobi(n, &random_symmetric(rng, n));
        (0..n * n)
            .map(|at| (0..n).map(|k| l[k] * u[k * n + at / n] * u[k * n + at % n]).sum())
            .collect()
    }

    fn bounds<const K: usize>(n: usize, matrices: [&[f64]; K], enough: f64) -> [f64; K] {
        let mut copies = matrices.map(<[f64]>::to_vec);
        let mut scratch = vec![0.0; least_scratch_len(n, K)];
        let copies = copies.each_mut().map(|a| V::slice_mut(Scalar, a));
        let enough = V::splat(Scalar, enough);
        let scratch = V::slice_mut(Scalar, &mut scratch);
        least_eigenvalues(Scalar, n, copies, enough, scratch).map(|x| x.lane(0))
    }

    fn least(n: usize, a: &[f64]) -> f64 {
        jacobi(n, a).0.into_iter().fold(f64::INFINITY, f64::min)
    }

    fn size(a: &[f64]) -> f64 {
        a.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    #[test]
    fn simple_eigenvalues_are_found_to_rounding_error() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        for n in (1..=20).chain([40, 46, 63, 124]) {
            for scale in [1.0, 1e-8, 1e8] {
                let scaled = |a: Vec<f64>| a.into_iter().map(|x| scale * x).collect::<Vec<_>>();
                let a = scaled(random_symmetric(rng, n));
                let b = scaled(random_symmetric(rng, n));
                let [x, y] = bounds(n, [&a, &b], f64::INFINITY);
                assert!((x - least(n, &a)).abs() <= 3e-15 * size(&a), "{n} {x} {}", least(n, &a));
                assert!((y - least(n, &b)).abs() <= 3e-15 * size(&b));
                // A matrix has the same bound beside any other one.
                assert_eq!([x], bounds(n, [&a], f64::INFINITY));
                assert_eq!([y, y], bounds(n, [&b, &b], f64::INFINITY));
            }
        }
    }

    #[test]
    fn multiple_eigenvalues_have_a_close_lower_bound() {
        let rng = &mut ChaCha8Rng::seed_from_u64(2);
        for n in [2, 3, 6, 10, 20] {
            for multiple in 1..=n {
                let l: Vec<f64> =
                    (0..n).map(|k| if k < multiple { -1.0 } else { k as f64 }).collect();
                let a = with_spectrum(rng, &l);
                let [x] = bounds(n, [&a], f64::INFINITY);
                let tolerance = if multiple == 1 || multiple == n { 1e-13 } else { 3e-6 };
                assert!((-1.0 - tolerance..-1.0 + 1e-13).contains(&x), "{n} {multiple} {x}");
            }
        }
    }

    #[test]
    fn diagonal_zero_and_identity_matrices() {
        for n in [1, 2, 3, 6] {
            let diagonal = |f: &dyn Fn(usize) -> f64| -> Vec<f64> {
                (0..n * n).map(|k| if k % (n + 1) == 0 { f(k / n) } else { 0.0 }).collect()
            };
            assert_eq!(bounds(n, [&diagonal(&|_| 0.0)], f64::INFINITY), [0.0]);
            let [x] = bounds(n, [&diagonal(&|_| 3.0)], f64::INFINITY);
            assert!((x - 3.0).abs() <= 1e-14);
            let [x] = bounds(n, [&diagonal(&|k| k as f64 - 0.5)], f64::INFINITY);
            assert!((x + 0.5).abs() <= 1e-14);
        }
        assert_eq!(bounds(0, [&[]], f64::INFINITY), [f64::INFINITY]);
    }

    #[test]
    fn iteration_stops_at_a_bound_that_is_enough() {
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        let a = with_spectrum(rng, &[-0.4, 0.5, 1.0, 2.0, 2.5, 3.0]);
        let [x] = bounds(6, [&a], -1.0);
        assert!((-1.0..=-0.4).contains(&x));
    }

    #[test]
    fn matrices_that_are_not_finite_end_as_nan() {
        for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY] {
            for n in [1, 2, 3, 6, 50] {
                for at in [0, n * n - 1, n - 1] {
                    let mut a = vec![1.0; n * n];
                    a[at] = bad;
                    a[at % n * n + at / n] = bad;
                    let [x, y] = bounds(n, [&a, &vec![1.0; n * n]], f64::INFINITY);
                    assert!(x.is_nan() && !y.is_nan());
                }
            }
        }
    }
}
