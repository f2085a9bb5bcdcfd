//! Random programs whose solution is known by construction.

use super::draws::{Draws, gram};
use super::{Size, dense_structure};
use crate::{DenseProgram, ProgramBatch, dot};

/// A batch with its solution.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownSolution {
    /// The programs.
    pub batch: ProgramBatch,
    /// Primal solutions, `batch * n`.
    pub x: Vec<f64>,
    /// Dual solutions, `batch * m`.
    pub z: Vec<f64>,
    /// Slacks, `batch * m`.
    pub s: Vec<f64>,
}

/// Random programs with a known solution: draw v ~ N(0,1) and set s = Pi(v), z = s - v, the
/// projection Pi being 0 on equalities and max(v, 0) on inequalities; draw x, A ~ N(0,1) and
/// P = LL'/n with L ~ N(0,1) of `rank` columns; then b = Ax + s, q = -Px - A'z. The solution is
/// exact up to the rounding of b and q.
///
/// It is unique when `rank` is n and there are at most n active rows; `rank` 0 gives linear
/// programs.
pub fn known_solution(size: Size, rank: usize, seed: u64) -> KnownSolution {
    known_solution_with(size, rank, seed, |_, _, _| {})
}

/// [`known_solution()`], with `shape` free to change v and the rows of A before b and q are made.
pub(super) fn known_solution_with(
    size: Size,
    rank: usize,
    seed: u64,
    shape: impl Fn(&mut DenseProgram, &mut [f64], &mut Draws),
) -> KnownSolution {
    let Size { variables: n, equalities, inequalities, .. } = size;
    let (mut x, mut z, mut s) = (Vec::new(), Vec::new(), Vec::new());
    let mut programs = Vec::with_capacity(size.batch);
    for i in 0..size.batch {
        let draws = &mut Draws::of_sample(seed, i);
        let mut program = DenseProgram::zeros(n, equalities, inequalities);
        program.p = gram(&draws.normals(n * rank), n, rank);
        program.a = draws.normals(program.rows() * n);
        let mut v = draws.normals(program.rows());
        let point = draws.normals(n);
        shape(&mut program, &mut v, draws);

        for j in 0..n {
            program.q[j] = -dot(&program.p[j * n..(j + 1) * n], &point);
        }
        for (row, &v) in v.iter().enumerate() {
            let slack = if row < equalities { 0.0 } else { v.max(0.0) };
            let dual = slack - v;
            program.b[row] = dot(program.row(row), &point) + slack;
            for j in 0..n {
                program.q[j] -= program.a[row * n + j] * dual;
            }
            s.push(slack);
            z.push(dual);
        }
        x.extend(point);
        programs.push(program);
    }
    KnownSolution { batch: ProgramBatch::from_programs(dense_structure(size), &programs), x, z, s }
}
