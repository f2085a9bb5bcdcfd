//! Every cone, alone and mixed: solutions and derivatives against double-double arithmetic, and
//! certificates where there is no solution.

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{KnownSolution, Objective};
use argrad_conformance::reference::project;
use argrad_conformance::relative_error;
use argrad_solver::{Cone, Cotangent, Gradients, Solution, SolutionTangent, Status};

use crate::case::{
    Case, ZERO, dot, gradient_error, gradient_norm, gradient_product, largest, solver,
};
use crate::families::{Family, families};

const COUNT: usize = 40;

/// Of z and s apart, relative to the largest entry of both: one of them may vanish.
fn pair_error(found: [&[f64]; 2], expected: [&[f64]; 2]) -> f64 {
    relative_error(&found.concat(), &expected.concat())
}

fn norm(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}

/// The rows of sample `i`, where there are `count` samples.
fn row(values: &[f64], i: usize, count: usize) -> &[f64] {
    let len = values.len() / count;
    &values[i * len..(i + 1) * len]
}

struct Differentiated {
    case: Case,
    solution: Solution,
    gradients: Gradients,
    tangent: SolutionTangent,
}

fn differentiate(batch: ProgramBatch, seed: u64) -> Differentiated {
    let case = Case::new(batch, seed);
    let (solution, tape) = case.forward();
    let gradients = tape.vjp(&case.cotangent(), &ZERO).unwrap();
    let tangent = tape.jvp(&case.tangent(), &ZERO).unwrap();
    Differentiated { case, solution, gradients, tangent }
}

impl Differentiated {
    /// Whether everything about sample `i` agrees with the reference.
    fn assert_right(&self, name: &str, i: usize) {
        let Self { case, solution, gradients, tangent } = self;
        let count = case.batch.batch;
        let report = &solution.reports[i];
        let exact = case
            .reference(i, solution)
            .unwrap_or_else(|error| panic!("{name} {i}: {error}, {report:?}"));
        let of = |values| row(values, i, count);
        let x = relative_error(of(&solution.x), &exact.x);
        let zs = pair_error([of(&solution.z), of(&solution.s)], [&exact.z, &exact.s]);
        let [gx, gz, gs] = case.cotangent_of(i);
        let found = case.gradients_of(i, gradients);
        let vjp = gradient_error(&found, &exact.vjp(gx, gz, gs));
        let direction = case.direction_of(i);
        let expected = exact.jvp(&direction);
        let (dx, dz, ds) = (of(&tangent.x), of(&tangent.z), of(&tangent.s));
        let jvp = largest(&[
            relative_error(dx, &expected.x),
            pair_error([dz, ds], [&expected.z, &expected.s]),
        ]);
        let forward = dot(gx, dx) + dot(gz, dz) + dot(gs, ds);
        let size = norm(gx) * norm(dx)
            + norm(gz) * norm(dz)
            + norm(gs) * norm(ds)
            + gradient_norm(&found) * gradient_norm(&direction);
        let product = (forward - gradient_product(&found, &direction)).abs() / size;
        for (what, error, limit) in [
            ("x", x, 1e-10),
            ("z and s", zs, 1e-10),
            ("VJP", vjp, 1e-9),
            ("JVP", jvp, 1e-9),
            ("dot product", product, 1e-11),
        ] {
            assert!(
                error <= limit,
                "{name} {i}: {what} is off by {error:e}, margin {:e}, condition {:e}, {report:?}",
                exact.margin,
                exact.condition
            );
        }
    }

    fn assert_solved(&self, name: &str, residual: f64) {
        for (i, report) in self.solution.reports.iter().enumerate() {
            assert_eq!(report.status, Status::Solved, "{name} {i}: {report:?}");
            assert!(report.residual <= residual, "{name} {i}: {report:?}");
        }
    }

    fn assert_finite(&self, name: &str) {
        let Self { solution, gradients, tangent, .. } = self;
        for (what, values) in [
            ("x", &solution.x),
            ("z", &solution.z),
            ("s", &solution.s),
            ("dP", &gradients.p),
            ("dq", &gradients.q),
            ("dA", &gradients.a),
            ("db", &gradients.b),
            ("tangent x", &tangent.x),
            ("tangent z", &tangent.z),
            ("tangent s", &tangent.s),
            ("adjoint residual", &gradients.adjoint_residual),
            ("tangent residual", &tangent.residual),
        ] {
            assert!(values.iter().all(|v| v.is_finite()), "{name}: {what}");
        }
    }
}

