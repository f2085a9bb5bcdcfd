//! What the derivative of a sample without a solution is, and that it harms no other.

use argrad_conformance::generators;
use argrad_conformance::{Numbers, relative_error};
use argrad_solver::{Differentiation, Error, Method, Mode, OnFailure, Status};

use crate::case::{Case, NAN, ZERO, differing, size, solver};

/// Samples 3 and 7 are infeasible, 9 is unbounded.
fn case() -> Case {
    let size = size(5, 6, 2, 12);
    let mut order: Vec<usize> = (0..12).collect();
    (order[3], order[7], order[9]) = (12 + 3, 24 + 7, 36 + 9);
    let joined = generators::random_qp(size, 91)
        .join(&generators::conflicting_inequalities(size, 92))
        .join(&generators::conflicting_equalities(size, 93))
        .join(&generators::unbounded(size, 94));
    Case::new(joined.select(&order), 1)
}

const FAILED: [(usize, Status); 3] =
    [(3, Status::PrimalInfeasible), (7, Status::PrimalInfeasible), (9, Status::DualInfeasible)];

fn solved() -> Vec<usize> {
    (0..12).filter(|i| FAILED.iter().all(|failed| failed.0 != *i)).collect()
}

#[test]
fn failures_lists_the_samples_without_a_solution() {
    assert_eq!(case().forward().0.failures().collect::<Vec<_>>(), FAILED);
}

#[test]
fn by_default_the_derivative_is_an_error_that_names_samples_and_reasons() {
    let case = case();
    let (_, tape) = case.forward();
    let how = Differentiation::default();
    for error in [
        tape.vjp(&case.cotangent(), &how).unwrap_err(),
        tape.jvp(&case.tangent(), &how).unwrap_err(),
        tape.value_gradient(&[1.0; 12], &how).unwrap_err(),
    ] {
        assert_eq!(error, Error::Unsolved { batch: 12, failures: FAILED.to_vec() });
        let message = error.to_string();
        for part in ["3 of 12", "sample 3: primal infeasible", "sample 9: dual infeasible"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn nan_or_zero_where_asked_for_in_every_derivative() {
    let case = case();
    let solver = solver(&case.batch);
    let is_nan = |v: &f64| v.is_nan();
    let is_zero = |v: &f64| *v == 0.0;
    for (how, is_expected) in [(NAN, &is_nan as &dyn Fn(&f64) -> bool), (ZERO, &is_zero)] {
        let answer = case.answer(&solver, &how).unwrap();
        for (i, _) in FAILED {
            let gradients = case.gradients_of(i, &answer.gradients);
            let tangent = &answer.tangent;
            let (x, rows) = (i * 5..(i + 1) * 5, i * 8..(i + 1) * 8);
            for values in [
                &gradients.p[..],
                &gradients.q,
                &gradients.a,
                &gradients.b,
                &tangent.x[x],
                &tangent.z[rows.clone()],
                &tangent.s[rows],
            ] {
                assert!(values.iter().all(is_expected), "sample {i}, {how:?}: {values:?}");
            }
        }
    }
}

#[test]
fn derivatives_of_the_other_samples_are_as_without_the_failed_ones() {
    let case = case();
    let solver = solver(&case.batch);
    let alone = case.select(&solved()).answer(&solver, &Differentiation::default()).unwrap();
    for how in [NAN, ZERO] {
        let among = case.answer(&solver, &how).unwrap();
        for (k, &i) in solved().iter().enumerate() {
            let different = differing(&among.bits(i), &alone.bits(k));
            assert!(different.is_empty(), "{different:?} of sample {i}");
        }
    }
}

#[test]
fn failed_samples_add_nothing_to_gradients_of_shared_values() {
    // The last two inequalities of the shared A are opposite: b decides whether they conflict.
    let slab = generators::conflicting_inequalities(size(5, 6, 2, 1), 95);
    let mut case = case();
    case.batch.p = Numbers::Shared(slab.p.as_slice().to_vec());
    case.batch.q = Numbers::Shared(slab.q.as_slice().to_vec());
    case.batch.a = Numbers::Shared(slab.a.as_slice().to_vec());
    for (i, b) in case.batch.b.as_mut_slice().chunks_mut(8).enumerate() {
        let width = if i % 3 == 1 { -1.0 } else { 1.0 };
        b[2..6].fill(9.0);
        b[7] = width - b[6];
    }
    let (solution, _) = case.forward();
    let solved: Vec<usize> =
        (0..12).filter(|&i| solution.reports[i].status == Status::Solved).collect();
    assert_eq!(solved, [0, 2, 3, 5, 6, 8, 9, 11]);
    let solver = solver(&case.batch);
    let expected = case.select(&solved).answer(&solver, &ZERO).unwrap().gradients;
    for how in [NAN, ZERO] {
        let found = case.answer(&solver, &how).unwrap().gradients;
        assert!(relative_error(&found.p, &expected.p) < 1e-13);
        assert!(relative_error(&found.q, &expected.q) < 1e-13);
        assert!(relative_error(&found.a, &expected.a) < 1e-13);
    }
}

#[test]
fn value_gradients_are_nan_or_zero_where_asked_for() {
    let case = case();
    let (_, tape) = case.forward();
    let nan = tape.value_gradient(&[1.0; 12], &NAN).unwrap();
    let zero = tape.value_gradient(&[1.0; 12], &ZERO).unwrap();
    let (_, alone) = case.select(&solved()).forward();
    let expected = alone.value_gradient(&[1.0; 9], &ZERO).unwrap();
    for (i, _) in FAILED {
        assert!(nan.q[i * 5..][..5].iter().all(|q| q.is_nan()), "sample {i}");
        assert!(nan.b[i * 8..][..8].iter().all(|b| b.is_nan()), "sample {i}");
        assert!(zero.q[i * 5..][..5].iter().chain(&zero.a[i * 40..][..40]).all(|v| *v == 0.0));
    }
    for (k, &i) in solved().iter().enumerate() {
        for gradients in [&nan, &zero] {
            assert_eq!(gradients.q[i * 5..][..5], expected.q[k * 5..][..5]);
            assert_eq!(gradients.a[i * 40..][..40], expected.a[k * 40..][..40]);
        }
    }
}

#[test]
fn smoothed_derivatives_treat_failures_the_same_way() {
    let case = case();
    let solver = solver(&case.batch);
    let mode = Mode::Smoothed(1e-3);
    let error = case.answer(&solver, &Differentiation { mode, ..Default::default() }).err();
    assert_eq!(error, Some(Error::Unsolved { batch: 12, failures: FAILED.to_vec() }));
    let how = Differentiation { mode, on_failure: OnFailure::Nan, method: Method::Direct };
    let among = case.answer(&solver, &how).unwrap();
    let alone = case.select(&solved()).answer(&solver, &how).unwrap();
    for (k, &i) in solved().iter().enumerate() {
        let different = differing(&among.bits(i), &alone.bits(k));
        assert!(different.is_empty(), "{different:?} of sample {i}");
    }
    assert!(among.gradients.q[15..20].iter().all(|q| q.is_nan()));
}
