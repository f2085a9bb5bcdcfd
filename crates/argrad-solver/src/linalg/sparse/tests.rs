use std::collections::BTreeSet;

use proptest::prelude::*;
use pulp::{Scalar, Scalar128b, Scalar256b, Scalar512b};

use super::*;
use crate::lanes::LaneTask;
use crate::program::Settings;

fn unlimited() -> MemoryLimit {
    MemoryLimit::new(&Settings { memory_limit: Some(usize::MAX), ..Settings::default() })
}

/// Numbers in [-1, 1).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn number(&mut self) -> f64 {
        self.next() as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// A quasidefinite matrix: `positive` nodes with positive diagonal, the others negative; entries
/// between nodes of equal sign are small enough to keep it so.
struct Quasidefinite {
    entries: Vec<(u32, u32)>,
    values: Vec<f64>,
    diagonal: Vec<f64>,
    signs: Vec<i8>,
}

impl Quasidefinite {
    fn new(order: usize, entries: &[(usize, usize)], seed: u64) -> Self {
        let mut random = Random(seed);
        let signs: Vec<i8> =
            (0..order).map(|_| if random.below(2) == 0 { 1 } else { -1 }).collect();
        let mut weight = vec![0.1; order];
        let mut values = Vec::new();
        for &(a, b) in entries {
            let value = random.number();
            values.push(value);
            if signs[a] == signs[b] {
                weight[a] += value.abs();
                weight[b] += value.abs();
            }
        }
        let diagonal = (0..order).map(|i| f64::from(signs[i]) * weight[i]).collect();
        let entries = entries.iter().map(|&(a, b)| (a as u32, b as u32)).collect();
        Self { entries, values, diagonal, signs }
    }

    fn analyse(&self) -> SparseLdl {
        SparseLdl::new(
            self.signs.len(),
            &self.entries,
            &self.signs,
            Instructions::Detect,
            unlimited(),
        )
        .unwrap()
    }

    fn matrix(&self, ldl: &SparseLdl) -> Vec<f64> {
        let mut matrix = vec![f64::NAN; ldl.matrix_len()];
        for (&address, &value) in ldl.entry_address().iter().zip(&self.values) {
            matrix[address as usize] = value;
        }
        for (&address, &value) in ldl.diagonal_address().iter().zip(&self.diagonal) {
            matrix[address as usize] = value;
        }
        matrix
    }

    fn factor(&self, ldl: &SparseLdl) -> (Vec<f64>, f64) {
        let mut factor = vec![f64::NAN; ldl.factor_len()];
        let least = ldl.factor(&self.matrix(ldl), &mut factor, 1e-12, 1e-6);
        (factor, least)
    }

    fn product(&self, x: &[f64]) -> Vec<f64> {
        let mut y: Vec<f64> = x.iter().zip(&self.diagonal).map(|(x, d)| x * d).collect();
        for (&(a, b), value) in self.entries.iter().zip(&self.values) {
            y[a as usize] += value * x[b as usize];
            y[b as usize] += value * x[a as usize];
        }
        y
    }

