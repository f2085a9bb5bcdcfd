//! Batches that share P and A: solved by one inverse, with the answers of the general way.

use std::time::Duration;

use argrad_conformance::generators::{self, normal_vector, shared_qp};
use argrad_conformance::{Numbers, ProgramBatch, relative_error};
use argrad_solver::{
    Cotangent, Differentiation, Instructions, Mode, Settings, Slot, Solution, Solver, Status,
    Tangent,
};

use crate::case::{Answer, Case, ZERO, differing, size, solver, solver_with};

/// Solvers that make use of shared matrices, and that do not.
fn both(batch: &ProgramBatch) -> [Solver; 2] {
    [true, false].map(|share_matrices| {
        let settings = Settings { share_matrices, ..Settings::default() };
        Solver::new(batch.structure.clone(), settings).unwrap()
    })
}

/// Families with more, as many and fewer inequalities than variables, with and without equalities.
fn families() -> Vec<Case> {
    let sizes = [
        size(10, 10, 0, 24),
        size(20, 12, 5, 24),
        size(12, 24, 0, 24),
        size(16, 16, 8, 24),
        size(5, 1, 0, 9),
        size(50, 50, 0, 13),
    ];
    sizes.into_iter().map(|size| Case::new(shared_qp(size, 71), 3)).collect()
}

fn answers(case: &Case, how: &Differentiation) -> [Answer; 2] {
    both(&case.batch).map(|solver| case.answer(&solver, how).unwrap())
}

/// Samples solved without the interior point.
fn pivoted(solution: &Solution) -> usize {
    solution.reports.iter().filter(|report| report.iterations == 0).count()
}

/// Solutions and derivatives agree as far as their condition allows; statuses and diagnostics too.
fn assert_equal(case: &Case, [shared, general]: &[Answer; 2], tolerance: f64) {
    for (left, right) in shared.solution.reports.iter().zip(&general.solution.reports) {
        assert_eq!(left.status, right.status);
        assert_eq!(left.weakly_active, right.weakly_active);
        assert_eq!((left.unique_x, left.unique_z), (right.unique_x, right.unique_z));
        assert!(!left.is_solved() || left.residual < 1e-12, "{left:?}");
    }
    let solved: Vec<bool> =
        general.solution.reports.iter().map(argrad_solver::Report::is_solved).collect();
    let of_solved = |values: &[f64]| -> Vec<f64> {
        let len = values.len() / case.batch.batch;
        let finite = |v: &f64| if v.is_finite() { *v } else { 0.0 };
        let rows = values.chunks(len.max(1)).zip(&solved).filter(|&(_, &solved)| solved);
        rows.flat_map(|(row, _)| row.iter().map(finite).collect::<Vec<f64>>()).collect()
    };
    let each = |name: &str, left: &[f64], right: &[f64]| {
        let error = relative_error(&of_solved(left), &of_solved(right));
        assert!(error < tolerance, "{name}: {error:e}");
    };
    each("x", &shared.solution.x, &general.solution.x);
    each("z", &shared.solution.z, &general.solution.z);
    each("s", &shared.solution.s, &general.solution.s);
    each("dq", &shared.gradients.q, &general.gradients.q);
    each("db", &shared.gradients.b, &general.gradients.b);
    each("tangent x", &shared.tangent.x, &general.tangent.x);
    each("tangent z", &shared.tangent.z, &general.tangent.z);
    each("tangent s", &shared.tangent.s, &general.tangent.s);
    for (left, right) in
        [(&shared.gradients.p, &general.gradients.p), (&shared.gradients.a, &general.gradients.a)]
    {
        let error = relative_error(left, right);
        assert!(error < tolerance, "gradient of a shared matrix: {error:e}");
    }
}

#[test]
fn answers_are_those_of_the_general_way() {
    for case in families() {
        let answers = answers(&case, &Differentiation::default());
        assert_equal(&case, &answers, 1e-11);
    }
}

