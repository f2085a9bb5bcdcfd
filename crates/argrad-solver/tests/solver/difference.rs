//! Central differences of solutions, and the adjoint identity.

use argrad_conformance::generators;
use argrad_conformance::{ProgramBatch, relative_error};
use argrad_solver::{Differentiation, Gradients, Mode, Slot, Solution, Tangent};

use crate::case::{Case, ZERO, dot, largest, size, solver};

const STEP: f64 = 1e-6;

/// The batch moved by `step` along the case's direction.
pub fn moved(case: &Case, step: f64) -> ProgramBatch {
    let mut batch = case.batch.clone();
    for (numbers, direction) in [
        (&mut batch.p, &case.dp),
        (&mut batch.q, &case.dq),
        (&mut batch.a, &case.da),
        (&mut batch.b, &case.db),
    ] {
        numbers.as_mut_slice().iter_mut().zip(direction).for_each(|(v, d)| *v += step * d);
    }
    batch
}

/// The gradient of sample `i` times the case's direction.
pub fn along(case: &Case, gradients: &Gradients, i: usize) -> f64 {
    let g = case.gradients_of(i, gradients);
    let row = |values: &[f64], len: usize| values[i * len..][..len].to_vec();
    dot(&g.p, &row(&case.dp, g.p.len()))
        + dot(&g.q, &row(&case.dq, g.q.len()))
        + dot(&g.a, &row(&case.da, g.a.len()))
        + dot(&g.b, &row(&case.db, g.b.len()))
}

fn solve(batch: &ProgramBatch) -> Solution {
    solver(batch).solve(&batch.values()).unwrap()
}

fn cases() -> Vec<Case> {
    let batches = [
        generators::random_qp(size(1, 1, 0, 9), 151),
        generators::random_qp(size(5, 7, 2, 9), 152),
        generators::random_qp(size(12, 12, 0, 9), 153),
        generators::random_qp(size(6, 0, 3, 9), 154),
        generators::random_qp(size(6, 0, 0, 9), 155),
        generators::vertex_programs(size(5, 9, 2, 16), 156),
    ];
    batches
        .into_iter()
        .map(|batch| {
            // The direction keeps P = 0 where it is.
            let linear = batch.p.as_slice().iter().all(|p| *p == 0.0);
            let mut case = Case::new(batch, 7);
            if linear {
                case.dp.fill(0.0);
            }
            case
        })
        .collect()
}

#[test]
fn tangents_match_differences_of_solutions() {
    for case in cases() {
        let (solution, tape) = case.forward();
        let tangent = tape.jvp(&case.tangent(), &Differentiation::default()).unwrap();
        let (plus, minus) = (solve(&moved(&case, STEP)), solve(&moved(&case, -STEP)));
        let (n, m) = (case.batch.variables(), case.batch.rows());
        for i in 0..solution.batch {
            for (name, found, plus, minus, len) in [
                ("x", &tangent.x, &plus.x, &minus.x, n),
                ("z", &tangent.z, &plus.z, &minus.z, m),
                ("s", &tangent.s, &plus.s, &minus.s, m),
            ] {
                let row = i * len..(i + 1) * len;
                let expected: Vec<f64> = plus[row.clone()]
                    .iter()
                    .zip(&minus[row.clone()])
                    .map(|(p, m)| (p - m) / (2.0 * STEP))
                    .collect();
                let error = relative_error(&found[row], &expected);
                assert!(error < 1e-6, "{name} of sample {i}, n = {n}, off by {error:e}");
            }
        }
    }
}

#[test]
fn gradients_match_differences_of_solutions() {
    for case in cases() {
        let (solution, tape) = case.forward();
        let gradients = tape.vjp(&case.cotangent(), &Differentiation::default()).unwrap();
        let (plus, minus) = (solve(&moved(&case, STEP)), solve(&moved(&case, -STEP)));
        let (n, m) = (case.batch.variables(), case.batch.rows());
        for i in 0..solution.batch {
            let (x, rows) = (i * n..(i + 1) * n, i * m..(i + 1) * m);
            let scalar = |solution: &Solution| {
                dot(&case.gx[x.clone()], &solution.x[x.clone()])
                    + dot(&case.gz[rows.clone()], &solution.z[rows.clone()])
                    + dot(&case.gs[rows.clone()], &solution.s[rows.clone()])
            };
            let expected = (scalar(&plus) - scalar(&minus)) / (2.0 * STEP);
            let found = along(&case, &gradients, i);
            let scale = expected.abs().max(largest(&solution.z[rows.clone()])).max(1.0);
            assert!((found - expected).abs() < 1e-6 * scale, "{i}, n = {n}: {found} {expected}");
        }
    }
}

