//! Gradients of ill-conditioned programs are right as far as rounding lets them be, and the solver
//! says how far that is; what is unique is told from what is not.

use argrad_conformance::generators::{self, KnownSolution};
use argrad_conformance::relative_error;
use argrad_solver::{
    Cone, Cotangent, Differentiation, Pattern, Settings, Slot, Solver, Structure, Values,
};

use crate::case::{Case, gradient_error, size, solver};

const COUNT: usize = 8;

/// Errors of gradients, and what was said of them.
fn errors(known: &KnownSolution) -> Vec<(f64, f64)> {
    let case = Case::new(known.batch.clone(), 1);
    let (solution, tape) = case.forward();
    let gradients = tape.vjp(&case.cotangent(), &Differentiation::default()).unwrap();
    assert!(
        gradients.iterations.iter().all(|&k| k == 0),
        "LSQR for a regular system: {:?} {:?}",
        gradients.iterations,
        gradients.adjoint_residual
    );
    (0..known.batch.batch)
        .map(|i| {
            let report = &solution.reports[i];
            assert!(report.is_solved() && report.is_unique(), "sample {i}: {report:?}");
            let exact = case.oracle(i, &solution).unwrap();
            let found = case.gradients_of(i, &gradients);
            let expected = case.oracle_gradients(i, &exact);
            (gradient_error(&found, &expected), gradients.accuracy[i])
        })
        .collect()
}

#[test]
fn gradients_lose_as_many_digits_as_the_condition_number_has() {
    for (n, m) in [(20, 6), (60, 20)] {
        for exponent in [2, 4, 6, 8, 10] {
            let condition = 10_f64.powi(exponent);
            let known = generators::ill_conditioned(size(n, m, 0, COUNT), condition, 181);
            for (i, (error, said)) in errors(&known).into_iter().enumerate() {
                let place = format!("n = {n}, 1e{exponent}, sample {i}");
                assert!(error < 1e-13 * condition, "{place}: {error:e}");
                assert!(said < 1e-12 * condition, "{place}: {said:e}");
                assert!(error < 1e3 * said, "{place}: {error:e}, said to be {said:e}");
            }
        }
    }
}

/// What the residual does not see, in the direction of the smallest eigenvalue, is right too.
#[test]
fn solutions_lose_as_many_digits_as_the_condition_number_has() {
    for (n, m) in [(20, 6), (60, 20)] {
        let known = generators::ill_conditioned(size(n, m, 0, 300), 1e10, 1);
        let (solution, tape) = solver(&known.batch).forward(&known.batch.values()).unwrap();
        let gx = vec![1.0; 300 * n];
        let cotangent = Cotangent { x: Some(&gx), ..Cotangent::default() };
        let gradients = tape.vjp(&cotangent, &Differentiation::default()).unwrap();
        for i in 0..300 {
            let error = relative_error(&solution.x[i * n..][..n], &known.x[i * n..][..n]);
            let (report, said) = (&solution.reports[i], gradients.accuracy[i]);
            // A program is known to 1e10 times the rounding of q.
            assert!(error < 1e-5, "n = {n}, sample {i}: {error:e}, {report:?}");
            assert!(error < 1e3 * said, "n = {n}, sample {i}: {error:e}, said {said:e}");
        }
    }
}

/// `min w |x1 - x2| + 1/2 |x - m|^2` with w = 1e6: both become the mean, and so does dx/dm.
#[test]
fn a_large_weight_of_a_difference_takes_the_mean() {
    let w = 1e6;
    let structure =
        Structure::new(Pattern::diagonal(3), Pattern::dense(2, 3), vec![Cone::Nonnegative(2)])
            .unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let (m1, m2) = (1.3, -0.4);
    let values = Values {
        batch: 1,
        p: Slot::Shared(&[1.0, 1.0, 0.0]),
        q: Slot::Shared(&[-m1, -m2, w]),
        // x1 - x2 <= t, x2 - x1 <= t, column by column
        a: Slot::Shared(&[1.0, -1.0, -1.0, 1.0, -1.0, -1.0]),
        b: Slot::Shared(&[0.0, 0.0]),
    };
    let (solution, tape) = solver.forward(&values).unwrap();
    let report = &solution.reports[0];
    let mean = 0.5 * (m1 + m2);
    assert!(relative_error(&solution.x, &[mean, mean, 0.0]) < 1e-14, "{:?}", solution.x);
    assert!(report.is_solved() && !report.is_degenerate(), "{report:?}");
    let gx = Cotangent { x: Some(&[1.0, 0.0, 0.0]), ..Cotangent::default() };
    let gradients = tape.vjp(&gx, &Differentiation::default()).unwrap();
    // m is -q.
    assert!(relative_error(&gradients.q[..2], &[-0.5, -0.5]) < 1e-12, "{:?}", gradients.q);
}

/// The vertex of an assignment is unique, the prices are not.
#[test]
fn degenerate_vertices_are_unique_and_their_multipliers_are_not() {
    // Assignment of 3 to 3: rows and columns of x sum to one.
    let n = 3;
    let (rows, columns) = (2 * n + n * n, n * n);
    let mut numbers = vec![0.0; rows * columns];
    for column in 0..columns {
        numbers[(column / n) * columns + column] = 1.0;
        numbers[(n + column % n) * columns + column] = 1.0;
        numbers[(2 * n + column) * columns + column] = -1.0;
    }
    let a = Pattern::dense(rows, columns);
    let numbers: Vec<f64> = a.entries().map(|(i, j)| numbers[i * columns + j]).collect();
    let cones = vec![Cone::Zero(2 * n), Cone::Nonnegative(n * n)];
    let structure = Structure::new(Pattern::empty(n * n, n * n), a, cones).unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let mut b = vec![1.0; 2 * n];
    b.resize(2 * n + n * n, 0.0);
    let values = Values {
        batch: 1,
        p: Slot::Shared(&[]),
        q: Slot::Shared(&[1.0, 5.0, 4.0, 6.0, 2.0, 7.0, 3.0, 8.0, 1.5]),
        a: Slot::Shared(&numbers),
        b: Slot::Shared(&b),
    };
    let (solution, tape) = solver.forward(&values).unwrap();
    let report = &solution.reports[0];
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    assert!(relative_error(&solution.x, &identity) < 1e-12, "{:?}", solution.x);
    assert!(report.is_solved() && report.unique_x && !report.unique_z, "{report:?}");
    let gx = Cotangent { x: Some(&identity), ..Cotangent::default() };
    let gradients = tape.vjp(&gx, &Differentiation::default()).unwrap();
    assert!(gradients.q.iter().all(|g| g.abs() < 1e-12), "{:?}", gradients.q);
    assert!(gradients.iterations[0] == 0, "LSQR where the system has a solution");
}

/// Where x is not unique and z is, the flags say so.
#[test]
fn edges_of_solutions_are_not_unique_and_their_multipliers_are() {
    // min -x1 - x2, x1 + x2 <= 1, x >= 0: an edge.
    let structure =
        Structure::new(Pattern::empty(2, 2), Pattern::dense(3, 2), vec![Cone::Nonnegative(3)])
            .unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let values = Values {
        batch: 1,
        p: Slot::Shared(&[]),
        q: Slot::Shared(&[-1.0, -1.0]),
        // Column by column.
        a: Slot::Shared(&[1.0, -1.0, 0.0, 1.0, 0.0, -1.0]),
        b: Slot::Shared(&[1.0, 0.0, 0.0]),
    };
    let report = solver.solve(&values).unwrap().reports[0];
    assert!(report.is_solved() && !report.unique_x && report.unique_z, "{report:?}");
}
