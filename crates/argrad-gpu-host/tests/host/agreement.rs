//! Solutions and derivatives are those of the CPU engine.

use argrad_conformance::generators::normal_vector;
use argrad_solver::{Report, Settings};

use crate::case::{
    Answer, Directions, HOW, difference, in_order, of_host, of_lanes, solver, statuses,
};
use crate::families::{Family, count, curved, solvable, unsolvable};

/// What rounding errors may be magnified to, in units of the condition number: those of points, and
/// those of derivatives, in which that of the point is magnified again, and is as large as its
/// largest entry.
const MAGNIFIED: [f64; 2] = [64.0, 1024.0];

/// The condition number of a program whose z is not unique, and which has none.
const UNKNOWN: f64 = 1e4;

/// What is compared, of both engines, with the numbers of a sample.
struct Compared<'a> {
    own: &'a [f64],
    expected: &'a [f64],
    len: usize,
}

/// How far answers may be from each other, in the samples that `is_comparable` tells.
struct Tolerance<'a> {
    least: f64,
    magnified: f64,
    /// What rounding errors are relative to, of each sample; at least one.
    sizes: Vec<f64>,
    reports: Vec<(&'a Report, &'a Report)>,
    is_comparable: fn(&Report) -> bool,
}

impl Tolerance<'_> {
    /// That of a sample, infinite where the engines may differ.
    fn of(&self, sample: usize) -> f64 {
        let (own, expected) = self.reports[sample];
        if !(self.is_comparable)(own) || !(self.is_comparable)(expected) {
            return f64::INFINITY;
        }
        let condition = own.condition.max(expected.condition);
        let condition = if condition.is_finite() { condition } else { UNKNOWN };
        self.least + self.magnified * f64::EPSILON * condition * self.sizes[sample]
    }

    /// The largest difference, in units of what it may be. Gradients of what the batch shares are
    /// those of all samples.
    fn exceeded(&self, compared: &Compared<'_>) -> f64 {
        let Compared { own, expected, len } = *compared;
        let count = self.reports.len();
        if own.len() != count * len {
            let tolerance = (0..count).map(|sample| self.of(sample)).fold(0.0, f64::max);
            return difference(expected, own, own.len()) / tolerance;
        }
        let of_sample = |sample: usize| {
            let range = sample * len..(sample + 1) * len;
            difference(&expected[range.clone()], &own[range], len) / self.of(sample)
        };
        // Not a comparison that NaN passes.
        (0..count).map(of_sample).fold(0.0, |most, d| if d <= most { most } else { d })
    }
}

/// Complaints about what differs by more than it may.
fn complaints(family: &Family, host: &Answer, lanes: &Answer) -> Vec<String> {
    let Family { name, batch, is_z_unique, tolerances: [of_points, of_derivatives], .. } = family;
    let (n, m) = (batch.variables(), batch.rows());
    let (p, a) = (batch.structure.p().nnz(), batch.structure.a().nnz());
    let (own, expected) = (&host.solution, &lanes.solution);
    let mut found = Vec::new();
    if statuses(own) != statuses(expected) {
        found.push(format!("{name}: statuses"));
    }
    let reports: Vec<_> = own.reports.iter().zip(&expected.reports).collect();
    let [magnified, again] = MAGNIFIED;
    let size_of = |sample: usize| {
        let part = |values: &[f64], len: usize| -> f64 {
            let finite = values[sample * len..(sample + 1) * len].iter().filter(|v| v.is_finite());
            finite.fold(1.0, |size, v| size.max(v.abs()))
        };
        part(&expected.x, n).max(part(&expected.z, m)).max(part(&expected.s, m))
    };
    let points = Tolerance {
        least: *of_points,
        magnified,
        sizes: vec![1.0; batch.batch],
        reports: reports.clone(),
        is_comparable: |_| true,
    };
    let derivatives = Tolerance {
        least: *of_derivatives,
        magnified: again,
        sizes: (0..batch.batch).map(size_of).collect(),
        reports,
        is_comparable: |report| report.unique_x && report.weakly_active == 0,
    };
    let mut compare = |tolerance: &Tolerance<'_>, what, own, expected, len| {
        let exceeded = tolerance.exceeded(&Compared { own, expected, len });
        if exceeded > 1.0 || exceeded.is_nan() {
            found.push(format!("{name}: {what}, {exceeded:.1e} times what it may be"));
        }
    };
    compare(&points, "x", &own.x, &expected.x, n);
    compare(&points, "s", &own.s, &expected.s, m);
    compare(&derivatives, "dq", &host.gradients.q, &lanes.gradients.q, n);
    // Where there are many z, each engine finds one, and what follows from z differs with it.
    if *is_z_unique {
        let (gradients, others) = (&host.gradients, &lanes.gradients);
        compare(&points, "z", &own.z, &expected.z, m);
        compare(&derivatives, "dP", &gradients.p, &others.p, p);
        compare(&derivatives, "dA", &gradients.a, &others.a, a);
        compare(&derivatives, "db", &gradients.b, &others.b, m);
        compare(&derivatives, "tangent of z", &host.tangent.z, &lanes.tangent.z, m);
        compare(&derivatives, "tangent of x", &host.tangent.x, &lanes.tangent.x, n);
        compare(&derivatives, "tangent of s", &host.tangent.s, &lanes.tangent.s, m);
    }
    found
}

#[test]
fn solutions_and_derivatives_are_those_of_the_cpu_engine() {
    let mut found = Vec::new();
    for family in solvable(count()).into_iter().chain(curved(count())) {
        let directions = Directions::new(&family);
        let host = of_host(&family.batch, in_order(), &directions);
        let lanes = of_lanes(&family.batch, &directions);
        found.extend(complaints(&family, &host, &lanes));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn reports_say_what_those_of_the_cpu_engine_say() {
    for family in solvable(count()).into_iter().chain(curved(count())) {
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
                assert_eq!(own.unique_z, expected.unique_z, "{place}");
                assert_eq!(own.is_degenerate(), expected.is_degenerate(), "{place}");
            }
            let terms = expected.objective.abs().max(1.0);
            assert!((own.objective - expected.objective).abs() <= 1e-10 * terms, "{place}");
            assert!(own.residual <= 1e-11, "{place}");
        }
    }
}

#[test]
fn gradients_of_optimal_values_are_those_of_the_cpu_engine() {
    let families = solvable(20).into_iter().chain(curved(20)).chain(unsolvable(5));
    for family in families {
        let batch = &family.batch;
        let weights = normal_vector(batch.batch, 1, 9);
        let (_, own) = solver(batch, in_order()).forward(&batch.values()).unwrap();
        let cpu = argrad_solver::Solver::new(batch.structure.clone(), Settings::default()).unwrap();
        let (_, other) = cpu.forward(&batch.values()).unwrap();
        let own = own.value_gradient(&weights, &HOW).unwrap();
        let other = other.value_gradient(&weights, &HOW).unwrap();
        for (what, own, other) in
            [("dP", &own.p, &other.p), ("dq", &own.q, &other.q), ("db", &own.b, &other.b)]
        {
            // Where there are many z, each engine has one.
            if what != "db" || family.is_z_unique {
                let difference = difference(other, own, own.len());
                assert!(difference <= 1e-8, "{}: {what} by {difference:e}", family.name);
            }
        }
        if family.is_z_unique {
            let difference = difference(&other.a, &own.a, own.a.len());
            assert!(difference <= 1e-8, "{}: dA by {difference:e}", family.name);
        }
    }
}
