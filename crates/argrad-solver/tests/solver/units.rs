//! Answers do not depend on the units of the data.

use argrad_conformance::generators::{self, Units};
use argrad_conformance::{ProgramBatch, relative_error};
use argrad_solver::{
    Cone, Cotangent, Differentiation, Pattern, Settings, Slot, Solution, Solver, Status, Structure,
    Values,
};

use crate::case::{Case, size, solver};
use crate::families::families;

/// A program of one sample with dense P, A in row-major order, and nonnegative cones.
fn solve(p: &[f64], q: &[f64], a: &[f64], b: &[f64]) -> Solution {
    solve_over(vec![Cone::Nonnegative(b.len())], p, q, a, b)
}

fn solve_over(cones: Vec<Cone>, p: &[f64], q: &[f64], a: &[f64], b: &[f64]) -> Solution {
    let n = q.len();
    let pattern = if p.is_empty() { Pattern::empty(n, n) } else { Pattern::dense_upper(n) };
    let structure = Structure::new(pattern, Pattern::dense(b.len(), n), cones).unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let [p, q, a, b] = [p, q, a, b].map(Slot::Shared);
    solver.solve(&Values { batch: 1, p, q, a, b }).unwrap()
}

fn assert_x(solution: &Solution, expected: &[f64]) {
    assert_eq!(solution.reports[0].status, Status::Solved, "{:?}", solution.reports[0]);
    let error = relative_error(&solution.x, expected);
    assert!(error < 1e-12, "{:?}, expected {expected:?}", solution.x);
}

#[test]
fn large_numbers_are_no_certificates() {
    assert_x(&solve(&[2.0], &[1e9], &[], &[]), &[-5e8]);
    assert_x(&solve(&[1.0], &[0.0], &[-1.0], &[-1e8]), &[1e8]);
    // min t, exp(20) <= t
    let solution =
        solve_over(vec![Cone::Exponential], &[], &[1.0], &[0.0, 0.0, -1.0], &[20.0, 1.0, 0.0]);
    assert_x(&solution, &[20_f64.exp()]);
}

#[test]
fn small_numbers_are_not_rounded_to_zero() {
    let (g, h) = ([1.5810435, 0.57619435], [-2.996651e-9, 7.487454e-9]);
    let solution = solve(&[1.04935656], &[-4.5926629e-8], &g, &h);
    assert_x(&solution, &[-2.996651e-9 / 1.5810435]);
}

#[test]
fn small_random_programs_have_the_solutions_of_large_ones() {
    for n in 1..=6 {
        let batch = generators::random_qp(size(n, n, 0, 64), 171);
        let expected = solver(&batch).solve(&batch.values()).unwrap();
        for unit in [1e-10, 1e-7, 1e-6, 1e6, 1e10] {
            let scaled = in_point_unit(&batch, unit);
            let found = solver(&scaled).solve(&scaled.values()).unwrap();
            for i in 0..64 {
                assert_eq!(found.reports[i].status, expected.reports[i].status);
                let x: Vec<f64> = found.x[i * n..][..n].iter().map(|x| x / unit).collect();
                let error = relative_error(&x, &expected.x[i * n..][..n]);
                assert!(error < 1e-11, "n = {n}, unit {unit:e}, sample {i}: {error:e}");
            }
        }
    }
}

fn in_point_unit(batch: &ProgramBatch, unit: f64) -> ProgramBatch {
    Units { point: unit, ..Units::ones(&batch.structure) }.of_batch(batch)
}

/// Units that all variables, all rows, the point or the objective have in common, in powers of two:
/// the same solution and derivative to the last bit.
#[test]
fn common_units_that_are_powers_of_two_change_no_bit() {
    for family in families(8) {
        let known = family.programs.known_solution();
        let ones = Units::ones(&known.batch.structure);
        let base = Case::new(known.batch.clone(), 1);
        let (expected, tape) = base.forward();
        let gx = Cotangent { x: Some(&base.gx), ..Cotangent::default() };
        let gradients = tape.vjp(&gx, &Differentiation::default()).unwrap();
        for exponent in [-33, -7, 12, 33] {
            let t = f64::from(exponent).exp2();
            for units in [
                Units { point: t, ..ones.clone() },
                Units { objective: t, ..ones.clone() },
                Units { variables: vec![t; ones.variables.len()], ..ones.clone() },
                Units { rows: vec![t; ones.rows.len()], ..ones.clone() },
            ] {
                let case = Case { batch: units.of_batch(&known.batch), ..base.clone() };
                let (found, tape) = case.forward();
                let found_gradients = tape.vjp(&gx, &Differentiation::default()).unwrap();
                let unit = units.point / units.variables[0];
                let x: Vec<f64> = found.x.iter().map(|x| x / unit).collect();
                assert_eq!(x, expected.x, "{} {units:?}", family.name);
                let of_q = units.objective * units.point * units.variables[0];
                let q: Vec<f64> = found_gradients.q.iter().map(|g| g * of_q / unit).collect();
                assert_eq!(q, gradients.q, "{} {units:?}", family.name);
            }
        }
    }
}
