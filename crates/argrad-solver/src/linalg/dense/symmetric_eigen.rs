//! Eigenvalues and eigenvectors of small symmetric matrices in lanes, by Jacobi rotations.
//!
//! The pairs of a round of a tournament are disjoint, so the rotations of a round are independent:
//! their divisions overlap (Brent, Luk: The solution of singular-value and symmetric eigenvalue
//! problems on multiprocessor arrays, 1985, orders the pairs so).
//!
//! A rotation by an angle of at most pi/4 is held as its sine and tau, the tangent of half the
//! angle, which keeps small rotations orthogonal to the last bit (Rutishauser: The Jacobi method
//! for real symmetric matrices, 1966). Any tau with sine = 2 tau / (1 + tau^2) is a rotation; the
//! one that makes the element zero is tan(atan(2 |a_pq| / |a_qq - a_pp|) / 4), which needs two
//! square roots. The rational function used instead is right to 3e-4 and exact for small angles:
//! the element is not quite zero after the rotation, convergence stays quadratic, and the number of
//! sweeps hardly changes.
//!
//! An off-diagonal element is negligible where |a_pq| <= eps sqrt|a_pp a_qq|: eigenvalues of a
//! positive definite matrix then have a small relative error where it is well conditioned up to a
//! scaling of rows and columns (Demmel, Veselic: Jacobi's method is more accurate than QR, 1992).
//!
//! The number of sweeps grows with the side: large matrices go to [`super::large_eigen`].

use pulp::Simd;

use super::large_eigen;
use super::matrix::set_both;
use crate::lanes::{Kernel, M, V, call};

/// Convergence is quadratic: 3 to 10 sweeps.
const MAX_SWEEPS: usize = 30;
/// eps^2, for squares of elements.
const NEGLIGIBLE: f64 = 1.3e-32;
/// After a sweep with |a_pq| <= 2e-9 sqrt|a_pp a_qq| and tan(2 angle) <= 2e-9 throughout, by the
/// square of which it is wrong, all elements are negligible.
const SMALL: f64 = 4e-18;
/// The square of what is negligible beside elements of order one: powers of larger numbers are
/// normal.
const VANISHING: f64 = 1e-64;
/// A matrix whose elements are all smaller counts as diagonal.
const TINY: f64 = 1e-290;
/// tan(atan(b / d) / 4) is b (d^2 + n1 d b + n2 b^2) / (4 d^3 + m1 d^2 b + m2 d b^2 + m3 b^3), by a
/// fit of the relative error on 0 <= b / d <= infinity.
const NUMERATOR: [f64; 2] = [1.390781250963675, 1.0692639166852649];
const DENOMINATOR: [f64; 3] = [5.597926941509599, 5.220893059533505, 2.580728038665549];

/// Registers that [`eigen`] needs for itself.
#[inline(always)]
pub(crate) fn eigen_scratch_len(side: usize) -> usize {
    if large_eigen::is_large(side) { large_eigen::scratch_len(side) } else { side }
}

/// The eigenvalues of the symmetric matrix `a`, a full square, not sorted, and its eigenvectors as
/// the rows of `u`, or none where `u` is empty. Destroys `a`. Where a lane is not finite, all its
/// results are NaN.
///
/// `a` must be symmetric to the last bit: a rotation mirrors what it moves, also in lanes that are
/// done, and there nothing but an exact symmetry makes that change nothing. Compute one triangle
/// and mirror it.
#[inline(always)]
pub(crate) fn eigen<S: Simd>(
    simd: S,
    side: usize,
    a: &mut [V<S>],
    u: &mut [V<S>],
    values: &mut [V<S>],
    scratch: &mut [V<S>],
) {
    debug_assert!(is_symmetric(side, a), "a matrix that is not its own mirror image");
    if large_eigen::is_large(side) {
        large_eigen::eigen(side, a, u, values, scratch);
    } else {
        call(simd, Eigen { simd, side, a, u, values, scratch });
    }
}

struct Eigen<'a, S: Simd> {
    simd: S,
    side: usize,
    a: &'a mut [V<S>],
    u: &'a mut [V<S>],
    values: &'a mut [V<S>],
    scratch: &'a mut [V<S>],
}

