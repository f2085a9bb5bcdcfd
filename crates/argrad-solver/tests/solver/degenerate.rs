//! Solutions that are not unique, or not differentiable, are found and flagged.

use argrad_conformance::generators::{self, KnownSolution, dense_structure, normal_vector};
use argrad_conformance::{DenseProgram, ProgramBatch, relative_error};
use argrad_solver::{Cone, Cotangent, Pattern, Settings, Slot, Solver, Status, Structure, Values};

use crate::case::{Case, NAN, dot, largest, size};

fn assert_x_right(known: &KnownSolution, limit: f64) -> argrad_solver::Solution {
    let case = Case::new(known.batch.clone(), 1);
    let (solution, _) = case.forward();
    let (n, m) = (known.batch.variables(), known.batch.rows());
    for (i, report) in solution.reports.iter().enumerate() {
        assert_eq!(report.status, Status::Solved, "sample {i}: {report:?}");
        let error = relative_error(&solution.x[i * n..][..n], &known.x[i * n..][..n]);
        assert!(error < limit, "x of sample {i} is off by {error:e}: {report:?}");
        // z need not be the known one, but must satisfy the optimality conditions.
        let program = known.batch.program(i);
        let (x, z) = (&solution.x[i * n..][..n], &solution.z[i * m..][..m]);
        let gradient: Vec<f64> = (0..n)
            .map(|j| {
                let column: f64 = (0..m).map(|k| program.a[k * n + j] * z[k]).sum();
                dot(&program.p[j * n..][..n], x) + program.q[j] + column
            })
            .collect();
        assert!(largest(&gradient) < 1e-9 * largest(z).max(1.0), "sample {i}");
        assert!(z[program.equalities..].iter().all(|z| *z >= 0.0), "sample {i}");
    }
    solution
}

#[test]
fn duplicate_equalities_solve_and_are_flagged_not_unique() {
    for (n, k, e) in [(4, 5, 2), (10, 10, 6), (20, 20, 10), (5, 0, 4)] {
        let known = generators::duplicate_equalities(size(n, k, e, 32), 161);
        let solution = assert_x_right(&known, 1e-9);
        for (i, report) in solution.reports.iter().enumerate() {
            assert!(!report.is_unique() && report.is_degenerate(), "sample {i}: {report:?}");
        }
    }
}

#[test]
fn redundant_inequalities_solve_and_are_flagged_where_active() {
    for (n, k, e) in [(6, 6, 0), (10, 10, 2), (20, 20, 4)] {
        let known = generators::redundant_inequalities(size(n, k, e, 32), 162);
        let solution = assert_x_right(&known, 1e-7);
        let mut active_pairs = 0;
        for (i, report) in solution.reports.iter().enumerate() {
            let m = k + e;
            let is_active = known.z[i * m + e..][..k / 2].iter().any(|z| *z > 0.0);
            active_pairs += usize::from(is_active);
            assert_eq!(report.is_degenerate(), is_active, "sample {i}: {report:?}");
        }
        assert!(active_pairs > 10, "{active_pairs}");
    }
}

