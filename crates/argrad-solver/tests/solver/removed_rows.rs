//! `b = +inf` in an inequality removes it.

use argrad_conformance::generators::{self, Size, dense_structure};
use argrad_conformance::{DenseProgram, ProgramBatch, relative_error};
use argrad_solver::{Cone, Pattern, Settings, Slot, Solver, Status, Structure, Values};

use crate::case::{Case, ZERO, differing, size, solver};
use crate::families::mixtures;

const SIZE: Size = Size { variables: 6, inequalities: 7, equalities: 2, batch: 12 };
/// Rows 2 to 8 are inequalities.
const REMOVED: [usize; 3] = [2, 5, 8];

fn kept() -> Vec<usize> {
    (0..9).filter(|i| !REMOVED.contains(i)).collect()
}

/// A case with rows removed by infinity, and the same without these rows.
fn cases() -> (Case, Case) {
    let mut full = Case::new(generators::random_qp(SIZE, 61), 1);
    // Some of the rows are active where they stay.
    let (solution, _) = full.forward();
    assert!((0..SIZE.batch).any(|i| REMOVED.iter().any(|row| solution.z[i * 9 + row] > 0.1)));
    for i in 0..SIZE.batch {
        REMOVED.iter().for_each(|row| full.batch.b.as_mut_slice()[i * 9 + row] = f64::INFINITY);
    }
    let small = size(6, 4, 2, SIZE.batch);
    let programs: Vec<DenseProgram> = (0..SIZE.batch)
        .map(|i| {
            let program = full.batch.program(i);
            let mut short = DenseProgram::zeros(6, 2, 4);
            (short.p, short.q) = (program.p.clone(), program.q.clone());
            short.a = kept().iter().flat_map(|&row| program.row(row)).copied().collect();
            short.b = kept().iter().map(|&row| program.b[row]).collect();
            short
        })
        .collect();
    let mut short = Case::new(ProgramBatch::from_programs(dense_structure(small), &programs), 1);
    short.gx.clone_from(&full.gx);
    short.gz = rows(&full.gz);
    short.gs = rows(&full.gs);
    (full, short)
}

/// The kept rows of all samples.
fn rows(values: &[f64]) -> Vec<f64> {
    values.chunks(9).flat_map(|row| kept().into_iter().map(|k| row[k])).collect()
}

#[test]
fn the_solution_is_that_of_the_program_without_the_row() {
    let (full, short) = cases();
    let ((found, _), (expected, _)) = (full.forward(), short.forward());
    assert!(found.reports.iter().all(|r| r.status == Status::Solved && r.residual < 1e-12));
    assert!(relative_error(&found.x, &expected.x) < 1e-12);
    assert!(relative_error(&rows(&found.z), &expected.z) < 1e-12);
    assert!(relative_error(&rows(&found.s), &expected.s) < 1e-12);
    for i in 0..SIZE.batch {
        for row in REMOVED {
            assert_eq!((found.z[i * 9 + row], found.s[i * 9 + row]), (0.0, f64::INFINITY));
        }
        assert_eq!(found.reports[i].is_unique(), expected.reports[i].is_unique());
    }
}

#[test]
fn gradients_are_those_without_the_row_and_zero_in_it() {
    let (full, short) = cases();
    let how = Default::default();
    let found = full.forward().1.vjp(&full.cotangent(), &how).unwrap();
    let expected = short.forward().1.vjp(&short.cotangent(), &how).unwrap();
    assert!(relative_error(&found.p, &expected.p) < 1e-11);
    assert!(relative_error(&found.q, &expected.q) < 1e-11);
    assert!(relative_error(&rows(&found.b), &expected.b) < 1e-11);
    // Columns of A are chunks of 9 as well.
    assert!(relative_error(&rows(&found.a), &expected.a) < 1e-11);
    for (k, (b, column)) in found.b.chunks(9).zip(found.a.chunks(9)).enumerate() {
        for row in REMOVED {
            assert_eq!((b[row], column[row]), (0.0, 0.0), "chunk {k}, row {row}");
        }
    }
}

