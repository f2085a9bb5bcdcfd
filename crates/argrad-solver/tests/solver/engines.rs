//! The engines and methods agree, and the choice between them is made from the structure alone.

use argrad_conformance::generators::{self, Plant};
use argrad_conformance::relative_error;
use argrad_conformance::{Numbers, ProgramBatch, StoredGradients};
use argrad_solver::{
    Cone, Differentiation, Engine, Error, Instructions, Method, OnFailure, Pattern, Settings,
    Solver, Structure, Tape,
};

use crate::case::{Case, NAN, ZERO, differing, gradient_error, size};
use crate::families::{Family, families, mixtures};

fn with(batch: &ProgramBatch, engine: Engine) -> Solver {
    let settings = Settings { engine, ..Settings::default() };
    Solver::new(batch.structure.clone(), settings).unwrap()
}

#[test]
fn sparse_and_lane_engines_give_the_same_solutions_and_gradients() {
    for Family { name, programs } in families(12) {
        let case = Case::new(programs.known_solution().batch, 1);
        let [lanes, sparse] = [Engine::Lanes, Engine::Sparse]
            .map(|engine| case.answer(&with(&case.batch, engine), &ZERO).unwrap());
        let (n, m) = (case.batch.variables(), case.batch.rows());
        for (i, report) in sparse.solution.reports.iter().enumerate() {
            assert!(report.is_solved() && report.residual < 1e-11, "{name} {i}: {report:?}");
            let exact = case.reference(i, &sparse.solution).unwrap();
            if report.is_degenerate() || lanes.solution.reports[i].is_degenerate() {
                continue;
            }
            // What rounding does to a solution, and to its derivative.
            let limit = 1e-12_f64.max(1e-15 * exact.condition);
            let x = |values: &[f64]| values[i * n..(i + 1) * n].to_vec();
            let pair = |z: &[f64], s: &[f64]| [&z[i * m..][..m], &s[i * m..][..m]].concat();
            let gradients = |found| -> StoredGradients { case.gradients_of(i, found) };
            for (what, error, limit) in [
                ("x", relative_error(&x(&sparse.solution.x), &x(&lanes.solution.x)), limit),
                (
                    "z and s",
                    relative_error(
                        &pair(&sparse.solution.z, &sparse.solution.s),
                        &pair(&lanes.solution.z, &lanes.solution.s),
                    ),
                    limit,
                ),
                (
                    "VJP",
                    gradient_error(&gradients(&sparse.gradients), &gradients(&lanes.gradients)),
                    100.0 * limit,
                ),
                ("JVP", relative_error(&x(&sparse.tangent.x), &x(&lanes.tangent.x)), 100.0 * limit),
            ] {
                assert!(
                    error < limit,
                    "{name} {i}: {what} differs by {error:e}, condition {:e}, {report:?}",
                    exact.condition
                );
            }
        }
    }
}

#[test]
fn sparse_engine_classifies_what_has_no_solution() {
    for Family { name, programs } in mixtures(5) {
        for (batch, what) in [
            (programs.infeasible(), "primal infeasible"),
            (programs.unbounded(), "dual infeasible"),
        ] {
            let solution = with(&batch, Engine::Sparse).solve(&batch.values()).unwrap();
            for (i, report) in solution.reports.iter().enumerate() {
                assert!(report.status.to_string().starts_with(what), "{name} {i}: {report:?}");
            }
        }
    }
}

#[test]
fn small_structures_go_to_lanes_bit_for_bit_whatever_the_batch() {
    let case = Case::new(mixtures(9)[0].programs.known_solution().batch, 2);
    let lanes = case.answer(&with(&case.batch, Engine::Lanes), &ZERO).unwrap();
    let automatic = with(&case.batch, Engine::Auto);
    assert_eq!(automatic.lanes(), with(&case.batch, Engine::Lanes).lanes());
    for i in 0..9 {
        let alone = case.select(&[i]).answer(&automatic, &ZERO).unwrap();
        let different = differing(&alone.bits(0), &lanes.bits(i));
        assert!(different.is_empty(), "{different:?} of sample {i}");
    }
}

