//! Programs without a solution end with a status and a certificate that can be checked.

use argrad_conformance::generators::{self, Size};
use argrad_conformance::{DenseProgram, ProgramBatch};
use argrad_solver::{Solution, Status};

use crate::case::{Case, NAN, differing, dot, largest, size, solver};

const COUNT: usize = 64;

fn sizes() -> [Size; 4] {
    [(3, 4, 2), (10, 10, 4), (20, 30, 8), (40, 40, 20)].map(|(n, k, e)| size(n, k, e, COUNT))
}

fn solve(batch: &ProgramBatch) -> Solution {
    solver(batch).solve(&batch.values()).unwrap()
}

/// A'z = 0, z in K*, b'z = -1.
fn assert_primal_infeasible(batch: &ProgramBatch) {
    let solution = solve(batch);
    let m = batch.rows();
    for (i, report) in solution.reports.iter().enumerate() {
        let program = batch.program(i);
        let z = &solution.z[i * m..][..m];
        assert_eq!(report.status, Status::PrimalInfeasible, "sample {i}: {report:?}");
        // Relative to its terms, which do not depend on the unit of b.
        let terms: Vec<f64> = (0..program.variables)
            .map(|j| (0..m).map(|k| (program.row(k)[j] * z[k]).abs()).sum())
            .collect();
        let error = largest(&transposed(&program, z)) / largest(&terms);
        assert!(error < 1e-7, "sample {i}: {error:e}");
        assert!(z[program.equalities..].iter().all(|&z| z >= 0.0), "sample {i}");
        let bz = dot(&program.b, z);
        assert!((bz + 1.0).abs() < 1e-9, "sample {i}: {bz}");
        assert!(report.is_degenerate() && !report.is_unique());
    }
}

/// Px = 0, Ax + s = 0, s in K, q'x = -1.
fn assert_unbounded(batch: &ProgramBatch) {
    let solution = solve(batch);
    let (n, m) = (batch.variables(), batch.rows());
    for (i, report) in solution.reports.iter().enumerate() {
        let program = batch.program(i);
        let (x, s) = (&solution.x[i * n..][..n], &solution.s[i * m..][..m]);
        assert_eq!(report.status, Status::DualInfeasible, "sample {i}: {report:?}");
        let px: Vec<f64> = program.p.chunks(n).map(|row| dot(row, x)).collect();
        assert!(largest(&px) < 1e-6, "sample {i}: {:e}", largest(&px));
        let rows: Vec<f64> = (0..m).map(|k| dot(program.row(k), x) + s[k]).collect();
        assert!(largest(&rows) < 1e-6, "sample {i}: {:e}", largest(&rows));
        let (zero, nonnegative) = s.split_at(program.equalities);
        assert!(
            zero.iter().all(|&s| s == 0.0) && nonnegative.iter().all(|&s| s >= 0.0),
            "sample {i}"
        );
        let qx = dot(&program.q, x);
        assert!((qx + 1.0).abs() < 1e-9, "sample {i}: {qx}");
    }
}

fn transposed(program: &DenseProgram, z: &[f64]) -> Vec<f64> {
    let n = program.variables;
    (0..n).map(|j| (0..program.rows()).map(|k| program.a[k * n + j] * z[k]).sum()).collect()
}

#[test]
fn conflicting_inequalities_end_with_a_certificate() {
    for size in sizes() {
        assert_primal_infeasible(&generators::conflicting_inequalities(size, 71));
    }
}

#[test]
fn conflicting_equalities_end_with_a_certificate() {
    for size in sizes() {
        assert_primal_infeasible(&generators::conflicting_equalities(size, 72));
    }
}

#[test]
fn conflicting_equalities_alone_end_with_a_certificate() {
    for size in [size(1, 0, 2, COUNT), size(5, 0, 3, COUNT), size(3, 0, 7, COUNT)] {
        assert_primal_infeasible(&generators::conflicting_equalities(size, 73));
    }
}