/// <gx, dx> + <gz, dz> + <gs, ds> = <gradient, change>.
fn assert_transposes(case: &Case, how: &Differentiation, limit: f64) {
    let unshared = case.batch.join(&case.batch.select(&[]));
    let case = Case { batch: unshared, ..case.clone() };
    let (solution, tape) = case.forward();
    let gradients = tape.vjp(&case.cotangent(), how).unwrap();
    let tangent = tape.jvp(&case.tangent(), how).unwrap();
    let (n, m) = (case.batch.variables(), case.batch.rows());
    for i in 0..solution.batch {
        let (x, rows) = (i * n..(i + 1) * n, i * m..(i + 1) * m);
        let terms: Vec<f64> = case.gx[x.clone()]
            .iter()
            .chain(&case.gz[rows.clone()])
            .chain(&case.gs[rows.clone()])
            .zip(tangent.x[x].iter().chain(&tangent.z[rows.clone()]).chain(&tangent.s[rows]))
            .map(|(g, d)| g * d)
            .collect();
        let left: f64 = terms.iter().sum();
        let right = along(&case, &gradients, i);
        let error = (left - right).abs() / largest(&terms).max(1.0);
        let report = solution.reports[i];
        assert!(error < limit, "{i}, n = {n}: {left} {right}, off by {error:e}, {report:?}");
    }
}

#[test]
fn tangent_and_adjoint_are_transposes() {
    let mut cases = cases();
    cases.push(Case::new(generators::sudoku_layer(5, 157), 7));
    cases.push(Case::new(generators::weakly_active(size(10, 6, 3, 9), 2, 0.0, 158).batch, 7));
    for case in cases {
        assert_transposes(&case, &ZERO, 1e-12);
    }
}

#[test]
fn smoothed_tangent_and_adjoint_are_transposes() {
    let mut cases = cases();
    cases.push(Case::new(generators::weakly_active(size(10, 6, 3, 9), 2, 0.0, 158).batch, 7));
    for case in cases {
        assert_transposes(&case, &Differentiation { mode: Mode::Smoothed(1e-3), ..ZERO }, 1e-12);
    }
}

#[test]
fn tangent_and_adjoint_are_transposes_where_the_solution_is_not_unique() {
    let size = size(6, 8, 4, 9);
    for batch in [
        generators::duplicate_equalities(size, 160).batch,
        generators::redundant_inequalities(size, 161).batch,
        generators::known_solution(size, 0, 162).batch,
    ] {
        // The least-squares solutions of both are those of LSQR.
        assert_transposes(&Case::new(batch, 7), &ZERO, 1e-11);
    }
}

#[test]
fn value_gradients_match_differences_of_the_objective() {
    for case in cases() {
        let (solution, tape) = case.forward();
        let weights: Vec<f64> = (0..solution.batch).map(|i| 1.0 - 0.3 * i as f64).collect();
        let gradients = tape.value_gradient(&weights, &Differentiation::default()).unwrap();
        let (plus, minus) = (solve(&moved(&case, STEP)), solve(&moved(&case, -STEP)));
        for (i, weight) in weights.iter().enumerate() {
            let change = plus.reports[i].objective - minus.reports[i].objective;
            let expected = weight * change / (2.0 * STEP);
            let found = along(&case, &gradients, i);
            let scale = expected.abs().max(solution.reports[i].objective.abs()).max(1.0);
            assert!((found - expected).abs() < 1e-7 * scale, "{i}: {found} {expected}");
        }
    }
}

#[test]
fn a_shared_change_is_the_same_change_for_every_sample() {
    let case = Case::new(generators::random_qp(size(5, 6, 2, 7), 159), 1);
    let (_, tape) = case.forward();
    let (q, b) = (&case.dq[..5], &case.db[..8]);
    let shared =
        Tangent { q: Some(Slot::Shared(q)), b: Some(Slot::Shared(b)), ..Tangent::default() };
    let (all_q, all_b) = (q.repeat(7), b.repeat(7));
    let each =
        Tangent { q: Some(Slot::Each(&all_q)), b: Some(Slot::Each(&all_b)), ..Tangent::default() };
    let how = Differentiation::default();
    assert_eq!(tape.jvp(&shared, &how).unwrap(), tape.jvp(&each, &how).unwrap());
    let nothing = tape.jvp(&Tangent::default(), &how).unwrap();
    assert!(nothing.x.iter().chain(&nothing.z).chain(&nothing.s).all(|d| *d == 0.0));
}