#[test]
fn large_structures_go_to_the_sparse_engine() {
    let lanes = |n: usize, engine| {
        let structure = Structure::new(
            Pattern::dense_upper(n),
            Pattern::diagonal(n),
            vec![Cone::Nonnegative(n)],
        )
        .unwrap();
        let settings = Settings { engine, ..Settings::default() };
        Solver::new(structure, settings).unwrap().lanes()
    };
    assert_eq!(lanes(50, Engine::Auto), lanes(50, Engine::Lanes));
    assert_eq!(lanes(50, Engine::Sparse), 1);
    // More than 100,000 entries.
    assert_eq!(lanes(500, Engine::Auto), 1);
}

/// Solved, infeasible and unbounded ones, so large that the sparse engine approaches them in single
/// precision.
fn large_dense_programs() -> ProgramBatch {
    let size = size(240, 120, 24, 1);
    let solvable = generators::random_qp(size, 21);
    let infeasible = generators::conflicting_inequalities(size, 22);
    let unbounded = generators::unbounded(size, 23);
    infeasible.join(&solvable).join(&unbounded).join(&generators::random_qp(size, 24))
}

#[test]
fn large_dense_programs_are_the_same_to_both_engines() {
    let case = Case::new(large_dense_programs(), 8);
    let [lanes, sparse] = [Engine::Lanes, Engine::Sparse]
        .map(|engine| case.answer(&with(&case.batch, engine), &ZERO).unwrap());
    let statuses = |reports: &[argrad_solver::Report]| -> Vec<String> {
        reports.iter().map(|report| report.status.to_string()).collect()
    };
    assert_eq!(statuses(&sparse.solution.reports), statuses(&lanes.solution.reports));
    let (n, m) = (case.batch.variables(), case.batch.rows());
    for i in [1, 3] {
        let report = &sparse.solution.reports[i];
        assert!(report.is_solved() && report.residual < 1e-13 && report.is_unique(), "{report:?}");
        let of = |values: &[f64], len: usize| values[i * len..(i + 1) * len].to_vec();
        for (what, error) in [
            ("x", relative_error(&of(&sparse.solution.x, n), &of(&lanes.solution.x, n))),
            ("z", relative_error(&of(&sparse.solution.z, m), &of(&lanes.solution.z, m))),
            ("JVP", relative_error(&of(&sparse.tangent.x, n), &of(&lanes.tangent.x, n))),
            (
                "VJP",
                gradient_error(
                    &case.gradients_of(i, &sparse.gradients),
                    &case.gradients_of(i, &lanes.gradients),
                ),
            ),
        ] {
            assert!(error < 1e-10, "{i}: {what} differs by {error:e}, {report:?}");
        }
    }
}

#[test]
fn large_dense_programs_have_the_same_bits_alone_and_with_any_instructions() {
    let case = Case::new(large_dense_programs(), 8);
    let together = case.answer(&with(&case.batch, Engine::Sparse), &ZERO).unwrap();
    let instructions = Instructions::Scalar;
    let settings = Settings { engine: Engine::Sparse, instructions, ..Settings::default() };
    let scalar = Solver::new(case.batch.structure.clone(), settings).unwrap();
    for i in 0..case.batch.batch {
        let alone = case.select(&[i]).answer(&scalar, &ZERO).unwrap();
        let different = differing(&alone.bits(0), &together.bits(i));
        assert!(different.is_empty(), "{different:?} of sample {i}");
    }
}

/// `1/2 |t|^2 + q'x` with `t = L'x` for P = LL': the rows of t and those of A are dense, and P has
/// no entry for x.
fn with_rows_for_the_objective(batch: &ProgramBatch) -> ProgramBatch {
    let (n, m) = (batch.variables(), batch.rows());
    let colptr = (0..=n).map(|j| j * (n + m)).chain((1..=n).map(|j| n * (n + m) + j)).collect();
    let rowval = (0..n).flat_map(|_| 0..n + m).chain(0..n).collect();
    let p = (0..=2 * n).map(|j| j.saturating_sub(n)).collect();
    let structure = Structure::new(
        Pattern::new(2 * n, 2 * n, p, (n..2 * n).collect()).unwrap(),
        Pattern::new(n + m, 2 * n, colptr, rowval).unwrap(),
        vec![Cone::Zero(n + batch.equalities()), Cone::Nonnegative(batch.inequalities())],
    )
    .unwrap();
    let (mut q, mut a, mut b) = (Vec::new(), Vec::new(), Vec::new());
    for program in (0..batch.batch).map(|i| batch.program(i)) {
        let mut l = program.p.clone();
        for j in 0..n {
            for i in j..n {
                let sum: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
                l[i * n + j] -= sum;
                l[i * n + j] /= if i == j { l[j * n + j].sqrt() } else { l[j * n + j] };
            }
        }
        for j in 0..n {
            a.extend((0..n).map(|row| if row <= j { l[j * n + row] } else { 0.0 }));
            a.extend((0..m).map(|row| program.row(row)[j]));
        }
        a.extend(std::iter::repeat_n(-1.0, n));
        q.extend(program.q.iter().copied().chain(std::iter::repeat_n(0.0, n)));
        b.extend(std::iter::repeat_n(0.0, n).chain(program.b.iter().copied()));
    }
    let (p, q) = (Numbers::Shared(vec![1.0; n]), Numbers::Each(q));
    ProgramBatch { structure, batch: batch.batch, p, q, a: Numbers::Each(a), b: Numbers::Each(b) }
}