/// Solves, and checks all that is not flagged; at most `most` may be.
fn assert_family(name: &str, batch: ProgramBatch, seed: u64, most: usize) {
    let found = differentiate(batch, seed);
    found.assert_solved(name, 1e-11);
    found.assert_finite(name);
    let mut flagged = 0;
    for (i, report) in found.solution.reports.iter().enumerate() {
        if report.is_degenerate() {
            flagged += 1;
        } else {
            found.assert_right(name, i);
        }
    }
    assert!(flagged <= most, "{name}: {flagged} flagged");
}

#[test]
fn solutions_and_derivatives_are_those_of_the_reference() {
    for Family { name, programs } in families(COUNT) {
        assert_family(name, programs.known_solution().batch, 1, 2);
    }
}

#[test]
fn flat_faces_of_exponential_and_power_cones_are_solved_and_differentiated() {
    for Family { name, programs } in families(COUNT) {
        if programs.cones.iter().any(|cone| {
            matches!(cone, Cone::Exponential | Cone::Power(_) | Cone::GeneralizedPower { .. })
        }) {
            assert_family(name, programs.on_flat_faces().batch, 2, 2);
        }
    }
}

#[test]
fn weak_activity_is_flagged() {
    for Family { name, mut programs } in families(COUNT) {
        let rank = programs.objective.rank(programs.variables);
        if programs.cones == [Cone::Zero(3)] || rank < programs.variables {
            continue;
        }
        // As many variables as rows: every cone can be at a kink.
        programs.variables = programs.variables.max(programs.rows());
        if let Objective::Full { rank } = &mut programs.objective {
            *rank = programs.variables;
        }
        let found = differentiate(programs.weakly_active().batch, 3);
        found.assert_solved(name, 1e-9);
        found.assert_finite(name);
        for (i, report) in found.solution.reports.iter().enumerate() {
            assert!(report.weakly_active > 0 && report.is_degenerate(), "{name} {i}: {report:?}");
        }
    }
}

fn assert_not_unique_is_flagged(wanted: impl Fn(&str) -> bool) {
    for Family { name, programs } in families(COUNT).into_iter().filter(|f| wanted(f.name)) {
        let found = differentiate(programs.non_unique_primal().batch, 4);
        // Newton's method cannot polish these; a few stay just above the default tolerance.
        for (i, report) in found.solution.reports.iter().enumerate() {
            assert!(report.residual < 1e-8, "{name} {i}: {report:?}");
        }
        found.assert_finite(name);
        for (i, report) in found.solution.reports.iter().enumerate() {
            assert!(report.is_degenerate(), "{name} {i}: {report:?}");
        }
    }
}

const SYMMETRIC: [&str; 5] = ["zero", "nonnegative", "second order", "second order, large", "PSD"];

#[test]
fn a_primal_solution_that_is_not_unique_is_flagged_over_symmetric_cones() {
    assert_not_unique_is_flagged(|name| SYMMETRIC.contains(&name));
}

#[test]
fn a_primal_solution_that_is_not_unique_is_flagged_over_generalized_power_cones() {
    assert_not_unique_is_flagged(|name| name == "generalized power");
}

#[test]
fn a_primal_solution_that_is_not_unique_is_flagged_over_power_cones() {
    assert_not_unique_is_flagged(|name| name == "power");
}

#[test]
fn a_primal_solution_that_is_not_unique_is_flagged_over_mixtures() {
    assert_not_unique_is_flagged(|name| name.ends_with("mixture"));
}

#[test]
fn a_primal_solution_that_is_not_unique_is_flagged_over_exponential_cones() {
    assert_not_unique_is_flagged(|name| name == "exponential");
}

#[test]
fn redundant_rows_are_flagged_and_the_derivative_of_x_by_q_is_right() {
    assert_redundant_rows_are_harmless(|name| name != "linear mixture");
}

#[test]
fn redundant_rows_of_linear_programs_are_flagged_and_the_derivative_of_x_by_q_is_right() {
    assert_redundant_rows_are_harmless(|name| name == "linear mixture");
}

/// With every row twice, x is the same function of q as without the copies.
fn assert_redundant_rows_are_harmless(wanted: impl Fn(&str) -> bool) {
    for Family { name, programs } in families(COUNT).into_iter().filter(|f| wanted(f.name)) {
        let (single, double) = (programs.known_solution(), programs.redundant_rows());
        let found = differentiate(double.batch, 5);
        found.assert_solved(name, 1e-9);
        found.assert_finite(name);
        let (_, tape) = found.case.forward();
        let cotangent = Cotangent { x: Some(&found.case.gx), ..Cotangent::default() };
        let gradients = tape.vjp(&cotangent, &ZERO).unwrap();
        let once = Case::new(single.batch.clone(), 5);
        for (i, report) in found.solution.reports.iter().enumerate() {
            let exact = reference_of(&once, &single, i);
            // Strictly inside the cones there is only one z, zero.
            let has_active_row = largest(&exact.z) > 1e-20;
            assert!(report.is_degenerate() || !has_active_row, "{name} {i}: {report:?}");
            let x = relative_error(row(&found.solution.x, i, COUNT), &exact.x);
            assert!(x < 1e-8, "{name} {i}: x is off by {x:e}, {report:?}");
            let zero = vec![0.0; exact.z.len()];
            let expected = exact.vjp(found.case.cotangent_of(i)[0], &zero, &zero);
            // Zero but for rounding at a vertex: relative to the gradient of b as well.
            let scale = largest(&expected.q).max(largest(&expected.b));
            let off: Vec<f64> =
                row(&gradients.q, i, COUNT).iter().zip(&expected.q).map(|(f, e)| f - e).collect();
            let error = largest(&off) / scale;
            assert!(
                error < 1e-6,
                "{name} {i}: dq is off by {error:e}, condition {:e}, residual {:e}, {report:?}",
                exact.condition,
                gradients.adjoint_residual[i]
            );
        }
    }
}

