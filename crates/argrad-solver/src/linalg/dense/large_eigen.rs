//! Eigenvalues of large symmetric matrices: reduction to tridiagonal form and implicit QR steps.
//!
//! Jacobi rotations, which [`super::symmetric_eigen`] uses for small matrices, take ten times as
//! many operations. The two steps here depend on the numbers at every turn, so matrices go through
//! them one at a time, with columns in the lanes; the matrix of a lane is copied to memory of its
//! own, where its rows are padded. What is done to it does not depend on how many lanes there are.

use pulp::Simd;

use super::implicit_qr::{ImplicitQr, qr_scratch_len};
use super::panel::call_task;
use super::tridiagonal::{Expand, Reduce, expand_scratch_len, reduce_scratch_len, stride};
use crate::lanes::{LaneTask, V, dispatch};
use crate::program::Instructions;

/// The largest side of matrices that Jacobi rotations are for.
const SMALL: usize = 45;
/// Smaller matrices are not scaled.
const TINY: f64 = 1e-290;

/// Whether the functions of this file are used: a decision of the side alone, since results differ.
#[inline(always)]
pub(super) fn is_large(side: usize) -> bool {
    side > SMALL
}

/// Numbers for the steps of [`Decompose`], after the matrix.
#[inline(always)]
fn work_len(side: usize) -> usize {
    let steps = reduce_scratch_len(side).max(expand_scratch_len(side)).max(qr_scratch_len(side));
    3 * side + steps
}

/// Registers that [`eigen`] needs for itself.
#[inline(always)]
pub(super) fn scratch_len(side: usize) -> usize {
    // One lane has its eigenvectors in place; of several lanes, each register holds two numbers.
    side * stride(side) + work_len(side)
}

/// Registers that [`tridiagonalize`] needs for itself.
#[inline(always)]
pub(super) fn tridiagonalize_scratch_len(side: usize) -> usize {
    side * stride(side) + 3 * side + reduce_scratch_len(side)
}

/// As [`super::symmetric_eigen::eigen`], but leaves `a` as it is.
pub(super) fn eigen<S: Simd>(
    side: usize,
    a: &[V<S>],
    u: &mut [V<S>],
    values: &mut [V<S>],
    scratch: &mut [V<S>],
) {
    let lanes = V::<S>::LANES;
    let a = V::as_floats(a);
    let (u, values) = (V::as_floats_mut(u), V::as_floats_mut(values));
    let (matrix, scratch) = V::as_floats_mut(scratch).split_at_mut(side * stride(side));
    if lanes == 1 {
        gather_padded(side, a, (0, 1), matrix);
        let task = Decompose { side, matrix, u, values, scratch };
        return dispatch(Instructions::Detect, task);
    }
    let (vectors, scratch) = scratch.split_at_mut(u.len() / lanes);
    let (lane_values, scratch) = scratch.split_at_mut(side);
    for lane in 0..lanes {
        gather_padded(side, a, (lane, lanes), matrix);
        let task = Decompose {
            side,
            matrix: &mut *matrix,
            u: &mut *vectors,
            values: &mut *lane_values,
            scratch: &mut *scratch,
        };
        dispatch(Instructions::Detect, task);
        scatter(lane_values, values, (lane, lanes));
        scatter(vectors, u, (lane, lanes));
    }
}

/// Reduces `a` to the tridiagonal matrix with diagonal `d` and off-diagonal `e`, e_k between k - 1
/// and k, e_0 = 0, up to signs of e.
pub(super) fn tridiagonalize<S: Simd>(
    simd: S,
    side: usize,
    a: &[V<S>],
    (d, e): (&mut [V<S>], &mut [V<S>]),
    scratch: &mut [V<S>],
) {
    e[0] = V::splat(simd, 0.0);
    let lanes = V::<S>::LANES;
    let (d, e) = (V::as_floats_mut(d), V::as_floats_mut(&mut e[1..]));
    let (matrix, scratch) = V::as_floats_mut(scratch).split_at_mut(side * stride(side));
    let (diagonal, scratch) = scratch.split_at_mut(side);
    let (off_diagonal, scratch) = scratch.split_at_mut(side - 1);
    let (betas, scratch) = scratch.split_at_mut(side);
    for lane in 0..lanes {
        gather_padded(side, V::as_floats(a), (lane, lanes), matrix);
        let reduce = Reduce {
            side,
            a: &mut *matrix,
            d: &mut *diagonal,
            e: &mut *off_diagonal,
            betas: &mut *betas,
            scratch: &mut *scratch,
        };
        dispatch(Instructions::Detect, reduce);
        scatter(diagonal, d, (lane, lanes));
        scatter(off_diagonal, e, (lane, lanes));
    }
}