/// x does not depend on which of two equal rows carries the multiplier.
#[test]
fn gradients_of_x_with_duplicate_equalities_are_those_without() {
    let (n, k, e) = (8, 9, 4);
    let duplicate = Case::new(generators::duplicate_equalities(size(n, k, e, 24), 163).batch, 1);
    let programs: Vec<DenseProgram> = (0..24)
        .map(|i| {
            let full = duplicate.batch.program(i);
            let kept: Vec<usize> = (0..2).chain(4..e + k).collect();
            let mut short = DenseProgram::zeros(n, 2, k);
            (short.p, short.q) = (full.p.clone(), full.q.clone());
            short.a = kept.iter().flat_map(|&row| full.row(row)).copied().collect();
            short.b = kept.iter().map(|&row| full.b[row]).collect();
            short
        })
        .collect();
    let short = ProgramBatch::from_programs(dense_structure(size(n, k, 2, 24)), &programs);
    let short = Case { batch: short, ..duplicate.clone() };
    let cotangent = Cotangent { x: Some(&duplicate.gx), ..Cotangent::default() };
    let found = duplicate.forward().1.vjp(&cotangent, &NAN).unwrap();
    let (solution, tape) = short.forward();
    let expected = tape.vjp(&cotangent, &NAN).unwrap();
    for i in 0..24 {
        if solution.reports[i].is_degenerate() {
            continue;
        }
        let (found, expected) =
            (duplicate.gradients_of(i, &found), short.gradients_of(i, &expected));
        // At a vertex the gradient of q is zero but for rounding: relative to the largest of both.
        let scale = largest(&expected.q).max(largest(&expected.b));
        let off: Vec<f64> = found.q.iter().zip(&expected.q).map(|(f, e)| f - e).collect();
        let error = largest(&off) / scale;
        assert!(error < 1e-9, "q of sample {i} is off by {error:e}");
        let mut b: Vec<f64> = (0..2).map(|row| found.b[row] + found.b[row + 2]).collect();
        b.extend(&found.b[4..]);
        let off: Vec<f64> = b.iter().zip(&expected.b).map(|(f, e)| f - e).collect();
        let error = largest(&off) / scale;
        assert!(error < 1e-9, "b of sample {i} is off by {error:e}");
        // Least norm: equal rows share equally.
        assert!((found.b[0] - found.b[2]).abs() < 1e-9 * largest(&found.b).max(1.0), "sample {i}");
    }
}

#[test]
fn weakly_active_rows_are_counted() {
    // As many variables as rows, so that z is unique whatever is active.
    for weak in 1..4 {
        let known = generators::weakly_active(size(12, 10, 2, 24), weak, 0.0, 164);
        let solution = assert_x_right(&known, 1e-9);
        for (i, report) in solution.reports.iter().enumerate() {
            assert!(report.is_degenerate());
            assert_eq!(report.weakly_active, weak as u32, "sample {i}: {report:?}");
        }
    }
}

#[test]
fn clearly_active_rows_are_not_flagged() {
    let known = generators::weakly_active(size(8, 10, 2, 24), 3, 1e-3, 165);
    let case = Case::new(known.batch.clone(), 1);
    let solution = assert_x_right(&known, 1e-9);
    for (i, report) in solution.reports.iter().enumerate() {
        // Too many active rows make z ambiguous, which is another matter.
        if case.oracle(i, &solution).is_ok_and(|oracle| !oracle.is_degenerate()) {
            assert!(!report.is_degenerate(), "sample {i}: {report:?}");
        }
    }
}

#[test]
fn nearly_weakly_active_rows_are_on_the_right_side_or_flagged() {
    for margin in [1e-5, 1e-7, 1e-9, 1e-11] {
        let known = generators::weakly_active(size(8, 10, 2, 24), 3, margin, 166);
        let case = Case::new(known.batch.clone(), 1);
        let (solution, tape) = case.forward();
        let gradients = tape.vjp(&case.cotangent(), &NAN).unwrap();
        for (i, report) in solution.reports.iter().enumerate() {
            assert_eq!(report.status, Status::Solved, "margin {margin}, sample {i}: {report:?}");
            let Ok(oracle) = case.oracle(i, &solution) else { continue };
            if !report.is_degenerate() {
                let expected = case.oracle_gradients(i, &oracle);
                let error = relative_error(&case.gradients_of(i, &gradients).q, &expected.q);
                assert!(error < 1e-8, "margin {margin}, sample {i}: {error:e}, {report:?}");
            }
        }
    }
}

#[test]
fn linear_programs_with_an_edge_of_solutions_are_flagged_not_unique() {
    // min -x0 - x1 with x0 + x1 <= 1, 0 <= x.
    let mut program = DenseProgram::zeros(2, 0, 3);
    program.q = vec![-1.0, -1.0];
    program.a = vec![1.0, 1.0, -1.0, 0.0, 0.0, -1.0];
    program.b = vec![1.0, 0.0, 0.0];
    let batch = ProgramBatch::from_programs(dense_structure(size(2, 3, 0, 1)), &[program]);
    let solver = Solver::new(batch.structure.clone(), Settings::default()).unwrap();
    let solution = solver.solve(&batch.values()).unwrap();
    let report = solution.reports[0];
    assert_eq!(report.status, Status::Solved);
    assert!((report.objective + 1.0).abs() < 1e-9 && !report.is_unique(), "{report:?}");
}