/// The variables of dense rows are eliminated after them, also where P has no entry for them.
#[test]
fn dense_rows_of_an_objective_are_solved_as_the_objective_is() {
    let batch = generators::random_qp(size(120, 60, 12, 2), 31);
    let lifted = with_rows_for_the_objective(&batch);
    let expected = with(&batch, Engine::Sparse).solve(&batch.values()).unwrap();
    for engine in [Engine::Lanes, Engine::Sparse] {
        let found = with(&lifted, engine).solve(&lifted.values()).unwrap();
        for (i, report) in found.reports.iter().enumerate() {
            assert!(report.is_solved() && report.factorizations < 15, "{engine:?} {i}: {report:?}");
            let (n, x) = (batch.variables(), &expected.x);
            let error = relative_error(&found.x[2 * i * n..][..n], &x[i * n..][..n]);
            assert!(error < 1e-11, "{engine:?} {i}: x differs by {error:e}");
        }
    }
}

/// Larger than other structures that go there.
#[test]
fn controllers_of_a_dozen_states_go_to_lanes() {
    let plant = Plant { states: 12, inputs: 4, horizon: 30 };
    let case = Case::new(generators::linear_mpc(plant, 9, 3), 9);
    assert!(case.batch.variables() + case.batch.rows() > 1000);
    let automatic = with(&case.batch, Engine::Auto);
    assert_eq!(automatic.lanes(), with(&case.batch, Engine::Lanes).lanes());
    let lanes = case.answer(&automatic, &ZERO).unwrap();
    let sparse = case.answer(&with(&case.batch, Engine::Sparse), &ZERO).unwrap();
    let n = case.batch.variables();
    for (i, report) in lanes.solution.reports.iter().enumerate() {
        assert!(report.is_solved() && report.residual < 1e-12, "{i}: {report:?}");
        let of = |values: &[f64]| values[i * n..(i + 1) * n].to_vec();
        let error = relative_error(&of(&lanes.solution.x), &of(&sparse.solution.x));
        assert!(error < 1e-11, "{i}: x differs by {error:e}");
        let error = relative_error(&of(&lanes.tangent.x), &of(&sparse.tangent.x));
        assert!(error < 1e-9 || report.is_degenerate(), "{i}: JVP differs by {error:e}");
    }
    for i in [0, 8] {
        let alone = case.select(&[i]).answer(&automatic, &ZERO).unwrap();
        let different = differing(&alone.bits(0), &lanes.bits(i));
        assert!(different.is_empty(), "{different:?} of sample {i}");
    }
}

