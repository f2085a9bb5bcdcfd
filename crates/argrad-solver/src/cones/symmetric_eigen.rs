//! Eigenvalues and eigenvectors of small symmetric matrices in lanes, by Jacobi rotations.
//!
//! The pairs of a round of a tournament are disjoint, so the rotations of a round are independent:
//! their square roots and divisions overlap (Brent, Luk: The solution of singular-value and symmetric
//! eigenvalue problems on multiprocessor arrays, 1985, orders the pairs so). A rotation by an angle
//! with |angle| <= pi/4 is held as its sine and tau, the tangent of half the angle, which keeps small rotations
//! orthogonal to the last bit (Rutishauser: The Jacobi method for real symmetric matrices, 1966).
//!
//! An off-diagonal element is negligible where |a_pq| <= eps sqrt|a_pp a_qq|: eigenvalues of a positive
//! definite matrix then have a small relative error where it is well conditioned up to a scaling of
//! rows and columns (Demmel, Veselic: Jacobi's method is more accurate than QR, 1992).

use pulp::Simd;

use crate::lanes::{M, V};

/// Convergence is quadratic: 3 to 8 sweeps.
const MAX_SWEEPS: usize = 30;
/// eps^2, for squares of elements.
const NEGLIGIBLE: f64 = 1.3e-32;
/// Squares below are not normal numbers when multiplied by eps: elements below 1e-140 count as zero.
const VANISHING: f64 = 1e-280;

/// Registers that [`eigen`] needs for itself.
#[inline(always)]
pub(crate) fn eigen_scratch_len(side: usize) -> usize {
    side
}

/// The eigenvalues of the symmetric matrix with the upper triangle of `a`, not sorted, and its eigenvectors
/// as the rows of `u`, or none where `u` is empty. Destroys `a`. Where a lane is not finite, all its
/// results are NaN.
#[inline(always)]
pub(crate) fn eigen<S: Simd>(
    simd: S,
    side: usize,
    a: &mut [V<S>],
    u: &mut [V<S>],
    values: &mut [V<S>],
    scratch: &mut [V<S>],
) {
    let poison = not_finite(simd, side, a);
    if !u.is_empty() {
        set_identity(simd, side, u);
    }
    let rotations = &mut scratch[..side / 2 * 2];
    for _ in 0..MAX_SWEEPS {
        let mut rotated = M::splat(simd, false);
        for center in 0..rounds(side) {
            let active = find_rotations(simd, (side, center), a, rotations);
            if active.any() {
                rotated = rotated | active;
                rotate_matrix((side, center), a, rotations);
                if !u.is_empty() {
                    rotate_rows((side, center), u, rotations);
                }
            }
        }
        if !rotated.any() {
            break;
        }
    }
    // The sum also makes -0 to 0: in a lane that is done, further sweeps may turn the sign of zeros.
    for k in 0..side {
        values[k] = a[k * side + k] + poison;
    }
    for u in u.iter_mut() {
        *u += poison;
    }
}

/// 0 in lanes where all entries of the upper triangle are finite, else NaN.
#[inline(always)]
fn not_finite<S: Simd>(simd: S, side: usize, a: &[V<S>]) -> V<S> {
    let mut sum = V::splat(simd, 0.0);
    for i in 0..side {
        for &a in &a[i * side + i..(i + 1) * side] {
            sum += a - a;
        }
    }
    sum
}

#[inline(always)]
pub(crate) fn set_identity<S: Simd>(simd: S, side: usize, m: &mut [V<S>]) {
    m.fill(V::splat(simd, 0.0));
    for k in 0..side {
        m[k * side + k] = V::splat(simd, 1.0);
    }
}

/// Rounds of the tournament in which every pair meets once.
#[inline(always)]
fn rounds(side: usize) -> usize {
    if side < 2 { 0 } else { (side - 1) | 1 }
}

/// Pair `k` of the round `center`, k < side / 2: the two at the same distance from the center on a circle
/// of an odd number of places. Where the side is even, the last one stands outside and meets the
/// center first; where it is odd, the center pauses.
#[inline(always)]
fn pair(side: usize, center: usize, k: usize) -> (usize, usize) {
    let places = rounds(side);
    let distance = if side == places { k + 1 } else { k };
    if distance == 0 {
        return (center, side - 1);
    }
    let right = center + distance;
    let right = if right >= places { right - places } else { right };
    let left = center + places - distance;
    let left = if left >= places { left - places } else { left };
    (left.min(right), left.max(right))
}

/// Place of an entry in the upper triangle.
#[inline(always)]
fn upper(side: usize, i: usize, j: usize) -> usize {
    i.min(j) * side + i.max(j)
}

