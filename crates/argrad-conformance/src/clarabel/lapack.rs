//! The BLAS and LAPACK routines that Clarabel's cone of matrices asks for, on faer's dense kernels.
//!
//! Clarabel's feature `sdp` calls these routines by their Fortran names and leaves it to the
//! program to link a library that has them. All such libraries need a Fortran compiler or a
//! download when they are built, so the few routines are given here instead. The rest of LAPACK is
//! not; a program that links another BLAS must not link this crate.
//!
//! Interface: Fortran's. Every argument is a pointer, matrices are column-major with a leading
//! dimension, flags are letters, `info` is 0 for success, negative for an argument that is not
//! supported, positive for a failure of the numbers. With `lwork = -1` the sizes of the work arrays
//! are asked for; faer brings its own memory, so that they are 1.

use std::ffi::c_char;

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::cholesky::llt::factor as llt;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::svd::{self, ComputeSvdVectors};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Accum, Mat, MatMut, MatRef, Par, Spec};

/// What an upper or lower triangle of a matrix means.
#[derive(Clone, Copy, PartialEq)]
enum Triangle {
    Upper,
    Lower,
}

/// An argument that is read.
///
/// # Safety
/// The pointer must be valid for a read.
unsafe fn read<T: Copy>(argument: *const T) -> T {
    // SAFETY: the caller's promise.
    unsafe { *argument }
}

/// # Safety
/// As [`read`].
unsafe fn size(argument: *const i32) -> usize {
    // SAFETY: the caller's promise.
    unsafe { read(argument) }.max(0) as usize
}

/// # Safety
/// As [`read`].
unsafe fn letter(argument: *const c_char) -> u8 {
    // SAFETY: the caller's promise.
    (unsafe { read(argument) } as u8).to_ascii_uppercase()
}

/// # Safety
/// As [`read`].
unsafe fn triangle(argument: *const c_char) -> Triangle {
    // SAFETY: the caller's promise.
    if unsafe { letter(argument) } == b'U' { Triangle::Upper } else { Triangle::Lower }
}

/// A column-major matrix.
///
/// # Safety
/// `columns` columns of `rows` entries, `leading` apart, must be valid for reads for as long as the
/// view lives.
unsafe fn view<'a>(
    start: *const f64,
    rows: usize,
    columns: usize,
    leading: *const i32,
) -> MatRef<'a, f64> {
    // SAFETY: the caller's promise.
    unsafe { MatRef::from_raw_parts(start, rows, columns, 1, size(leading) as isize) }
}

/// # Safety
/// As [`view`], for reads and writes, and nothing else may point there.
unsafe fn view_mut<'a>(
    start: *mut f64,
    rows: usize,
    columns: usize,
    leading: *const i32,
) -> MatMut<'a, f64> {
    // SAFETY: the caller's promise.
    unsafe { MatMut::from_raw_parts_mut(start, rows, columns, 1, size(leading) as isize) }
}

/// # Safety
/// As [`view`]: the matrix, or its transpose if the flag is not `N`, which then has `rows` rows.
unsafe fn operand<'a>(
    flag: *const c_char,
    start: *const f64,
    rows: usize,
    columns: usize,
    leading: *const i32,
) -> MatRef<'a, f64> {
    // SAFETY: the caller's promise.
    unsafe {
        if letter(flag) == b'N' {
            view(start, rows, columns, leading)
        } else {
            view(start, columns, rows, leading).transpose()
        }
    }
}

/// Multiplies by beta the entries that `in_place` tells, and says how to go on: nothing is read
/// where beta is 0.
fn scale(mut matrix: MatMut<'_, f64>, beta: f64, in_place: impl Fn(usize, usize) -> bool) -> Accum {
    if beta == 0.0 {
        return Accum::Replace;
    }
    if beta != 1.0 {
        for j in 0..matrix.ncols() {
            for i in (0..matrix.nrows()).filter(|&i| in_place(i, j)) {
                matrix[(i, j)] *= beta;
            }
        }
    }
    Accum::Add
}

fn with_stack<R>(request: StackReq, task: impl FnOnce(&mut MemStack) -> R) -> R {
    task(MemStack::new(&mut MemBuffer::new(request)))
}

