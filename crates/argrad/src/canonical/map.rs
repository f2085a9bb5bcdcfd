//! `data = base + M theta` for one of P, q, A, b or the objective's constant, with its adjoint.

use serde::{Deserialize, Serialize};

/// A sparse affine map of theta, rows without entries left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ParameterMap {
    base: Vec<f64>,
    /// The slots that theta reaches, ascending.
    slots: Vec<u32>,
    ptr: Vec<u32>,
    thetas: Vec<u32>,
    coefs: Vec<f64>,
}

impl ParameterMap {
    pub fn new() -> Self {
        Self { ptr: vec![0], ..Self::default() }
    }

    /// Appends a slot with its terms (theta index + 1, or 0 for the number one; coefficient).
    pub fn push(&mut self, terms: &mut [(u32, f64)]) {
        let slot = self.base.len() as u32;
        if terms.len() > 1 {
            terms.sort_by_key(|term| term.0);
        }
        let start = self.thetas.len();
        let mut base = 0.0;
        for &(theta, coef) in terms.iter() {
            if theta == 0 {
                base += coef;
            } else if self.thetas.len() > start && self.thetas.last() == Some(&(theta - 1)) {
                if let Some(last) = self.coefs.last_mut() {
                    *last += coef;
                }
            } else {
                self.thetas.push(theta - 1);
                self.coefs.push(coef);
            }
        }
        self.base.push(base);
        if self.thetas.len() > start {
            self.slots.push(slot);
            self.ptr.push(self.thetas.len() as u32);
        }
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// Entries of theta that matter, by index.
    pub fn thetas(&self) -> &[u32] {
        &self.thetas
    }

    fn rows(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> + '_ {
        let range = |k: usize| self.ptr[k] as usize..self.ptr[k + 1] as usize;
        self.slots.iter().enumerate().map(move |(k, slot)| (*slot as usize, range(k)))
    }

    /// `out = base + M theta`.
    pub fn apply(&self, theta: &[f64], out: &mut [f64]) {
        out.copy_from_slice(&self.base);
        self.apply_linear(theta, out);
    }

    /// `out += M theta`.
    pub fn apply_linear(&self, theta: &[f64], out: &mut [f64]) {
        for (slot, range) in self.rows() {
            let mut sum = 0.0;
            for (theta_index, coef) in self.thetas[range.clone()].iter().zip(&self.coefs[range]) {
                sum += coef * theta[*theta_index as usize];
            }
            out[slot] += sum;
        }
    }

    /// `gradient += M' cotangent`.
    pub fn apply_transpose(&self, cotangent: &[f64], gradient: &mut [f64]) {
        for (slot, range) in self.rows() {
            let c = cotangent[slot];
            for (theta_index, coef) in self.thetas[range.clone()].iter().zip(&self.coefs[range]) {
                gradient[*theta_index as usize] += coef * c;
            }
        }
    }

    /// Whether the arrays fit together and name entries of a theta of this length.
    pub fn is_consistent(&self, theta: usize) -> bool {
        self.ptr.len() == self.slots.len() + 1
            && self.ptr.first() == Some(&0)
            && self.ptr.last().map(|end| *end as usize) == Some(self.thetas.len())
            && self.ptr.is_sorted()
            && self.coefs.len() == self.thetas.len()
            && self.slots.iter().all(|slot| (*slot as usize) < self.base.len())
            && self.thetas.iter().all(|index| (*index as usize) < theta)
    }
}
