//! Products: `out_r = sum_k c_k a_i(k) b_j(k)` with an index pattern that follows from the shapes.

use pulp::Arch;
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

/// Rows of a product that are summed together, while a row of the second matrix is at hand.
const ROWS: usize = 4;

/// `A B` of row-major matrices.
fn multiply(a: &[f64], b: &[f64], inner: usize, cols: usize, out: &mut [f64]) {
    out.fill(0.0);
    Arch::new().dispatch(|| add_product(a, b, inner, cols, out));
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
    let (a, b) = (transposed(a, inner), transposed(b, cols));
    let rows = cotangent.len() / cols;
    Arch::new().dispatch(|| {
        add_product(cotangent, &b, cols, inner, da);
        add_product(&a, cotangent, rows, cols, db);
    });
}

/// Adds `A B`, row by row of B, so that a vector instruction takes several columns. Nothing is
/// fused, so that all instruction sets give the same bits.
#[inline(always)]
fn add_product(a: &[f64], b: &[f64], inner: usize, cols: usize, out: &mut [f64]) {
    if inner == 0 || cols == 0 {
        return;
    }
    for (a, out) in a.chunks(ROWS * inner).zip(out.chunks_mut(ROWS * cols)) {
        for (k, b) in b.chunks_exact(cols).enumerate() {
            for (a, out) in a.chunks_exact(inner).zip(out.chunks_exact_mut(cols)) {
                let factor = a[k];
                out.iter_mut().zip(b).for_each(|(out, b)| *out += factor * b);
            }
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