    /// Gaussian elimination with partial pivoting on the dense matrix.
    fn dense_solve(&self, rhs: &[f64]) -> Vec<f64> {
        let n = rhs.len();
        let mut rows: Vec<Vec<f64>> = (0..n).map(|_| vec![0.0; n + 1]).collect();
        for (i, row) in rows.iter_mut().enumerate() {
            row[i] = self.diagonal[i];
            row[n] = rhs[i];
        }
        for (&(a, b), &value) in self.entries.iter().zip(&self.values) {
            rows[a as usize][b as usize] = value;
            rows[b as usize][a as usize] = value;
        }
        for k in 0..n {
            let pivot = (k..n)
                .max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs()))
                .expect("a row");
            rows.swap(k, pivot);
            let (done, rest) = rows.split_at_mut(k + 1);
            let pivot = &done[k];
            for row in rest {
                let factor = row[k] / pivot[k];
                for (x, p) in row[k..].iter_mut().zip(&pivot[k..]) {
                    *x -= factor * p;
                }
            }
        }
        let mut x = vec![0.0; n];
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|j| rows[i][j] * x[j]).sum();
            x[i] = (rows[i][n] - known) / rows[i][i];
        }
        x
    }

    /// Solves for `count` right-hand sides, node by node.
    fn solve(&self, ldl: &SparseLdl, factor: &[f64], rhs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let count = rhs.len();
        let mut work = vec![0.0; self.signs.len() * count];
        for (node, &step) in ldl.steps().iter().enumerate() {
            for r in 0..count {
                work[step as usize * count + r] = rhs[r][node];
            }
        }
        ldl.solve(factor, &mut work, count);
        let node = |r: usize| ldl.steps().iter().map(move |&step| step as usize * count + r);
        (0..count).map(|r| node(r).map(|at| work[at]).collect()).collect()
    }

    /// Checks solutions with one, two and three right-hand sides against the dense ones.
    fn check(&self) {
        let order = self.signs.len();
        let ldl = self.analyse();
        let (factor, least) = self.factor(&ldl);
        assert!(order == 0 || least > 1e-8, "least pivot {least}");
        let mut random = Random(91);
        for count in 1..4 {
            let rhs: Vec<Vec<f64>> =
                (0..count).map(|_| (0..order).map(|_| random.number()).collect()).collect();
            for (x, rhs) in self.solve(&ldl, &factor, &rhs).iter().zip(&rhs) {
                let scale = x.iter().fold(1.0f64, |most, x| most.max(x.abs()));
                for (left, right) in self.product(x).iter().zip(rhs) {
                    assert!((left - right).abs() < 1e-10 * scale, "residual {}", left - right);
                }
                if order <= 300 {
                    for (x, dense) in x.iter().zip(self.dense_solve(rhs)) {
                        assert!((x - dense).abs() < 1e-10 * scale, "{x} is not {dense}");
                    }
                }
            }
        }
    }
}

fn random_entries(order: usize, count: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut random = Random(seed);
    let mut entries: Vec<(usize, usize)> = (0..count)
        .map(|_| (random.below(order), random.below(order)))
        .filter(|(a, b)| a != b)
        .map(|(a, b)| (a.max(b), a.min(b)))
        .collect();
    entries.sort_unstable();
    entries.dedup();
    // Either triangle, in any order.
    for (index, entry) in entries.iter_mut().enumerate() {
        if index % 3 == 0 {
            *entry = (entry.1, entry.0);
        }
    }
    let length = entries.len();
    for index in 1..length {
        entries.swap(index, random.below(index));
    }
    entries
}

fn dense_entries(order: usize) -> Vec<(usize, usize)> {
    (0..order).flat_map(|i| (0..i).map(move |j| (i, j))).collect()
}

/// A grid, which has fronts of all sizes.
fn grid_entries(side: usize) -> Vec<(usize, usize)> {
    let mut entries = Vec::new();
    for i in 0..side {
        for j in 0..side {
            let node = i * side + j;
            if i > 0 {
                entries.push((node, node - side));
            }
            if j > 0 {
                entries.push((node - 1, node));
            }
        }
    }
    entries
}