/// The matrix of a lane, with padded rows.
fn gather_padded(side: usize, a: &[f64], (lane, lanes): (usize, usize), out: &mut [f64]) {
    let rows = a.chunks_exact(side * lanes);
    for (row, out) in rows.zip(out.chunks_exact_mut(stride(side))) {
        for (x, a) in out.iter_mut().zip(row.chunks_exact(lanes)) {
            *x = a[lane];
        }
        out[side..].fill(0.0);
    }
}

/// Puts numbers into a lane.
fn scatter(x: &[f64], out: &mut [f64], (lane, lanes): (usize, usize)) {
    for (&x, out) in x.iter().zip(out.chunks_exact_mut(lanes)) {
        out[lane] = x;
    }
}

/// Eigenvalues of the symmetric matrix with padded rows, which is destroyed, and eigenvectors as
/// rows of `u`, or none where that is empty; NaN where a number is not finite.
struct Decompose<'a> {
    side: usize,
    matrix: &'a mut [f64],
    u: &'a mut [f64],
    values: &'a mut [f64],
    scratch: &'a mut [f64],
}

impl LaneTask for Decompose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, matrix, u, values, scratch } = self;
        let Some(scale) = scale_to_one(matrix) else {
            values.fill(f64::NAN);
            u.fill(f64::NAN);
            return;
        };
        let (e, scratch) = scratch.split_at_mut(side - 1);
        let (betas, scratch) = scratch.split_at_mut(side);
        let reduce = Reduce {
            side,
            a: &mut *matrix,
            d: &mut *values,
            e: &mut *e,
            betas: &mut *betas,
            scratch: &mut *scratch,
        };
        call_task(simd, reduce);
        if !u.is_empty() {
            let (u, scratch) = (&mut *u, &mut *scratch);
            call_task(simd, Expand { side, reflectors: matrix, betas, u, scratch });
        }
        let qr = ImplicitQr { d: &mut *values, e, u: &mut *u, scratch };
        let converged = call_task(simd, qr);
        for x in values.iter_mut() {
            *x *= scale;
        }
        if !converged {
            values.fill(f64::NAN);
            u.fill(f64::NAN);
        }
    }
}

