//! Cholesky factors of small dense matrices, one per lane, in register tiles, with their solves.
//!
//! The side is a multiple of [`TILE`]; shorter matrices end with rows of the identity, which leave
//! the bits of the others as they are. Every entry is one chain of fused multiply-adds in the order
//! of the columns (Golub, Van Loan: Matrix computations, 4.2.5).

use pulp::Simd;

use crate::lanes::{Kernel, V, call};

/// Rows of a tile, of which the side of a matrix is a multiple.
pub(crate) const TILE: usize = 4;
/// Its columns.
const WIDTH: usize = 2;

/// Replaces the lower triangle of a matrix by its Cholesky factor; `inverses` receives the inverses
/// of the diagonal. Pivots that are not larger than `least` (that are NaN, too) are replaced by it.
/// What is above the diagonal stays.
pub(crate) fn factor<S: Simd>(simd: S, matrix: &mut [V<S>], inverses: &mut [V<S>], least: V<S>) {
    let side = inverses.len();
    assert!(matrix.len() == side * side && side.is_multiple_of(TILE));
    call(simd, Factor { simd, matrix, inverses, least });
}

/// Replaces `R` interleaved right-hand sides by their solutions.
pub(crate) fn solve<S: Simd, const R: usize>(
    simd: S,
    matrix: &[V<S>],
    inverses: &[V<S>],
    rhs: &mut [[V<S>; R]],
) {
    let side = inverses.len();
    assert!(matrix.len() == side * side && rhs.len() == side && side.is_multiple_of(TILE));
    call(simd, Solve { matrix, inverses, rhs });
}

struct Factor<'a, S: Simd> {
    simd: S,
    matrix: &'a mut [V<S>],
    inverses: &'a mut [V<S>],
    least: V<S>,
}

impl<S: Simd> Kernel for Factor<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, matrix, inverses, least } = self;
        let side = inverses.len();
        let one = V::splat(simd, 1.0);
        for i in (0..side).step_by(TILE) {
            let (above, rows) = matrix.split_at_mut(i * side);
            let rows = &mut rows[..TILE * side];
            for j in (0..i).step_by(WIDTH) {
                let others = &above[j * side..][..WIDTH * side];
                let mut sums = subtracted(rows, others, side, j);
                for r in 0..TILE {
                    let first = sums[r][0] * inverses[j];
                    sums[r][1] = first.nfma(others[side + j], sums[r][1]);
                    rows[r * side + j] = first;
                    rows[r * side + j + 1] = sums[r][1] * inverses[j + 1];
                }
            }
            // The triangle on the diagonal, row by row.
            let sums = subtracted_triangle(rows, side, i);
            for r in 0..TILE {
                for c in 0..=r {
                    let mut sum = sums[r][c];
                    for k in i..i + c {
                        sum = rows[r * side + k].nfma(rows[c * side + k], sum);
                    }
                    rows[r * side + i + c] = if c < r {
                        sum * inverses[i + c]
                    } else {
                        let root = sum.gt(least).select(sum, least).sqrt();
                        inverses[i + c] = one / root;
                        root
                    };
                }
            }
        }
    }
}

/// The entries of the tile on the diagonal, in columns from `i` on, minus the products of the
/// columns before. What is above the diagonal is arbitrary.
#[expect(clippy::needless_range_loop, reason = "the indices are those of the formula")]
#[inline(always)]
fn subtracted_triangle<S: Simd>(rows: &[V<S>], side: usize, i: usize) -> [[V<S>; TILE]; TILE] {
    let mut sums = [[rows[i]; TILE]; TILE];
    let mut lines = [&rows[..i]; TILE];
    for r in 0..TILE {
        lines[r] = &rows[r * side..][..i];
        for c in 0..=r {
            sums[r][c] = rows[r * side + i + c];
        }
    }
    for k in 0..i {
        for r in 0..TILE {
            for c in 0..=r {
                sums[r][c] = lines[r][k].nfma(lines[c][k], sums[r][c]);
            }
        }
    }
    sums
}

/// The entries of the tile in columns `j..j + WIDTH`, minus the products of the columns before.
#[inline(always)]
fn subtracted<S: Simd>(
    rows: &[V<S>],
    others: &[V<S>],
    side: usize,
    j: usize,
) -> [[V<S>; WIDTH]; TILE] {
    let mut sums = [[rows[j], rows[j + 1]]; TILE];
    let mut lines = [&rows[..j]; TILE];
    for r in 0..TILE {
        sums[r] = [rows[r * side + j], rows[r * side + j + 1]];
        lines[r] = &rows[r * side..][..j];
    }
    let (first, second) = (&others[..j], &others[side..][..j]);
    for k in 0..j {
        let (x, y) = (first[k], second[k]);
        for r in 0..TILE {
            let a = lines[r][k];
            sums[r] = [a.nfma(x, sums[r][0]), a.nfma(y, sums[r][1])];
        }
    }
    sums
}

