//! Programs without a solution: statuses and certificates.

use argrad_conformance::generators::{self, Size};
use argrad_conformance::{KktResidual, Numbers, ProgramBatch, kkt_residual};
use argrad_solver::{Error, OnFailure, Settings, Status};

use crate::case::{Directions, HOW, in_order, of_lanes, solver, statuses};
use crate::families::{Family, count, curved_unsolvable, unsolvable};

/// `A'z`, `Px` and `Ax + s` of a sample, their largest entries relative to the largest of their
/// terms; b'z and q'x.
struct Certificate {
    atz: f64,
    px: f64,
    rows: f64,
    bz: f64,
    qx: f64,
}

/// A sum, and the sum of the sizes of its terms.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    size: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
    }
}

/// The largest of the sums relative to the largest of their sizes.
fn largest(sums: &[Sum]) -> f64 {
    let most = |of: fn(&Sum) -> f64| sums.iter().map(of).fold(0.0, f64::max);
    most(|sum| sum.value.abs()) / most(|sum| sum.size).max(f64::MIN_POSITIVE)
}

fn certificate(family: &Family, x: &[f64], z: &[f64], s: &[f64], sample: usize) -> Certificate {
    let ProgramBatch { structure, p, q, a, b, .. } = &family.batch;
    let (n, m) = (x.len(), z.len());
    let (mut px, mut atz) = (vec![Sum::default(); n], vec![Sum::default(); n]);
    let mut rows = vec![Sum::default(); m];
    for ((i, j), entry) in structure.p().entries().zip(p.sample(sample, structure.p().nnz())) {
        px[i].add(entry * x[j]);
        if i != j {
            px[j].add(entry * x[i]);
        }
    }
    for ((i, j), entry) in structure.a().entries().zip(a.sample(sample, structure.a().nnz())) {
        atz[j].add(entry * z[i]);
        rows[i].add(entry * x[j]);
    }
    rows.iter_mut().zip(s).for_each(|(row, &s)| row.add(s));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    Certificate {
        atz: largest(&atz),
        px: largest(&px),
        rows: largest(&rows),
        bz: dot(b.sample(sample, m), z),
        qx: dot(q.sample(sample, n), x),
    }
}

#[test]
fn each_has_the_status_of_the_cpu_engine_and_a_certificate() {
    for family in unsolvable(count()).into_iter().chain(curved_unsolvable(count())) {
        let batch = &family.batch;
        let (n, m) = (batch.variables(), batch.rows());
        let own = solver(batch, in_order()).solve(&batch.values()).unwrap();
        let expected = of_lanes(batch, &Directions::new(&family)).solution;
        assert_eq!(statuses(&own), statuses(&expected), "{}", family.name);
        for (sample, report) in own.reports.iter().enumerate() {
            let (x, z) = (&own.x[sample * n..][..n], &own.z[sample * m..][..m]);
            let s = &own.s[sample * m..][..m];
            let found = certificate(&family, x, z, s, sample);
            let KktResidual { slack_outside, dual_outside, .. } =
                kkt_residual(batch, sample, x, z, s);
            let place = format!("{}, sample {sample}", family.name);
            if report.status == Status::PrimalInfeasible {
                assert!(found.atz < 1e-6, "{place}: {:e}", found.atz);
                assert!((found.bz + 1.0).abs() < 1e-9, "{place}: {}", found.bz);
                assert!(dual_outside <= 1e-12, "{place}: {dual_outside:e}");
            } else {
                assert_eq!(report.status, Status::DualInfeasible, "{place}");
                assert!(found.px < 1e-5 && found.rows < 1e-6, "{place}: {:e}", found.px);
                assert!((found.qx + 1.0).abs() < 1e-9, "{place}: {}", found.qx);
                assert!(slack_outside <= 1e-12, "{place}: {slack_outside:e}");
            }
        }
    }
}

/// Rows that contradict each other by less than the reduced tolerance: a point that violates them
/// by half of that is almost a solution, which is worth more than the proof that there is none, but
/// where that is found before it.
#[test]
fn a_contradiction_within_the_reduced_tolerance_is_none() {
    for (at, by) in [1e-11, 1e-8, 1e-7].into_iter().enumerate() {
        let size = Size { variables: 6, equalities: 4, inequalities: 0, batch: count() };
        let mut batch = generators::duplicate_equalities(size, 70 + at as u64).batch;
        let Numbers::Each(b) = &mut batch.b else { panic!("each sample has its own") };
        for b in b.chunks_mut(4) {
            let largest = b.iter().fold(0.0f64, |most, b| most.max(b.abs()));
            b[2] += by * largest;
        }
        let own = solver(&batch, in_order()).solve(&batch.values()).unwrap();
        let lanes = argrad_solver::Solver::new(batch.structure.clone(), Settings::default());
        let expected = lanes.unwrap().solve(&batch.values()).unwrap();
        let status = if by < 1e-9 { Status::Solved } else { Status::AlmostSolved };
        for found in [statuses(&own), statuses(&expected)] {
            let others = found.into_iter().filter(|found| *found != status).collect::<Vec<_>>();
            assert!(others.len() <= count() / 20, "{by:e}: {others:?}");
            assert!(others.iter().all(|other| *other == Status::PrimalInfeasible), "{others:?}");
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
