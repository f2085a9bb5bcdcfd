//! The linear assignment problem as a linear program: degenerate, with a dependent equality.

use argrad_solver::{Pattern, Structure};

use super::cones;
use super::draws::Draws;
use crate::{Numbers, ProgramBatch};

/// Minimize `<C, X>` over the doubly stochastic matrices of order `side`: X >= 0, all sums of rows
/// and of columns 1, of which one follows from the others. Variables: X row by row. Each sample has
/// its own costs C ~ U(0,1), which make the solution a permutation, unique with probability 1; its
/// multipliers are not.
pub fn assignment(side: usize, batch: usize, seed: u64) -> ProgramBatch {
    let n = side * side;
    let row_of = |j: usize| [j / side, side + j % side, 2 * side + j];
    let rows = 2 * side + n;
    let structure = Structure::new(
        Pattern::empty(n, n),
        Pattern::new(rows, n, (0..=n).map(|j| 3 * j).collect(), (0..n).flat_map(row_of).collect())
            .expect("rows ascend in each column"),
        cones(2 * side, n),
    )
    .expect("sizes fit together");
    let costs = |i| {
        let mut draws = Draws::of_sample(seed, i);
        (0..n).map(move |_| draws.uniform())
    };
    let mut b = vec![0.0; rows];
    b[..2 * side].fill(1.0);
    ProgramBatch {
        structure,
        batch,
        p: Numbers::Shared(Vec::new()),
        q: Numbers::Each((0..batch).flat_map(costs).collect()),
        a: Numbers::Shared([1.0, 1.0, -1.0].repeat(n)),
        b: Numbers::Shared(b),
    }
}