struct Solve<'a, S: Simd, const R: usize> {
    matrix: &'a [V<S>],
    inverses: &'a [V<S>],
    rhs: &'a mut [[V<S>; R]],
}

impl<S: Simd, const R: usize> Kernel for Solve<'_, S, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { matrix, inverses, rhs } = self;
        let side = inverses.len();
        // L y = b.
        for i in (0..side).step_by(TILE) {
            let (known, rest) = rhs.split_at_mut(i);
            let rows = &matrix[i * side..][..TILE * side];
            let mut sums: [[V<S>; R]; TILE] = std::array::from_fn(|t| rest[t]);
            for (k, x) in known.iter().enumerate() {
                for t in 0..TILE {
                    let l = rows[t * side + k];
                    for r in 0..R {
                        sums[t][r] = l.nfma(x[r], sums[t][r]);
                    }
                }
            }
            for t in 0..TILE {
                for r in 0..R {
                    let mut sum = sums[t][r];
                    for c in 0..t {
                        sum = rows[t * side + i + c].nfma(rest[c][r], sum);
                    }
                    rest[t][r] = sum * inverses[i + t];
                }
            }
        }
        // L' x = y.
        for i in (0..side).step_by(TILE).rev() {
            let (rest, known) = rhs.split_at_mut(i + TILE);
            let rest = &mut rest[i..];
            let mut sums: [[V<S>; R]; TILE] = std::array::from_fn(|t| rest[t]);
            for (k, x) in known.iter().enumerate() {
                let row = &matrix[(i + TILE + k) * side + i..][..TILE];
                for t in 0..TILE {
                    for r in 0..R {
                        sums[t][r] = row[t].nfma(x[r], sums[t][r]);
                    }
                }
            }
            for t in (0..TILE).rev() {
                for r in 0..R {
                    let mut sum = sums[t][r];
                    for c in (t + 1..TILE).rev() {
                        sum = matrix[(i + c) * side + i + t].nfma(rest[c][r], sum);
                    }
                    rest[t][r] = sum * inverses[i + t];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    fn splat(value: f64) -> V<Scalar> {
        V::splat(Scalar, value)
    }

    /// A positive definite matrix of side `n`, with rows of the identity up to `side`.
    fn matrix(n: usize, side: usize) -> Vec<V<Scalar>> {
        let entry = |i: usize, j: usize| match (i == j, i < n && j < n) {
            (true, true) => n as f64 + (i as f64).sin(),
            (false, true) => ((i + j) as f64).cos(),
            (true, false) => 1.0,
            (false, false) => 0.0,
        };
        (0..side * side).map(|at| splat(entry(at / side, at % side))).collect()
    }

    fn solution(n: usize, side: usize) -> Vec<[V<Scalar>; 2]> {
        let mut factored = matrix(n, side);
        let mut inverses = vec![splat(f64::NAN); side];
        factor(Scalar, &mut factored, &mut inverses, splat(1e-12));
        let number = |i: usize| if i < n { (i as f64 + 0.3).sin() } else { 0.0 };
        let mut rhs: Vec<_> = (0..side).map(|i| [splat(number(i)), splat(-number(i))]).collect();
        solve(Scalar, &factored, &inverses, &mut rhs);
        rhs
    }

    #[test]
    fn solutions_solve_the_system() {
        for n in [1_usize, 3, 4, 11, 24] {
            let side = n.next_multiple_of(TILE);
            let (matrix, x) = (matrix(n, side), solution(n, side));
            for i in 0..n {
                let sum: f64 = (0..n).map(|j| matrix[i * side + j].lane(0) * x[j][0].lane(0)).sum();
                assert!((sum - (i as f64 + 0.3).sin()).abs() < 1e-12, "n = {n}");
                assert_eq!(x[i][0].lane(0), -x[i][1].lane(0));
            }
        }
    }

    #[test]
    fn rows_of_the_identity_leave_the_other_bits_alone() {
        let (short, long) = (solution(6, 8), solution(6, 20));
        for i in 0..6 {
            assert_eq!(short[i][0].lane(0).to_bits(), long[i][0].lane(0).to_bits());
        }
    }

    #[test]
    fn pivots_that_are_not_positive_are_replaced() {
        let mut matrix = vec![splat(1.0); 16];
        let mut inverses = vec![splat(f64::NAN); 4];
        factor(Scalar, &mut matrix, &mut inverses, splat(1e-4));
        assert_eq!(inverses[0].lane(0), 1.0);
        assert!(inverses[1..].iter().all(|inverse| (inverse.lane(0) - 100.0).abs() < 1e-9));
    }
}