impl<S: Simd> Kernel for Eigen<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, side, a, u, values, scratch } = self;
        let (scale, poison) = scale_to_one(simd, a);
        if !u.is_empty() {
            set_identity(simd, side, u);
        }
        let rotations = &mut scratch[..side / 2 * 2];
        let mut going = M::splat(simd, true);
        for _ in 0..MAX_SWEEPS {
            let mut unsettled = M::splat(simd, false);
            for center in 0..rounds(side) {
                let round = find_rotations(simd, (side, center), a, rotations, going);
                if round.active.any() {
                    unsettled = unsettled | round.large;
                    rotate_matrix((side, center), a, rotations);
                    if !u.is_empty() {
                        rotate_rows((side, center), u, rotations);
                    }
                }
            }
            going = going & unsettled;
            if !going.any() {
                break;
            }
        }
        // The sums also make -0 to 0: in a lane that is done, further sweeps may turn the sign of
        // zeros.
        for k in 0..side {
            values[k] = a[k * side + k].fma(scale, poison);
        }
        for u in u.iter_mut() {
            *u += poison;
        }
    }
}

/// Whether every lane is its own mirror image, up to the sign of zeros and where there is a NaN.
fn is_symmetric<S: Simd>(side: usize, a: &[V<S>]) -> bool {
    let equal = |x: f64, y: f64| x == y || (x.is_nan() && y.is_nan());
    (0..side * side).all(|at| {
        let (entry, mirror) = (&a[at..=at], &a[at % side * side + at / side..][..1]);
        V::as_floats(entry).iter().zip(V::as_floats(mirror)).all(|(&x, &y)| equal(x, y))
    })
}

/// Divides the matrix by a power of two, the size of its largest element. Returns that; and 0, or
/// NaN in lanes where an entry is not finite.
#[inline(always)]
fn scale_to_one<S: Simd>(simd: S, a: &mut [V<S>]) -> (V<S>, V<S>) {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let (mut size, mut poison) = (zero, zero);
    for &a in a.iter() {
        size = a.abs().max(size);
        poison = a.fma(zero, poison);
    }
    let scale = size.gt(V::splat(simd, TINY)).select(size.floor_power_of_two(), one);
    let inverse = one / scale;
    for a in a.iter_mut() {
        *a *= inverse;
    }
    (scale, poison)
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

/// The pairs of a round: those at the same distance from the center on a circle of an odd number of
/// places. Where the side is even, the last one stands outside and meets the center first; where it
/// is odd, the center pauses.
#[derive(Clone)]
struct Pairs {
    places: usize,
    next: (usize, usize),
    up: usize,
    down: usize,
}

impl Pairs {
    #[inline(always)]
    fn of((side, center): (usize, usize)) -> Self {
        let mut pairs =
            Self { places: rounds(side), next: (center, side - 1), up: center, down: center };
        if side % 2 == 1 {
            pairs.advance();
        }
        pairs
    }

    #[inline(always)]
    fn advance(&mut self) {
        self.up = if self.up + 1 == self.places { 0 } else { self.up + 1 };
        self.down = if self.down == 0 { self.places - 1 } else { self.down - 1 };
        self.next = (self.up, self.down);
    }
}

/// Without an end: it goes along with the rotations of the round.
impl Iterator for Pairs {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let pair = self.next;
        self.advance();
        Some(pair)
    }
}

/// The lanes in which a round has rotations, and those in which one of them is not small.
struct Round<S: Simd> {
    active: M<S>,
    large: M<S>,
}

