//! Draws of one input.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers at which arithmetic and checks go wrong, if anywhere.
const EDGES: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1e-320,
    f64::MIN_POSITIVE,
    1e-8,
    1e8,
    1e19,
    1e150,
    f64::MAX,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Sizes at which sums and products of sizes overflow.
const EDGE_SIZES: [usize; 7] =
    [0, u32::MAX as usize, 1 << 32, usize::MAX / 2, usize::MAX / 8, usize::MAX - 1, usize::MAX];

/// A stream of draws.
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of one input.
    pub fn new(seed: u64, index: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(index);
        Self(generator)
    }

    /// A number below `count`, which is positive.
    pub fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// True once in `count` times.
    pub fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of a list.
    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// From -1 to 1.
    pub fn number(&mut self) -> f64 {
        self.0.random_range(-1.0..1.0)
    }

    /// Mostly from -1 to 1; once in `count` times one of the numbers where something may go wrong.
    pub fn number_or_edge(&mut self, count: usize) -> f64 {
        if self.once_in(count) { *self.one_of(&EDGES) } else { self.number() }
    }

    /// As many of [`Self::number_or_edge`]; now and then one too many or too few.
    pub fn numbers(&mut self, len: usize, edge_once_in: usize) -> Vec<f64> {
        let len = self.nearly(len);
        (0..len).map(|_| self.number_or_edge(edge_once_in)).collect()
    }

    /// Numbers for a parameter of unknown attributes: often all the same and positive, which is
    /// also nonnegative, symmetric and within most bounds.
    pub fn parameter(&mut self, len: usize) -> Vec<f64> {
        if self.once_in(3) {
            return self.numbers(len, 100);
        }
        let number = 0.6 + 0.5 * self.number();
        vec![number; self.nearly(len)]
    }

    /// This size, or once in 60 times another.
    pub fn nearly(&mut self, size: usize) -> usize {
        match self.below(120) {
            0 => size + 1,
            1 => size.saturating_sub(1),
            _ => size,
        }
    }

    /// This size, or once in 60 times one at which sums and products overflow.
    pub fn size_or_edge(&mut self, size: usize) -> usize {
        if self.once_in(60) { *self.one_of(&EDGE_SIZES) } else { size }
    }
}
