//! The smoothed derivative is that of the central path, exists everywhere, and tends to the exact
//! one.

use argrad_conformance::generators::{self, Size};
use argrad_conformance::{ProgramBatch, relative_error};
use argrad_solver::{Differentiation, Mode, Status, Tape};

use crate::case::{Case, dot, largest, size, solver};
use crate::difference::moved;

fn smoothed(mu: f64) -> Differentiation {
    Differentiation { mode: Mode::Smoothed(mu), ..Differentiation::default() }
}

fn tape(batch: &ProgramBatch) -> Tape {
    solver(batch).forward(&batch.values()).unwrap().1
}

/// x, z and s = b - Ax of the central path, for each sample.
fn central(batch: &ProgramBatch, mu: f64) -> Vec<[Vec<f64>; 3]> {
    let (x, z) = tape(batch).central_points(mu).unwrap();
    let (n, m) = (batch.variables(), batch.rows());
    (0..batch.batch)
        .map(|i| {
            let program = batch.program(i);
            let (x, z) = (x[i * n..][..n].to_vec(), z[i * m..][..m].to_vec());
            let s = (0..m).map(|k| program.b[k] - dot(program.row(k), &x)).collect();
            [x, z, s]
        })
        .collect()
}

#[test]
fn central_points_satisfy_the_equations_of_the_central_path() {
    for (size, mu) in
        [(size(6, 8, 2, 9), 1e-1), (size(10, 10, 0, 9), 1e-3), (size(20, 30, 10, 9), 1e-6)]
    {
        let Size { variables: n, equalities, .. } = size;
        let batch = generators::random_qp(size, 141);
        for (i, [x, z, s]) in central(&batch, mu).into_iter().enumerate() {
            let program = batch.program(i);
            let stationarity: Vec<f64> = (0..n)
                .map(|j| {
                    let column: f64 =
                        (0..program.rows()).map(|k| program.a[k * n + j] * z[k]).sum();
                    dot(&program.p[j * n..][..n], &x) + program.q[j] + column
                })
                .collect();
            assert!(largest(&stationarity) < 1e-11 * largest(&z).max(1.0), "sample {i}");
            assert!(largest(&s[..equalities]) < 1e-11, "sample {i}");
            for k in equalities..program.rows() {
                assert!(z[k] > 0.0 && s[k] > -1e-12);
                // s is a difference of terms of size one.
                assert!((s[k] * z[k] - mu).abs() < 1e-11 * z[k].max(1.0), "sample {i}, row {k}");
            }
        }
    }
}

#[test]
fn smoothed_gradients_match_differences_of_central_points() {
    for mu in [1e-1, 1e-2, 1e-3] {
        for size in [size(1, 1, 0, 9), size(5, 7, 2, 9), size(8, 8, 0, 9), size(4, 0, 2, 9)] {
            let case = Case::new(generators::random_qp(size, 142), 1);
            let tape = tape(&case.batch);
            let gradients = tape.vjp(&case.cotangent(), &smoothed(mu)).unwrap();
            let tangent = tape.jvp(&case.tangent(), &smoothed(mu)).unwrap();
            let (n, m) = (case.batch.variables(), case.batch.rows());
            const STEP: f64 = 1e-5;
            let (plus, minus) =
                (central(&moved(&case, STEP), mu), central(&moved(&case, -STEP), mu));
            for i in 0..size.batch {
                let (x, rows) = (i * n..(i + 1) * n, i * m..(i + 1) * m);
                let difference = |k: usize| -> Vec<f64> {
                    plus[i][k]
                        .iter()
                        .zip(&minus[i][k])
                        .map(|(p, m)| (p - m) / (2.0 * STEP))
                        .collect()
                };
                let [dx, dz, ds] = [0, 1, 2].map(difference);
                let terms = largest(&dx).max(largest(&dz)).max(largest(&ds)).max(1.0);
                for (name, found, expected) in [
                    ("x", &tangent.x[x.clone()], &dx),
                    ("z", &tangent.z[rows.clone()], &dz),
                    ("s", &tangent.s[rows.clone()], &ds),
                ] {
                    let off: Vec<f64> = found.iter().zip(expected).map(|(f, e)| f - e).collect();
                    let error = largest(&off) / terms;
                    assert!(error < 1e-6, "{name} of sample {i} of {size:?}, mu {mu}: {error:e}");
                }
                let expected = dot(&case.gx[x], &dx)
                    + dot(&case.gz[rows.clone()], &dz)
                    + dot(&case.gs[rows], &ds);
                let found = crate::difference::along(&case, &gradients, i);
                assert!((found - expected).abs() < 1e-5 * terms, "{found} {expected}");
            }
        }
    }
}

