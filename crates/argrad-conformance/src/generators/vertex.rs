//! Linear programs with a solution at a vertex.

use super::{Size, dense_structure, normal_vector};
use crate::{DenseProgram, ProgramBatch, dot};

/// Linear programs (P = 0) whose solution has as many active rows as variables, with multipliers
/// and slacks of at least one half.
///
/// # Panics
/// Where there are fewer rows than variables: no vertex.
pub fn vertex_programs(size: Size, seed: u64) -> ProgramBatch {
    let Size { variables, inequalities, equalities, batch } = size;
    let rows = equalities + inequalities;
    assert!(rows >= variables, "at least as many rows as variables");
    let draw = |len: usize, k: u64| normal_vector(len, batch, 10 * seed + k);
    let (a, x) = (draw(rows * variables, 1), draw(variables, 2));
    let (slack, dual) = (draw(rows, 3), draw(rows, 4));
    let programs: Vec<DenseProgram> = (0..batch)
        .map(|i| {
            let mut program = DenseProgram::zeros(variables, equalities, inequalities);
            program.a.copy_from_slice(&a[i * rows * variables..][..rows * variables]);
            let point = &x[i * variables..][..variables];
            for row in 0..rows {
                program.b[row] = dot(program.row(row), point);
                if row < variables {
                    // Active, with a multiplier away from zero.
                    let z = 0.5 + dual[i * rows + row].abs();
                    (0..variables).for_each(|j| program.q[j] -= z * program.a[row * variables + j]);
                } else {
                    program.b[row] += 0.5 + slack[i * rows + row].abs();
                }
            }
            program
        })
        .collect();
    ProgramBatch::from_programs(dense_structure(size), &programs)
}