/// The rotations that almost zero the elements of the pairs of a round, as (sine, tau) in
/// `rotations`; the identity where the element is negligible and in lanes that are done. Updates
/// diagonal and elements of the pairs.
#[inline(always)]
fn find_rotations<S: Simd>(
    simd: S,
    round: (usize, usize),
    a: &mut [V<S>],
    rotations: &mut [V<S>],
    going: M<S>,
) -> Round<S> {
    let side = round.0;
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let (negligible, vanishing) = (V::splat(simd, NEGLIGIBLE), V::splat(simd, VANISHING));
    let (small, small_angle) = (V::splat(simd, SMALL), V::splat(simd, SMALL / 16.0));
    let none = M::splat(simd, false);
    let mut result = Round { active: none, large: none };
    for (rotation, (p, q)) in rotations.chunks_exact_mut(2).zip(Pairs::of(round)) {
        let (pp, qq, pq, qp) = (p * side + p, q * side + q, p * side + q, q * side + p);
        let (app, aqq, apq) = (a[pp], a[qq], a[pq]);
        let (product, square) = ((app * aqq).abs(), apq * apq);
        let active = going & square.gt((negligible * product).max(vanishing));
        let difference = aqq - app;
        let (sine, tau) = half_angle(difference, apq);
        let large = square.gt(small * product) | (tau * tau).gt(small_angle);
        result.active = result.active | active;
        result.large = result.large | (active & large);
        let (sine, tau) = (active.select(sine, zero), active.select(tau, zero));
        let cosine = sine.nfma(tau, one);
        // With x = cos a_pq - sin difference, sin (cos a_pq + x) moves from a_pp to a_qq; what is
        // left of a_pq is cos x - sin^2 a_pq.
        let x = sine.nfma(difference, cosine * apq);
        let moved = sine * cosine.fma(apq, x);
        let left = cosine.fma(x, -(sine * (sine * apq)));
        a[pp] = app - moved;
        a[qq] = aqq + moved;
        a[pq] = left;
        a[qp] = left;
        rotation[0] = sine;
        rotation[1] = tau;
    }
    result
}

/// Sine and tau of the rotation that makes `apq` almost zero; not a number where all is zero.
#[inline(always)]
fn half_angle<S: Simd>(difference: V<S>, apq: V<S>) -> (V<S>, V<S>) {
    let d = difference.abs();
    let signed = apq + apq;
    let b = signed.abs();
    let signed = difference.ge(d.like(0.0)).select(signed, -signed);
    let square = b * b;
    let fraction = d.fma(b.fma(d.like(NUMERATOR[0]), d), square * d.like(NUMERATOR[1]));
    let numerator = signed * fraction;
    let denominator = b.fma(d.like(DENOMINATOR[0]), d.like(4.0) * d);
    let denominator = denominator.fma(d, square * d.like(DENOMINATOR[1]));
    let denominator = denominator.fma(d, square * (b * d.like(DENOMINATOR[2])));
    // tau = n / m, sine = 2 n m / (m^2 + n^2), with one division.
    let square = denominator * denominator;
    let sum = numerator.fma(numerator, square);
    let quotient = numerator / (denominator * sum);
    ((quotient + quotient) * square, quotient * sum)
}

/// (x, y) rotated: (cos x - sin y, sin x + cos y).
#[inline(always)]
fn rotate<S: Simd>(sine: V<S>, tau: V<S>, x: V<S>, y: V<S>) -> (V<S>, V<S>) {
    (sine.nfma(tau.fma(x, y), x), sine.fma(tau.nfma(y, x), y))
}

/// Applies the rotations of a round from both sides, to the elements outside of the pairs.
#[inline(always)]
fn rotate_matrix<S: Simd>(round: (usize, usize), a: &mut [V<S>], rotations: &[V<S>]) {
    let (side, center) = round;
    for (k, (first, (p, q))) in rotations.chunks_exact(2).zip(Pairs::of(round)).enumerate() {
        let (sine, tau) = (first[0], first[1]);
        for (second, (r, t)) in rotations[..2 * k].chunks_exact(2).zip(Pairs::of(round)) {
            let (apr, aqr) = rotate(sine, tau, a[r * side + p], a[r * side + q]);
            let (apt, aqt) = rotate(sine, tau, a[t * side + p], a[t * side + q]);
            let (apr, apt) = rotate(second[0], second[1], apr, apt);
            let (aqr, aqt) = rotate(second[0], second[1], aqr, aqt);
            set_both(side, a, (r, p), apr);
            set_both(side, a, (r, q), aqr);
            set_both(side, a, (t, p), apt);
            set_both(side, a, (t, q), aqt);
        }
        if side % 2 == 1 {
            let row = center * side;
            let (x, y) = rotate(sine, tau, a[row + p], a[row + q]);
            set_both(side, a, (center, p), x);
            set_both(side, a, (center, q), y);
        }
    }
}