#[test]
fn solves_random_matrices_of_any_density() {
    for order in [2, 3, 5, 8, 13, 40, 100, 200] {
        for per_node in [1, 2, 3, 5, 10, 40] {
            let entries = random_entries(order, order * per_node, (order * 1000 + per_node) as u64);
            Quasidefinite::new(order, &entries, order as u64 + 7).check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn solves_any_pattern(
        order in 1usize..60,
        pairs in prop::collection::vec((0usize..60, 0usize..60), 0..300),
        seed in 1u64..1000,
    ) {
        let entries: BTreeSet<(usize, usize)> = pairs
            .iter()
            .map(|&(a, b)| (a % order, b % order))
            .filter(|(a, b)| a != b)
            .map(|(a, b)| (a.max(b), a.min(b)))
            .collect();
        let entries: Vec<_> = entries.into_iter().collect();
        Quasidefinite::new(order, &entries, seed).check();
    }
}

#[test]
fn solves_dense_matrices_of_any_order() {
    for order in (1..20).chain([31, 32, 33, 63, 64, 65, 66, 67, 127, 130, 200, 300]) {
        Quasidefinite::new(order, &dense_entries(order), 5).check();
    }
    Quasidefinite::new(900, &dense_entries(900), 5).check();
}

#[test]
fn solves_diagonal_and_empty_matrices() {
    for order in [0, 1, 2, 9] {
        Quasidefinite::new(order, &[], 3).check();
    }
}

#[test]
fn solves_arrows_pointing_either_way() {
    for tip in [0, 499] {
        let entries: Vec<_> = (0..500).filter(|&i| i != tip).map(|i| (i, tip)).collect();
        Quasidefinite::new(500, &entries, 11).check();
    }
    // Many nodes that share the same twenty neighbours.
    let entries: Vec<_> = (20..400).flat_map(|i| (0..20).map(move |j| (i, j))).collect();
    Quasidefinite::new(400, &entries, 12).check();
}

#[test]
fn solves_banded_matrices() {
    for (order, band) in [(50, 1), (1000, 2), (300, 5), (300, 12), (600, 40)] {
        let entries: Vec<_> = (0..order)
            .flat_map(|i| (1..=band).filter(move |d| i + d < order).map(move |d| (i, i + d)))
            .collect();
        Quasidefinite::new(order, &entries, 4).check();
    }
}

#[test]
fn solves_grids_and_separate_components() {
    Quasidefinite::new(17 * 17, &grid_entries(17), 21).check();
    Quasidefinite::new(70 * 70, &grid_entries(70), 22).check();
    let mut entries = grid_entries(12);
    entries.extend(dense_entries(30).iter().map(|&(i, j)| (i + 150, j + 150)));
    Quasidefinite::new(200, &entries, 23).check();
}

#[test]
fn replaces_pivots_of_the_wrong_sign_and_small_ones() {
    for entries in [vec![], dense_entries(6), dense_entries(80)] {
        let order = 80;
        let mut matrix = Quasidefinite::new(order, &entries, 6);
        matrix.values.fill(0.0);
        matrix.signs[..3].copy_from_slice(&[1, -1, 1]);
        matrix.diagonal[..3].copy_from_slice(&[-2.0, 0.0, 1e-13]);
        let ldl = matrix.analyse();
        let (factor, least) = matrix.factor(&ldl);
        assert_eq!(least, -2.0);
        let x = matrix.solve(&ldl, &factor, &[vec![1.0; order]]);
        for (x, expected) in x[0].iter().zip([1e6, -1e6, 1e6]) {
            assert!((x - expected).abs() < 1e-6 * expected.abs());
        }
        for (x, diagonal) in x[0][3..].iter().zip(&matrix.diagonal[3..]) {
            assert!((x * diagonal - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn a_matrix_with_a_nan_has_a_nan_as_least_pivot() {
    for entries in [grid_entries(9), dense_entries(81)] {
        let mut matrix = Quasidefinite::new(81, &entries, 6);
        matrix.diagonal[40] = f64::NAN;
        let ldl = matrix.analyse();
        assert!(matrix.factor(&ldl).1.is_nan());
    }
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    let mut entries = grid_entries(60);
    entries.extend(dense_entries(800).iter().map(|&(i, j)| (i + 3600, j + 3600)));
    entries.extend((0..700).map(|i| (i, 3600 + i)));
    let matrix = Quasidefinite::new(4400, &entries, 8);
    let ldl = matrix.analyse();
    let results: Vec<Vec<u64>> = [1, 2, 3, 5]
        .iter()
        .map(|&threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (mut factor, least) = matrix.factor(&ldl);
                let rhs: Vec<f64> = (0..4400).map(|i| f64::from(i).sin()).collect();
                factor.extend(matrix.solve(&ldl, &factor, &[rhs]).remove(0));
                factor.push(least);
                factor.iter().map(|x| x.to_bits()).collect()
            })
        })
        .collect();
    for result in &results[1..] {
        let differing = result.iter().zip(&results[0]).filter(|(a, b)| a != b).count();
        assert_eq!(differing, 0, "of {}", result.len());
    }
}

/// Runs `task` on registers of 1, 2, 4 or 8 numbers, in software.
fn with_lanes<T: LaneTask>(lanes: usize, task: T) -> T::Output {
    match lanes {
        1 => task.run(Scalar),
        2 => task.run(Scalar128b),
        4 => task.run(Scalar256b),
        8 => task.run(Scalar512b),
        _ => panic!("{lanes} lanes"),
    }
}

/// The bits of the factor, of the least pivot and of the solutions for one and two right-hand
/// sides.
fn bits_with_lanes(matrix: &Quasidefinite, lanes: usize) -> Vec<u64> {
    let ldl = matrix.analyse();
    let plan = &ldl.plan;
    let order = plan.order;
    let mut numbers = vec![0.0; plan.factor_len];
    let mut scratch = vec![0.0; plan.stack_len + numeric::scratch_len(plan)];
    let least = with_lanes(
        lanes,
        Factorize {
            plan,
            matrix: &matrix.matrix(&ldl),
            factor: &mut numbers,
            scratch: &mut scratch,
            rule: PivotRule { signs: &ldl.signs, smallest: 1e-12, replacement: 1e-6 },
        },
    );
    let factor = &numbers.clone();
    let mut random = Random(92);
    let mut scratch = vec![0.0; 2 * solve::scratch_len(plan)];
    let scratch = &mut scratch[..];
    let mut one: Vec<[f64; 1]> = (0..order).map(|_| [random.number()]).collect();
    with_lanes(lanes, Solve { plan, factor, rhs: &mut one, scratch: &mut *scratch });
    let mut two: Vec<[f64; 2]> = (0..order).map(|_| [random.number(), random.number()]).collect();
    with_lanes(lanes, Solve { plan, factor, rhs: &mut two, scratch });
    numbers.push(least);
    numbers.extend(one.as_flattened());
    numbers.extend(two.as_flattened());
    numbers.iter().map(|x| x.to_bits()).collect()
}

/// Small fronts, fronts of all sizes, one that takes the product for large matrices.
fn matrices_of_any_front() -> Vec<Quasidefinite> {
    let mut matrices: Vec<Quasidefinite> = [1, 2, 3, 7, 13, 40]
        .iter()
        .map(|&order| Quasidefinite::new(order, &dense_entries(order), 5))
        .collect();
    matrices.push(Quasidefinite::new(31 * 31, &grid_entries(31), 22));
    matrices.push(Quasidefinite::new(200, &random_entries(200, 2000, 9), 7));
    // A wide front, and a front with many rows below.
    let mut entries = dense_entries(230);
    entries.extend((230..330).flat_map(|i| (20..60).map(move |j| (i, j))));
    matrices.push(Quasidefinite::new(330, &entries, 8));
    matrices
}

#[test]
fn factors_and_solutions_are_the_same_bits_for_any_number_of_lanes() {
    for matrix in matrices_of_any_front() {
        let order = matrix.signs.len();
        let expected = bits_with_lanes(&matrix, 1);
        for lanes in [2, 4, 8] {
            let found = bits_with_lanes(&matrix, lanes);
            let differing = expected.iter().zip(&found).filter(|(a, b)| a != b).count();
            assert_eq!(differing, 0, "{lanes} lanes, order {order}, of {}", expected.len());
        }
    }
}

#[test]
fn factors_and_solutions_are_the_same_bits_with_any_instructions() {
    for matrix in matrices_of_any_front() {
        let order = matrix.signs.len();
        let bits = |instructions| {
            let ldl =
                SparseLdl::new(order, &matrix.entries, &matrix.signs, instructions, unlimited())
                    .unwrap();
            let (mut numbers, least) = matrix.factor(&ldl);
            let rhs: Vec<Vec<f64>> = (0..2)
                .map(|r| (0..order).map(|i| (2.0 * i as f64 + f64::from(r)).sin()).collect())
                .collect();
            let factor = numbers.clone();
            numbers.extend(matrix.solve(&ldl, &factor, &rhs[..1]).concat());
            numbers.extend(matrix.solve(&ldl, &factor, &rhs).concat());
            numbers.push(least);
            numbers.iter().map(|x| x.to_bits()).collect::<Vec<u64>>()
        };
        let expected = bits(Instructions::Scalar);
        for instructions in [Instructions::Avx2, Instructions::Detect] {
            assert!(bits(instructions) == expected, "{instructions:?}, order {order}");
        }
    }
}

#[test]
fn single_precision_solves_to_its_rounding_with_the_same_bits_for_any_instructions() {
    for matrix in matrices_of_any_front() {
        let order = matrix.signs.len();
        let rhs: Vec<f64> = (0..order).map(|i| (i as f64).sin()).collect();
        let found: Vec<Vec<u32>> = [Instructions::Scalar, Instructions::Avx2, Instructions::Detect]
            .into_iter()
            .map(|instructions| {
                let signs = &matrix.signs;
                let ldl = SparseLdl::new(order, &matrix.entries, signs, instructions, unlimited())
                    .unwrap();
                let single: Vec<f32> =
                    matrix.matrix(&ldl).iter().map(|&value| value as f32).collect();
                let mut factor = vec![f32::NAN; ldl.factor_len()];
                let least = ldl.factor(&single, &mut factor, 1e-6, 1e-4);
                assert!(least > 1e-4, "least pivot {least}");
                let mut work = vec![0.0f32; order];
                for (node, &step) in ldl.steps().iter().enumerate() {
                    work[step as usize] = rhs[node] as f32;
                }
                ldl.solve(&factor, &mut work, 1);
                let x: Vec<f64> =
                    ldl.steps().iter().map(|&step| f64::from(work[step as usize])).collect();
                let scale = x.iter().fold(1.0f64, |most, x| most.max(x.abs()));
                for (left, right) in matrix.product(&x).iter().zip(&rhs) {
                    let residual = (left - right).abs();
                    assert!(residual < 1e-4 * scale * (order as f64).sqrt(), "{residual}");
                }
                work.iter().map(|x| x.to_bits()).collect()
            })
            .collect();
        assert!(found[1..].iter().all(|other| *other == found[0]), "order {order}");
    }
}

/// The rows of a dense A and P, as in a quadratic program: the rows come first, in fronts of
/// columns that do not touch each other, and update the front of the variables directly.
#[test]
fn rows_of_a_dense_program_are_fronts_that_update_their_parent() {
    let (variables, rows) = (160, 130);
    let mut entries = dense_entries(variables);
    entries.extend((0..rows).flat_map(|i| (0..variables).map(move |j| (variables + i, j))));
    let mut matrix = Quasidefinite::new(variables + rows, &entries, 3);
    let negative = |node: usize| if node < variables { 1 } else { -1 };
    for (node, sign) in matrix.signs.iter_mut().enumerate() {
        *sign = negative(node);
        matrix.diagonal[node] = f64::from(*sign) * (variables + rows) as f64;
    }
    let ldl = matrix.analyse();
    let direct = ldl.plan.fronts.iter().filter(|front| front.updates_parent());
    assert!(direct.filter(|front| front.is_diagonal).count() > 0, "{:?}", ldl.plan.fronts);
    assert!(ldl.plan.fronts.iter().all(|front| front.width <= variables + kernel::BLOCK));
    matrix.check();
    let expected = bits_with_lanes(&matrix, 1);
    assert!([2, 4, 8].iter().all(|&lanes| bits_with_lanes(&matrix, lanes) == expected));
}

#[test]
fn malformed_entries_are_refused() {
    for (entries, expected) in [
        (vec![(1, 1)], "off-diagonal"),
        (vec![(0, 3)], "of order 3"),
        (vec![(0, 1), (1, 2), (1, 0)], "given twice"),
    ] {
        let error = SparseLdl::new(3, &entries, &[1, 1, -1], Instructions::Detect, unlimited())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Through every kernel on matrices so small that an interpreter gets through them too
/// (`make miri`).
mod small {
    use super::*;

    #[test]
    fn fronts_with_and_without_rows_below() {
        for matrix in [
            Quasidefinite::new(7, &dense_entries(7), 5),
            Quasidefinite::new(25, &grid_entries(5), 22),
        ] {
            matrix.check();
            let expected = bits_with_lanes(&matrix, 1);
            assert!([2, 4, 8].iter().all(|&lanes| bits_with_lanes(&matrix, lanes) == expected));
        }
    }

    #[test]
    fn a_front_with_more_columns_than_are_eliminated_at_once() {
        // Two cliques share three nodes.
        let (wide, narrow) = (kernel::BLOCK + 4, 20);
        let other = |k: usize| if k < 3 { k } else { k + wide - 3 };
        let mut entries = dense_entries(wide);
        let of_other = dense_entries(narrow);
        entries
            .extend(of_other.iter().filter(|(i, _)| *i >= 3).map(|&(i, j)| (other(i), other(j))));
        let order = wide + narrow - 3;
        let matrix = Quasidefinite::new(order, &entries, 8);
        let ldl = matrix.analyse();
        let wide = ldl.plan.fronts.iter().find(|front| front.width > kernel::BLOCK);
        assert!(wide.is_some_and(|front| front.below > 0), "{:?}", ldl.plan.fronts);
        let (factor, least) = matrix.factor(&ldl);
        assert!(least > 1e-8);
        let rhs = vec![(0..order).map(|i| (i as f64).sin()).collect::<Vec<f64>>()];
        let x = matrix.solve(&ldl, &factor, &rhs).remove(0);
        for (left, right) in matrix.product(&x).iter().zip(&rhs[0]) {
            assert!((left - right).abs() < 1e-10, "residual {}", left - right);
        }
    }
}