fn has_nan(matrix: MatRef<'_, f64>) -> bool {
    (0..matrix.ncols()).any(|j| matrix.col(j).iter().any(|v| v.is_nan()))
}

/// `C = alpha op(A) op(B) + beta C`.
///
/// # Safety
/// As BLAS says: the pointers are valid for the sizes given, C overlaps neither A nor B.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dgemm_(
    transa: *const c_char,
    transb: *const c_char,
    m: *const i32,
    n: *const i32,
    k: *const i32,
    alpha: *const f64,
    a: *const f64,
    lda: *const i32,
    b: *const f64,
    ldb: *const i32,
    beta: *const f64,
    c: *mut f64,
    ldc: *const i32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (m, n, k) = (size(m), size(n), size(k));
        let a = operand(transa, a, m, k, lda);
        let b = operand(transb, b, k, n, ldb);
        let mut c = view_mut(c, m, n, ldc);
        let accumulate = scale(c.as_mut(), read(beta), |_, _| true);
        matmul(c, accumulate, a, b, read(alpha), Par::Seq);
    }
}

/// The triangle of `C = alpha op(A) op(A)' + beta C`.
///
/// # Safety
/// As [`dgemm_`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dsyrk_(
    uplo: *const c_char,
    trans: *const c_char,
    n: *const i32,
    k: *const i32,
    alpha: *const f64,
    a: *const f64,
    lda: *const i32,
    beta: *const f64,
    c: *mut f64,
    ldc: *const i32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (n, k) = (size(n), size(k));
        let a = operand(trans, a, n, k, lda);
        let c = view_mut(c, n, n, ldc);
        add_to_triangle(triangle(uplo), read(beta), c, read(alpha), &[(a, a)]);
    }
}

/// The triangle of `C = alpha (op(A) op(B)' + op(B) op(A)') + beta C`.
///
/// # Safety
/// As [`dgemm_`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dsyr2k_(
    uplo: *const c_char,
    trans: *const c_char,
    n: *const i32,
    k: *const i32,
    alpha: *const f64,
    a: *const f64,
    lda: *const i32,
    b: *const f64,
    ldb: *const i32,
    beta: *const f64,
    c: *mut f64,
    ldc: *const i32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (n, k) = (size(n), size(k));
        let a = operand(trans, a, n, k, lda);
        let b = operand(trans, b, n, k, ldb);
        let c = view_mut(c, n, n, ldc);
        add_to_triangle(triangle(uplo), read(beta), c, read(alpha), &[(a, b), (b, a)]);
    }
}

/// `C = alpha sum LR' + beta C`, in one triangle.
fn add_to_triangle(
    triangle: Triangle,
    beta: f64,
    mut c: MatMut<'_, f64>,
    alpha: f64,
    products: &[(MatRef<'_, f64>, MatRef<'_, f64>)],
) {
    let mut accumulate = scale(c.as_mut(), beta, |i, j| match triangle {
        Triangle::Upper => i <= j,
        Triangle::Lower => i >= j,
    });
    let structure = match triangle {
        Triangle::Upper => BlockStructure::TriangularUpper,
        Triangle::Lower => BlockStructure::TriangularLower,
    };
    for (left, right) in products {
        triangular::matmul(
            c.as_mut(),
            structure,
            accumulate,
            left,
            BlockStructure::Rectangular,
            right.transpose(),
            BlockStructure::Rectangular,
            alpha,
            Par::Seq,
        );
        accumulate = Accum::Add;
    }
}

/// Cholesky factor in the place of its triangle; the other one is not touched.
///
/// # Safety
/// As LAPACK says: the pointers are valid for the sizes given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dpotrf_(
    uplo: *const c_char,
    n: *const i32,
    a: *mut f64,
    lda: *const i32,
    info: *mut i32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let n = size(n);
        let a = view_mut(a, n, n, lda);
        // faer factors lower triangles: A = LL' = (L')'(L'). It may write into the other triangle.
        let mut lower = if triangle(uplo) == Triangle::Lower { a } else { a.transpose_mut() };
        let mut factor = Mat::from_fn(n, n, |i, j| if i >= j { lower[(i, j)] } else { 0.0 });
        let params = Spec::default();
        let request = llt::cholesky_in_place_scratch::<f64>(n, Par::Seq, params);
        let result = with_stack(request, |stack| {
            llt::cholesky_in_place(factor.as_mut(), Default::default(), Par::Seq, stack, params)
        });
        for j in 0..n {
            for i in j..n {
                lower[(i, j)] = factor[(i, j)];
            }
        }
        *info = match result {
            Ok(_) => 0,
            Err(llt::LltError::NonPositivePivot { index }) => index as i32 + 1,
        };
    }
}

