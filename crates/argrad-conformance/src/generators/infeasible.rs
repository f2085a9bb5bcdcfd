//! Programs without a solution.

use super::draws::Draws;
use super::random_qp::random_program;
use super::{Size, dense_structure};
use crate::{DenseProgram, ProgramBatch, dot};

/// Primal infeasible: [`super::random_qp()`] whose last two inequalities are `a'x <= c` and
/// `-a'x <= -c - 1`.
///
/// # Panics
/// With fewer than two inequalities.
pub fn conflicting_inequalities(size: Size, seed: u64) -> ProgramBatch {
    assert!(size.inequalities >= 2, "two inequalities must conflict");
    altered(size, seed, |program, _| {
        let last = program.rows() - 1;
        let opposite: Vec<f64> = program.row(last - 1).iter().map(|v| -v).collect();
        program.row_mut(last).copy_from_slice(&opposite);
        program.b[last] = -program.b[last - 1] - 1.0;
    })
}

/// Primal infeasible: [`super::random_qp()`] whose last equality repeats the first with a
/// right-hand side that is larger by 1.
///
/// # Panics
/// With fewer than two equalities.
pub fn conflicting_equalities(size: Size, seed: u64) -> ProgramBatch {
    assert!(size.equalities >= 2, "two equalities must conflict");
    altered(size, seed, |program, _| {
        let last = program.equalities - 1;
        let first = program.row(0).to_vec();
        program.row_mut(last).copy_from_slice(&first);
        program.b[last] = program.b[0] + 1.0;
    })
}

/// Feasible and unbounded below, dual infeasible: there is a unit vector d with Pd = 0, zero in
/// every equality, decreasing in every inequality (by 0.1 to 1 a unit), and q'd = -1.
///
/// # Panics
/// When there are as many equalities as variables, or more.
pub fn unbounded(size: Size, seed: u64) -> ProgramBatch {
    assert!(size.equalities < size.variables, "equalities that leave a direction free");
    altered(size, seed, |program, draws| {
        let n = program.variables;
        let mut direction = draws.normals(n);
        let norm = dot(&direction, &direction).sqrt();
        direction.iter_mut().for_each(|d| *d /= norm);
        // (I - dd') P (I - dd') is positive semidefinite and has d in its null space.
        let product: Vec<f64> =
            (0..n).map(|i| dot(&program.p[i * n..(i + 1) * n], &direction)).collect();
        let curvature = dot(&product, &direction);
        for i in 0..n {
            for j in 0..n {
                program.p[i * n + j] += curvature * direction[i] * direction[j]
                    - product[i] * direction[j]
                    - direction[i] * product[j];
            }
        }
        let set_slope = |vector: &mut [f64], slope: f64| {
            let step = slope - dot(vector, &direction);
            vector.iter_mut().zip(&direction).for_each(|(v, d)| *v += step * d);
        };
        set_slope(&mut program.q, -1.0);
        for i in 0..program.rows() {
            let slope = if i < program.equalities { 0.0 } else { -(0.1 + 0.9 * draws.uniform()) };
            set_slope(program.row_mut(i), slope);
        }
        // The rows have changed: a new point makes them feasible again.
        let point = draws.normals(n);
        for i in 0..program.rows() {
            let slack = if i < program.equalities { 0.0 } else { draws.uniform() };
            program.b[i] = dot(program.row(i), &point) + slack;
        }
    })
}

fn altered(size: Size, seed: u64, alter: impl Fn(&mut DenseProgram, &mut Draws)) -> ProgramBatch {
    let programs: Vec<DenseProgram> = (0..size.batch)
        .map(|i| {
            let draws = &mut Draws::of_sample(seed, i);
            let mut program = random_program(size, draws);
            alter(&mut program, draws);
            program
        })
        .collect();
    ProgramBatch::from_programs(dense_structure(size), &programs)
}
