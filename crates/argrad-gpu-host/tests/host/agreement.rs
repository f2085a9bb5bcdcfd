//! Solutions and derivatives are those of the CPU engine.

use crate::case::{Answer, Directions, difference, in_order, of_host, of_lanes, statuses};
use crate::families::{Family, count, solvable};

/// Complaints about what differs by more than the tolerances of the family.
fn complaints(family: &Family, host: &Answer, lanes: &Answer) -> Vec<String> {
    let Family { name, batch, is_z_unique, tolerances: [of_points, of_derivatives], .. } = family;
    let (n, m) = (batch.variables(), batch.rows());
    let (p, a) = (batch.structure.p().nnz(), batch.structure.a().nnz());
    let (own, expected) = (&host.solution, &lanes.solution);
    let mut found = Vec::new();
    if statuses(own) != statuses(expected) {
        found.push(format!("{name}: statuses"));
    }
    let mut compare = |what: &str, own: &[f64], expected: &[f64], len, tolerance| {
        let difference = difference(expected, own, len);
        println!("{name}: {what} {difference:.1e}");
        if difference > tolerance || difference.is_nan() {
            found.push(format!("{name}: {what} by {difference:.1e}"));
        }
    };
    compare("x", &own.x, &expected.x, n, *of_points);
    compare("s", &own.s, &expected.s, m, *of_points);
    // Where there are many z, each engine finds one, and what follows from z differs with it.
    if *is_z_unique {
        compare("z", &own.z, &expected.z, m, *of_points);
        compare("dP", &host.gradients.p, &lanes.gradients.p, p, *of_derivatives);
        compare("dA", &host.gradients.a, &lanes.gradients.a, a, *of_derivatives);
        compare("db", &host.gradients.b, &lanes.gradients.b, m, *of_derivatives);
        compare("tangent of z", &host.tangent.z, &lanes.tangent.z, m, *of_derivatives);
        compare("tangent of x", &host.tangent.x, &lanes.tangent.x, n, *of_derivatives);
        compare("tangent of s", &host.tangent.s, &lanes.tangent.s, m, *of_derivatives);
    }
    compare("dq", &host.gradients.q, &lanes.gradients.q, n, *of_derivatives);
    found
}

#[test]
fn solutions_and_derivatives_are_those_of_the_cpu_engine() {
    let mut found = Vec::new();
    for family in solvable(count()) {
        let directions = Directions::new(&family);
        let host = of_host(&family.batch, in_order(), &directions);
        let lanes = of_lanes(&family.batch, &directions);
        found.extend(complaints(&family, &host, &lanes));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn reports_say_what_those_of_the_cpu_engine_say() {
    for family in solvable(count()) {
        let directions = Directions::new(&family);
        let host = of_host(&family.batch, in_order(), &directions);
        let lanes = of_lanes(&family.batch, &directions);
        let pairs = host.solution.reports.iter().zip(&lanes.solution.reports);
        for (sample, (own, expected)) in pairs.enumerate() {
            let place = format!("{}, sample {sample}: {own:?} and {expected:?}", family.name);
            assert_eq!(own.unique_x, expected.unique_x, "{place}");
            // Where there are many z, which one is found decides about weakly active rows; and at
            // a vertex of them, where there are such rows, the others are not seen.
            if family.is_z_unique {
                assert_eq!(own.weakly_active, expected.weakly_active, "{place}");
            }
            if own.weakly_active == 0 && expected.weakly_active == 0 {
                assert_eq!(own.unique_z, expected.unique_z, "{place}");
            }
            assert_eq!(own.is_degenerate(), expected.is_degenerate(), "{place}");
            let terms = expected.objective.abs().max(1.0);
            assert!((own.objective - expected.objective).abs() <= 1e-10 * terms, "{place}");
            assert!(own.residual <= 1e-11, "{place}");
        }
    }
}
