//! What all examples have in common, in closed form: the linear equalities that every solved board
//! satisfies.
//!
//! With the one-hot boards z as rows `[z, 1]` of a matrix M, an equality `a'z = b` holds for all of
//! them where `M [a; -b] = 0`. Those (a, b) are the null space of M, hence of the Gram matrix
//! `M'M`: whole numbers, exact up to 2^53 boards.

use crate::board::Rules;
use crate::puzzles::Puzzle;

/// Equalities `Az = b`.
#[derive(Clone, Debug, Default)]
pub struct Equalities {
    /// Numbers of a one-hot board.
    pub width: usize,
    /// Coefficients of each equality with its right-hand side after them: `width + 1` numbers.
    pub rows: Vec<Vec<f64>>,
}

impl Equalities {
    /// As many of the equalities as do not follow from those before them.
    pub fn independent(self) -> Self {
        let mut reduced: Vec<(usize, Vec<f64>)> = Vec::new();
        let mut rows = Vec::new();
        for row in self.rows {
            let mut rest = row.clone();
            for (pivot, earlier) in &reduced {
                let factor = rest[*pivot];
                if factor != 0.0 {
                    for (entry, value) in rest.iter_mut().zip(earlier) {
                        *entry -= factor * value;
                    }
                }
            }
            let largest = |row: &[f64]| row.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            let Some(pivot) =
                (0..rest.len()).max_by(|&i, &j| rest[i].abs().total_cmp(&rest[j].abs()))
            else {
                continue;
            };
            let size = rest[pivot];
            if size.abs() > NO_PIVOT * largest(&row) {
                rest.iter_mut().for_each(|entry| *entry /= size);
                reduced.push((pivot, rest));
                rows.push(row);
            }
        }
        Self { width: self.width, rows }
    }
}

/// How often two digits stand together in the examples.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Order of the matrix: the width of a one-hot board, and one.
    order: usize,
    /// `M'M`, row-major.
    gram: Vec<f64>,
}

/// A pivot of the elimination below this share of the largest is zero. Those that are zero come
/// out near the rounding, 1e-16, and the others far above.
const NO_PIVOT: f64 = 1e-8;

impl Counts {
    /// Counts over the solutions of the examples.
    pub fn new(rules: Rules, examples: &[Puzzle]) -> Self {
        let order = rules.width() + 1;
        let mut gram = vec![0.0; order * order];
        for example in examples {
            let ones: Vec<usize> = rules.ones(&example.solution).chain([order - 1]).collect();
            for &i in &ones {
                for &j in &ones {
                    gram[i * order + j] += 1.0;
                }
            }
        }
        Self { order, gram }
    }

    /// Numbers of a one-hot board.
    pub fn width(&self) -> usize {
        self.order - 1
    }

    /// The counts, averaged over all ways to rename the digits: those of as many more examples,
    /// given that digits are interchangeable. The equalities are then shared by the digits.
    pub fn tied(&self, rules: Rules) -> Self {
        let (cells, side) = (rules.cells(), rules.side());
        let mut gram = self.gram.clone();
        let at = |i: usize, j: usize| i * self.order + j;
        let last = self.order - 1;
        for a in (0..cells).map(|cell| cell * side) {
            for b in (0..cells).map(|cell| cell * side) {
                let entry = |d: usize, e: usize| self.gram[at(a + d, b + e)];
                let digits = || (0..side).flat_map(|d| (0..side).map(move |e| (d, e)));
                let all: f64 = digits().map(|(d, e)| entry(d, e)).sum();
                let same: f64 = (0..side).map(|d| entry(d, d)).sum();
                for (d, e) in digits() {
                    gram[at(a + d, b + e)] = match d == e {
                        true => same / side as f64,
                        false => (all - same) / (side * (side - 1)) as f64,
                    };
                }
            }
            let one: f64 = (0..side).map(|d| self.gram[at(a + d, last)]).sum();
            for i in (0..side).map(|d| a + d) {
                gram[at(i, last)] = one / side as f64;
                gram[at(last, i)] = one / side as f64;
            }
        }
        Self { order: self.order, gram }
    }

    /// In how many examples both numbers of the one-hot board are 1.
    pub fn together(&self, i: usize, j: usize) -> f64 {
        self.gram[i * self.order + j]
    }