#[test]
fn programs_with_a_regular_m_need_no_interior_point() {
    let case = Case::new(shared_qp(size(40, 30, 0, 64), 5), 1);
    let [shared, general] = answers(&case, &Differentiation::default());
    assert_eq!((pivoted(&shared.solution), pivoted(&general.solution)), (64, 0));
    assert_equal(&case, &[shared, general], 1e-11);
}

#[test]
fn solutions_and_gradients_are_those_of_the_exact_oracle() {
    for case in families() {
        let (solution, tape) = case.forward();
        let (n, m) = (case.batch.variables(), case.batch.rows());
        let (mut dp, mut q) = (vec![0.0; case.batch.structure.p().nnz()], Vec::new());
        for i in 0..case.batch.batch {
            let exact = case.oracle(i, &solution).unwrap();
            let x = relative_error(&solution.x[i * n..(i + 1) * n], &exact.x);
            let z = relative_error(&solution.z[i * m..(i + 1) * m], &exact.z);
            assert!(x < 1e-11 && z < 1e-10, "sample {i}: {x:e}, {z:e}");
            let gradients = case.oracle_gradients(i, &exact);
            dp.iter_mut().zip(&gradients.p).for_each(|(sum, d)| *sum += d);
            q.extend(gradients.q);
        }
        let found = tape.vjp(&case.cotangent(), &Differentiation::default()).unwrap();
        assert!(relative_error(&found.p, &dp) < 1e-10);
        assert!(relative_error(&found.q, &q) < 1e-10);
    }
}

#[test]
fn bits_do_not_depend_on_batch_position_threads_or_instructions() {
    let mut case = Case::new(shared_qp(size(14, 20, 3, 21), 8), 2);
    // One sample without a solution, two with rows that are no constraints.
    let Numbers::Each(b) = &mut case.batch.b else { unreachable!() };
    b[5 * 23 + 7] = f64::INFINITY;
    b[9 * 23 + 4] = 1e20;
    for how in [ZERO, Differentiation { mode: Mode::Smoothed(1e-3), ..ZERO }] {
        let whole = case.answer(&solver(&case.batch), &how).unwrap();
        for instructions in [Instructions::Scalar, Instructions::Avx2] {
            let other = case.answer(&solver_with(&case.batch, instructions), &how).unwrap();
            for i in 0..21 {
                let differing = differing(&whole.bits(i), &other.bits(i));
                assert!(differing.is_empty(), "{instructions:?}, sample {i}: {differing:?}");
            }
        }
        let order = [9, 20, 5, 0, 9];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let part = case.select(&order);
        let other = pool.install(|| part.answer(&solver(&part.batch), &how).unwrap());
        for (at, &i) in order.iter().enumerate() {
            let differing = differing(&whole.bits(i), &other.bits(at));
            assert!(differing.is_empty(), "sample {i} at {at}: {differing:?}");
        }
    }
}

/// `batch` with row `row + 1` of A the opposite of row `row`, and b there that leaves room for
/// `room(i)` between the two in sample i.
fn between(batch: &ProgramBatch, row: usize, room: impl Fn(usize) -> f64) -> ProgramBatch {
    let mut batch = batch.clone();
    let m = batch.rows();
    let entries: Vec<(usize, usize)> = batch.structure.a().entries().collect();
    let Numbers::Shared(a) = &mut batch.a else { panic!("A is shared") };
    for (at, &(i, j)) in entries.iter().enumerate() {
        if i == row + 1 {
            let opposite = entries.iter().position(|&entry| entry == (row, j)).unwrap();
            a[at] = -a[opposite];
        }
    }
    let Numbers::Each(b) = &mut batch.b else { panic!("b is of each") };
    for i in 0..batch.batch {
        b[i * m + row + 1] = room(i) - b[i * m + row];
    }
    batch
}