/// Applies the rotations of a round to the rows of `u`.
#[inline(always)]
fn rotate_rows<S: Simd>(round: (usize, usize), u: &mut [V<S>], rotations: &[V<S>]) {
    let side = round.0;
    for (rotation, (p, q)) in rotations.chunks_exact(2).zip(Pairs::of(round)) {
        // The first of the two rows in memory plays the part of p, up to the sign of the angle.
        let sine = if p < q { rotation[0] } else { -rotation[0] };
        let tau = if p < q { rotation[1] } else { -rotation[1] };
        let (head, tail) = u.split_at_mut(p.max(q) * side);
        let (x, y) = (&mut head[p.min(q) * side..][..side], &mut tail[..side]);
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
    use crate::lanes::{Buffer, LaneTask, dispatch};
    use crate::program::Instructions;

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
                a[i * n + j] = (0..n).map(|k| l[k] * (u[k * n + i] * u[k * n + j])).sum();
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
                for (p, q) in Pairs::of((n, center)).take(n / 2) {
                    assert!(p != q && p < n && q < n && !busy[p] && !busy[q]);
                    (busy[p], busy[q]) = (true, true);
                    met[p.min(q) * n + p.max(q)] += 1;
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
            // Off-diagonals below 1e-32 of the size count as zero.
            check(
                n,
                &(0..n * n)
                    .map(|k| if k % (n + 1) == 0 { 1.0 } else { 1e-170 })
                    .collect::<Vec<_>>(),
            );
            for scale in [1e-200, 1e200] {
                let values = eigenvalues(n, &vec![scale; n * n]);
                let largest = values.iter().fold(0.0, |x: f64, l| x.max(l.abs()));
                assert!((largest / scale - n as f64).abs() <= 1e-14 * n as f64);
            }
            assert_eq!(eigenvalues(n, &vec![1e-300; n * n]), vec![1e-300; n]);
        }
    }

    #[test]
    fn graded_positive_definite_matrices_keep_relative_accuracy() {
        // D B D with B = [2 1 0; 1 2 1; 0 1 2], det 4: all eigenvalues of its rotations by scaling
        // are determined to a relative error of eps, so their product is.
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

    /// Every matrix has, among others that take more or fewer sweeps, the bits that it has alone.
    #[test]
    fn a_lane_that_is_done_keeps_its_numbers_while_others_go_on() {
        let rng = &mut ChaCha8Rng::seed_from_u64(5);
        for side in [2, 3, 4, 6, 7] {
            // Off-diagonals from all that is negligible to all that is not, rounded as products
            // are.
            let quick = |rng: &mut ChaCha8Rng, k: i32| {
                let mut a = random_symmetric(rng, side);
                for at in (0..side * side).filter(|at| at % (side + 1) != 0) {
                    a[at] *= 10f64.powi(-k);
                }
                a
            };
            let fast: Vec<_> = (0..=24).map(|k| quick(rng, k)).collect();
            for slow in (0..4).map(|_| random_symmetric(rng, side)) {
                for one in &fast {
                    let matrices = [one.clone(), slow.clone()];
                    let run = |instructions| {
                        dispatch(instructions, Interleaved { side, matrices: &matrices })
                    };
                    let alone = run(Instructions::Scalar);
                    assert_eq!(alone, run(Instructions::Avx2));
                    assert_eq!(alone, run(Instructions::Detect));
                }
            }
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "mirror image")]
    fn a_matrix_that_is_not_its_own_mirror_image_is_refused_in_debug_builds() {
        decompose(2, &[1.0, 0.1, 0.1 + f64::EPSILON, 1.0]);
    }

    #[test]
    fn lanes_do_not_mix() {
        let rng = &mut ChaCha8Rng::seed_from_u64(4);
        // The last one is so large that matrices are decomposed one at a time.
        for side in [1, 2, 3, 6, 7, 10, 53] {
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