#[test]
fn smoothed_gradients_tend_to_the_exact_ones() {
    let case = Case::new(generators::random_qp(size(6, 8, 2, 12), 143), 1);
    let tape = tape(&case.batch);
    let exact = tape.vjp(&case.cotangent(), &Differentiation::default()).unwrap();
    let errors = [1e-5, 1e-7, 1e-9].map(|mu| {
        let found = tape.vjp(&case.cotangent(), &smoothed(mu)).unwrap();
        relative_error(&found.q, &exact.q)
            .max(relative_error(&found.a, &exact.a))
            .max(relative_error(&found.b, &exact.b))
            .max(relative_error(&found.p, &exact.p))
    });
    assert!(errors[1] < 0.05 * errors[0] && errors[2] < 0.05 * errors[1], "{errors:?}");
    assert!(errors[2] < 1e-5, "{errors:?}");
}

#[test]
fn the_central_path_starts_at_the_solution() {
    let batch = generators::random_qp(size(6, 8, 2, 12), 144);
    let (solution, tape) = solver(&batch).forward(&batch.values()).unwrap();
    let (x, z) = tape.central_points(1e-12).unwrap();
    assert!(relative_error(&x, &solution.x) < 1e-8);
    assert!(relative_error(&z, &solution.z) < 1e-8);
}

#[test]
fn smoothed_gradients_exist_where_the_exact_ones_do_not() {
    let weak = generators::weakly_active(size(10, 8, 2, 9), 3, 0.0, 145).batch;
    let case = Case::new(weak, 1);
    let (solution, tape) = case.forward();
    assert!(solution.reports.iter().all(|r| r.status == Status::Solved && r.weakly_active >= 3));
    let gradients = tape.vjp(&case.cotangent(), &smoothed(1e-4)).unwrap();
    let all = [&gradients.p, &gradients.q, &gradients.a, &gradients.b];
    assert!(all.iter().all(|values| values.iter().all(|g| g.is_finite())));
    assert!(
        gradients.adjoint_residual.iter().all(|r| *r < 1e-10),
        "{:?}",
        gradients.adjoint_residual
    );
}

#[test]
fn a_smoothed_linear_program_has_a_closed_form() {
    // min q x subject to -x <= 0 with q > 0: z = q, x = mu / q, dx/dq = -mu / q^2.
    use argrad_solver::{Cone, Cotangent, Pattern, Settings, Slot, Solver, Structure, Values};
    let structure =
        Structure::new(Pattern::empty(1, 1), Pattern::dense(1, 1), vec![Cone::Nonnegative(1)])
            .unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let q = [0.5, 2.0, 10.0];
    let values = Values {
        batch: 3,
        p: Slot::Shared(&[]),
        q: Slot::Each(&q),
        a: Slot::Shared(&[-1.0]),
        b: Slot::Shared(&[0.0]),
    };
    let (_, tape) = solver.forward(&values).unwrap();
    for mu in [1.0, 1e-2, 1e-6] {
        let (x, z) = tape.central_points(mu).unwrap();
        let expected: Vec<f64> = q.iter().map(|q| mu / q).collect();
        assert!(relative_error(&x, &expected) < 1e-9, "{x:?} {expected:?}");
        assert!(relative_error(&z, &q) < 1e-12);
        let cotangent = Cotangent { x: Some(&[1.0; 3]), ..Cotangent::default() };
        let gradients = tape.vjp(&cotangent, &smoothed(mu)).unwrap();
        let expected: Vec<f64> = q.iter().map(|q| -mu / (q * q)).collect();
        assert!(relative_error(&gradients.q, &expected) < 1e-9, "{:?} {expected:?}", gradients.q);
    }
}
