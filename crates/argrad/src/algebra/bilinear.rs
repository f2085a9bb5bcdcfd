//! Products: `out_r = sum_k c_k a_i(k) b_j(k)` with an index pattern that follows from the shapes.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

/// A bilinear operation of two arguments, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bilinear {
    /// `a_i b_i` of equal shapes.
    Elementwise {
        /// Number of elements.
        len: usize,
    },
    /// A scalar times every element.
    Scale {
        /// Number of elements of the second argument.
        len: usize,
    },
    /// `(rows x inner) @ (inner x cols)`.
    MatMul {
        /// Rows of the result.
        rows: usize,
        /// Common dimension.
        inner: usize,
        /// Columns of the result.
        cols: usize,
    },
    /// Kronecker product of two matrices.
    Kron {
        /// Shape of the first.
        a: (usize, usize),
        /// Shape of the second.
        b: (usize, usize),
    },
    /// Full convolution of two vectors.
    Conv {
        /// Length of the first.
        a: usize,
        /// Length of the second.
        b: usize,
    },
}

impl Bilinear {
    /// Number of elements of the result.
    pub fn len(&self) -> usize {
        match *self {
            Self::Elementwise { len } | Self::Scale { len } => len,
            Self::MatMul { rows, cols, .. } => rows.saturating_mul(cols),
            Self::Kron { a, b } => size(a).saturating_mul(size(b)),
            Self::Conv { a, b } => a.saturating_add(b).saturating_sub(1),
        }
    }

    /// Whether these are the sizes of the arguments that it expects.
    pub(crate) fn fits(&self, a: usize, b: usize) -> bool {
        (a, b)
            == match *self {
                Self::Elementwise { len } => (len, len),
                Self::Scale { len } => (1, len),
                Self::MatMul { rows, inner, cols } => (size((rows, inner)), size((inner, cols))),
                Self::Kron { a, b } => (size(a), size(b)),
                Self::Conv { a, b } => (a, b),
            }
    }

    /// Whether the result has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `term(i, j)` for each product `a_i b_j` in element `row` of the result.
    #[inline]
    pub fn terms(&self, row: usize, mut term: impl FnMut(usize, usize)) {
        match *self {
            Self::Elementwise { .. } => term(row, row),
            Self::Scale { .. } => term(0, row),
            Self::MatMul { inner, cols, .. } => {
                let (r, c) = (row / cols, row % cols);
                (0..inner).for_each(|k| term(r * inner + k, k * cols + c));
            }
            Self::Kron { a, b } => {
                let cols = a.1 * b.1;
                let (r, c) = (row / cols, row % cols);
                term((r / b.0) * a.1 + c / b.1, (r % b.0) * b.1 + c % b.1);
            }
            Self::Conv { a, b } => {
                let first = (row + 1).saturating_sub(b);
                (first..a.min(row + 1)).for_each(|i| term(i, row - i));
            }
        }
    }

    /// The values of the product.
    pub(crate) fn apply(&self, a: &[f64], b: &[f64], out: &mut [f64]) {
        if let Self::MatMul { inner, cols, .. } = *self {
            return multiply(a, b, inner, cols, out);
        }
        for (row, value) in out.iter_mut().enumerate() {
            let mut sum = 0.0;
            self.terms(row, |i, j| sum += a[i] * b[j]);
            *value = sum;
        }
    }

    /// Adds the gradients with respect to both arguments.
    pub(crate) fn vjp(
        &self,
        a: &[f64],
        b: &[f64],
        cotangent: &[f64],
        da: &mut [f64],
        db: &mut [f64],
    ) {
        if let Self::MatMul { inner, cols, .. } = *self {
            return multiply_vjp([a, b], inner, cols, cotangent, [da, db]);
        }
        for (row, value) in cotangent.iter().enumerate() {
            self.terms(row, |i, j| {
                da[i] += value * b[j];
                db[j] += value * a[i];
            });
        }
    }
}

/// `A B` of row-major matrices.
fn multiply(a: &[f64], b: &[f64], inner: usize, cols: usize, out: &mut [f64]) {
    out.fill(0.0);
    Arch::new().dispatch(AddProduct { a, b, inner, cols, out });
}

