//! Programs without a solution: statuses and certificates.

use argrad_solver::{Error, OnFailure, Status};

use crate::case::{Directions, HOW, in_order, of_lanes, solver, statuses};
use crate::families::{Family, count, unsolvable};

/// `A'z`, `Px` and `Ax + s` of a sample, their largest entries relative to the largest of their
/// terms; b'z and q'x.
struct Certificate {
    atz: f64,
    px: f64,
    rows: f64,
    bz: f64,
    qx: f64,
}

fn certificate(family: &Family, x: &[f64], z: &[f64], s: &[f64], sample: usize) -> Certificate {
    let program = family.batch.program(sample);
    let (n, m) = (program.variables, program.rows());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let size = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum::<f64>();
    let column = |j: usize| (0..m).map(|i| program.row(i)[j]).collect::<Vec<_>>();
    let largest = |pairs: &mut dyn Iterator<Item = (f64, f64)>| {
        let (error, terms) = pairs
            .fold((0.0_f64, 0.0_f64), |(e, t), (error, term)| (e.max(error.abs()), t.max(term)));
        error / terms.max(f64::MIN_POSITIVE)
    };
    let p = |j: usize| &program.p[j * n..(j + 1) * n];
    Certificate {
        atz: largest(&mut (0..n).map(|j| (dot(&column(j), z), size(&column(j), z)))),
        px: largest(&mut (0..n).map(|j| (dot(p(j), x), size(p(j), x)))),
        rows: largest(
            &mut (0..m)
                .map(|i| (dot(program.row(i), x) + s[i], size(program.row(i), x) + s[i].abs())),
        ),
        bz: dot(&program.b, z),
        qx: dot(&program.q, x),
    }
}

#[test]
fn each_has_the_status_of_the_cpu_engine_and_a_certificate() {
    for family in unsolvable(count()) {
        let batch = &family.batch;
        let (n, m) = (batch.variables(), batch.rows());
        let own = solver(batch, in_order()).solve(&batch.values()).unwrap();
        let expected = of_lanes(batch, &Directions::new(&family)).solution;
        assert_eq!(statuses(&own), statuses(&expected), "{}", family.name);
        for (sample, report) in own.reports.iter().enumerate() {
            let (x, z) = (&own.x[sample * n..][..n], &own.z[sample * m..][..m]);
            let s = &own.s[sample * m..][..m];
            let found = certificate(&family, x, z, s, sample);
            let place = format!("{}, sample {sample}", family.name);
            let equalities = batch.equalities();
            if report.status == Status::PrimalInfeasible {
                assert!(found.atz < 1e-6, "{place}: {:e}", found.atz);
                assert!((found.bz + 1.0).abs() < 1e-9, "{place}: {}", found.bz);
                assert!(z[equalities..].iter().all(|&z| z >= 0.0), "{place}");
            } else {
                assert_eq!(report.status, Status::DualInfeasible, "{place}");
                assert!(found.px < 1e-5 && found.rows < 1e-6, "{place}: {:e}", found.px);
                assert!((found.qx + 1.0).abs() < 1e-9, "{place}: {}", found.qx);
                assert!(s[equalities..].iter().all(|&s| s >= 0.0), "{place}");
            }
        }
    }
}

#[test]
fn their_derivative_is_an_error_or_nan_or_zero_as_was_asked_for() {
    let family = &unsolvable(3)[0];
    let directions = Directions::new(family);
    let (_, tape) = solver(&family.batch, in_order()).forward(&family.batch.values()).unwrap();
    let ask = |on_failure| tape.vjp(&directions.cotangent(), &with(on_failure));
    let error = ask(OnFailure::Error).unwrap_err();
    assert!(matches!(error.of_program(), Some(Error::Unsolved { batch: 3, .. })), "{error}");
    assert!(ask(OnFailure::Nan).unwrap().q.iter().all(|v| v.is_nan()));
    assert!(ask(OnFailure::Zero).unwrap().q.iter().all(|&v| v == 0.0));
    let tangent = tape.jvp(&directions.tangent(&family.batch), &with(OnFailure::Nan)).unwrap();
    assert!(tangent.x.iter().all(|v| v.is_nan()));
}

fn with(on_failure: OnFailure) -> argrad_solver::Differentiation {
    argrad_solver::Differentiation { on_failure, ..HOW }
}