/// Solves with the factor of [`dpotrf_`], in the place of the right-hand sides.
///
/// # Safety
/// As [`dpotrf_`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dpotrs_(
    uplo: *const c_char,
    n: *const i32,
    nrhs: *const i32,
    a: *const f64,
    lda: *const i32,
    b: *mut f64,
    ldb: *const i32,
    info: *mut i32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (n, columns) = (size(n), size(nrhs));
        let a = view(a, n, n, lda);
        let lower = if triangle(uplo) == Triangle::Lower { a } else { a.transpose() };
        let mut b = view_mut(b, n, columns, ldb);
        solve_lower_triangular_in_place(lower, b.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(lower.transpose(), b, Par::Seq);
        *info = 0;
    }
}

/// All eigenvalues, ascending, and with `jobz = V` the eigenvectors of a symmetric matrix; A is
/// kept, where LAPACK's is lost.
///
/// # Safety
/// As [`dpotrf_`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dsyevr_(
    jobz: *const c_char,
    range: *const c_char,
    uplo: *const c_char,
    n: *const i32,
    a: *mut f64,
    lda: *const i32,
    _vl: *const f64,
    _vu: *const f64,
    _il: *const i32,
    _iu: *const i32,
    _abstol: *const f64,
    m: *mut i32,
    w: *mut f64,
    z: *mut f64,
    ldz: *const i32,
    _isuppz: *mut i32,
    work: *mut f64,
    lwork: *const i32,
    iwork: *mut i32,
    liwork: *const i32,
    info: *mut i32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        *info = 0;
        if letter(range) != b'A' {
            *info = -2;
            return;
        }
        if read(lwork) == -1 || read(liwork) == -1 {
            (*work, *iwork) = (1.0, 1);
            return;
        }
        let n = size(n);
        let a = view(a, n, n, lda);
        let lower = if triangle(uplo) == Triangle::Lower { a } else { a.transpose() };
        let values = std::slice::from_raw_parts_mut(w, n);
        let vectors = (letter(jobz) == b'V').then(|| view_mut(z, n, n, ldz));
        *m = n as i32;
        // LAPACK gives NaN for NaN, faer an error.
        if (0..n).any(|j| (j..n).any(|i| lower[(i, j)].is_nan())) {
            values.fill(f64::NAN);
            return;
        }
        let wanted =
            if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
        let params = Spec::default();
        let request = evd::self_adjoint_evd_scratch::<f64>(n, wanted, Par::Seq, params);
        let result = with_stack(request, |stack| {
            let values = DiagMut::from_slice_mut(values);
            evd::self_adjoint_evd(lower, values, vectors, Par::Seq, stack, params)
        });
        *info = i32::from(result.is_err());
    }
}

/// Thin singular value decomposition `A = U diag(s) V'`, s descending; A is kept, where LAPACK's is
/// lost.
///
/// # Safety
/// As [`dpotrf_`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dgesdd_(
    jobz: *const c_char,
    m: *const i32,
    n: *const i32,
    a: *mut f64,
    lda: *const i32,
    s: *mut f64,
    u: *mut f64,
    ldu: *const i32,
    vt: *mut f64,
    ldvt: *const i32,
    work: *mut f64,
    lwork: *const i32,
    _iwork: *mut i32,
    info: *mut i32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        *info = 0;
        if letter(jobz) != b'S' {
            *info = -1;
            return;
        }
        if read(lwork) == -1 {
            *work = 1.0;
            return;
        }
        let (m, n) = (size(m), size(n));
        let rank = m.min(n);
        let a = view(a, m, n, lda);
        let values = std::slice::from_raw_parts_mut(s, rank);
        if has_nan(a) {
            values.fill(f64::NAN);
            return;
        }
        let left = view_mut(u, m, rank, ldu);
        let right = view_mut(vt, rank, n, ldvt).transpose_mut();
        let params = Spec::default();
        let thin = ComputeSvdVectors::Thin;
        let request = svd::svd_scratch::<f64>(m, n, thin, thin, Par::Seq, params);
        let result = with_stack(request, |stack| {
            let values = DiagMut::from_slice_mut(values);
            svd::svd(a, values, Some(left), Some(right), Par::Seq, stack, params)
        });
        *info = i32::from(result.is_err());
    }
}