#[test]
fn samples_without_a_solution_are_certified_and_harm_no_others() {
    let batch = shared_qp(size(8, 10, 2, 11), 4);
    let with = |bad: bool| {
        let room = |i: usize| if bad && i == 3 { -1.0 } else { 1.0 };
        Case::new(between(&batch, 10, room), 5)
    };
    let (good, bad) = (with(false), with(true));
    let [before, _] = answers(&good, &ZERO);
    let [shared, general] = answers(&bad, &ZERO);
    assert_eq!(shared.solution.reports[3].status, Status::PrimalInfeasible);
    assert_equal(&bad, &[shared, general], 1e-10);
    let [shared, _] = answers(&bad, &ZERO);
    for i in (0..11).filter(|&i| i != 3) {
        let differing = differing(&before.bits(i), &shared.bits(i));
        assert!(differing.is_empty(), "sample {i}: {differing:?}");
    }
}

/// `batch` with P and A of its first sample for all.
fn shared(batch: &ProgramBatch) -> ProgramBatch {
    let first = |numbers: &Numbers, len: usize| Numbers::Shared(numbers.sample(0, len).to_vec());
    let (p, a) = (batch.structure.p().nnz(), batch.structure.a().nnz());
    ProgramBatch { p: first(&batch.p, p), a: first(&batch.a, a), ..batch.clone() }
}

#[test]
fn unbounded_and_singular_programs_go_the_general_way() {
    let size = size(7, 9, 2, 5);
    for batch in [generators::unbounded(size, 6), generators::duplicate_equalities(size, 6).batch] {
        let case = Case::new(shared(&batch).select(&[0, 0, 0]), 1);
        let [shared, general] = answers(&case, &ZERO);
        for i in 0..3 {
            let differing = differing(&shared.bits(i), &general.bits(i));
            assert!(differing.is_empty(), "{differing:?}");
        }
    }
}

#[test]
fn weakly_active_rows_have_the_derivatives_of_the_general_way() {
    let known = generators::weakly_active(size(9, 12, 3, 6), 3, 1e-5, 3);
    // One program, many times, with other derivatives.
    let case = Case::new(shared(&known.batch.select(&[0; 6])), 1);
    assert_equal(&case, &answers(&case, &Differentiation::default()), 1e-8);
}

/// Where z is not unique, x and its derivative are.
#[test]
fn redundant_rows_and_a_singular_m_leave_x_and_its_derivative() {
    let known = generators::redundant_inequalities(size(9, 12, 3, 6), 3);
    let redundant = shared(&known.batch.select(&[0; 6]));
    for batch in [redundant, generators::sudoku_layer(20, 3)] {
        let mut case = Case::new(batch, 1);
        // Which z moves how, and what the matrices have to do with it, is a matter of choice.
        for values in [&mut case.gz, &mut case.dp, &mut case.da, &mut case.db] {
            values.fill(0.0);
        }
        let [shared, general] = answers(&case, &Differentiation::default());
        for (left, right) in shared.solution.reports.iter().zip(&general.solution.reports) {
            assert_eq!((left.status, right.status), (Status::Solved, Status::Solved));
            assert_eq!((left.unique_x, left.unique_z), (right.unique_x, right.unique_z));
        }
        let error = relative_error(&shared.solution.x, &general.solution.x);
        assert!(error < 1e-11, "x: {error:e}");
        let error = relative_error(&shared.gradients.q, &general.gradients.q);
        assert!(error < 1e-9, "dq: {error:e}");
        let error = relative_error(&shared.tangent.x, &general.tangent.x);
        assert!(error < 1e-9, "tangent x: {error:e}");
    }
}