/// The rotations that zero the elements of the pairs of a round, as (sine, tau) in `rotations`; the
/// identity in lanes where the element is negligible. Updates diagonal and elements of the pairs. True
/// in lanes in which there is a rotation.
#[inline(always)]
fn find_rotations<S: Simd>(
    simd: S,
    (side, center): (usize, usize),
    a: &mut [V<S>],
    rotations: &mut [V<S>],
) -> M<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let mut rotated = M::splat(simd, false);
    for (k, rotation) in rotations.chunks_exact_mut(2).enumerate() {
        let (p, q) = pair(side, center, k);
        let (pp, qq, pq) = (p * side + p, q * side + q, p * side + q);
        let (app, aqq, apq) = (a[pp], a[qq], a[pq]);
        let threshold =
            (V::splat(simd, NEGLIGIBLE) * (app * aqq).abs()).max(V::splat(simd, VANISHING));
        let active = (apq * apq).gt(threshold);
        rotated = rotated | active;
        if !active.any() {
            rotation.fill(zero);
            continue;
        }
        // tan(2 angle) = b / difference; the angle at most pi/4 has the sign of that.
        let difference = aqq - app;
        let positive = difference.ge(zero);
        let b = apq + apq;
        let b = positive.select(b, -b);
        let hypotenuse = difference.fma(difference, b * b).sqrt();
        let adjacent = difference.abs() + hypotenuse;
        // cos = adjacent / w, sin = b / w, tau = sin / (1 + cos) = b / (w + adjacent).
        let w = ((hypotenuse + hypotenuse) * adjacent).sqrt();
        let sum = w + adjacent;
        let inverse = one / (w * sum);
        let sine = active.select(b * sum * inverse, zero);
        let tau = active.select(b * w * inverse, zero);
        // tan * a_pq = hypotenuse sin^2, with the sign of the difference.
        let moved = hypotenuse * sine * sine;
        let moved = active.select(positive.select(moved, -moved), zero);
        a[pp] = app - moved;
        a[qq] = aqq + moved;
        a[pq] = active.select(zero, apq);
        rotation[0] = sine;
        rotation[1] = tau;
    }
    rotated
}

/// (x, y) rotated: (cos x - sin y, sin x + cos y).
#[inline(always)]
fn rotate<S: Simd>(sine: V<S>, tau: V<S>, x: V<S>, y: V<S>) -> (V<S>, V<S>) {
    (sine.nfma(tau.fma(x, y), x), sine.fma(tau.nfma(y, x), y))
}

/// Applies the rotations of a round from both sides, to the elements outside of the pairs.
#[inline(always)]
fn rotate_matrix<S: Simd>((side, center): (usize, usize), a: &mut [V<S>], rotations: &[V<S>]) {
    for (k, first) in rotations.chunks_exact(2).enumerate() {
        let (p, q) = pair(side, center, k);
        let (sine, tau) = (first[0], first[1]);
        for (m, second) in rotations.chunks_exact(2).enumerate().take(k) {
            let (r, t) = pair(side, center, m);
            let (pr, qr) = (upper(side, p, r), upper(side, q, r));
            let (pt, qt) = (upper(side, p, t), upper(side, q, t));
            let (apr, aqr) = rotate(sine, tau, a[pr], a[qr]);
            let (apt, aqt) = rotate(sine, tau, a[pt], a[qt]);
            (a[pr], a[pt]) = rotate(second[0], second[1], apr, apt);
            (a[qr], a[qt]) = rotate(second[0], second[1], aqr, aqt);
        }
        if side % 2 == 1 {
            let (pr, qr) = (upper(side, p, center), upper(side, q, center));
            (a[pr], a[qr]) = rotate(sine, tau, a[pr], a[qr]);
        }
    }
}