/// [`dgesdd_`] under the name of LAPACK's other algorithm.
///
/// # Safety
/// As [`dpotrf_`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dgesvd_(
    jobu: *const c_char,
    jobvt: *const c_char,
    m: *const i32,
    n: *const i32,
    a: *mut f64,
    lda: *const i32,
    s: *mut f64,
    u: *mut f64,
    ldu: *const i32,
    vt: *mut f64,
    ldvt: *const i32,
    work: *mut f64,
    lwork: *const i32,
    info: *mut i32,
) {
    // SAFETY: the caller's promise; the missing work array is not used.
    unsafe {
        if letter(jobvt) != letter(jobu) {
            *info = -2;
            return;
        }
        let iwork = std::ptr::null_mut();
        dgesdd_(jobu, m, n, a, lda, s, u, ldu, vt, ldvt, work, lwork, iwork, info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: &c_char = &(b'N' as c_char);
    const TRANSPOSED: &c_char = &(b'T' as c_char);
    const UPPER: &c_char = &(b'U' as c_char);
    const LOWER: &c_char = &(b'L' as c_char);

    /// `n`, as an argument.
    fn int(n: usize) -> *const i32 {
        const INTS: [i32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        &INTS[n]
    }

    /// Product of column-major matrices: `(l l_rows x k)(k x columns)`.
    fn product(l: &[f64], r: &[f64], rows: usize, k: usize, columns: usize) -> Vec<f64> {
        let mut product = vec![0.0; rows * columns];
        for j in 0..columns {
            for i in 0..rows {
                product[j * rows + i] = (0..k).map(|p| l[p * rows + i] * r[j * k + p]).sum();
            }
        }
        product
    }

    fn transposed(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
        (0..rows * columns).map(|k| matrix[(k % columns) * rows + k / columns]).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-13, "{found:?} {expected:?}");
        }
    }

    fn numbers(len: usize, seed: u64) -> Vec<f64> {
        crate::generators::normal_vector(len, 1, seed)
    }

    #[test]
    fn gemm_multiplies_whatever_is_transposed() {
        let (m, n, k) = (3, 4, 2);
        let (a, b, c) = (numbers(m * k, 1), numbers(k * n, 2), numbers(m * n, 3));
        for beta in [0.0, 1.0, -0.5] {
            let expected: Vec<f64> =
                product(&a, &b, m, k, n).iter().zip(&c).map(|(p, c)| 2.0 * p + beta * c).collect();
            for (flag_a, flag_b) in
                [(NO, NO), (NO, TRANSPOSED), (TRANSPOSED, NO), (TRANSPOSED, TRANSPOSED)]
            {
                let (a, lda) =
                    if flag_a == NO { (a.clone(), m) } else { (transposed(&a, m, k), k) };
                let (b, ldb) =
                    if flag_b == NO { (b.clone(), k) } else { (transposed(&b, k, n), n) };
                // Nothing may be read from C where beta is 0.
                let mut c = if beta == 0.0 { vec![f64::NAN; m * n] } else { c.clone() };
                // SAFETY: the matrices have the sizes given.
                unsafe {
                    dgemm_(
                        flag_a,
                        flag_b,
                        int(m),
                        int(n),
                        int(k),
                        &2.0,
                        a.as_ptr(),
                        int(lda),
                        b.as_ptr(),
                        int(ldb),
                        &beta,
                        c.as_mut_ptr(),
                        int(m),
                    );
                }
                close(&c, &expected);
            }
        }
    }

    #[test]
    fn rank_updates_change_one_triangle() {
        let (n, k) = (4, 3);
        let (a, b, c) = (numbers(n * k, 4), numbers(n * k, 5), numbers(n * n, 6));
        let of = |l: &[f64], r: &[f64]| product(l, &transposed(r, n, k), n, k, n);
        let (square, cross, other) = (of(&a, &a), of(&a, &b), of(&b, &a));
        for uplo in [UPPER, LOWER] {
            for beta in [0.0, -0.5] {
                for trans in [NO, TRANSPOSED] {
                    let stored = |matrix: &[f64]| {
                        if trans == NO { matrix.to_vec() } else { transposed(matrix, n, k) }
                    };
                    let (a, b, ld) = (stored(&a), stored(&b), if trans == NO { n } else { k });
                    let changed = |i: usize, j: usize| if uplo == UPPER { i <= j } else { i >= j };
                    let expected = |sum: &dyn Fn(usize) -> f64| -> Vec<f64> {
                        (0..n * n)
                            .map(|e| {
                                if changed(e % n, e / n) {
                                    2.0 * sum(e) + beta * c[e]
                                } else {
                                    c[e]
                                }
                            })
                            .collect()
                    };
                    let (mut once, mut twice) = (c.clone(), c.clone());
                    // SAFETY: the matrices have the sizes given.
                    unsafe {
                        dsyrk_(
                            uplo,
                            trans,
                            int(n),
                            int(k),
                            &2.0,
                            a.as_ptr(),
                            int(ld),
                            &beta,
                            once.as_mut_ptr(),
                            int(n),
                        );
                        dsyr2k_(
                            uplo,
                            trans,
                            int(n),
                            int(k),
                            &2.0,
                            a.as_ptr(),
                            int(ld),
                            b.as_ptr(),
                            int(ld),
                            &beta,
                            twice.as_mut_ptr(),
                            int(n),
                        );
                    }
                    close(&once, &expected(&|e| square[e]));
                    close(&twice, &expected(&|e| cross[e] + other[e]));
                }
            }
        }
    }

    #[test]
    fn cholesky_factors_one_triangle_or_names_the_pivot() {
        let n = 3;
        // LL' with L = [2; 6 1; -8 5 3].
        let matrix = [4.0, 12.0, -16.0, 12.0, 37.0, -43.0, -16.0, -43.0, 98.0];
        for (uplo, expected) in [
            (LOWER, [2.0, 6.0, -8.0, 12.0, 1.0, 5.0, -16.0, -43.0, 3.0]),
            (UPPER, [2.0, 12.0, -16.0, 6.0, 1.0, -43.0, -8.0, 5.0, 3.0]),
        ] {
            let (mut a, mut info) = (matrix, 7);
            // SAFETY: the matrix has the size given.
            unsafe { dpotrf_(uplo, int(n), a.as_mut_ptr(), int(n), &mut info) };
            assert_eq!(info, 0);
            close(&a, &expected);
            // Of (1, 2, 3).
            let mut rhs = [-20.0, -43.0, 192.0];
            // SAFETY: the factor and the right-hand side have the sizes given.
            unsafe {
                dpotrs_(
                    uplo,
                    int(n),
                    int(1),
                    a.as_ptr(),
                    int(n),
                    rhs.as_mut_ptr(),
                    int(n),
                    &mut info,
                );
            }
            close(&rhs, &[1.0, 2.0, 3.0]);
            let mut indefinite = matrix;
            indefinite[4] = 35.0;
            // SAFETY: as above.
            unsafe { dpotrf_(uplo, int(n), indefinite.as_mut_ptr(), int(n), &mut info) };
            assert_eq!(info, 2);
        }
    }

    /// Eigenvalues and eigenvectors of the matrix with this triangle, as Clarabel asks for them.
    fn eigen(uplo: &c_char, job: u8, n: usize, matrix: &[f64]) -> (Vec<f64>, Vec<f64>, i32) {
        let mut a = matrix.to_vec();
        let (mut values, mut vectors) = (vec![0.0; n], vec![0.0; n * n]);
        let (mut count, mut info) = (0, 7);
        let (mut work, mut iwork, mut support) = (vec![0.0], vec![0], vec![0; 2 * n]);
        for lwork in [-1, 1] {
            // SAFETY: the arrays have the sizes given.
            unsafe {
                dsyevr_(
                    &(job as c_char),
                    &(b'A' as c_char),
                    uplo,
                    int(n),
                    a.as_mut_ptr(),
                    int(n),
                    &0.0,
                    &0.0,
                    int(0),
                    int(0),
                    &-1.0,
                    &mut count,
                    values.as_mut_ptr(),
                    vectors.as_mut_ptr(),
                    int(n),
                    support.as_mut_ptr(),
                    work.as_mut_ptr(),
                    &lwork,
                    iwork.as_mut_ptr(),
                    &lwork,
                    &mut info,
                );
            }
            if lwork == -1 {
                assert_eq!((work[0], iwork[0], info), (1.0, 1, 0));
            }
        }
        assert_eq!(count as usize, n);
        (values, vectors, info)
    }

    #[test]
    fn eigenvalues_of_a_known_matrix_ascend() {
        // Second differences: 2 - 2 cos(k pi / 5).
        let n = 4;
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            matrix[i * n + i] = 2.0;
            if i > 0 {
                matrix[i * n + i - 1] = -1.0;
            }
        }
        let expected: Vec<f64> =
            (1..=n).map(|k| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / 5.0).cos()).collect();
        // Only the upper triangle is there.
        let (values, vectors, info) = eigen(UPPER, b'V', n, &matrix);
        assert_eq!(info, 0);
        close(&values, &expected);
        let full = {
            let lower = transposed(&matrix, n, n);
            let mut full: Vec<f64> = matrix.iter().zip(&lower).map(|(u, l)| u + l).collect();
            full.iter_mut().step_by(n + 1).for_each(|d| *d /= 2.0);
            full
        };
        let image = product(&full, &vectors, n, n, n);
        let scaled: Vec<f64> = vectors.iter().enumerate().map(|(k, v)| v * values[k / n]).collect();
        close(&image, &scaled);
        let identity = product(&transposed(&vectors, n, n), &vectors, n, n, n);
        for (k, v) in identity.iter().enumerate() {
            assert!((v - if k % (n + 1) == 0 { 1.0 } else { 0.0 }).abs() < 1e-14);
        }
        close(&eigen(LOWER, b'N', n, &transposed(&matrix, n, n)).0, &expected);
        matrix[0] = f64::NAN;
        let (values, _, info) = eigen(UPPER, b'N', n, &matrix);
        assert!(info == 0 && values.iter().all(|v| v.is_nan()));
    }

    #[test]
    fn singular_vectors_rebuild_the_matrix() {
        for (m, n) in [(4, 4), (5, 3), (3, 5)] {
            let rank = m.min(n);
            let matrix = numbers(m * n, 9);
            for name in [b'D', b'V'] {
                let mut a = matrix.clone();
                let mut s = vec![0.0; rank];
                let (mut u, mut vt) = (vec![0.0; m * rank], vec![0.0; rank * n]);
                let (mut work, mut iwork, mut info) = (vec![0.0], vec![0; 8 * rank], 7);
                let job = &(b'S' as c_char);
                for lwork in [-1, 1] {
                    // SAFETY: the arrays have the sizes given.
                    unsafe {
                        let (a, s, u) = (a.as_mut_ptr(), s.as_mut_ptr(), u.as_mut_ptr());
                        let (vt, work) = (vt.as_mut_ptr(), work.as_mut_ptr());
                        let (m, n, rank) = (int(m), int(n), int(rank));
                        if name == b'D' {
                            let iwork = iwork.as_mut_ptr();
                            dgesdd_(
                                job, m, n, a, m, s, u, m, vt, rank, work, &lwork, iwork, &mut info,
                            );
                        } else {
                            dgesvd_(
                                job, job, m, n, a, m, s, u, m, vt, rank, work, &lwork, &mut info,
                            );
                        }
                    }
                    assert_eq!(info, 0);
                }
                assert!(s.windows(2).all(|pair| pair[0] >= pair[1] && pair[1] > 0.0));
                let scaled: Vec<f64> = u.iter().enumerate().map(|(k, u)| u * s[k / m]).collect();
                close(&product(&scaled, &vt, m, rank, n), &matrix);
                let squares = product(&transposed(&matrix, m, n), &matrix, n, m, n);
                let trace: f64 = squares.iter().step_by(n + 1).sum();
                assert!((trace - s.iter().map(|s| s * s).sum::<f64>()).abs() < 1e-12);
            }
        }
    }
}
