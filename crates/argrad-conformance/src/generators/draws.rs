//! Random numbers: one stream per sample, and the few distributions that the generators use.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::dot;

/// The numbers of one sample.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    /// Of sample `index`.
    pub(super) fn of_sample(seed: u64, index: usize) -> Self {
        Self::of_stream(seed, index as u64 + 1)
    }

    /// Of what the batch shares.
    pub(super) fn of_shared(seed: u64) -> Self {
        Self::of_stream(seed, 0)
    }

    fn of_stream(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// N(0, 1).
    pub(super) fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }

    /// `len` numbers N(0, 1).
    pub(super) fn normals(&mut self, len: usize) -> Vec<f64> {
        (0..len).map(|_| self.normal()).collect()
    }

    /// U(0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// A size that is clearly not zero: U(0.5, 1.5).
    pub(super) fn magnitude(&mut self) -> f64 {
        0.5 + self.uniform()
    }

    /// A random direction.
    pub(super) fn unit_vector(&mut self, len: usize) -> Vec<f64> {
        let mut vector = self.normals(len);
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
        vector
    }

    /// A random orthogonal matrix, row-major, by Gram-Schmidt done twice.
    pub(super) fn orthogonal(&mut self, order: usize) -> Vec<f64> {
        let mut matrix: Vec<f64> = Vec::with_capacity(order * order);
        for _ in 0..order {
            let mut row = self.normals(order);
            for _ in 0..2 {
                for other in matrix.chunks_exact(order) {
                    let along = dot(&row, other);
                    row.iter_mut().zip(other).for_each(|(r, o)| *r -= along * o);
                }
            }
            let norm = dot(&row, &row).sqrt();
            matrix.extend(row.iter().map(|r| r / norm));
        }
        matrix
    }

    /// A whole number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// The numbers below `end` in random order.
    pub(super) fn permutation(&mut self, end: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..end).collect();
        for i in (1..end).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// `batch * len` numbers N(0, 1), sample by sample: cotangents and tangents for tests.
pub fn normal_vector(len: usize, batch: usize, seed: u64) -> Vec<f64> {
    (0..batch).flat_map(|i| Draws::of_sample(seed, i).normals(len)).collect()
}

/// `L L' / n` for the `n x rank` matrix L, row-major, exactly symmetric.
pub(super) fn gram(factor: &[f64], n: usize, rank: usize) -> Vec<f64> {
    let row = |i: usize| &factor[i * rank..(i + 1) * rank];
    let mut product = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let entry = dot(row(i), row(j)) / n as f64;
            product[i * n + j] = entry;
            product[j * n + i] = entry;
        }
    }
    product
}
