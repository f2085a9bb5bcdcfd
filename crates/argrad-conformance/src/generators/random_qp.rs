//! Random dense quadratic programs that are feasible, bounded and nondegenerate with probability 1.

use super::draws::{Draws, gram};
use super::{Size, dense_structure};
use crate::{DenseProgram, ProgramBatch, dot};

/// Random quadratic programs: L ~ N(0,1)^{n x n}, Q = LL'/n + 0.01 I; G, A, z0 ~ N(0,1);
/// h = G z0 + U(0,1), b = A z0; p ~ N(0,1): minimize 1/2 z'Qz + p'z with Gz <= h, Az = b.
pub fn random_qp(size: Size, seed: u64) -> ProgramBatch {
    let programs: Vec<DenseProgram> =
        (0..size.batch).map(|i| random_program(size, &mut Draws::of_sample(seed, i))).collect();
    ProgramBatch::from_programs(dense_structure(size), &programs)
}

pub(super) fn random_program(size: Size, draws: &mut Draws) -> DenseProgram {
    let Size { variables: n, equalities, inequalities, .. } = size;
    let mut program = DenseProgram::zeros(n, equalities, inequalities);
    program.p = gram(&draws.normals(n * n), n, n);
    for i in 0..n {
        program.p[i * n + i] += 0.01;
    }
    program.a = draws.normals((equalities + inequalities) * n);
    let interior = draws.normals(n);
    for i in 0..program.rows() {
        let slack = if i < equalities { 0.0 } else { draws.uniform() };
        program.b[i] = dot(program.row(i), &interior) + slack;
    }
    program.q = draws.normals(n);
    program
}