#[test]
fn units_of_q_and_b_do_not_matter() {
    let case = Case::new(shared_qp(size(12, 14, 3, 10), 6), 1);
    let [expected, _] = answers(&case, &Differentiation::default());
    for unit in [1e-8, 1e8] {
        let mut scaled = case.clone();
        let Numbers::Each(q) = &mut scaled.batch.q else { unreachable!() };
        q.iter_mut().for_each(|q| *q *= unit);
        let Numbers::Each(b) = &mut scaled.batch.b else { unreachable!() };
        b.iter_mut().for_each(|b| *b *= unit);
        let answers = answers(&scaled, &Differentiation::default());
        assert_equal(&scaled, &answers, 1e-11);
        let x: Vec<f64> = answers[0].solution.x.iter().map(|x| x / unit).collect();
        assert!(relative_error(&x, &expected.solution.x) < 1e-12);
        assert!(relative_error(&answers[0].gradients.q, &expected.gradients.q) < 1e-10);
    }
    // Each sample in units of its own.
    let mut mixed = case.clone();
    let unit = |i: usize| 10_f64.powi(i as i32 * 2 - 8);
    let Numbers::Each(q) = &mut mixed.batch.q else { unreachable!() };
    q.chunks_mut(12).enumerate().for_each(|(i, q)| q.iter_mut().for_each(|q| *q *= unit(i)));
    let Numbers::Each(b) = &mut mixed.batch.b else { unreachable!() };
    b.chunks_mut(17).enumerate().for_each(|(i, b)| b.iter_mut().for_each(|b| *b *= unit(i)));
    let (solution, _) = mixed.forward();
    for i in 0..10 {
        let x: Vec<f64> = solution.x[i * 12..(i + 1) * 12].iter().map(|x| x / unit(i)).collect();
        assert!(relative_error(&x, &expected.solution.x[i * 12..(i + 1) * 12]) < 1e-11);
    }
}

#[test]
fn a_warm_start_takes_no_pivoting_and_gives_the_same_solution() {
    let case = Case::new(shared_qp(size(20, 20, 4, 17), 9), 1);
    let solver = solver(&case.batch);
    let cold = solver.solve(&case.batch.values()).unwrap();
    let warm = solver.solve_from(&case.batch.values(), &cold).unwrap();
    assert!(warm.reports.iter().all(|report| report.warm_started && report.iterations == 0));
    assert!(relative_error(&warm.x, &cold.x) < 1e-13);
    let far = Solution { x: vec![1e3; cold.x.len()], ..cold.clone() };
    let again = solver.solve_from(&case.batch.values(), &far).unwrap();
    assert!(relative_error(&again.x, &cold.x) < 1e-12);
}

#[test]
fn every_derivative_mode_agrees_with_the_general_way() {
    for case in families() {
        for mode in [Mode::Smoothed(1e-2), Mode::Lpgd(1e-3)] {
            let answers = answers(&case, &Differentiation { mode, ..Differentiation::default() });
            assert_equal(&case, &answers, 1e-8);
        }
    }
}

#[test]
fn second_derivatives_agree_with_the_general_way() {
    for case in families() {
        let (n, batch) = (case.batch.variables(), case.batch.batch);
        let (dq, change) = (normal_vector(n, batch, 5), normal_vector(n, batch, 6));
        let direction = Tangent { q: Some(Slot::Each(&dq)), ..Tangent::default() };
        let change = Cotangent { x: Some(&change), ..Cotangent::default() };
        let [left, right] = both(&case.batch).map(|solver| {
            let (_, tape) = solver.forward(&case.batch.values()).unwrap();
            tape.vjp_tangent(&case.cotangent(), &change, &direction, &Differentiation::default())
                .unwrap()
        });
        assert!(relative_error(&left.p, &right.p) < 1e-9);
        assert!(relative_error(&left.q, &right.q) < 1e-9);
        assert!(relative_error(&left.a, &right.a) < 1e-9);
        assert!(relative_error(&left.b, &right.b) < 1e-9);
    }
}

#[test]
fn no_time_leaves_every_sample_and_its_zero_derivatives() {
    let case = Case::new(shared_qp(size(6, 6, 0, 9), 2), 1);
    let settings = Settings { time_limit: Some(Duration::ZERO), ..Settings::default() };
    let solver = Solver::new(case.batch.structure.clone(), settings).unwrap();
    let (solution, tape) = solver.forward(&case.batch.values()).unwrap();
    assert!(solution.reports.iter().all(|report| report.status == Status::TimeLimit));
    let gradients = tape.vjp(&case.cotangent(), &ZERO).unwrap();
    assert!(gradients.q.iter().all(|&d| d == 0.0));
}
