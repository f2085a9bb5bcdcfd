//! Dense LU factorization with partial pivoting in double-double arithmetic.

use pulp::{Arch, Scalar, Simd, WithSimd};
use qd::{Quad, simd as lanes};

/// `P A = L U`, row-major; high and low halves apart, so that rows are vectors.
#[derive(Clone, Debug)]
pub(crate) struct Lu {
    order: usize,
    high: Vec<f64>,
    low: Vec<f64>,
    /// Row that step `k` swapped with row `k`.
    pivots: Vec<usize>,
}

impl Lu {
    /// Factors a row-major matrix; `None` when a pivot is not above `smallest_pivot`.
    pub(crate) fn factor(matrix: &[Quad], order: usize, smallest_pivot: f64) -> Option<Self> {
        let mut lu = Self {
            order,
            high: matrix.iter().map(|v| v.0).collect(),
            low: matrix.iter().map(|v| v.1).collect(),
            pivots: Vec::with_capacity(order),
        };
        for step in 0..order {
            let pivot_row = (step..order)
                .max_by(|&i, &j| lu.at(i, step).0.abs().total_cmp(&lu.at(j, step).0.abs()))?;
            let size = lu.at(pivot_row, step).0.abs();
            if size.is_nan() || size <= smallest_pivot {
                return None;
            }
            lu.swap_rows(step, pivot_row);
            lu.pivots.push(pivot_row);
            Arch::new().dispatch(Eliminate { lu: &mut lu, step });
        }
        Some(lu)
    }

    /// Replaces the right-hand side by the solution.
    pub(crate) fn solve(&self, rhs: &mut [Quad]) {
        let n = self.order;
        for (k, &row) in self.pivots.iter().enumerate() {
            rhs.swap(k, row);
        }
        for i in 0..n {
            rhs[i] = (0..i).fold(rhs[i], |sum, j| sum - self.at(i, j) * rhs[j]);
        }
        for i in (0..n).rev() {
            let sum = (i + 1..n).fold(rhs[i], |sum, j| sum - self.at(i, j) * rhs[j]);
            rhs[i] = sum / self.at(i, i);
        }
    }

    /// Replaces the right-hand side by the solution with the transposed matrix.
    pub(crate) fn solve_transposed(&self, rhs: &mut [Quad]) {
        let n = self.order;
        for i in 0..n {
            let sum = (0..i).fold(rhs[i], |sum, j| sum - self.at(j, i) * rhs[j]);
            rhs[i] = sum / self.at(i, i);
        }
        for i in (0..n).rev() {
            rhs[i] = (i + 1..n).fold(rhs[i], |sum, j| sum - self.at(j, i) * rhs[j]);
        }
        for (k, &row) in self.pivots.iter().enumerate().rev() {
            rhs.swap(k, row);
        }
    }

    fn at(&self, i: usize, j: usize) -> Quad {
        Quad(self.high[i * self.order + j], self.low[i * self.order + j])
    }

    fn swap_rows(&mut self, i: usize, j: usize) {
        if i != j {
            for half in [&mut self.high, &mut self.low] {
                let (upper, lower) = half.split_at_mut(i.max(j) * self.order);
                upper[i.min(j) * self.order..][..self.order]
                    .swap_with_slice(&mut lower[..self.order]);
            }
        }
    }
}

/// Subtracts multiples of row `step` from the rows below, so that column `step` becomes zero there,
/// and stores the multiples in its place.
struct Eliminate<'a> {
    lu: &'a mut Lu,
    step: usize,
}

impl WithSimd for Eliminate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { lu, step } = self;
        let n = lu.order;
        let pivot = lu.at(step, step);
        let (above, high) = lu.high.split_at_mut((step + 1) * n);
        let pivot_high = &above[step * n + step + 1..];
        let (above, low) = lu.low.split_at_mut((step + 1) * n);
        let pivot_low = &above[step * n + step + 1..];
        for (high, low) in high.chunks_exact_mut(n).zip(low.chunks_exact_mut(n)) {
            let multiple = Quad(high[step], low[step]) / pivot;
            high[step] = multiple.0;
            low[step] = multiple.1;
            subtract(
                simd,
                (&mut high[step + 1..], &mut low[step + 1..]),
                multiple,
                (pivot_high, pivot_low),
            );
        }
    }
}

/// `row -= multiple * other`.
#[inline(always)]
fn subtract<S: Simd>(
    simd: S,
    row: (&mut [f64], &mut [f64]),
    multiple: Quad,
    other: (&[f64], &[f64]),
) {
    let (high, high_tail) = S::as_mut_simd_f64s(row.0);
    let (low, low_tail) = S::as_mut_simd_f64s(row.1);
    let (other_high, other_high_tail) = S::as_simd_f64s(other.0);
    let (other_low, other_low_tail) = S::as_simd_f64s(other.1);
    subtract_lanes(simd, (high, low), multiple, (other_high, other_low));
    subtract_lanes(
        Scalar::new(),
        (high_tail, low_tail),
        multiple,
        (other_high_tail, other_low_tail),
    );
}

#[inline(always)]
fn subtract_lanes<S: Simd>(
    simd: S,
    row: (&mut [S::f64s], &mut [S::f64s]),
    multiple: Quad,
    other: (&[S::f64s], &[S::f64s]),
) {
    let multiple = lanes::splat(simd, multiple);
    for ((high, low), (&other_high, &other_low)) in
        row.0.iter_mut().zip(row.1).zip(other.0.iter().zip(other.1))
    {
        let product = lanes::mul(simd, multiple, Quad(other_high, other_low));
        Quad(*high, *low) = lanes::sub_estimate(simd, Quad(*high, *low), product);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hilbert-like, not symmetric, ill-conditioned and of whole numbers, so that the product with
    /// a whole vector is exact.
    #[test]
    fn solves_an_ill_conditioned_whole_number_system_to_20_digits() {
        let n = 8;
        // 360360 is a multiple of 1..=15.
        let entry =
            |i: usize, j: usize| if i > j + 2 { 0.0 } else { 360360.0 / (i + j + 1) as f64 };
        let matrix: Vec<Quad> = (0..n * n).map(|k| Quad::from_f64(entry(k / n, k % n))).collect();
        let expected: Vec<f64> = (0..n).map(|i| i as f64 - 3.0).collect();
        let lu = Lu::factor(&matrix, n, 0.0).unwrap();
        for transposed in [false, true] {
            let at = |i, j| if transposed { entry(j, i) } else { entry(i, j) };
            let mut rhs: Vec<Quad> = (0..n)
                .map(|i| Quad::from_f64((0..n).map(|j| at(i, j) * expected[j]).sum()))
                .collect();
            if transposed {
                lu.solve_transposed(&mut rhs)
            } else {
                lu.solve(&mut rhs)
            }
            for (found, expected) in rhs.iter().zip(&expected) {
                let error = (*found - Quad::from_f64(*expected)).0.abs();
                assert!(error < 1e-20, "{found:?} {expected}");
            }
        }
    }

    #[test]
    fn a_dependent_row_is_found() {
        let matrix = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.5, 0.7, 0.9].map(Quad::from_f64);
        assert!(Lu::factor(&matrix, 3, 1e-10).is_none());
        assert!(Lu::factor(&[Quad::NAN], 1, 0.0).is_none());
    }
}
