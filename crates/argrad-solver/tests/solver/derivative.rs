//! Gradients against the exact active-set oracle.

use argrad_conformance::active_set::{ActiveSetSolution, StoredGradients};
use argrad_conformance::generators::{self, known_solution, normal_vector};
use argrad_conformance::{DenseProgram, Numbers, ProgramBatch, relative_error};
use argrad_solver::{Cotangent, Differentiation, Gradients};

use crate::case::{Case, NAN, size, solver};

/// The worst relative error of the four gradients.
fn error(found: &StoredGradients, expected: &StoredGradients) -> f64 {
    [
        relative_error(&found.p, &expected.p),
        relative_error(&found.q, &expected.q),
        relative_error(&found.a, &expected.a),
        relative_error(&found.b, &expected.b),
    ]
    .into_iter()
    .max_by(f64::total_cmp)
    .unwrap()
}

/// Gradients of every sample against the oracle; where the oracle finds no unique solution, or
/// one that is nearly degenerate, the sample must be flagged instead. Returns how many were
/// compared.
fn compare(case: &Case, limit: f64) -> usize {
    let (solution, tape) = case.forward();
    let gradients = tape.vjp(&case.cotangent(), &NAN).unwrap();
    let tangent = tape.jvp(&case.tangent(), &NAN).unwrap();
    let (n, m) = (case.batch.variables(), case.batch.rows());
    let mut compared = 0;
    for (i, report) in solution.reports.iter().enumerate() {
        let oracle = case.oracle(i, &solution);
        let Some(oracle) = oracle.ok().filter(|oracle| !oracle.is_degenerate()) else {
            assert!(report.is_degenerate(), "sample {i} is degenerate and not flagged: {report:?}");
            continue;
        };
        assert!(!report.is_degenerate(), "sample {i}: {report:?}");
        let (x, rows) = (i * n..(i + 1) * n, i * m..(i + 1) * m);
        assert!(relative_error(&solution.x[x.clone()], &oracle.x) < limit, "x of sample {i}");
        assert!(relative_error(&solution.z[rows.clone()], &oracle.z) < limit, "z of sample {i}");
        let expected = case.oracle_gradients(i, &oracle);
        let error = error(&case.gradients_of(i, &gradients), &expected);
        assert!(error < limit, "gradients of sample {i} are off by {error:e}, {report:?}");
        assert!(gradients.adjoint_residual[i] < 1e-11, "{:e}", gradients.adjoint_residual[i]);
        let expected = oracle.jvp(&direction(case, i));
        for (name, found, expected) in [
            ("x", &tangent.x[x], &expected.x),
            ("z", &tangent.z[rows.clone()], &expected.z),
            ("s", &tangent.s[rows], &expected.s),
        ] {
            let error = relative_error(found, expected);
            assert!(error < limit, "tangent of {name} of sample {i} is off by {error:e}");
        }
        compared += 1;
    }
    compared
}

/// The change of sample `i` as a program.
fn direction(case: &Case, i: usize) -> DenseProgram {
    let each = |values: &[f64]| Numbers::Each(values.to_vec());
    let directions = ProgramBatch {
        p: each(&case.dp),
        q: each(&case.dq),
        a: each(&case.da),
        b: each(&case.db),
        ..case.batch.clone()
    };
    directions.program(i)
}

#[test]
fn gradients_of_random_programs_are_exact() {
    for (n, k, e) in [(1, 1, 0), (3, 5, 1), (8, 8, 4), (20, 20, 0), (20, 30, 10), (40, 40, 0)] {
        let case = Case::new(generators::random_qp(size(n, k, e, 16), 121), 1);
        assert!(compare(&case, 1e-10) >= 15);
    }
}

#[test]
fn gradients_of_programs_with_equalities_only_are_exact() {
    for (n, e) in [(1, 1), (4, 2), (10, 9), (12, 12), (30, 10)] {
        let case = Case::new(generators::random_qp(size(n, 0, e, 16), 122), 1);
        assert!(compare(&case, 1e-10) >= 15);
    }
}

#[test]
fn gradients_of_linear_programs_at_a_vertex_are_exact() {
    for (n, k, e) in [(1, 2, 0), (4, 9, 0), (10, 15, 4), (20, 40, 3)] {
        let case = Case::new(generators::vertex_programs(size(n, k, e, 16), 123), 1);
        assert!(compare(&case, 1e-10) >= 14);
    }
}

#[test]
fn gradients_with_singular_p_are_exact_or_flagged() {
    for (n, k, e, rank) in [(6, 8, 0, 4), (10, 14, 0, 6), (10, 10, 3, 4), (20, 24, 4, 15)] {
        let case = Case::new(known_solution(size(n, k, e, 32), rank, 124).batch, 1);
        assert!(compare(&case, 1e-9) >= 8);
    }
}