/// Divides the matrix by a power of two, the size of its largest element, and returns that; nothing
/// where a number is not finite.
#[inline(always)]
fn scale_to_one(matrix: &mut [f64]) -> Option<f64> {
    let (mut size, mut poison) = (0.0, 0.0);
    for &a in matrix.iter() {
        size = if a.abs() > size { a.abs() } else { size };
        poison = a.mul_add(0.0, poison);
    }
    if poison != 0.0 {
        return None;
    }
    let exponent = f64::from_bits(size.to_bits() & 0x7ff0_0000_0000_0000);
    let scale = if size > TINY { exponent } else { 1.0 };
    let inverse = 1.0 / scale;
    for a in matrix.iter_mut() {
        *a *= inverse;
    }
    Some(scale)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::lanes::Buffer;

    const SETS: [Instructions; 3] =
        [Instructions::Detect, Instructions::Avx2, Instructions::Scalar];

    fn random(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
        (0..count).map(|_| StandardNormal.sample(rng)).collect()
    }

    fn random_symmetric(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
        let b = random(rng, n * n);
        (0..n * n).map(|k| b[k] + b[k % n * n + k / n]).collect()
    }

    /// H diag(l) H for a product H of two random reflections, symmetric to the last bit.
    fn with_spectrum(rng: &mut ChaCha8Rng, l: &[f64]) -> Vec<f64> {
        let n = l.len();
        let mut a: Vec<f64> =
            (0..n * n).map(|at| if at % (n + 1) == 0 { l[at / n] } else { 0.0 }).collect();
        for _ in 0..2 {
            let v = random(rng, n);
            let factor = 2.0 / v.iter().map(|x| x * x).sum::<f64>();
            let w: Vec<f64> = a
                .chunks_exact(n)
                .map(|row| factor * row.iter().zip(&v).map(|(a, v)| a * v).sum::<f64>())
                .collect();
            let middle = 0.5 * factor * v.iter().zip(&w).map(|(v, w)| v * w).sum::<f64>();
            for i in 0..n {
                for j in 0..=i {
                    let (x, y) = (w[i] - middle * v[i], w[j] - middle * v[j]);
                    a[i * n + j] -= v[i] * y + x * v[j];
                    a[j * n + i] = a[i * n + j];
                }
            }
        }
        a
    }

    /// Eigenvalues and, where wanted, eigenvectors with the instructions of `set`.
    fn decompose(set: Instructions, n: usize, a: &[f64], vectors: bool) -> (Vec<f64>, Vec<f64>) {
        let mut matrix = vec![f64::NAN; n * stride(n)];
        gather_padded(n, a, (0, 1), &mut matrix);
        let mut values = vec![f64::NAN; n];
        let mut u = vec![f64::NAN; if vectors { n * n } else { 0 }];
        let mut scratch = vec![f64::NAN; work_len(n)];
        let task = Decompose {
            side: n,
            matrix: &mut matrix,
            u: &mut u,
            values: &mut values,
            scratch: &mut scratch,
        };
        dispatch(set, task);
        (values, u)
    }

    fn norm(a: &[f64]) -> f64 {
        a.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    fn bits(x: &[f64]) -> Vec<u64> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    /// Checks residual, orthogonality and bits; returns the eigenvalues in ascending order.
    #[track_caller]
    fn check(n: usize, a: &[f64]) -> Vec<f64> {
        let (values, u) = decompose(Instructions::Detect, n, a, true);
        let (mut residual, mut orthogonality) = (vec![0.0; n * n], vec![0.0; n * n]);
        for i in 0..n {
            for j in 0..n {
                let (ui, uj) = (&u[i * n..][..n], &u[j * n..][..n]);
                orthogonality[i * n + j] = ui.iter().zip(uj).map(|(x, y)| x * y).sum::<f64>();
                // A u_i - l_i u_i.
                let product: f64 = ui.iter().zip(&a[j * n..][..n]).map(|(x, y)| x * y).sum();
                residual[i * n + j] = product - values[i] * ui[j];
            }
            orthogonality[i * n + i] -= 1.0;
        }
        let root = (n as f64).sqrt();
        let residual = norm(&residual) / (root * norm(a).max(f64::MIN_POSITIVE));
        let orthogonality = norm(&orthogonality) / root;
        assert!(residual <= 5e-15, "side {n}: residual {residual:e}");
        assert!(orthogonality <= 1e-14, "side {n}: orthogonality {orthogonality:e}");
        for set in SETS {
            let (other, v) = decompose(set, n, a, true);
            assert_eq!(bits(&other), bits(&values), "side {n}, {set:?}");
            assert_eq!(bits(&v), bits(&u), "side {n}, {set:?}");
            assert_eq!(bits(&decompose(set, n, a, false).0), bits(&values));
        }
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn random_matrices_of_many_sides_and_scales() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        for n in (46..60).chain([63, 64, 65, 66, 97, 98, 99, 127, 130]) {
            let scale = [1.0, 1e-8, 1e100, 1e-200][n % 4];
            let a: Vec<f64> = random_symmetric(rng, n).iter().map(|x| scale * x).collect();
            check(n, &a);
        }
        check(200, &random_symmetric(rng, 200));
    }

    #[test]
    fn spectra_of_all_kinds_are_found() {
        let rng = &mut ChaCha8Rng::seed_from_u64(2);
        for n in [46, 47, 71, 100, 150] {
            let spectra: [&dyn Fn(usize) -> f64; 8] = [
                &|_| 1.0,
                &|k| if k % 2 == 0 { 1.0 } else { -1.0 },
                &|k| if k < n / 2 { 0.0 } else { k as f64 },
                &|k| if k == 0 { 1.0 } else { 0.0 },
                &|k| 1.0 + 1e-13 * k as f64,
                &|k| if k < n / 3 { 1e-7 } else { 1.0 + 1e-9 * (k % 5) as f64 },
                &|k| 0.7f64.powi(k as i32) * if k % 3 == 0 { -1.0 } else { 1.0 },
                &|k| 10f64.powi(-(k as i32) % 17),
            ];
            for spectrum in spectra {
                let mut l: Vec<f64> = (0..n).map(spectrum).collect();
                let found = check(n, &with_spectrum(rng, &l));
                l.sort_by(f64::total_cmp);
                let size = norm(&l);
                for (found, l) in found.iter().zip(&l) {
                    assert!((found - l).abs() <= 3e-14 * size, "{n}: {found} instead of {l}");
                }
            }
        }
    }

    #[test]
    fn diagonal_zero_graded_and_constant_matrices() {
        for n in [46, 61, 72] {
            let matrix = |entry: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
                (0..n * n).map(|at| entry(at / n, at % n)).collect()
            };
            check(n, &matrix(&|_, _| 0.0));
            check(n, &matrix(&|_, _| -0.0));
            check(n, &matrix(&|_, _| 1.0));
            check(n, &matrix(&|_, _| 1e-300));
            let diagonal = |i: usize, j: usize| if i == j { i as f64 - 7.0 } else { 0.0 };
            let expected: Vec<f64> = (0..n).map(|k| diagonal(k, k)).collect();
            assert_eq!(check(n, &matrix(&diagonal)), expected);
            let tridiagonal = |i: usize, j: usize| match i.abs_diff(j) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            };
            check(n, &matrix(&tridiagonal));
            // Graded from either end: the positive eigenvalues are far apart.
            let graded = |i: usize, j: usize| 0.1f64.powi((i + j) as i32 / 2);
            check(n, &matrix(&graded));
            check(n, &matrix(&|i, j| graded(n - 1 - i, n - 1 - j)));
        }
    }

    struct Tridiagonals<'a> {
        n: usize,
        matrices: &'a [Vec<f64>],
    }

    impl LaneTask for Tridiagonals<'_> {
        type Output = Vec<Vec<u64>>;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let (n, lanes) = (self.n, V::<S>::LANES);
            let mut outputs = Vec::new();
            for group in self.matrices.chunks(lanes) {
                let zeros = |count: usize| Buffer::zeros(count * lanes);
                let (mut a, mut d, mut e) = (zeros(n * n), zeros(n), zeros(n));
                let mut scratch = zeros(tridiagonalize_scratch_len(n));
                for (lane, matrix) in group.iter().enumerate() {
                    scatter(matrix, a.as_mut_slice(), (lane, lanes));
                }
                tridiagonalize(
                    simd,
                    n,
                    V::slice(simd, a.as_slice()),
                    (V::slice_mut(simd, d.as_mut_slice()), V::slice_mut(simd, e.as_mut_slice())),
                    V::slice_mut(simd, scratch.as_mut_slice()),
                );
                for lane in 0..group.len() {
                    let numbers = d.as_slice().iter().chain(e.as_slice());
                    let numbers = numbers.skip(lane).step_by(lanes);
                    outputs.push(numbers.map(|x| x.to_bits()).collect());
                }
            }
            outputs
        }
    }

    #[test]
    fn tridiagonal_matrices_are_the_same_in_every_lane() {
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        for n in [46, 51] {
            let matrices: Vec<_> = (0..9).map(|_| random_symmetric(rng, n)).collect();
            let run = |set| dispatch(set, Tridiagonals { n, matrices: &matrices });
            let scalar = run(Instructions::Scalar);
            assert_eq!(scalar, run(Instructions::Detect));
            assert_eq!(scalar, run(Instructions::Avx2));
        }
    }

    #[test]
    fn matrices_that_are_not_finite_end_as_nan() {
        let n = 50;
        for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY] {
            for at in [0, 1, n + 3, n * n - 2, n * n - 1] {
                let mut a = vec![1.0; n * n];
                a[at] = bad;
                a[at % n * n + at / n] = bad;
                let (values, u) = decompose(Instructions::Detect, n, &a, true);
                assert!(values.iter().chain(&u).all(|x| x.is_nan()));
                assert!(decompose(Instructions::Detect, n, &a, false).0.iter().all(|x| x.is_nan()));
            }
        }
    }
}
