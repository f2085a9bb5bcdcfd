//! Derivatives by a finite step are those of the CPU engine.

use argrad_solver::{Differentiation, Gradients, Mode, Settings, SolutionTangent, Tangent};

use crate::case::{Directions, HOW, difference, in_order, solver};
use crate::families::{Family, count, curved, solvable};
use crate::removed_rows;

const TAU: [f64; 2] = [1e-1, 1e-3];

/// Not along changes of P: a program beside a convex one may be none, and have many solutions.
fn tangent<'a>(family: &Family, directions: &'a Directions) -> Tangent<'a> {
    Tangent { p: None, ..directions.tangent(&family.batch) }
}

struct Found {
    gradients: Gradients,
    tangent: SolutionTangent,
}

fn of_host(family: &Family, how: &Differentiation, directions: &Directions) -> Found {
    let batch = &family.batch;
    let (_, tape) = solver(batch, in_order()).forward(&batch.values()).unwrap();
    Found {
        gradients: tape.vjp(&directions.cotangent(), how).unwrap(),
        tangent: tape.jvp(&tangent(family, directions), how).unwrap(),
    }
}

/// The same of the CPU engine, with the condition numbers of the samples.
fn of_lanes(family: &Family, how: &Differentiation, directions: &Directions) -> (Found, Vec<f64>) {
    let batch = &family.batch;
    let solver = argrad_solver::Solver::new(batch.structure.clone(), Settings::default()).unwrap();
    let (solution, tape) = solver.forward(&batch.values()).unwrap();
    let found = Found {
        gradients: tape.vjp(&directions.cotangent(), how).unwrap(),
        tangent: tape.jvp(&tangent(family, directions), how).unwrap(),
    };
    (found, solution.reports.iter().map(|report| report.condition).collect())
}

/// What differs by more than rounding errors explain.
fn complaints(family: &Family, tau: f64) -> Vec<String> {
    let how = Differentiation { mode: Mode::Lpgd(tau), ..HOW };
    let directions = Directions::new(family);
    let own = of_host(family, &how, &directions);
    let (expected, conditions) = of_lanes(family, &how, &directions);
    assert!(own.gradients.accuracy.iter().all(|accuracy| accuracy.is_nan()));
    let (n, m) = (family.batch.variables(), family.batch.rows());
    let (p_len, a_len) = (family.batch.structure.p().nnz(), family.batch.structure.a().nnz());
    let mut found = Vec::new();
    for (what, own, expected, len) in [
        ("dP", &own.gradients.p, &expected.gradients.p, p_len),
        ("dq", &own.gradients.q, &expected.gradients.q, n),
        ("dA", &own.gradients.a, &expected.gradients.a, a_len),
        ("db", &own.gradients.b, &expected.gradients.b, m),
        ("tangent of x", &own.tangent.x, &expected.tangent.x, n),
        ("tangent of z", &own.tangent.z, &expected.tangent.z, m),
        ("tangent of s", &own.tangent.s, &expected.tangent.s, m),
    ] {
        assert_eq!(own.len(), expected.len(), "{what}");
        // Not the sums over the batch.
        if own.len() != conditions.len() * len || len == 0 {
            continue;
        }
        for (sample, &condition) in conditions.iter().enumerate() {
            let range = sample * len..(sample + 1) * len;
            let difference = difference(&expected[range.clone()], &own[range], len);
            // Solutions of the sides agree to 1e-11 and roundings times condition.
            let tolerance = 1e-9 + (1e-11 + 1e-15 * condition) / tau;
            if difference > tolerance || difference.is_nan() {
                let place = format!("{}, tau {tau}, sample {sample}", family.name);
                found.push(format!("{place}: {what} by {difference:.1e}, at {condition:.1e}"));
            }
        }
    }
    found
}

#[test]
fn derivatives_by_a_finite_step_are_those_of_the_cpu_engine() {
    let mut found = Vec::new();
    for family in solvable(count() / 4).into_iter().chain(curved(count() / 4)) {
        if family.is_z_unique {
            found.extend(TAU.iter().flat_map(|&tau| complaints(&family, tau)));
        }
    }
    assert!(found.is_empty(), "{} {found:#?}", found.len());
}

#[test]
fn slacks_of_removed_rows_are_constant() {
    let found: Vec<_> =
        TAU.iter().flat_map(|&tau| complaints(&removed_rows::family(), tau)).collect();
    assert!(found.is_empty(), "{} {found:#?}", found.len());
}
