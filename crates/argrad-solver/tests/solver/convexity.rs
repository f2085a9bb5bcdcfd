//! A P with a negative eigenvalue is refused, one without is not.

use argrad_conformance::generators;
use argrad_conformance::{Numbers, ProgramBatch};
use argrad_solver::{Cone, Error, Pattern, Settings, Slot, Solver, Structure, Values};

use crate::case::{size, solver};

fn refused(batch: &ProgramBatch) -> Option<usize> {
    match solver(batch).solve(&batch.values()).unwrap_err() {
        error @ Error::NotConvex { argument: "P", sample, .. } => {
            let message = error.to_string();
            assert!(
                message.contains("positive semidefinite")
                    && message.contains("negative eigenvalue")
            );
            if let Some(i) = sample {
                assert!(message.contains(&format!("sample {i}")), "{message}");
            }
            sample
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_negative_eigenvalue_names_the_sample_in_any_group() {
    for n in [1, 2, 7, 30] {
        let good = generators::random_qp(size(n, 3, 0, 37), 41);
        let len = good.structure.p().nnz();
        for sample in [0, 5, 8, 20, 36] {
            let mut bad = good.clone();
            // The last diagonal entry.
            bad.p.as_mut_slice()[(sample + 1) * len - 1] = -1e-3;
            assert_eq!(refused(&bad), Some(sample), "n = {n}");
        }
    }
}

#[test]
fn a_negative_eigenvalue_of_a_shared_p_is_found() {
    let mut bad = generators::random_qp(size(5, 3, 1, 30), 42);
    let mut p = bad.p.sample(0, 15).to_vec();
    p[14] = -0.5;
    bad.p = Numbers::Shared(p);
    assert_eq!(refused(&bad), None);
}

#[test]
fn a_matrix_with_nonnegative_diagonal_can_be_refused() {
    let mut bad = generators::random_qp(size(2, 3, 0, 3), 43);
    for (p, expected) in [([0.0, 1.0, 0.0], 2), ([1.0, 2.0, 1.0], 2), ([1.0, 1.000001, 1.0], 2)] {
        bad.p.as_mut_slice()[6..].copy_from_slice(&p);
        assert_eq!(refused(&bad), Some(expected), "{p:?}");
    }
}

#[test]
fn a_negative_eigenvalue_is_found_among_entries_of_other_sizes() {
    let structure =
        Structure::new(Pattern::diagonal(3), Pattern::dense(1, 3), vec![Cone::Nonnegative(1)])
            .unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    for p in [[1e8, 1.0, -1e-3], [-1e-6, 1e3, 1e6], [1e-6, -1e-8, 1e-6]] {
        let values = Values {
            batch: 1,
            p: Slot::Shared(&p),
            q: Slot::Shared(&[1.0; 3]),
            a: Slot::Shared(&[1.0; 3]),
            b: Slot::Shared(&[1.0]),
        };
        let result = solver.solve(&values);
        assert!(matches!(result, Err(Error::NotConvex { .. })), "{p:?}: {result:?}");
    }
}

#[test]
fn semidefinite_matrices_of_any_rank_are_accepted() {
    for n in [2, 5, 20, 60] {
        for rank in [0, 1, n / 2, n - 1, n] {
            for scale in [1e-6, 1.0, 1e6] {
                let mut batch = generators::known_solution(size(n, n, 0, 16), rank, 44).batch;
                batch.p.as_mut_slice().iter_mut().for_each(|p| *p *= scale);
                let result = solver(&batch).solve(&batch.values());
                assert!(result.is_ok(), "n = {n}, rank {rank}, scale {scale}: {result:?}");
            }
        }
    }
}

#[test]
fn the_check_can_be_turned_off() {
    let mut batch = generators::random_qp(size(3, 3, 0, 9), 45);
    batch.p.as_mut_slice()[6 * 4 - 1] = -1.0;
    assert_eq!(refused(&batch), Some(3));
    let settings = Settings { check_convexity: false, ..Settings::default() };
    let solver = Solver::new(batch.structure.clone(), settings).unwrap();
    // No promise about sample 3, but the others are as ever.
    let found = solver.solve(&batch.values()).unwrap();
    let others = batch.select(&[0, 1, 2, 4, 5, 6, 7, 8]);
    let expected = solver.solve(&others.values()).unwrap();
    assert_eq!(found.x[..9], expected.x[..9]);
    assert_eq!(found.x[12..], expected.x[9..]);
}