/// Adds `C B'` and `A' C` to the gradients of A and B, where C is that of the product.
fn multiply_vjp(
    [a, b]: [&[f64]; 2],
    inner: usize,
    cols: usize,
    cotangent: &[f64],
    [da, db]: [&mut [f64]; 2],
) {
    if inner == 0 || cols == 0 {
        return;
    }
    let (a, b) = (&transposed(a, inner), &transposed(b, cols));
    let rows = cotangent.len() / cols;
    let arch = Arch::new();
    arch.dispatch(AddProduct { a: cotangent, b, inner: cols, cols: inner, out: da });
    arch.dispatch(AddProduct { a, b: cotangent, inner: rows, cols, out: db });
}

/// Rows of a product that are summed together, in registers.
const ROWS: usize = 8;

/// Adds `A B` to `out`, all row-major. Nothing is fused, and the terms of an entry are added one
/// after the other, so that all instruction sets give the same bits.
struct AddProduct<'a> {
    a: &'a [f64],
    b: &'a [f64],
    inner: usize,
    cols: usize,
    out: &'a mut [f64],
}

impl WithSimd for AddProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, b, inner, cols, out } = self;
        if inner == 0 || cols == 0 {
            return;
        }
        let rows = out.len() / cols;
        let whole = rows - rows % ROWS;
        for first in (0..whole).step_by(ROWS) {
            let (a, out) = (&a[first * inner..], &mut out[first * cols..]);
            add_rows::<S, ROWS>(simd, a, b, (inner, cols), out);
        }
        for row in whole..rows {
            let (a, out) = (&a[row * inner..], &mut out[row * cols..]);
            add_rows::<S, 1>(simd, a, b, (inner, cols), out);
        }
    }
}

/// The first `R` rows of the product, a register of columns after the other.
#[inline(always)]
fn add_rows<S: Simd, const R: usize>(
    simd: S,
    a: &[f64],
    b: &[f64],
    (inner, cols): (usize, usize),
    out: &mut [f64],
) {
    for first in (0..cols).step_by(S::F64_LANES) {
        let width = S::F64_LANES.min(cols - first);
        let load = |row: &[f64]| simd.partial_load_f64s(&row[first..first + width]);
        let mut sums: [S::f64s; R] = std::array::from_fn(|row| load(&out[row * cols..]));
        for k in 0..inner {
            let b = load(&b[k * cols..]);
            for (row, sum) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f64s(a[row * inner + k]);
                *sum = simd.add_f64s(*sum, simd.mul_f64s(factor, b));
            }
        }
        for (row, sum) in sums.into_iter().enumerate() {
            let at = row * cols + first;
            simd.partial_store_f64s(&mut out[at..at + width], sum);
        }
    }
}

fn transposed(matrix: &[f64], cols: usize) -> Vec<f64> {
    let rows = matrix.len() / cols;
    let mut out = vec![0.0; matrix.len()];
    for (r, row) in matrix.chunks_exact(cols).enumerate() {
        row.iter().enumerate().for_each(|(c, value)| out[c * rows + r] = *value);
    }
    out
}

fn size((rows, cols): (usize, usize)) -> usize {
    rows.saturating_mul(cols)
}

#[cfg(test)]
mod tests {
    use super::Bilinear;

    /// Bit for bit, and so whatever the instruction set: the terms one after the other.
    #[test]
    fn products_of_matrices_are_the_sums_of_their_terms() {
        let numbers = |len: usize, phase: f64| -> Vec<f64> {
            (0..len).map(|k| (1.7 * k as f64 + phase).sin()).collect()
        };
        for (rows, inner, cols) in
            [(1, 1, 1), (8, 3, 8), (9, 1, 17), (3, 20, 5), (16, 7, 33), (0, 2, 3), (2, 0, 3)]
        {
            let kind = Bilinear::MatMul { rows, inner, cols };
            let (a, b) = (numbers(rows * inner, 0.1), numbers(inner * cols, 0.2));
            let c = numbers(rows * cols, 0.3);
            let mut out = vec![f64::NAN; rows * cols];
            kind.apply(&a, &b, &mut out);
            let (mut da, mut db) = (numbers(a.len(), 0.4), numbers(b.len(), 0.5));
            let (mut da_expected, mut db_expected) = (da.clone(), db.clone());
            kind.vjp(&a, &b, &c, &mut da, &mut db);
            for (row, c) in c.iter().enumerate() {
                let mut sum = 0.0;
                kind.terms(row, |i, j| {
                    sum += a[i] * b[j];
                    da_expected[i] += c * b[j];
                    db_expected[j] += a[i] * c;
                });
                assert_eq!(out[row], sum, "{kind:?}");
            }
            assert_eq!((da, db), (da_expected, db_expected), "{kind:?}");
        }
    }
}
