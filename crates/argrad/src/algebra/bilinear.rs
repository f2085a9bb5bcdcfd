//! Products: `out_r = sum_k c_k a_i(k) b_j(k)` with an index pattern that follows from the shapes.

use serde::{Deserialize, Serialize};

use super::matrix_product::{View, add_product};

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
            out.fill(0.0);
            return add_product(View::new(a, inner), View::new(b, cols), inner, cols, out);
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
        if let Self::MatMul { rows, inner, cols } = *self {
            // C B' and A' C, where C is the cotangent.
            let (a, b, c) = (View::new(a, inner), View::new(b, cols), View::new(cotangent, cols));
            add_product(c, b.transposed(), cols, inner, da);
            return add_product(a.transposed(), c, rows, cols, db);
        }
        for (row, value) in cotangent.iter().enumerate() {
            self.terms(row, |i, j| {
                da[i] += value * b[j];
                db[j] += value * a[i];
            });
        }
    }
}

fn size((rows, cols): (usize, usize)) -> usize {
    rows.saturating_mul(cols)
}

#[cfg(test)]
mod tests {
    use super::Bilinear;

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
                    sum = a[i].mul_add(b[j], sum);
                    da_expected[i] = c.mul_add(b[j], da_expected[i]);
                    db_expected[j] = a[i].mul_add(*c, db_expected[j]);
                });
                assert_eq!(out[row], sum, "{kind:?}");
            }
            assert_eq!((da, db), (da_expected, db_expected), "{kind:?}");
        }
    }
}