#[test]
fn repeated_bounds_as_a_box_of_zero_width_solve() {
    // x0 <= 1 and -x0 <= -1, P = I: x0 = 1, the two multipliers are not unique.
    let mut program = DenseProgram::zeros(2, 0, 2);
    program.p = vec![1.0, 0.0, 0.0, 1.0];
    program.q = vec![-3.0, -2.0];
    program.a = vec![1.0, 0.0, -1.0, 0.0];
    program.b = vec![1.0, -1.0];
    let batch = ProgramBatch::from_programs(dense_structure(size(2, 2, 0, 1)), &[program]);
    let case = Case::new(batch, 1);
    let (solution, tape) = case.forward();
    assert_eq!(solution.reports[0].status, Status::Solved, "{:?}", solution.reports[0]);
    assert!(relative_error(&solution.x, &[1.0, 2.0]) < 1e-8, "{:?}", solution.x);
    assert!(solution.reports[0].is_degenerate());
    let gradients = tape.vjp(&case.cotangent(), &Default::default()).unwrap();
    assert!(gradients.q.iter().chain(&gradients.b).all(|g| g.is_finite()));
}

/// All 324 rules of a Sudoku of 9x9, of which 249 are independent, with bounds and P = 0: the value
/// is the number of givens where the board has a solution.
#[test]
fn sudoku_with_its_dependent_rules_is_solved() {
    let at = |i: usize, j: usize, digit: usize| (i * 9 + j) * 9 + digit;
    let mut rules: Vec<[usize; 9]> = Vec::new();
    for (a, b) in (0..81).map(|k| (k / 9, k % 9)) {
        rules.push(std::array::from_fn(|t| at(a, b, t)));
        rules.push(std::array::from_fn(|t| at(a, t, b)));
        rules.push(std::array::from_fn(|t| at(t, a, b)));
        rules.push(std::array::from_fn(|t| at(a / 3 * 3 + t / 3, a % 3 * 3 + t % 3, b)));
    }
    let mut columns = vec![Vec::new(); 729];
    for (row, rule) in rules.iter().enumerate() {
        rule.iter().for_each(|&entry| columns[entry].push((row, 1.0)));
    }
    for (entry, column) in columns.iter_mut().enumerate() {
        column.push((324 + entry, -1.0));
    }
    let colptr = (0..=729).map(|j| 5 * j).collect();
    let (rowval, a): (Vec<usize>, Vec<f64>) = columns.concat().into_iter().unzip();
    let pattern = Pattern::new(324 + 729, 729, colptr, rowval).unwrap();
    let cones = vec![Cone::Zero(324), Cone::Nonnegative(729)];
    let structure = Structure::new(Pattern::empty(729, 729), pattern, cones).unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let b = [vec![1.0; 324], vec![0.0; 729]].concat();
    let (boards, givens) = (12, 30);
    let mut q = Vec::new();
    for board in 0..boards {
        let keys = normal_vector(81, 1, 70 + board);
        let mut cells: Vec<usize> = (0..81).collect();
        cells.sort_by(|&i, &j| keys[i].total_cmp(&keys[j]));
        let mut rewards = vec![0.0; 729];
        for cell in &cells[..givens] {
            let (i, j) = (cell / 9, cell % 9);
            rewards[at(i, j, (3 * (i % 3) + i / 3 + j) % 9)] = -1.0;
        }
        q.extend(rewards);
    }
    let [p, a, b] = [&[][..], &a, &b].map(Slot::Shared);
    let batch = boards as usize;
    let solution = solver.solve(&Values { batch, p, q: Slot::Each(&q), a, b }).unwrap();
    for report in &solution.reports {
        assert_eq!(report.status, Status::Solved, "{report:?}");
        assert!((report.objective + givens as f64).abs() < 1e-9, "{report:?}");
        assert!(!report.condition.is_nan() && !report.unique_z, "{report:?}");
    }
}
