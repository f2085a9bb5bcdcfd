//! Each generator gives what it says.

use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{self, KnownSolution, Size};
use argrad_conformance::{Numbers, ProgramBatch};
use argrad_solver::Cone;
use clarabel::solver::SolverStatus;

const SIZE: Size = Size { variables: 6, inequalities: 5, equalities: 2, batch: 4 };

fn statuses(batch: &ProgramBatch) -> Vec<SolverStatus> {
    ClarabelBatch::new(batch, 1e-8).solve().iter().map(|solution| solution.status).collect()
}

/// Largest violation of `Ax + s = b, Px + q + A'z = 0, s >= 0, z >= 0, s'z = 0` over the batch.
fn kkt_violation(known: &KnownSolution) -> f64 {
    let (n, rows) = (known.batch.variables(), known.batch.rows());
    let mut worst = 0.0_f64;
    for i in 0..known.batch.batch {
        let program = known.batch.program(i);
        let x = &known.x[i * n..][..n];
        let (z, s) = (&known.z[i * rows..][..rows], &known.s[i * rows..][..rows]);
        for row in 0..rows {
            let product: f64 = program.row(row).iter().zip(x).map(|(a, x)| a * x).sum();
            worst = worst.max((product + s[row] - program.b[row]).abs());
            worst = worst.max((s[row] * z[row]).abs());
            if row < program.equalities {
                worst = worst.max(s[row].abs());
            } else {
                worst = worst.max(-s[row]).max(-z[row]);
            }
        }
        for j in 0..n {
            let curvature: f64 = (0..n).map(|k| program.p[j * n + k] * x[k]).sum();
            let pull: f64 = (0..rows).map(|row| program.a[row * n + j] * z[row]).sum();
            worst = worst.max((curvature + program.q[j] + pull).abs());
        }
    }
    worst
}

#[test]
fn a_sample_does_not_depend_on_the_batch() {
    let few = generators::random_qp(SIZE, 3);
    let many = generators::random_qp(Size { batch: 9, ..SIZE }, 3);
    assert_eq!(few, many.select(&[0, 1, 2, 3]));
    assert_ne!(few.program(0), few.program(1));
    assert_ne!(few, generators::random_qp(SIZE, 4));
    let sudoku = generators::sudoku_layer(5, 1);
    assert_eq!(sudoku.select(&[0, 1]), generators::sudoku_layer(2, 1));
}

#[test]
fn random_qps_have_the_stated_structure() {
    let batch = generators::random_qp(SIZE, 3);
    assert_eq!(batch.structure.cones(), [Cone::Zero(2), Cone::Nonnegative(5)]);
    assert_eq!(batch.structure.p().nnz(), 21);
    assert_eq!(batch.structure.a().nnz(), 42);
    assert_eq!(batch.values().batch, 4);
    assert_eq!(statuses(&batch), vec![SolverStatus::Solved; 4]);

    let free = generators::random_qp(Size { inequalities: 0, equalities: 0, ..SIZE }, 3);
    assert!(free.structure.cones().is_empty());
    assert_eq!(free.rows(), 0);
    let only_inequalities = generators::random_qp(Size { equalities: 0, ..SIZE }, 3);
    assert_eq!(only_inequalities.structure.cones(), [Cone::Nonnegative(5)]);
}

#[test]
fn dense_programs_and_stored_entries_are_the_same_numbers() {
    let batch = generators::random_qp(SIZE, 3);
    let programs: Vec<_> = (0..4).map(|i| batch.program(i)).collect();
    assert_eq!(ProgramBatch::from_programs(batch.structure.clone(), &programs), batch);
    // Column-major entry (row 3, column 2) of the 7 x 6 matrix A of sample 1.
    assert_eq!(programs[1].row(3)[2], batch.a.sample(1, 42)[2 * 7 + 3]);
    // Entry (1, 3) of P is the 7 + 1st of the stored upper triangle, in both triangles.
    assert_eq!(programs[1].p[6 + 3], batch.p.sample(1, 21)[7]);
    assert_eq!(programs[1].p[3 * 6 + 1], batch.p.sample(1, 21)[7]);
    let (equalities, inequalities) = (programs[0].equality_block(), programs[0].inequality_block());
    assert_eq!((equalities.0.len(), equalities.1.len()), (12, 2));
    assert_eq!((inequalities.0.len(), inequalities.1.len()), (30, 5));
}

