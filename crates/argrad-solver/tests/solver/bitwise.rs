//! What is said about a sample does not depend on its company, its place, the threads or the
//! instructions: bit for bit.

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{self, Size};
use argrad_solver::{
    Differentiation, Engine, Instructions, Method, Mode, OnFailure, Settings, Solver, Status,
};

use crate::case::{Bits, Case, NAN, differing, size, solver, solver_with};
use crate::families::{Family, mixtures, single_cones};

const COUNT: usize = 17;

fn sizes() -> Vec<Size> {
    [1, 3, 10, 26]
        .iter()
        .flat_map(|&n| [0, n / 2].map(|equalities| size(n, n, equalities, COUNT)))
        .collect()
}

/// The Sudoku layer with its values copied to every sample.
fn sudoku_unshared(count: usize) -> ProgramBatch {
    let batch = generators::sudoku_layer(count, 4);
    batch.join(&batch.select(&[]))
}

/// Solved, singular, weakly active, infeasible and unbounded samples, and some with rows removed.
pub fn mixed() -> ProgramBatch {
    let size = size(6, 8, 2, 3);
    let mut removed = generators::random_qp(size, 5);
    for (k, b) in removed.b.as_mut_slice().iter_mut().enumerate() {
        if k % 10 > 2 && k % 3 == 0 {
            *b = f64::INFINITY;
        }
    }
    let parts = [
        generators::unbounded(size, 2),
        generators::conflicting_inequalities(size, 3),
        removed,
        generators::conflicting_equalities(size, 4),
        generators::weakly_active(size, 2, 0.0, 6).batch,
        generators::duplicate_equalities(size, 7).batch,
        generators::redundant_inequalities(size, 8).batch,
        generators::known_solution(size, 0, 9).batch,
    ];
    let joined =
        parts.iter().fold(generators::random_qp(size, 1), |joined, part| joined.join(part));
    // No two neighbours of one kind.
    let order: Vec<usize> = (0..joined.batch).map(|i| i * 10 % joined.batch).collect();
    joined.select(&order)
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// Everything said about each sample, each solved alone.
fn alone(case: &Case, how: &Differentiation) -> Vec<Bits> {
    let solver = solver(&case.batch);
    (0..case.batch.batch).map(|i| case.select(&[i]).answer(&solver, how).unwrap().bits(0)).collect()
}

/// Solves the samples `order` together and compares each with itself alone.
fn assert_same(
    case: &Case,
    alone: &[Bits],
    order: &[usize],
    instructions: Instructions,
    how: &Differentiation,
) {
    let together = case.select(order);
    let answer = together.answer(&solver_with(&together.batch, instructions), how).unwrap();
    for (place, &i) in order.iter().enumerate() {
        let different = differing(&answer.bits(place), &alone[i]);
        assert!(
            different.is_empty(),
            "{different:?} of sample {i} at place {place} of {} with {instructions:?}, n = {}, \
             {:?}",
            order.len(),
            case.batch.variables(),
            answer.solution.reports[place],
        );
    }
}

/// In batches of 1 to all, shifted, reversed, shuffled, repeated; and on one or two threads.
fn assert_same_everywhere(case: &Case, how: &Differentiation) {
    let count = case.batch.batch;
    let alone = alone(case, how);
    let detect = Instructions::Detect;
    for len in 1..=count {
        let shifted: Vec<usize> = (0..len).map(|k| (k + len * 5) % count).collect();
        assert_same(case, &alone, &shifted, detect, how);
    }
    let reversed: Vec<usize> = (0..count).rev().collect();
    let shuffled: Vec<usize> = (0..count).map(|k| k * 7 % count).collect();
    let repeated = vec![count / 2; 11];
    for order in [&reversed, &shuffled, &repeated] {
        for threads in [1, 2] {
            in_pool(threads, || assert_same(case, &alone, order, detect, how));
        }
    }
}

fn assert_same_with_any_instructions(case: &Case, how: &Differentiation) {
    let alone = alone(case, how);
    let all: Vec<usize> = (0..case.batch.batch).collect();
    for instructions in [Instructions::Scalar, Instructions::Avx2] {
        assert_same(case, &alone, &all, instructions, how);
    }
}

#[test]
fn dense_samples_are_the_same_in_any_batch_at_any_place_on_any_threads() {
    for size in sizes() {
        let case = Case::new(generators::random_qp(size, 11), 12);
        assert_same_everywhere(&case, &Differentiation::default());
    }
}

#[test]
fn dense_samples_are_the_same_with_any_instructions() {
    for size in sizes() {
        let case = Case::new(generators::random_qp(size, 13), 14);
        assert_same_with_any_instructions(&case, &Differentiation::default());
    }
}

#[test]
fn sudoku_samples_are_the_same_everywhere() {
    for batch in [generators::sudoku_layer(COUNT, 4), sudoku_unshared(COUNT)] {
        let case = Case::new(batch, 15);
        assert_same_everywhere(&case, &NAN);
        assert_same_with_any_instructions(&case.select(&[3, 9, 16, 0, 2]), &NAN);
    }
}

#[test]
fn samples_among_infeasible_unbounded_and_degenerate_ones_are_the_same_everywhere() {
    let case = Case::new(mixed(), 16);
    let (solution, _) = case.forward();
    for status in [Status::Solved, Status::PrimalInfeasible, Status::DualInfeasible] {
        assert!(solution.reports.iter().any(|report| report.status == status), "{status}");
    }
    assert!(solution.reports.iter().any(|r| r.status == Status::Solved && !r.is_unique()));
    assert_same_everywhere(&case, &NAN);
    assert_same_with_any_instructions(&case, &NAN);
}

#[test]
fn smoothed_derivatives_are_the_same_everywhere() {
    let how = Differentiation {
        mode: Mode::Smoothed(1e-3),
        on_failure: OnFailure::Error,
        method: Method::Direct,
    };
    for size in [size(1, 1, 0, COUNT), size(10, 10, 5, COUNT)] {
        let case = Case::new(generators::random_qp(size, 17), 18);
        assert_same_everywhere(&case, &how);
        assert_same_with_any_instructions(&case, &how);
    }
}

/// Solved, at kinks, not unique, infeasible and unbounded, no two neighbours of one kind.
pub fn mixed_over(family: &Family, count: usize) -> ProgramBatch {
    let programs = &family.programs;
    let mut parts = vec![programs.infeasible(), programs.unbounded()];
    if programs.objective.rank(programs.variables) == programs.variables {
        parts.push(programs.weakly_active().batch);
        parts.push(programs.non_unique_primal().batch);
    }
    let solved = programs.known_solution().batch;
    let joined = parts.iter().fold(solved, |joined, part| joined.join(part));
    let kinds = parts.len() + 1;
    let each = programs.batch;
    joined.select(&(0..count).map(|k| k % kinds * each + k / kinds).collect::<Vec<_>>())
}

#[test]
fn samples_over_mixtures_of_all_cones_are_the_same_everywhere() {
    for family in mixtures(4).into_iter().take(2) {
        let case = Case::new(mixed_over(&family, 11), 23);
        assert_same_everywhere(&case, &NAN);
        assert_same_with_any_instructions(&case, &NAN);
    }
}

#[test]
fn samples_over_each_cone_are_the_same_with_any_instructions() {
    for family in single_cones(9) {
        let case = Case::new(family.programs.known_solution().batch, 24);
        assert_same_with_any_instructions(&case, &NAN);
        let shuffled: Vec<usize> = (0..9).map(|k| k * 4 % 9).collect();
        assert_same(&case, &alone(&case, &NAN), &shuffled, Instructions::Detect, &NAN);
    }
}

/// Each sample alone with one lane against all together with the instructions there are.
fn assert_same_in_the_sparse_engine(case: &Case, how: &Differentiation) {
    let solver = |instructions| {
        let settings = Settings { engine: Engine::Sparse, instructions, ..Settings::default() };
        Solver::new(case.batch.structure.clone(), settings).unwrap()
    };
    let one_lane = solver(Instructions::Scalar);
    let alone: Vec<Bits> = (0..case.batch.batch)
        .map(|i| case.select(&[i]).answer(&one_lane, how).unwrap().bits(0))
        .collect();
    for instructions in [Instructions::Avx2, Instructions::Detect] {
        let answer = case.answer(&solver(instructions), how).unwrap();
        for (i, alone) in alone.iter().enumerate() {
            let different = differing(&answer.bits(i), alone);
            assert!(
                different.is_empty(),
                "{different:?} of sample {i} with {instructions:?}, n = {}, {:?}",
                case.batch.variables(),
                answer.solution.reports[i],
            );
        }
    }
}

#[test]
fn samples_of_the_sparse_engine_are_the_same_with_any_instructions() {
    for size in sizes() {
        let case = Case::new(generators::random_qp(size, 13), 14);
        assert_same_in_the_sparse_engine(&case, &Differentiation::default());
    }
    for family in single_cones(5).into_iter().chain(mixtures(5)) {
        let case = Case::new(family.programs.known_solution().batch, 24);
        assert_same_in_the_sparse_engine(&case, &NAN);
    }
    assert_same_in_the_sparse_engine(&Case::new(mixed(), 16), &NAN);
}

#[test]
fn large_samples_of_the_sparse_engine_are_the_same_with_any_instructions() {
    // Dense fronts of more columns than are eliminated at once.
    let case = Case::new(generators::random_qp(size(150, 130, 61, 2), 13), 14);
    assert_same_in_the_sparse_engine(&case, &Differentiation::default());
}

#[test]
fn smoothed_and_lpgd_derivatives_over_all_cones_are_the_same_everywhere() {
    let case = Case::new(mixtures(9)[0].programs.known_solution().batch, 25);
    for mode in [Mode::Smoothed(1e-2), Mode::Lpgd(1e-3)] {
        let how = Differentiation { mode, on_failure: OnFailure::Nan, method: Method::Direct };
        assert_same_with_any_instructions(&case, &how);
        let shuffled: Vec<usize> = (0..9).map(|k| k * 4 % 9).collect();
        assert_same(&case, &alone(&case, &how), &shuffled, Instructions::Detect, &how);
    }
}

#[test]
fn a_sample_leaves_no_trace_in_the_next_solve() {
    let solver = solver(&mixed());
    let size = size(6, 8, 2, 27);
    let cases = [
        generators::random_qp(size, 19),
        generators::conflicting_inequalities(size, 19),
        generators::unbounded(size, 19),
        mixed(),
    ]
    .map(|batch| Case::new(batch, 20));
    for case in &cases {
        let fresh = case.answer(&solver_with(&case.batch, Instructions::Detect), &NAN).unwrap();
        for before in &cases {
            before.answer(&solver, &NAN).unwrap();
            let after = case.answer(&solver, &NAN).unwrap();
            for i in 0..27 {
                let different = differing(&fresh.bits(i), &after.bits(i));
                assert!(
                    different.is_empty(),
                    "{different:?} of sample {i}: {:?}",
                    fresh.solution.reports[i]
                );
            }
        }
    }
}

#[test]
fn gradients_of_shared_values_are_the_same_on_one_and_two_threads() {
    let case = Case::new(generators::sudoku_layer(75, 6), 22);
    let gradients =
        |threads| in_pool(threads, || case.answer(&solver(&case.batch), &NAN).unwrap().gradients);
    let (one, two) = (gradients(1), gradients(2));
    assert_eq!(one.p.len(), 64);
    assert_eq!(one.a.len(), 64 * 41);
    assert!(one == two);
}
