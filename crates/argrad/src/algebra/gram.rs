//! The weighted product of a matrix with itself, `A'WA`.

use serde::{Deserialize, Serialize};

use super::matrix_product::{View, add_lower_product, add_product};

/// `sum_r w_r a_ri a_rj` of a row-major matrix A, the lower triangle row by row: entry (i, j) at
/// `i (i + 1) / 2 + j`. All weights are one where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gram {
    pub rows: usize,
    pub cols: usize,
}

impl Gram {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.cols.saturating_mul(self.cols.saturating_add(1)) / 2
    }

    /// Its value.
    pub fn apply(&self, a: &[f64], weights: Option<&[f64]>, out: &mut [f64]) {
        out.fill(0.0);
        self.add_product(a, weights, a, out);
    }

    /// Adds the lower triangle of `A'WB` to `out`.
    fn add_product(&self, a: &[f64], weights: Option<&[f64]>, b: &[f64], out: &mut [f64]) {
        let weighted = weights.map(|weights| self.weighted(b, weights));
        let b = weighted.as_deref().unwrap_or(b);
        let [a, b] = [a, b].map(|matrix| View::new(matrix, self.cols));
        add_lower_product(a.transposed(), b, self.rows, self.cols, out);
    }

    /// Adds the tangent along those of A and of the weights.
    pub fn add_tangent(&self, [a, da]: [&[f64]; 2], weights: Option<[&[f64]; 2]>, out: &mut [f64]) {
        let own = weights.map(|[weights, _]| weights);
        self.add_product(a, own, da, out);
        self.add_product(da, own, a, out);
        if let Some([_, moved]) = weights {
            self.add_product(a, Some(moved), a, out);
        }
    }

    /// Adds the gradients with respect to A and the weights: with C the symmetric matrix of the
    /// cotangent, twice its diagonal, `W A C` and half the inner products of the rows of A and A C.
    pub fn vjp(
        &self,
        a: &[f64],
        weights: Option<&[f64]>,
        cotangent: &[f64],
        [da, dw]: [&mut [f64]; 2],
    ) {
        let product = self.times_symmetric(a, cotangent);
        self.add_weighted(&product, weights, da);
        if weights.is_some() {
            self.add_inner_products(a, &product, dw);
        }
    }

    /// How [`Self::vjp`] changes along changes of A, the weights and the cotangent.
    pub fn vjp_tangent(
        &self,
        [a, da]: [&[f64]; 2],
        weights: Option<[&[f64]; 2]>,
        [cotangent, moved]: [&[f64]; 2],
        [out_a, out_w]: [&mut [f64]; 2],
    ) {
        let product = self.times_symmetric(a, cotangent);
        let mut change = self.times_symmetric(da, cotangent);
        let other = self.times_symmetric(a, moved);
        change.iter_mut().zip(other).for_each(|(change, other)| *change += other);
        self.add_weighted(&change, weights.map(|[own, _]| own), out_a);
        if let Some([_, moved]) = weights {
            self.add_weighted(&product, Some(moved), out_a);
            self.add_inner_products(da, &product, out_w);
            self.add_inner_products(a, &change, out_w);
        }
    }

    /// A times the symmetric matrix of a cotangent.
    fn times_symmetric(&self, a: &[f64], cotangent: &[f64]) -> Vec<f64> {
        let n = self.cols;
        let mut square = vec![0.0; n * n];
        for i in 0..n {
            let own = &cotangent[i * (i + 1) / 2..][..=i];
            for j in 0..=i {
                square[i * n + j] += own[j];
                square[j * n + i] += own[j];
            }
        }
        let mut out = vec![0.0; a.len()];
        add_product(View::new(a, n), View::new(&square, n), n, n, &mut out);
        out
    }

    fn weighted(&self, matrix: &[f64], weights: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; matrix.len()];
        self.add_weighted(matrix, Some(weights), &mut out);
        out
    }

    fn add_weighted(&self, matrix: &[f64], weights: Option<&[f64]>, out: &mut [f64]) {
        let rows = matrix.chunks(self.cols.max(1)).zip(out.chunks_mut(self.cols.max(1)));
        for (r, (row, out)) in rows.enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[r]);
            out.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
        }
    }

    /// Adds half the inner products of the rows of two matrices.
    fn add_inner_products(&self, a: &[f64], b: &[f64], out: &mut [f64]) {
        let rows = a.chunks(self.cols.max(1)).zip(b.chunks(self.cols.max(1)));
        for ((a, b), out) in rows.zip(out) {
            *out += 0.5 * super::dot(a, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Gram;

    fn numbers(len: usize, phase: f64) -> Vec<f64> {
        (0..len).map(|k| (1.3 * k as f64 + phase).sin()).collect()
    }

    fn inner(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// Values entry by entry; derivatives against differences, which are exact but for rounding in
    /// a polynomial of degree three, and the two first ones against each other.
    #[test]
    fn values_and_derivatives() {
        let gram = Gram { rows: 7, cols: 5 };
        let (a, w) = (numbers(35, 0.1), numbers(7, 0.2));
        let (da, dw) = (numbers(35, 0.3), numbers(7, 0.4));
        let (c, dc) = (numbers(15, 0.5), numbers(15, 0.6));
        let step = 0.125;
        let along = |x: &[f64], dx: &[f64], t: f64| -> Vec<f64> {
            x.iter().zip(dx).map(|(x, dx)| x + t * dx).collect()
        };
        // Of a cubic: (8 (f(t) - f(-t)) - (f(2t) - f(-2t))) / 12 t.
        let slope = |f: &dyn Fn(f64) -> Vec<f64>| -> Vec<f64> {
            let [a, b, c, d] = [step, -step, 2.0 * step, -2.0 * step].map(f);
            let one = |k: usize| (8.0 * (a[k] - b[k]) - (c[k] - d[k])) / (12.0 * step);
            (0..a.len()).map(one).collect()
        };
        for is_weighted in [false, true] {
            let value = |t: f64| {
                let (a, w) = (along(&a, &da, t), along(&w, &dw, t));
                let mut out = vec![f64::NAN; gram.len()];
                gram.apply(&a, is_weighted.then_some(&w[..]), &mut out);
                for (i, j) in (0..5).flat_map(|i| (0..=i).map(move |j| (i, j))) {
                    let weight = |r: usize| if is_weighted { w[r] } else { 1.0 };
                    let sum: f64 = (0..7).map(|r| weight(r) * a[r * 5 + i] * a[r * 5 + j]).sum();
                    assert!((out[i * (i + 1) / 2 + j] - sum).abs() < 1e-14);
                }
                out
            };
            let gradient = |t: f64| {
                let (a, w, c) = (along(&a, &da, t), along(&w, &dw, t), along(&c, &dc, t));
                let (mut out, mut of_w) = (vec![0.0; 35], vec![0.0; 7]);
                let weights = is_weighted.then_some(&w[..]);
                gram.vjp(&a, weights, &c, [&mut out, &mut of_w]);
                out.extend(of_w);
                out
            };
            let both = is_weighted.then_some([&w[..], &dw[..]]);
            let mut tangent = vec![0.0; gram.len()];
            gram.add_tangent([&a, &da], both, &mut tangent);
            let (mut turned, mut of_w) = (vec![0.0; 35], vec![0.0; 7]);
            gram.vjp_tangent([&a, &da], both, [&c, &dc], [&mut turned, &mut of_w]);
            turned.extend(of_w);
            for (found, expected) in [(&tangent, slope(&value)), (&turned, slope(&gradient))] {
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
                }
            }
            let back = inner(&gradient(0.0), &[da.clone(), dw.clone()].concat());
            assert!((inner(&tangent, &c) - back).abs() < 1e-12);
        }
    }
}