#[test]
fn tangents_are_those_without_the_row_and_zero_in_it() {
    let (full, mut short) = cases();
    short.dp.clone_from(&full.dp);
    short.dq.clone_from(&full.dq);
    short.da = rows(&full.da);
    short.db = rows(&full.db);
    let how = Default::default();
    let found = full.forward().1.jvp(&full.tangent(), &how).unwrap();
    let expected = short.forward().1.jvp(&short.tangent(), &how).unwrap();
    assert!(relative_error(&found.x, &expected.x) < 1e-11);
    assert!(relative_error(&rows(&found.z), &expected.z) < 1e-11);
    assert!(relative_error(&rows(&found.s), &expected.s) < 1e-11);
    for i in 0..SIZE.batch {
        for row in REMOVED {
            assert_eq!((found.z[i * 9 + row], found.s[i * 9 + row]), (0.0, 0.0));
        }
    }
}

#[test]
fn all_inequalities_may_be_removed() {
    let mut case = Case::new(generators::random_qp(SIZE, 62), 2);
    for b in case.batch.b.as_mut_slice().chunks_mut(9) {
        b[2..].fill(f64::INFINITY);
    }
    let (found, tape) = case.forward();
    let gradients = tape.vjp(&case.cotangent(), &Default::default()).unwrap();
    for i in 0..SIZE.batch {
        let oracle = case.oracle(i, &found).unwrap();
        assert!(relative_error(&found.x[i * 6..][..6], &oracle.x) < 1e-12);
        let expected = case.oracle_gradients(i, &oracle);
        assert!(relative_error(&case.gradients_of(i, &gradients).b, &expected.b) < 1e-11);
        assert!(relative_error(&case.gradients_of(i, &gradients).a, &expected.a) < 1e-11);
    }
}

#[test]
fn a_large_entry_in_a_removed_row_does_not_matter() {
    let (full, _) = cases();
    let mut large = full.clone();
    for column in large.batch.a.as_mut_slice().chunks_mut(9) {
        REMOVED.iter().for_each(|&row| column[row] *= 1e200);
    }
    let ((found, _), (expected, _)) = (large.forward(), full.forward());
    assert_eq!((found.x, found.z, found.s), (expected.x, expected.z, expected.s));
}

/// As files write it, and beside rows of other cones.
#[test]
fn a_bound_from_1e19_on_removes_the_row_as_infinity_does() {
    let programs = mixtures(9).remove(0).programs;
    let infinite = {
        let mut case = Case::new(programs.known_solution().batch, 3);
        case.batch.b.as_mut_slice().chunks_mut(28).for_each(|b| b[3] = f64::INFINITY);
        case
    };
    let expected = infinite.answer(&solver(&infinite.batch), &ZERO).unwrap();
    assert!(expected.solution.reports.iter().all(|report| report.is_solved()));
    for bound in [f64::from(1e19_f32), 1e19, 1e20, 1e30, f64::MAX] {
        let mut case = infinite.clone();
        case.batch.b.as_mut_slice().chunks_mut(28).for_each(|b| b[3] = bound);
        let found = case.answer(&solver(&case.batch), &ZERO).unwrap();
        for i in 0..9 {
            let different = differing(&found.bits(i), &expected.bits(i));
            assert!(different.is_empty(), "{bound:e}: {different:?} of sample {i}");
            assert_eq!((found.solution.z[i * 28 + 3], found.gradients.b[i * 28 + 3]), (0.0, 0.0));
        }
    }
}

/// Below that a bound is a number like any other: x_0 >= -1e9 holds the minimum of x_0.
#[test]
fn a_large_bound_below_1e19_is_a_constraint() {
    let structure =
        Structure::new(Pattern::empty(1, 1), Pattern::dense(1, 1), vec![Cone::Nonnegative(1)])
            .unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let solve = |b: f64| {
        let (q, a, b) = ([1.0], [-1.0], [b]);
        let values = Values {
            batch: 1,
            p: Slot::Shared(&[]),
            q: Slot::Shared(&q),
            a: Slot::Shared(&a),
            b: Slot::Each(&b),
        };
        solver.solve(&values).unwrap()
    };
    let held = solve(1e9);
    assert_eq!(held.reports[0].status, Status::Solved);
    assert!(relative_error(&held.x, &[-1e9]) < 1e-12);
    assert_eq!(solve(1e19).reports[0].status, Status::DualInfeasible);
}
