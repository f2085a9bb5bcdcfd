//! Factor and solve against the matrix itself, for every instruction set of this machine.

use pulp::{Scalar, Scalar128b, Scalar256b, Scalar512b, Simd};

use super::factor::factor;
use super::solve::solve;
use super::symbolic::{Kind, Supernode};
use super::tile::{SCRATCH, subtract_outer_product, with_tile_width};
use super::{Pivots, Symbolic};
use crate::Instructions;
use crate::lanes::{Buffer, LaneTask, V, dispatch};

/// Quasidefinite matrix: `negative` nodes have negative diagonals.
struct Case {
    order: usize,
    entries: Vec<(usize, usize)>,
    negative: Vec<bool>,
}

impl Case {
    /// Dense positive block of order n, dense negative rows, a diagonal of single-entry rows.
    fn program(n: usize, dense_rows: usize, single_rows: usize) -> Self {
        let mut entries = Vec::new();
        for j in 0..n {
            entries.extend((0..j).map(|i| (i, j)));
        }
        let order = n + dense_rows + single_rows;
        for row in n..n + dense_rows {
            entries.extend((0..n).map(|j| (row, j)));
        }
        for k in 0..single_rows {
            entries.push((n + dense_rows + k, k % n));
        }
        let negative = (0..order).map(|i| i >= n).collect();
        Self { order, entries, negative }
    }

    /// Optimal control: states and inputs of each step, then the dynamics, then a bound each.
    fn controller(states: usize, inputs: usize, horizon: usize) -> Self {
        let stage = inputs + states;
        let n = stage * horizon;
        let mut entries = Vec::new();
        for step in 0..horizon {
            for row in 0..states {
                let equation = n + step * states + row;
                let before = (step.saturating_sub(1) * stage + inputs..).take(states);
                let own = step * stage..step * stage + inputs;
                let state = step * stage + inputs + row;
                entries.extend(own.chain([state]).map(|j| (equation, j)));
                if step > 0 {
                    entries.extend(before.map(|j| (equation, j)));
                }
            }
        }
        let equations = n + states * horizon;
        entries.extend((0..n).map(|j| (equations + j, j)));
        let order = equations + n;
        Self { order, entries, negative: (0..order).map(|i| i >= n).collect() }
    }

    /// Block tridiagonal positive part, as in optimal control.
    fn banded(n: usize, width: usize) -> Self {
        let mut entries = Vec::new();
        for j in 0..n {
            entries.extend((j.saturating_sub(width)..j).map(|i| (i, j)));
        }
        Self { order: n, entries, negative: vec![false; n] }
    }
}

/// Deterministic numbers in [-1, 1].
fn number(k: usize) -> f64 {
    ((k as f64 * 12.9898 + 78.233).sin() * 43758.5453).fract()
}

struct Check<'a> {
    case: &'a Case,
}

impl LaneTask for Check<'_> {
    /// The largest residual, and the solution in the first lane.
    type Output = (f64, Vec<f64>);

    #[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (f64, Vec<f64>) {
        let Self { case } = self;
        let lanes = V::<S>::LANES;
        let symbolic = Symbolic::new(case.order, &case.entries);
        let mut dense = vec![vec![vec![0.0; case.order]; case.order]; lanes];
        let zeros = |len: usize| Buffer::zeros(len * lanes);
        let (mut values, mut inverse, mut scratch) =
            (zeros(symbolic.len), zeros(case.order), zeros(symbolic.scratch_len));
        let values = V::<S>::slice_mut(simd, values.as_mut_slice());
        let inverse = V::<S>::slice_mut(simd, inverse.as_mut_slice());
        let scratch = V::<S>::slice_mut(simd, scratch.as_mut_slice());
        for (lane, dense) in dense.iter_mut().enumerate() {
            for (k, &(i, j)) in case.entries.iter().enumerate() {
                let value = number(k * 8 + lane);
                dense[i][j] = value;
                dense[j][i] = value;
                values[symbolic.address(i, j)].set_lane(lane, value);
            }
            for i in 0..case.order {
                let value = case.order as f64 * if case.negative[i] { -1.0 } else { 1.0 };
                dense[i][i] = value;
                values[symbolic.diagonal_address(i)].set_lane(lane, value);
            }
        }
        let signs: Vec<f64> = symbolic
            .perm
            .iter()
            .map(|&node| if case.negative[node] { -1.0 } else { 1.0 })
            .collect();
        let mut least = V::splat(simd, 0.0);
        factor(
            simd,
            &symbolic,
            values,
            Pivots {
                signs: &signs,
                smallest: V::splat(simd, 1e-13),
                replacement: V::splat(simd, 1.0),
                inverse,
                least: &mut least,
            },
            scratch,
        );
        let mut rhs = zeros(2 * case.order);
        let (rhs, _) = V::<S>::slice_mut(simd, rhs.as_mut_slice()).as_chunks_mut::<2>();
        let right = |node: usize, r: usize| number(1000 + 2 * node + r);
        for (step, rhs) in rhs.iter_mut().enumerate() {
            for r in 0..2 {
                rhs[r] = V::splat(simd, right(symbolic.perm[step], r));
            }
        }
        solve(simd, &symbolic, values, inverse, rhs);
        let mut worst: f64 = 0.0;
        for (lane, dense) in dense.iter().enumerate() {
            for (i, row) in dense.iter().enumerate() {
                for r in 0..2 {
                    let product: f64 = row
                        .iter()
                        .enumerate()
                        .map(|(j, a)| a * rhs[symbolic.step[j]][r].lane(lane))
                        .sum();
                    worst = worst.max((product - right(i, r)).abs());
                }
            }
        }
        let first = rhs.as_flattened().iter().map(|x| x.lane(0)).collect();
        (worst, first)
    }
}

