//! Derivatives at points of the central path are those of the CPU engine.

use argrad_solver::{Differentiation, Error, Gradients, Mode, Settings, SolutionTangent};

use crate::case::{Directions, HOW, difference, in_order, solver};
use crate::families::{Family, count, curved, solvable};

const MU: [f64; 3] = [1e-1, 1e-3, 1e-6];

/// What an engine says of a family at `mu`: derivatives, or the samples whose central points it
/// did not reach.
type Found = Result<(Gradients, SolutionTangent), Vec<usize>>;

/// The samples that an error names.
fn lost(error: &Error) -> Vec<usize> {
    let Error::Unsolved { failures, .. } = error else { panic!("{error}") };
    failures.iter().map(|&(sample, _)| sample).collect()
}

fn of_host(family: &Family, how: &Differentiation, directions: &Directions) -> Found {
    let batch = &family.batch;
    let (_, tape) = solver(batch, in_order()).forward(&batch.values()).unwrap();
    let gradients = tape.vjp(&directions.cotangent(), how);
    let gradients = gradients.map_err(|error| lost(error.of_program().unwrap()))?;
    Ok((gradients, tape.jvp(&directions.tangent(batch), how).unwrap()))
}

/// The same of the CPU engine, with the condition numbers of the samples.
fn of_lanes(family: &Family, how: &Differentiation, directions: &Directions) -> (Found, Vec<f64>) {
    let batch = &family.batch;
    let solver = argrad_solver::Solver::new(batch.structure.clone(), Settings::default()).unwrap();
    let (solution, tape) = solver.forward(&batch.values()).unwrap();
    let conditions = solution.reports.iter().map(|report| report.condition).collect();
    let gradients = tape.vjp(&directions.cotangent(), how).map_err(|error| lost(&error));
    let found =
        gradients.map(|gradients| (gradients, tape.jvp(&directions.tangent(batch), how).unwrap()));
    (found, conditions)
}

/// What differs by more than rounding errors explain.
fn complaints(family: &Family, mu: f64) -> Vec<String> {
    let how = Differentiation { mode: Mode::Smoothed(mu), ..HOW };
    let directions = Directions::new(family);
    let own = of_host(family, &how, &directions);
    let (expected, conditions) = of_lanes(family, &how, &directions);
    let place = format!("{}, mu = {mu}", family.name);
    let ((own, tangent), (expected, expected_tangent)) = match (own, expected) {
        (Ok(own), Ok(expected)) => (own, expected),
        // Newton's method may reach what that of the CPU does not; there is nothing to compare.
        (own, Err(expected)) => {
            let own = own.err().unwrap_or_default();
            let more = own.iter().filter(|sample| !expected.contains(sample));
            return more.map(|sample| format!("{place}, sample {sample}: lost")).collect();
        }
        (Err(own), Ok(_)) => return vec![format!("{place}: lost {own:?}")],
    };
    assert!(own.accuracy.iter().all(|accuracy| accuracy.is_nan()), "{place}");
    let (n, m) = (family.batch.variables(), family.batch.rows());
    let mut found = Vec::new();
    for (what, own, expected, len) in [
        ("dq", &own.q, &expected.q, n),
        ("db", &own.b, &expected.b, m),
        ("tangent of x", &tangent.x, &expected_tangent.x, n),
        ("tangent of z", &tangent.z, &expected_tangent.z, m),
        ("tangent of s", &tangent.s, &expected_tangent.s, m),
    ] {
        // Not the sums over the batch.
        if own.len() != conditions.len() * len {
            continue;
        }
        for (sample, &condition) in conditions.iter().enumerate() {
            let range = sample * len..(sample + 1) * len;
            let difference = difference(&expected[range.clone()], &own[range], len);
            // The condition at mu = 0, and what a kink near by makes of a rounding error.
            let tolerance = 1e-9 + 1e-12 * condition + 1e-14 / mu;
            if difference > tolerance || difference.is_nan() {
                found.push(format!("{place}, sample {sample}: {what} by {difference:.1e}"));
            }
        }
    }
    found
}

#[test]
fn derivatives_at_central_points_are_those_of_the_cpu_engine() {
    let mut found = Vec::new();
    for family in solvable(count() / 4).into_iter().chain(curved(count() / 4)) {
        // Multipliers of equalities may be many on the path too.
        if family.is_z_unique {
            found.extend(MU.iter().flat_map(|&mu| complaints(&family, mu)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