#[test]
fn joined_batches_keep_their_samples() {
    let left = generators::random_qp(SIZE, 3);
    let right = generators::unbounded(SIZE, 3);
    let joined = left.join(&right);
    assert_eq!(joined.batch, 8);
    assert_eq!(joined.select(&[0, 1, 2, 3]), left);
    assert_eq!(joined.program(6), right.program(2));
    let sudoku = generators::sudoku_layer(2, 1);
    assert_eq!(sudoku.join(&sudoku).program(3), sudoku.program(1));
}

#[test]
fn perturbation_is_relative_and_keeps_sharing() {
    let batch = generators::random_qp(SIZE, 3);
    let changed = generators::perturbed(&batch, 1e-3, 8);
    let slots = [(&batch.p, &changed.p), (&batch.q, &changed.q), (&batch.a, &changed.a)];
    for (before, after) in slots.into_iter().chain([(&batch.b, &changed.b)]) {
        for (x, y) in before.as_slice().iter().zip(after.as_slice()) {
            assert!(x != y && (x - y).abs() < 1e-2 * x.abs(), "{x} {y}");
        }
    }
    let sudoku = generators::perturbed(&generators::sudoku_layer(2, 1), 1e-3, 8);
    assert!(matches!(sudoku.a, Numbers::Shared(_)));
    assert!(matches!(sudoku.q, Numbers::Each(_)));
}

#[test]
fn the_sudoku_layer_has_a_solution_near_the_puzzle() {
    let batch = generators::sudoku_layer(3, 5);
    assert_eq!((batch.variables(), batch.equalities(), batch.inequalities()), (64, 40, 64));
    assert_eq!(batch.structure.a().nnz(), 64 * 41);
    let program = batch.program(2);
    assert_eq!(program.row(40 + 9)[9], -1.0);
    assert_eq!(program.row(40 + 9).iter().filter(|v| **v != 0.0).count(), 1);
    assert_eq!(program.q.iter().sum::<f64>(), -5.0);
    assert_eq!(statuses(&batch), vec![SolverStatus::Solved; 3]);
}

#[test]
fn known_solutions_satisfy_the_optimality_conditions() {
    for rank in [0, 3, 6] {
        assert!(kkt_violation(&generators::known_solution(SIZE, rank, 11)) < 1e-13);
    }
    let linear = generators::known_solution(SIZE, 0, 11);
    assert!(linear.batch.p.as_slice().iter().all(|&v| v == 0.0));
}

#[test]
fn degenerate_programs_are_degenerate_where_they_say_so() {
    let weak = generators::weakly_active(SIZE, 3, 0.0, 2);
    assert!(kkt_violation(&weak) < 1e-13);
    for i in 0..4 {
        let row = i * 7 + 2;
        assert!(weak.s[row..row + 3].iter().chain(&weak.z[row..row + 3]).all(|&v| v == 0.0));
        assert!(weak.s[row + 3] + weak.z[row + 3] > 0.0);
    }

    let duplicate = generators::duplicate_equalities(SIZE, 2);
    assert!(kkt_violation(&duplicate) < 1e-13);
    let program = duplicate.batch.program(1);
    assert_eq!(program.row(0), program.row(1));
    assert_eq!(program.b[0], program.b[1]);

    let redundant = generators::redundant_inequalities(SIZE, 2);
    assert!(kkt_violation(&redundant) < 1e-13);
    let program = redundant.batch.program(1);
    assert_eq!(2.0 * program.row(2)[4], program.row(5)[4]);
    assert!((2.0 * program.b[2] - program.b[5]).abs() < 1e-14);
}

#[test]
fn programs_without_a_solution_have_none() {
    use SolverStatus::{AlmostPrimalInfeasible, DualInfeasible, PrimalInfeasible};
    let conflicting = generators::conflicting_inequalities(SIZE, 1);
    assert_eq!(statuses(&conflicting), vec![PrimalInfeasible; 4]);
    // Clarabel's regularization makes dependent equalities slightly consistent.
    let conflicting = generators::conflicting_equalities(SIZE, 1);
    for status in statuses(&conflicting) {
        assert!(matches!(status, PrimalInfeasible | AlmostPrimalInfeasible), "{status:?}");
    }
    assert_eq!(statuses(&generators::unbounded(SIZE, 1)), vec![DualInfeasible; 4]);
}