#[test]
fn unbounded_programs_end_with_a_direction() {
    for size in sizes() {
        assert_unbounded(&generators::unbounded(size, 74));
    }
}

#[test]
fn unbounded_programs_without_rows_end_with_a_direction() {
    for size in [size(1, 0, 0, COUNT), size(6, 0, 0, COUNT), size(6, 0, 3, COUNT)] {
        assert_unbounded(&generators::unbounded(size, 75));
    }
}

#[test]
fn infeasible_programs_of_other_units_end_with_a_certificate() {
    for scale in [1e-4, 1e4] {
        let mut primal = generators::conflicting_inequalities(size(8, 9, 2, COUNT), 76);
        primal.b.as_mut_slice().iter_mut().for_each(|b| *b *= scale);
        assert_primal_infeasible(&primal);
    }
    for scale in [1e-4, 1e-2, 1e2, 1e4] {
        let mut unbounded = generators::unbounded(size(8, 9, 2, COUNT), 77);
        unbounded.q.as_mut_slice().iter_mut().for_each(|q| *q *= scale);
        for report in solve(&unbounded).reports {
            // Where q hardly counts beside P, the iterations may come to nothing (in Clarabel,
            // too); but that is not a solution.
            let allowed: &[Status] = match scale {
                1e-4 => &[Status::DualInfeasible, Status::NumericalTrouble, Status::IterationLimit],
                _ => &[Status::DualInfeasible],
            };
            assert!(allowed.contains(&report.status), "scale {scale}: {report:?}");
        }
    }
}

#[test]
fn barely_feasible_programs_are_solved() {
    // a'x <= c and -a'x <= -c + gap.
    for gap in [1e-2, 1e-4, 1e-6] {
        let mut batch = generators::conflicting_inequalities(size(6, 7, 1, COUNT), 78);
        for b in batch.b.as_mut_slice().chunks_mut(8) {
            b[7] = -b[6] + gap;
        }
        let solution = solve(&batch);
        for report in &solution.reports {
            assert_ne!(report.status, Status::DualInfeasible);
        }
        // A random slab need not meet the other constraints; the oracle says where it does.
        let case = Case::new(batch, 1);
        for (i, report) in solution.reports.iter().enumerate() {
            let Ok(oracle) = case.oracle(i, &solution) else { continue };
            if oracle.condition < 1e6 {
                let margin = oracle.margin;
                assert_eq!(
                    report.status,
                    Status::Solved,
                    "gap {gap}, {i}, margin {margin:e}: {report:?}"
                );
            }
        }
    }
}

#[test]
fn a_sample_without_solution_leaves_its_neighbours_as_if_it_were_not_there() {
    let size = size(10, 12, 3, 16);
    let good = generators::random_qp(size, 79);
    for bad in [
        generators::unbounded(size, 80),
        generators::conflicting_inequalities(size, 81),
        generators::conflicting_equalities(size, 82),
    ] {
        // Good and bad alternate, then a bad one in the middle only.
        let joined = good.join(&bad);
        let alternating: Vec<usize> = (0..32).map(|k| k / 2 + 16 * (k % 2)).collect();
        let middle: Vec<usize> = (0..8).chain([16]).chain(8..16).collect();
        let alone = Case::new(joined.clone(), 1).select(&(0..16).collect::<Vec<_>>());
        let expected = alone.answer(&solver(&good), &NAN).unwrap();
        for order in [alternating, middle] {
            let case = Case::new(joined.clone(), 1).select(&order);
            let found = case.answer(&solver(&good), &NAN).unwrap();
            for (place, &i) in order.iter().enumerate().filter(|(_, i)| **i < 16) {
                let different = differing(&found.bits(place), &expected.bits(i));
                assert!(different.is_empty(), "{different:?} of sample {i} at place {place}");
            }
        }
    }
}