/// Applies the rotations of a round to the rows of `u`.
#[inline(always)]
fn rotate_rows<S: Simd>((side, center): (usize, usize), u: &mut [V<S>], rotations: &[V<S>]) {
    for (k, rotation) in rotations.chunks_exact(2).enumerate() {
        let (p, q) = pair(side, center, k);
        let (sine, tau) = (rotation[0], rotation[1]);
        let (head, tail) = u.split_at_mut(q * side);
        let (x, y) = (&mut head[p * side..p * side + side], &mut tail[..side]);
        for (x, y) in x.iter_mut().zip(y) {
            (*x, *y) = rotate(sine, tau, *x, *y);
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar, Simd};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::Instructions;
    use crate::lanes::{Buffer, LaneTask, dispatch};

    /// Eigenvalues and rows of eigenvectors of a full square.
    fn decompose(n: usize, a: &[f64]) -> (Vec<f64>, Vec<f64>) {
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

    fn eigenvalues(n: usize, a: &[f64]) -> Vec<f64> {
        let mut values = vec![0.0; n];
        let mut scratch = vec![0.0; eigen_scratch_len(n)];
        eigen(
            Scalar,
            n,
            V::slice_mut(Scalar, &mut a.to_vec()),
            &mut [],
            V::slice_mut(Scalar, &mut values),
            V::slice_mut(Scalar, &mut scratch),
        );
        values
    }

    fn random_square(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
        (0..n * n).map(|_| StandardNormal.sample(rng)).collect()
    }

    fn random_symmetric(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
        let b = random_square(rng, n);
        (0..n * n).map(|k| b[k] + b[k % n * n + k / n]).collect()
    }

    /// U diag(l) U' with a random orthogonal U.
    fn with_spectrum(rng: &mut ChaCha8Rng, l: &[f64]) -> Vec<f64> {
        let n = l.len();
        let (_, u) = decompose(n, &random_symmetric(rng, n));
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = (0..n).map(|k| l[k] * u[k * n + i] * u[k * n + j]).sum();
            }
        }
        a
    }

    fn norm(a: &[f64]) -> f64 {
        a.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    /// |A - U' diag(l) U| / |A| and |U U' - I|, both divided by the root of n.
    fn defects(n: usize, a: &[f64], (values, u): &(Vec<f64>, Vec<f64>)) -> (f64, f64) {
        let (mut residual, mut orthogonality) = (a.to_vec(), vec![0.0; n * n]);
        for i in 0..n {
            for j in 0..n {
                for k in 0..n {
                    residual[i * n + j] -= values[k] * u[k * n + i] * u[k * n + j];
                    orthogonality[i * n + j] += u[i * n + k] * u[j * n + k];
                }
            }
            orthogonality[i * n + i] -= 1.0;
        }
        let root = (n.max(1) as f64).sqrt();
        (norm(&residual) / (root * norm(a).max(f64::MIN_POSITIVE)), norm(&orthogonality) / root)
    }

    #[track_caller]
    fn check(n: usize, a: &[f64]) {
        let result = decompose(n, a);
        let (residual, orthogonality) = defects(n, a, &result);
        assert!(residual <= 5e-15, "side {n}: residual {residual:e}");
        assert!(orthogonality <= 5e-15, "side {n}: orthogonality {orthogonality:e}");
        assert_eq!(eigenvalues(n, a), result.0);
    }

    #[test]
    fn every_pair_meets_once_and_rounds_are_disjoint() {
        for n in 0..14 {
            let mut met = vec![0; n * n];
            for center in 0..rounds(n) {
                let mut busy = vec![false; n];
                for k in 0..n / 2 {
                    let (p, q) = pair(n, center, k);
                    assert!(p < q && q < n && !busy[p] && !busy[q]);
                    (busy[p], busy[q]) = (true, true);
                    met[p * n + q] += 1;
                }
                assert!(n % 2 == 0 || !busy[center]);
            }
            assert_eq!(met.iter().sum::<usize>(), n * n.saturating_sub(1) / 2);
            assert!(met.iter().all(|&times| times <= 1));
        }
    }

    #[test]
    fn random_matrices_of_all_sizes_and_scales() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        for n in (0..=20).chain([33, 64, 124]) {
            for scale in [1.0, 1e-8, 1e8, 1e-60, 1e60] {
                let a: Vec<f64> = random_symmetric(rng, n).iter().map(|x| scale * x).collect();
                check(n, &a);
            }
        }
    }

    #[test]
    fn equal_eigenvalues_deficient_ranks_and_clusters() {
        let rng = &mut ChaCha8Rng::seed_from_u64(2);
        for n in [1, 2, 3, 6, 10, 17] {
            for scale in [1.0, 1e-8, 1e8] {
                let spectra: [&dyn Fn(usize) -> f64; 6] = [
                    &|_| 1.0,
                    &|k| if k % 2 == 0 { 1.0 } else { -1.0 },
                    &|k| if k < n / 2 { 0.0 } else { k as f64 },
                    &|k| if k == 0 { 1.0 } else { 0.0 },
                    &|k| 1.0 + 1e-13 * k as f64,
                    &|k| 10f64.powi(-(k as i32)) * if k % 3 == 0 { -1.0 } else { 1.0 },
                ];
                for spectrum in spectra {
                    let l: Vec<f64> = (0..n).map(|k| scale * spectrum(k)).collect();
                    let a = with_spectrum(rng, &l);
                    check(n, &a);
                    let (mut found, mut l) = (eigenvalues(n, &a), l);
                    found.sort_by(f64::total_cmp);
                    l.sort_by(f64::total_cmp);
                    for (found, l) in found.iter().zip(&l) {
                        assert!((found - l).abs() <= 2e-14 * scale * n as f64);
                    }
                }
            }
        }
    }

    #[test]
    fn ones_diagonal_zero_and_tiny_matrices() {
        for n in [1, 2, 5, 6, 11] {
            check(n, &vec![1.0; n * n]);
            check(n, &vec![0.0; n * n]);
            let diagonal: Vec<f64> =
                (0..n * n).map(|k| if k % (n + 1) == 0 { k as f64 - 7.0 } else { 0.0 }).collect();
            let (values, u) = decompose(n, &diagonal);
            assert!((0..n).all(|k| values[k] == diagonal[k * n + k] && u[k * n + k] == 1.0));
            // Below the range in which squares are normal, off-diagonals count as zero.
            check(
                n,
                &(0..n * n)
                    .map(|k| if k % (n + 1) == 0 { 1.0 } else { 1e-170 })
                    .collect::<Vec<_>>(),
            );
            assert!(eigenvalues(n, &vec![1e-200; n * n]).iter().all(|&l| l == 1e-200));
        }
    }

    #[test]
    fn graded_positive_definite_matrices_keep_relative_accuracy() {
        // D B D with B = [2 1 0; 1 2 1; 0 1 2], det 4: all eigenvalues of its rotations by scaling are
        // determined to a relative error of eps, so their product is.
        let d = [1e-8, 1.0, 1e8];
        let b = [2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0];
        let a: Vec<f64> = (0..9).map(|k| d[k / 3] * b[k] * d[k % 3]).collect();
        let mut values = eigenvalues(3, &a);
        values.sort_by(f64::total_cmp);
        assert!((values[2] / 2e16 - 1.0).abs() <= 1e-14);
        assert!((values[1] / 1.5 - 1.0).abs() <= 1e-14);
        assert!((values[0] / (4.0 / 3.0 * 1e-16) - 1.0).abs() <= 1e-14);
    }

    #[test]
    fn matrices_that_are_not_finite_end_as_nan() {
        for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY] {
            for at in [0, 1, 7, 34, 35] {
                let mut a = vec![1.0; 36];
                a[at] = bad;
                a[at % 6 * 6 + at / 6] = bad;
                let (values, u) = decompose(6, &a);
                assert!(values.iter().chain(&u).all(|x| x.is_nan()));
            }
        }
    }

    struct Interleaved<'a> {
        side: usize,
        matrices: &'a [Vec<f64>],
    }

    impl LaneTask for Interleaved<'_> {
        type Output = Vec<Vec<u64>>;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let (n, lanes) = (self.side, V::<S>::LANES);
            let mut outputs = Vec::new();
            for group in self.matrices.chunks(lanes) {
                let (mut a, mut u) = (Buffer::zeros(n * n * lanes), Buffer::zeros(n * n * lanes));
                let (mut values, mut scratch) =
                    (Buffer::zeros(n * lanes), Buffer::zeros(eigen_scratch_len(n) * lanes));
                for (lane, matrix) in group.iter().enumerate() {
                    for (k, &x) in matrix.iter().enumerate() {
                        a.as_mut_slice()[k * lanes + lane] = x;
                    }
                }
                eigen(
                    simd,
                    n,
                    V::slice_mut(simd, a.as_mut_slice()),
                    V::slice_mut(simd, u.as_mut_slice()),
                    V::slice_mut(simd, values.as_mut_slice()),
                    V::slice_mut(simd, scratch.as_mut_slice()),
                );
                for lane in 0..group.len() {
                    let of = |x: &Buffer| -> Vec<u64> {
                        let x = x.as_slice().iter().skip(lane).step_by(lanes);
                        x.map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
                    };
                    outputs.push([of(&values), of(&u)].concat());
                }
            }
            outputs
        }
    }

    #[test]
    fn lanes_do_not_mix() {
        let rng = &mut ChaCha8Rng::seed_from_u64(4);
        for side in [1, 2, 3, 6, 7, 10] {
            let mut matrices: Vec<_> = (0..13).map(|_| random_symmetric(rng, side)).collect();
            // Lanes that are done at once, with zeros of either sign, next to those that go on.
            matrices[2].fill(0.0);
            matrices[3].fill(-0.0);
            matrices[5] = (0..side * side)
                .map(|k| if k % (side + 1) == 0 { k as f64 - 3.0 } else { -0.0 })
                .collect();
            matrices[7].fill(f64::NAN);
            matrices[8][0] = f64::INFINITY;
            let run =
                |instructions| dispatch(instructions, Interleaved { side, matrices: &matrices });
            let scalar = run(Instructions::Scalar);
            assert_eq!(scalar, run(Instructions::Detect));
            assert_eq!(scalar, run(Instructions::Avx2));
        }
    }
}