fn cases() -> Vec<Case> {
    let mut cases = vec![Case::banded(40, 3), Case::banded(7, 1), Case::banded(1, 0)];
    cases.extend([Case::controller(4, 2, 6), Case::controller(12, 4, 3)]);
    for n in [1, 2, 3, 5, 10, 13, 20, 26, 50, 61, 100] {
        cases.push(Case::program(n, n, 0));
        cases.push(Case::program(n, n / 2, n));
        cases.push(Case::program(n, n + n / 2, 3));
    }
    cases
}

#[test]
fn solves_have_small_residuals_for_dense_sparse_and_mixed_patterns() {
    for (index, case) in cases().iter().enumerate() {
        for instructions in [Instructions::Detect, Instructions::Scalar, Instructions::Avx2] {
            let (residual, _) = dispatch(instructions, Check { case });
            assert!(
                residual < 1e-13,
                "case {index}, order {}, {instructions:?}: {residual:e}",
                case.order
            );
        }
    }
}

#[test]
fn a_lane_has_the_same_bits_in_registers_of_any_width() {
    for (index, case) in cases().iter().enumerate() {
        let check = || Check { case };
        let (_, expected) = check().run(Scalar);
        for (lanes, (_, found)) in [
            (2, check().run(Scalar128b)),
            (4, check().run(Scalar256b)),
            (8, check().run(Scalar512b)),
        ] {
            assert!(expected == found, "case {index}, {lanes} lanes");
        }
        for instructions in [Instructions::Detect, Instructions::Scalar, Instructions::Avx2] {
            let (_, found) = dispatch(instructions, check());
            assert!(expected == found, "case {index}, {instructions:?}");
        }
    }
}

/// Columns that are nested but for few rows are one supernode, whose rows begin where they do.
#[test]
fn the_states_of_a_controller_are_supernodes() {
    let case = Case::controller(12, 4, 5);
    let symbolic = Symbolic::new(case.order, &case.entries);
    let widths: Vec<usize> = symbolic.supernodes.iter().map(|node| node.width).collect();
    assert!(widths.iter().filter(|&&width| width == 12).count() >= 3, "{widths:?}");
    let begins = |node: &Supernode| (0..node.rows.len()).any(|row| node.begin(row, row + 1) > 4);
    assert!(symbolic.supernodes.iter().any(|node| node.kind == Kind::Dense && begins(node)));
}

/// Tiles of three columns serve 16 registers, tiles of six serve 32, and a single column none.
#[test]
fn outer_products_have_the_same_bits_in_tiles_of_any_width() {
    for case in cases() {
        let symbolic = Symbolic::new(case.order, &case.entries);
        let mut start: Vec<f64> = (0..symbolic.len).map(number).collect();
        for node in &symbolic.supernodes {
            for row in 0..node.rows.len() {
                start[node.panel + row * node.width..][..node.begin(row, row + 1)].fill(0.0);
            }
        }
        let inverse: Vec<f64> = (0..case.order).map(|k| number(k + 7)).collect();
        let update = |tile: usize| {
            let (mut values, mut scratch) = (start.clone(), vec![0.0; SCRATCH]);
            let scratch = V::slice_mut(Scalar, &mut scratch).as_mut_ptr();
            let at = V::slice_mut(Scalar, &mut values).as_mut_ptr();
            for node in &symbolic.supernodes {
                let inverse = V::slice(Scalar, &inverse[node.start..]).as_ptr();
                // SAFETY: all addresses of a supernode are below the length of the factorization.
                unsafe {
                    match tile {
                        6 => with_tile_width::<_, _, 6>(Scalar, node, at, inverse, scratch),
                        3 => with_tile_width::<_, _, 3>(Scalar, node, at, inverse, scratch),
                        _ => subtract_outer_product(Scalar, node, at, inverse, scratch),
                    }
                }
            }
            values
        };
        assert!(update(6) == update(3), "order {}", case.order);
        assert!(update(1) == update(3), "order {}", case.order);
    }
}

/// So small that an interpreter gets through it too (`make miri`).
mod small {
    use super::*;

    #[test]
    fn every_kind_of_supernode_in_registers_of_any_width() {
        for case in [
            Case::banded(7, 1),
            Case::program(7, 4, 5),
            Case::program(5, 7, 2),
            Case::controller(3, 1, 3),
        ] {
            let check = || Check { case: &case };
            let (residual, expected) = check().run(Scalar);
            assert!(residual < 1e-13);
            assert!(check().run(Scalar256b).1 == expected);
            assert!(check().run(Scalar512b).1 == expected);
        }
    }
}