fn reference_of(
    case: &Case,
    known: &KnownSolution,
    i: usize,
) -> argrad_conformance::reference::ReferenceSolution {
    let solution = Solution {
        batch: case.batch.batch,
        x: known.x.clone(),
        z: known.z.clone(),
        s: known.s.clone(),
        reports: Vec::new(),
    };
    case.reference(i, &solution).unwrap()
}

#[test]
fn infeasible_programs_end_with_a_certificate() {
    for Family { name, programs } in families(COUNT) {
        assert_certified(name, &programs.infeasible(), Status::PrimalInfeasible);
    }
}

#[test]
fn unbounded_programs_end_with_a_direction() {
    for Family { name, programs } in families(COUNT) {
        assert_certified(name, &programs.unbounded(), Status::DualInfeasible);
    }
}

fn assert_certified(name: &str, batch: &ProgramBatch, expected: Status) {
    let solution = solver(batch).solve(&batch.values()).unwrap();
    for (i, report) in solution.reports.iter().enumerate() {
        assert_eq!(report.status, expected, "{name} {i}: {report:?}");
        let error = match expected {
            Status::PrimalInfeasible => infeasibility_error(batch, &solution, i),
            _ => unboundedness_error(batch, &solution, i),
        };
        assert!(error < 1e-7, "{name} {i}: the certificate is off by {error:e}, {report:?}");
    }
}

/// Violation of `A'z = 0`, z in K*, `b'z = -1`.
fn infeasibility_error(batch: &ProgramBatch, solution: &Solution, i: usize) -> f64 {
    let (n, m, a) = (batch.variables(), batch.rows(), batch.structure.a());
    let z = row(&solution.z, i, batch.batch);
    let mut errors = vec![0.0; n];
    for ((row, column), &entry) in a.entries().zip(batch.a.sample(i, a.nnz())) {
        errors[column] += entry * z[row];
    }
    errors.push(dot(batch.b.sample(i, m), z) + 1.0);
    // z is in K* where the projection of -z onto K is zero.
    let minus: Vec<f64> = z.iter().map(|z| -z).collect();
    errors.extend(by_cone(batch, &minus).flat_map(|(point, _)| point));
    largest(&errors)
}

/// Violation of `Px = 0`, `Ax + s = 0`, s in K, `q'x = -1`.
fn unboundedness_error(batch: &ProgramBatch, solution: &Solution, i: usize) -> f64 {
    let (n, p, a) = (batch.variables(), batch.structure.p(), batch.structure.a());
    let (x, s) = (row(&solution.x, i, batch.batch), row(&solution.s, i, batch.batch));
    let mut errors = vec![0.0; n];
    for ((row, column), &entry) in p.entries().zip(batch.p.sample(i, p.nnz())) {
        errors[row] += entry * x[column];
        if row != column {
            errors[column] += entry * x[row];
        }
    }
    let mut ax_s = s.to_vec();
    for ((row, column), &entry) in a.entries().zip(batch.a.sample(i, a.nnz())) {
        ax_s[row] += entry * x[column];
    }
    errors.extend(ax_s);
    errors.push(dot(batch.q.sample(i, n), x) + 1.0);
    // s is in K where the projection of -s onto K* is zero.
    errors.extend(by_cone(batch, s).flat_map(|(_, dual_point)| dual_point));
    largest(&errors)
}

/// Cone by cone, the projections of `v` onto K and of `-v` onto K*.
fn by_cone<'a>(
    batch: &'a ProgramBatch,
    v: &'a [f64],
) -> impl Iterator<Item = (Vec<f64>, Vec<f64>)> + 'a {
    let mut first = 0;
    batch.structure.cones().iter().map(move |cone| {
        let part = &v[first..first + cone.dim()];
        first += cone.dim();
        let projection = project(cone, part);
        (projection.point, projection.dual_point)
    })
}
