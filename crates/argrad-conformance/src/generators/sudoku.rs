//! The OptNet Sudoku layer (Amos and Kolter 2017, section 4.4) on 4 x 4 boards.

use argrad_solver::{Pattern, Structure};

use super::cones;
use super::draws::Draws;
use crate::{Numbers, ProgramBatch};

const SIDE: usize = 4;
const VARIABLES: usize = SIDE * SIDE * SIDE;
const EQUALITIES: usize = 40;
const BLANKS: usize = 11;

/// The Sudoku layer before training, on random puzzles: n = 64, P = 0.1 I, z >= 0, 40 dense
/// equalities with A ~ U(0,1) and b = A exp(w), w ~ 0.1 N(0,1), all shared; q = -puzzle, one-hot
/// by cell (row-major) then digit, 11 of the 16 cells blank (all zero), one per sample.
pub fn sudoku_layer(batch: usize, seed: u64) -> ProgramBatch {
    let mut draws = Draws::of_shared(seed);
    let rows = EQUALITIES + VARIABLES;
    // Column j holds the equalities, then row j of -I.
    let column = EQUALITIES + 1;
    let structure = Structure::new(
        Pattern::diagonal(VARIABLES),
        Pattern::new(
            rows,
            VARIABLES,
            (0..=VARIABLES).map(|j| j * column).collect(),
            (0..VARIABLES).flat_map(|j| (0..EQUALITIES).chain([EQUALITIES + j])).collect(),
        )
        .expect("rows ascend in each column"),
        cones(EQUALITIES, VARIABLES),
    )
    .expect("sizes fit together");

    let feasible: Vec<f64> = (0..VARIABLES).map(|_| (0.1 * draws.normal()).exp()).collect();
    let mut a = Vec::with_capacity(VARIABLES * column);
    let mut b = vec![0.0; rows];
    for &point in &feasible {
        for entry in &mut b[..EQUALITIES] {
            let coefficient = draws.uniform();
            *entry += coefficient * point;
            a.push(coefficient);
        }
        a.push(-1.0);
    }
    let q = (0..batch).flat_map(|i| puzzle(&mut Draws::of_sample(seed, i))).map(|v| -v).collect();
    ProgramBatch {
        structure,
        batch,
        p: Numbers::Shared(vec![0.1; VARIABLES]),
        q: Numbers::Each(q),
        a: Numbers::Shared(a),
        b: Numbers::Shared(b),
    }
}

/// One-hot encoding of a random puzzle with [`BLANKS`] blanks: a solved board with its digits, its
/// rows within a band and its columns within a stack shuffled.
fn puzzle(draws: &mut Draws) -> Vec<f64> {
    const BLOCK: usize = 2;
    let digits = draws.permutation(SIDE);
    let mut lines = || -> Vec<usize> {
        let bands = draws.permutation(BLOCK);
        bands
            .into_iter()
            .flat_map(|band| draws.permutation(BLOCK).into_iter().map(move |i| band * BLOCK + i))
            .collect()
    };
    let (rows, columns) = (lines(), lines());
    let mut encoding = vec![0.0; VARIABLES];
    for &cell in &draws.permutation(SIDE * SIDE)[BLANKS..] {
        let (row, column) = (rows[cell / SIDE], columns[cell % SIDE]);
        let digit = digits[(row * BLOCK + row / BLOCK + column) % SIDE];
        encoding[cell * SIDE + digit] = 1.0;
    }
    encoding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puzzles_repeat_no_digit_in_a_row_column_or_block() {
        for i in 0..50 {
            let encoding = puzzle(&mut Draws::of_sample(7, i));
            assert_eq!(encoding.iter().sum::<f64>(), (SIDE * SIDE - BLANKS) as f64);
            for digit in 0..SIDE {
                let at = |cell: usize| encoding[cell * SIDE + digit];
                for k in 0..SIDE {
                    let row: f64 = (0..SIDE).map(|c| at(k * SIDE + c)).sum();
                    let column: f64 = (0..SIDE).map(|r| at(r * SIDE + k)).sum();
                    let corner = (k / 2) * 2 * SIDE + (k % 2) * 2;
                    let block: f64 = [0, 1, SIDE, SIDE + 1].iter().map(|o| at(corner + o)).sum();
                    assert!(row <= 1.0 && column <= 1.0 && block <= 1.0);
                }
            }
        }
    }
}
