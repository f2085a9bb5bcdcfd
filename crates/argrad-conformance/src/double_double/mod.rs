//! Linear algebra in double-double arithmetic: about 32 digits in every operation.

mod condition;
mod lu;

pub(crate) use condition::inverse_norm;
pub(crate) use lu::Lu;

use qd::Quad;

/// A pivot below this, the largest entry of the matrix being about 1, is rounding.
pub(crate) const SMALLEST_PIVOT: f64 = 1e-26;

/// Entries of a solution below this, relative to the largest, are rounding.
const ROUNDING: f64 = 1e-25;

pub(crate) fn exact(values: &[f64]) -> Vec<Quad> {
    values.iter().map(|&v| Quad::from_f64(v)).collect()
}

pub(crate) fn rounded(values: &[Quad]) -> Vec<f64> {
    values.iter().map(|v| v.0).collect()
}

/// Sum of products.
pub(crate) fn dot(left: &[f64], right: &[Quad]) -> Quad {
    sum_products(left.iter().copied().zip(right.iter().copied()))
}

pub(crate) fn sum_products(pairs: impl Iterator<Item = (f64, Quad)>) -> Quad {
    pairs.fold(Quad::ZERO, |sum, (l, r)| sum.add_accurate(Quad::from_f64(l) * r))
}

/// Zeroes what is rounding next to the largest entry: a derivative that vanishes, as that of a
/// vertex with respect to q, vanishes exactly.
pub(crate) fn drop_rounding(vector: &mut [Quad]) {
    let largest = vector.iter().fold(0.0_f64, |largest, v| largest.max(v.0.abs()));
    for v in vector.iter_mut().filter(|v| v.0.abs() < ROUNDING * largest) {
        *v = Quad::ZERO;
    }
}

/// Multiplies by powers of two, which rounds nothing.
pub(crate) fn rescale(vector: &mut [Quad], scale: &[f64]) {
    for (v, &scale) in vector.iter_mut().zip(scale) {
        *v = Quad(v.0 * scale, v.1 * scale);
    }
}

/// The power of two that brings `size` nearest to 1, taken half; 1 where there is nothing to scale.
pub(crate) fn half_scale(size: f64) -> f64 {
    if size > 0.0 { (-0.5 * size.log2()).round().exp2() } else { 1.0 }
}

pub(crate) fn norm1(vector: &[f64]) -> f64 {
    vector.iter().map(|v| v.abs()).sum()
}

/// Largest sum and largest term seen.
#[derive(Default)]
pub(crate) struct Largest {
    sum: f64,
    term: f64,
}

impl Largest {
    /// The sum.
    pub(crate) fn add(&mut self, terms: &[Quad]) -> Quad {
        let sum = terms.iter().fold(Quad::ZERO, |sum, &term| sum.add_accurate(term));
        self.sum = self.sum.max(sum.0.abs());
        self.term = terms.iter().fold(self.term, |largest, term| largest.max(term.0.abs()));
        sum
    }

    pub(crate) fn relative(&self) -> f64 {
        if self.term > 0.0 { self.sum / self.term } else { 0.0 }
    }
}