#[test]
fn gradients_of_the_sudoku_layer_are_exact_and_summed_where_shared() {
    let shared = Case::new(generators::sudoku_layer(6, 125), 1);
    let each = Case { batch: shared.batch.join(&shared.batch.select(&[])), ..shared.clone() };
    assert_eq!(compare(&each, 1e-10), 6);
    let (found, expected) = (vjp(&shared), vjp(&each));
    for (found, expected) in [(found.p, expected.p), (found.a, expected.a), (found.b, expected.b)] {
        assert!(relative_error(&found, &summed(&expected, 6)) < 1e-13);
    }
    assert_eq!(found.q, expected.q);
}

fn vjp(case: &Case) -> Gradients {
    case.forward().1.vjp(&case.cotangent(), &Differentiation::default()).unwrap()
}

fn summed(values: &[f64], batch: usize) -> Vec<f64> {
    let len = values.len() / batch;
    (0..len).map(|k| (0..batch).map(|i| values[i * len + k]).sum()).collect()
}

#[test]
fn a_gradient_of_a_shared_value_is_the_sum_over_the_batch_whichever_is_shared() {
    const COUNT: usize = 11;
    let one = generators::random_qp(size(6, 8, 2, 1), 126);
    let each = Case::new(one.select(&[0; COUNT]), 2);
    let expected = vjp(&each);
    for which in 0..16 {
        let mut some = each.clone();
        let ProgramBatch { p, q, a, b, .. } = &mut some.batch;
        let originals = [&one.p, &one.q, &one.a, &one.b];
        for (k, (numbers, original)) in [p, q, a, b].into_iter().zip(originals).enumerate() {
            if which >> k & 1 == 1 {
                *numbers = Numbers::Shared(original.as_slice().to_vec());
            }
        }
        let found = vjp(&some);
        for (k, (found, expected)) in [
            (&found.p, &expected.p),
            (&found.q, &expected.q),
            (&found.a, &expected.a),
            (&found.b, &expected.b),
        ]
        .into_iter()
        .enumerate()
        {
            if which >> k & 1 == 1 {
                assert!(relative_error(found, &summed(expected, COUNT)) < 1e-13);
            } else if which & 0b101 == 0b101 {
                // P and A are shared: solved another way.
                assert!(relative_error(found, expected) < 1e-13);
            } else {
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn a_cotangent_that_is_absent_is_zero() {
    let mut case = Case::new(generators::random_qp(size(5, 6, 2, 9), 127), 1);
    let (_, tape) = case.forward();
    let cotangent = Cotangent { x: Some(&case.gx), ..Cotangent::default() };
    let found = tape.vjp(&cotangent, &Default::default()).unwrap();
    (case.gz, case.gs) = (vec![0.0; 72], vec![0.0; 72]);
    assert_eq!(found, tape.vjp(&case.cotangent(), &Default::default()).unwrap());
    let zero = tape.vjp(&Cotangent::default(), &Default::default()).unwrap();
    assert!(zero.p.iter().chain(&zero.q).chain(&zero.a).chain(&zero.b).all(|g| *g == 0.0));
}

#[test]
fn tiny_and_huge_cotangents_scale_the_gradient() {
    let case = Case::new(generators::random_qp(size(8, 10, 3, 9), 128), 1);
    let expected = vjp(&case);
    for exponent in [-200, -60, 60, 200] {
        let factor = 2.0_f64.powi(exponent);
        let mut scaled = case.clone();
        for values in [&mut scaled.gx, &mut scaled.gz, &mut scaled.gs] {
            values.iter_mut().for_each(|g| *g *= factor);
        }
        let found = vjp(&scaled);
        let back = |values: &[f64]| -> Vec<f64> { values.iter().map(|g| g / factor).collect() };
        assert!(relative_error(&back(&found.q), &expected.q) < 1e-12);
        assert!(relative_error(&back(&found.a), &expected.a) < 1e-12);
    }
}

#[test]
fn a_nan_in_a_cotangent_stays_in_its_sample() {
    let mut case = Case::new(generators::random_qp(size(5, 6, 2, 9), 129), 1);
    let expected = vjp(&case);
    case.gx[4 * 5 + 1] = f64::NAN;
    let found = vjp(&case);
    for i in (0..9).filter(|i| *i != 4) {
        assert_eq!(case.gradients_of(i, &found), case.gradients_of(i, &expected), "sample {i}");
    }
    let spoilt = case.gradients_of(4, &found);
    assert!(spoilt.q.iter().any(|q| q.is_nan()), "{spoilt:?}");
    assert!(found.adjoint_residual[4].is_nan());
}

#[test]
fn a_tape_is_independent_of_later_solves() {
    let case = Case::new(generators::random_qp(size(5, 6, 2, 9), 130), 1);
    let other = generators::random_qp(size(5, 6, 2, 9), 131);
    let solver = solver(&case.batch);
    let (_, tape) = solver.forward(&case.batch.values()).unwrap();
    let before = tape.vjp(&case.cotangent(), &Default::default()).unwrap();
    let (_, other_tape) = solver.forward(&other.values()).unwrap();
    drop(other_tape);
    solver.solve(&other.values()).unwrap();
    assert_eq!(tape.vjp(&case.cotangent(), &Default::default()).unwrap(), before);
}

#[test]
fn scaled_rows_and_columns_do_not_spoil_gradients() {
    // x = d y and rows times e, both 1e-4 to 1e4: P' = D P D, q' = D q, A' = E A D, b' = E b.
    let (n, m) = (8, 13);
    let plain = Case::new(generators::random_qp(size(n, 10, 3, 16), 132), 1);
    let uniform = |len: usize, seed: u64| -> Vec<f64> {
        normal_vector(len, 16, seed).iter().map(|v| 10.0_f64.powf(v.sin() * 4.0)).collect()
    };
    let (d, e) = (uniform(n, 133), uniform(m, 134));
    let mut scaled = plain.clone();
    let (p_pattern, a_pattern) =
        (plain.batch.structure.p().clone(), plain.batch.structure.a().clone());
    let p_scale: Vec<f64> = (0..16)
        .flat_map(|k| p_pattern.entries().map(move |(i, j)| (k * n + i, k * n + j)))
        .map(|(i, j)| d[i] * d[j])
        .collect();
    let a_scale: Vec<f64> = (0..16)
        .flat_map(|k| a_pattern.entries().map(move |(i, j)| (k * m + i, k * n + j)))
        .map(|(i, j)| e[i] * d[j])
        .collect();
    let multiply = |values: &mut [f64], scale: &[f64]| {
        values.iter_mut().zip(scale).for_each(|(v, scale)| *v *= scale);
    };
    multiply(scaled.batch.p.as_mut_slice(), &p_scale);
    multiply(scaled.batch.q.as_mut_slice(), &d);
    multiply(scaled.batch.a.as_mut_slice(), &a_scale);
    multiply(scaled.batch.b.as_mut_slice(), &e);
    // y = x / d, z' = z / e, s' = e s, so that the scalar is the same.
    let reciprocal: Vec<f64> = e.iter().map(|e| 1.0 / e).collect();
    multiply(&mut scaled.gx, &d);
    multiply(&mut scaled.gz, &e);
    multiply(&mut scaled.gs, &reciprocal);

    let (solution, tape) = scaled.forward();
    let mut found = tape.vjp(&scaled.cotangent(), &NAN).unwrap();
    // In the given units, entry by entry relative to the largest.
    for i in 0..16 {
        assert!(!solution.reports[i].is_degenerate(), "{:?}", solution.reports[i]);
        let oracle: ActiveSetSolution = scaled.oracle(i, &solution).unwrap();
        let error = error(&scaled.gradients_of(i, &found), &scaled.oracle_gradients(i, &oracle));
        assert!(error < 1e-9, "sample {i} is off by {error:e}");
    }
    // In the units of the plain program, where all entries are of one size.
    multiply(&mut found.p, &p_scale);
    multiply(&mut found.q, &d);
    multiply(&mut found.a, &a_scale);
    multiply(&mut found.b, &e);
    let (solution, _) = plain.forward();
    for i in 0..16 {
        let oracle = plain.oracle(i, &solution).unwrap();
        let error = error(&plain.gradients_of(i, &found), &plain.oracle_gradients(i, &oracle));
        assert!(error < 1e-9, "sample {i} is off by {error:e} in the plain units");
    }
}

/// Of a larger batch, a smaller one and NaN: what was there does not show, and no memory is taken.
#[test]
fn gradients_in_used_memory_are_those_in_fresh_memory() {
    let batches =
        [12, 5, 9].map(|batch| Case::new(generators::random_qp(size(6, 7, 2, batch), 7), 3));
    let mut used = Gradients::default();
    for (k, case) in batches.iter().enumerate() {
        let (_, tape) = case.forward();
        let fresh = tape.vjp(&case.cotangent(), &NAN).unwrap();
        let memory = used.a.as_ptr();
        used.a.fill(f64::NAN);
        used.p.fill(f64::NAN);
        tape.vjp_into(&case.cotangent(), &NAN, &mut used).unwrap();
        assert_eq!(used, fresh);
        assert!(k == 0 || used.a.as_ptr() == memory, "batch {k} took other memory");
    }
}
