//! One sample of a batch, with the point that is looked at.

use crate::program::{Structure, Values};
use crate::solve::equilibrate::INFINITE;

/// The numbers of one sample.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    structure: &'a Structure,
    p: &'a [f64],
    pub(super) q: &'a [f64],
    a: &'a [f64],
    pub(super) b: &'a [f64],
    removable: &'a [bool],
}

/// A product, and the sum of the magnitudes of its terms: what its rounding error belongs to.
pub(super) struct Product {
    pub(super) value: Vec<f64>,
    pub(super) terms: Vec<f64>,
}

impl Product {
    fn zeros(len: usize) -> Self {
        Self { value: vec![0.0; len], terms: vec![0.0; len] }
    }

    fn add(&mut self, at: usize, entry: f64, factor: f64) {
        self.value[at] = entry.mul_add(factor, self.value[at]);
        self.terms[at] = entry.abs().mul_add(factor.abs(), self.terms[at]);
    }
}

impl<'a> Sample<'a> {
    /// Sample `index` of checked values.
    pub(super) fn new(
        structure: &'a Structure,
        values: &Values<'a>,
        removable: &'a [bool],
        index: usize,
    ) -> Self {
        Self {
            structure,
            p: values.p.sample(index, structure.p().nnz()),
            q: values.q.sample(index, structure.variables()),
            a: values.a.sample(index, structure.a().nnz()),
            b: values.b.sample(index, structure.rows()),
            removable,
        }
    }

    /// Whether the b of a row says that it is no constraint.
    pub(super) fn is_removed(&self, row: usize) -> bool {
        self.removable[row] && self.b[row] >= INFINITE
    }

    /// Px.
    pub(super) fn p_times(&self, x: &[f64]) -> Product {
        let mut product = Product::zeros(x.len());
        for ((i, j), &entry) in self.structure.p().entries().zip(self.p) {
            product.add(i, entry, x[j]);
            if i != j {
                product.add(j, entry, x[i]);
            }
        }
        product
    }

    /// Ax; nothing in rows that are removed.
    pub(super) fn a_times(&self, x: &[f64]) -> Product {
        let mut product = Product::zeros(self.b.len());
        for ((i, j), &entry) in self.structure.a().entries().zip(self.a) {
            if !self.is_removed(i) {
                product.add(i, entry, x[j]);
            }
        }
        product
    }

    /// A'z, without the rows that are removed.
    pub(super) fn a_transpose_times(&self, z: &[f64]) -> Product {
        let mut product = Product::zeros(self.q.len());
        for ((i, j), &entry) in self.structure.a().entries().zip(self.a) {
            if !self.is_removed(i) {
                product.add(j, entry, z[i]);
            }
        }
        product
    }

    /// b - Ax; zero in rows that are removed.
    pub(super) fn slack(&self, x: &[f64]) -> Vec<f64> {
        let ax = self.a_times(x).value;
        let row = |(i, ax): (usize, f64)| if self.is_removed(i) { 0.0 } else { self.b[i] - ax };
        ax.into_iter().enumerate().map(row).collect()
    }
}