#[test]
fn a_matrix_free_solver_refuses_to_solve() {
    let batch = mixtures(2)[0].programs.known_solution().batch;
    let solver = with(&batch, Engine::MatrixFree);
    for error in
        [solver.solve(&batch.values()).unwrap_err(), solver.forward(&batch.values()).unwrap_err()]
    {
        assert!(matches!(error, Error::Setting { setting: "engine", .. }), "{error}");
        for part in ["engine", "MatrixFree", "tape_at"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

const LSQR: Method = Method::Lsqr { tolerance: 1e-13, max_iterations: 10_000 };

/// A tape at solutions of the lane engine.
fn matrix_free(case: &Case) -> Tape {
    let (solution, _) = case.forward();
    let solver = with(&case.batch, Engine::MatrixFree);
    let (measured, tape) = solver.tape_at(&case.batch.values(), &solution).unwrap();
    assert_eq!((&measured.x, &measured.z), (&solution.x, &solution.z));
    assert!(measured.reports.iter().all(|report| report.is_solved()));
    tape
}

#[test]
fn lsqr_gives_the_direct_gradient_with_and_without_a_factor() {
    for Family { name, programs } in families(8) {
        let case = Case::new(programs.known_solution().batch, 4);
        let (solution, tape) = case.forward();
        let lsqr = Differentiation { method: LSQR, ..ZERO };
        let expected = tape.vjp(&case.cotangent(), &ZERO).unwrap();
        let expected_moved = tape.jvp(&case.tangent(), &ZERO).unwrap();
        for tape in [&tape, &matrix_free(&case)] {
            let found = tape.vjp(&case.cotangent(), &lsqr).unwrap();
            let moved = tape.jvp(&case.tangent(), &lsqr).unwrap();
            for (i, report) in solution.reports.iter().enumerate() {
                let exact = case.reference(i, &solution).unwrap();
                if report.is_degenerate() || exact.condition > 1e4 {
                    continue;
                }
                assert!(!found.unfinished.contains(&i) && found.iterations[i] > 0, "{name} {i}");
                assert!(found.adjoint_residual[i] < 1e-11, "{name} {i}");
                let error =
                    gradient_error(&case.gradients_of(i, &found), &case.gradients_of(i, &expected));
                assert!(error < 1e-8, "{name} {i}: VJP is off by {error:e}");
                let n = case.batch.variables();
                let error = relative_error(&moved.x[i * n..][..n], &expected_moved.x[i * n..][..n]);
                assert!(error < 1e-8, "{name} {i}: JVP is off by {error:e}");
            }
        }
    }
}

#[test]
fn a_matrix_free_solver_uses_lsqr_by_itself() {
    let case = Case::new(mixtures(3)[0].programs.known_solution().batch, 5);
    let found = matrix_free(&case).vjp(&case.cotangent(), &ZERO).unwrap();
    let expected = case.forward().1.vjp(&case.cotangent(), &ZERO).unwrap();
    assert!(found.iterations.iter().all(|&iterations| iterations > 0));
    for i in 0..3 {
        let error = gradient_error(&case.gradients_of(i, &found), &case.gradients_of(i, &expected));
        assert!(error < 1e-6, "{i}: off by {error:e}");
    }
}

#[test]
fn lsqr_at_its_limit_lists_the_sample_and_its_residual() {
    let case = Case::new(mixtures(3)[0].programs.known_solution().batch, 6);
    let method = Method::Lsqr { tolerance: 1e-12, max_iterations: 3 };
    let how = Differentiation { method, ..NAN };
    let (_, direct) = case.forward();
    for tape in [direct, matrix_free(&case)] {
        let found = tape.vjp(&case.cotangent(), &how).unwrap();
        let moved = tape.jvp(&case.tangent(), &how).unwrap();
        assert_eq!((&found.unfinished, &moved.unfinished), (&vec![0, 1, 2], &vec![0, 1, 2]));
        for (iterations, residuals) in
            [(&found.iterations, &found.adjoint_residual), (&moved.iterations, &moved.residual)]
        {
            assert_eq!(*iterations, [3; 3]);
            assert!(residuals.iter().all(|r| *r > 1e-12 && r.is_finite()), "{residuals:?}");
        }
        assert!(found.q.iter().all(|q| q.is_finite()));
    }
}

#[test]
fn a_tape_at_a_point_that_is_no_solution_has_no_derivative() {
    let case = Case::new(mixtures(3)[0].programs.known_solution().batch, 7);
    let (mut solution, _) = case.forward();
    solution.x[0] += 1e-3;
    for engine in [Engine::Lanes, Engine::Sparse, Engine::MatrixFree] {
        let solver = with(&case.batch, engine);
        let (measured, tape) = solver.tape_at(&case.batch.values(), &solution).unwrap();
        assert!(!measured.reports[0].is_solved() && measured.reports[0].residual > 1e-6);
        assert!(measured.reports[1].is_solved() && measured.reports[2].is_solved());
        match tape.vjp(&case.cotangent(), &Differentiation::default()).unwrap_err() {
            Error::Unsolved { batch: 3, failures } => assert_eq!(failures[0].0, 0),
            error => panic!("{error}"),
        }
        let how = Differentiation { on_failure: OnFailure::Nan, ..ZERO };
        let gradients = tape.vjp(&case.cotangent(), &how).unwrap();
        let n = case.batch.variables();
        assert!(gradients.q[..n].iter().all(|q| q.is_nan()));
        assert!(gradients.q[n..].iter().all(|q| q.is_finite()));
    }
}