    /// A basis of the equalities among the numbers `support` of a one-hot board that all examples
    /// satisfy: vectors of `support.len() + 1` numbers, coefficients and then minus the right-hand
    /// side.
    pub fn null_space(&self, support: &[usize]) -> Vec<Vec<f64>> {
        let chosen: Vec<usize> = support.iter().copied().chain([self.order - 1]).collect();
        let part = chosen.iter().flat_map(|&i| chosen.iter().map(move |&j| (i, j)));
        null_space(part.map(|(i, j)| self.together(i, j)).collect(), chosen.len())
    }

    /// All equalities that the examples satisfy.
    pub fn equalities(&self) -> Equalities {
        let support: Vec<usize> = (0..self.order - 1).collect();
        let mut rows = self.null_space(&support);
        for row in &mut rows {
            row[self.order - 1] *= -1.0;
        }
        Equalities { width: self.order - 1, rows }
    }
}

/// A basis of the null space of a positive semidefinite matrix, row-major, by Gauss-Jordan
/// elimination with the largest diagonal entry as pivot: each vector is 1 at one of the columns
/// without a pivot and 0 at the others.
fn null_space(mut matrix: Vec<f64>, order: usize) -> Vec<Vec<f64>> {
    let mut free: Vec<usize> = (0..order).collect();
    let mut pivots = Vec::new();
    let mut largest = 0.0_f64;
    while let Some((place, pivot)) = free
        .iter()
        .map(|&i| matrix[i * order + i])
        .enumerate()
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
    {
        largest = largest.max(pivot);
        if pivot <= NO_PIVOT * largest {
            break;
        }
        let p = free.swap_remove(place);
        pivots.push(p);
        let row: Vec<f64> =
            matrix[p * order..(p + 1) * order].iter().map(|entry| entry / pivot).collect();
        for (i, target) in matrix.chunks_exact_mut(order).enumerate() {
            let factor = if i == p { 0.0 } else { target[p] };
            if i == p {
                target.copy_from_slice(&row);
            } else if factor != 0.0 {
                for (entry, value) in target.iter_mut().zip(&row) {
                    *entry -= factor * value;
                }
            }
        }
    }
    free.sort_unstable();
    let vector = |&column: &usize| {
        let mut vector = vec![0.0; order];
        vector[column] = 1.0;
        for &p in &pivots {
            vector[p] = -matrix[p * order + column];
        }
        vector
    };
    free.iter().map(vector).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::puzzles;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    /// Largest violation of the equalities by the examples.
    fn violation(rules: Rules, equalities: &Equalities, examples: &[Puzzle]) -> f64 {
        let violations = equalities.rows.iter().flat_map(|row| {
            examples.iter().map(move |example| {
                let sum: f64 = rules.ones(&example.solution).map(|place| row[place]).sum();
                (sum - row[rules.width()]).abs()
            })
        });
        violations.fold(0.0, f64::max)
    }

    #[test]
    fn boards_of_side_4_have_40_equalities_in_common() {
        let rules = Rules::new(2);
        let puzzles = puzzles::generate(rules, 400, &mut StdRng::seed_from_u64(1)).unwrap();
        let (seen, unseen) = puzzles.split_at(300);
        let counts = Counts::new(rules, seen);
        let equalities = counts.equalities();
        assert_eq!(equalities.rows.len(), 40);
        assert!(violation(rules, &equalities, unseen) < 1e-12);
        // Two boards have many more in common, which the others do not obey.
        let few = Counts::new(rules, &seen[..2]).equalities();
        assert_eq!(few.rows.len(), 63);
        assert!(violation(rules, &few, &seen[..2]) < 1e-12);
        assert!(violation(rules, &few, unseen) > 0.5);
    }

    #[test]
    fn interchangeable_digits_make_few_boards_do() {
        let rules = Rules::new(2);
        let puzzles = puzzles::generate(rules, 300, &mut StdRng::seed_from_u64(1)).unwrap();
        let tied = Counts::new(rules, &puzzles[..20]).tied(rules).equalities();
        assert_eq!(tied.rows.len(), 40);
        assert!(violation(rules, &tied, &puzzles) < 1e-12);
    }

    #[test]
    fn what_follows_from_earlier_equalities_is_left_out() {
        let row = |numbers: [f64; 3]| numbers.to_vec();
        let rows = vec![row([1.0, 1.0, 1.0]), row([2.0, 2.0, 2.0]), row([0.0, 1.0, 3.0])];
        let all = Equalities { width: 2, rows };
        assert_eq!(all.independent().rows, [row([1.0, 1.0, 1.0]), row([0.0, 1.0, 3.0])]);
    }
}
