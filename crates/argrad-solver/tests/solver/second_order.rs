//! Second derivatives: how the gradients change along a direction of the values.

use argrad_conformance::generators::{self, Objective, normal_vector};
use argrad_conformance::{Numbers, ProgramBatch, StoredGradients, relative_error};
use argrad_solver::{
    Cone, Cotangent, Differentiation, Engine, Error, Gradients, Method, Mode, OnFailure, Pattern,
    Settings, Solution, Solver, Structure, Tape,
};

use crate::case::{Case, NAN, ZERO, gradient_error, gradient_norm, gradient_product, size};
use crate::families::{Family, families, mixtures};

const COUNT: usize = 12;

fn random_change(case: &Case, seed: u64) -> [Vec<f64>; 3] {
    let (n, m, batch) = (case.batch.variables(), case.batch.rows(), case.batch.batch);
    [(n, 1), (m, 2), (m, 3)].map(|(len, k)| normal_vector(len, batch, 1000 * seed + k))
}

fn cotangent([x, z, s]: &[Vec<f64>; 3]) -> Cotangent<'_> {
    Cotangent { x: Some(x), z: Some(z), s: Some(s) }
}

fn combine(
    left: &StoredGradients,
    right: &StoredGradients,
    of: impl Fn(f64, f64) -> f64 + Copy,
) -> StoredGradients {
    let combine = |left: &[f64], right: &[f64]| -> Vec<f64> {
        left.iter().zip(right).map(|(l, r)| of(*l, *r)).collect()
    };
    StoredGradients {
        p: combine(&left.p, &right.p),
        q: combine(&left.q, &right.q),
        a: combine(&left.a, &right.a),
        b: combine(&left.b, &right.b),
    }
}

/// Against differences of solutions in double-double arithmetic.
#[test]
fn the_tangent_of_the_adjoint_is_that_of_the_reference() {
    for Family { name, programs } in families(COUNT) {
        let case = Case::new(programs.known_solution().batch, 1);
        let change = random_change(&case, 1);
        let (solution, tape) = case.forward();
        let how = ZERO;
        let found = tape
            .vjp_tangent(&case.cotangent(), &cotangent(&change), &case.tangent(), &how)
            .unwrap();
        let mut checked = 0;
        for (i, report) in solution.reports.iter().enumerate() {
            let exact = case.reference(i, &solution).unwrap();
            // A second derivative goes with the square of the condition, and of the distance to a
            // kink.
            if report.is_degenerate() || exact.margin < 1e-2 || exact.condition > 3e3 {
                continue;
            }
            checked += 1;
            let [gx, gz, gs] = case.cotangent_of(i);
            let step = 1e-9 * exact.margin / exact.condition;
            let along =
                exact.gradient_difference((gx, gz, gs), &case.direction_of(i), step).unwrap();
            let (n, m) = (case.batch.variables(), case.batch.rows());
            let rows = i * m..(i + 1) * m;
            let turned = exact.vjp(
                &change[0][i * n..(i + 1) * n],
                &change[1][rows.clone()],
                &change[2][rows],
            );
            let expected = combine(&along, &turned, |l, r| l + r);
            let error = gradient_error(&case.gradients_of(i, &found), &expected);
            assert!(
                error < 1e-7,
                "{name} {i}: off by {error:e}, margin {:e}, condition {:e}, {report:?}",
                exact.margin,
                exact.condition
            );
        }
        assert!(checked > 0, "{name}: none is well conditioned");
    }
}

/// The case at `step` along its direction, with its cotangents at `step` along `change`.
fn shifted(case: &Case, change: &[Vec<f64>; 3], step: f64) -> Case {
    let mut shifted = case.clone();
    let add = |numbers: &mut [f64], direction: &[f64]| {
        numbers.iter_mut().zip(direction).for_each(|(number, d)| *number += step * d);
    };
    add(shifted.batch.p.as_mut_slice(), &case.dp);
    add(shifted.batch.q.as_mut_slice(), &case.dq);
    add(shifted.batch.a.as_mut_slice(), &case.da);
    add(shifted.batch.b.as_mut_slice(), &case.db);
    add(&mut shifted.gx, &change[0]);
    add(&mut shifted.gz, &change[1]);
    add(&mut shifted.gs, &change[2]);
    shifted
}

/// Against central differences of fourth order of the adjoint, solved again at each place.
/// P stays: a little off a singular P the program is not convex.
#[test]
fn the_tangent_of_the_adjoint_matches_differences_of_solves() {
    const STEP: f64 = 2e-5;
    let mut checked = 0;
    for Family { name, programs } in families(COUNT) {
        let mut case = Case::new(programs.known_solution().batch, 2);
        case.dp.fill(0.0);
        let change = random_change(&case, 2);
        let (solution, tape) = case.forward();
        let found = tape
            .vjp_tangent(&case.cotangent(), &cotangent(&change), &case.tangent(), &ZERO)
            .unwrap();
        let at = |step: f64| {
            let case = shifted(&case, &change, step);
            let (_, tape) = case.forward();
            tape.vjp(&case.cotangent(), &ZERO).unwrap()
        };
        let places = [2.0, 1.0, -1.0, -2.0].map(|k| at(k * STEP));
        for (i, report) in solution.reports.iter().enumerate() {
            let exact = case.reference(i, &solution).unwrap();
            if report.is_degenerate() || exact.margin < 2e-2 || exact.condition > 300.0 {
                continue;
            }
            checked += 1;
            let [up2, up, down, down2] =
                [0, 1, 2, 3].map(|k: usize| case.gradients_of(i, &places[k]));
            let near = combine(&up, &down, |up, down| (up - down) * 8.0 / (12.0 * STEP));
            let far = combine(&up2, &down2, |up, down| (up - down) / (12.0 * STEP));
            let expected = combine(&near, &far, |near, far| near - far);
            let error = gradient_error(&case.gradients_of(i, &found), &expected);
            assert!(
                error < 1e-6,
                "{name} {i}: off by {error:e}, margin {:e}, condition {:e}",
                exact.margin,
                exact.condition
            );
        }
    }
    assert!(checked > 20, "only {checked} are well conditioned");
}

/// The product of the Hessian of `|x|^2 / 2 + x_0 z_0 + gx'x + gz'z + gs'(s + s^2 / 2)` with the
/// direction of `along`; `case` gives the linear parts.
fn hessian_times(case: &Case, along: &Case, solution: &Solution, tape: &Tape) -> Gradients {
    let (n, m) = (case.batch.variables(), case.batch.rows());
    let moved = tape.jvp(&along.tangent(), &ZERO).unwrap();
    let quadratic = |x: &[f64], z: &[f64], s: &[f64]| {
        let (mut of_x, mut of_z, mut of_s) = (x.to_vec(), vec![0.0; z.len()], s.to_vec());
        for i in 0..case.batch.batch {
            of_x[i * n] += z[i * m];
            of_z[i * m] += x[i * n];
        }
        of_s.iter_mut().zip(&case.gs).for_each(|(s, g)| *s *= g);
        [of_x, of_z, of_s]
    };
    let mut gradient = quadratic(&solution.x, &solution.z, &solution.s);
    for (gradient, linear) in gradient.iter_mut().zip([&case.gx, &case.gz, &case.gs]) {
        gradient.iter_mut().zip(linear).for_each(|(g, linear)| *g += linear);
    }
    let change = quadratic(&moved.x, &moved.z, &moved.s);
    tape.vjp_tangent(&cotangent(&gradient), &cotangent(&change), &along.tangent(), &ZERO).unwrap()
}

#[test]
fn the_hessian_of_a_scalar_of_the_solution_is_symmetric() {
    for Family { name, programs } in families(COUNT) {
        let case = Case::new(programs.known_solution().batch, 3);
        let [v, w] = [4, 5].map(|seed| Case::new(case.batch.clone(), seed));
        let (solution, tape) = case.forward();
        let [hv, hw] = [&v, &w].map(|along| hessian_times(&case, along, &solution, &tape));
        for (i, report) in solution.reports.iter().enumerate() {
            let exact = case.reference(i, &solution).unwrap();
            if report.is_degenerate() || exact.condition > 1e4 {
                continue;
            }
            let (hv, hw) = (case.gradients_of(i, &hv), case.gradients_of(i, &hw));
            let (v, w) = (v.direction_of(i), w.direction_of(i));
            let size = gradient_norm(&hv) * gradient_norm(&w);
            let error = (gradient_product(&hv, &w) - gradient_product(&hw, &v)).abs() / size;
            assert!(
                error < 1e-9,
                "{name} {i}: off by {error:e}, margin {:e}, condition {:e}",
                exact.margin,
                exact.condition
            );
        }
    }
}

/// Smooth samples, then as many at a kink, then as many without a solution, interleaved.
fn kinked() -> (Case, Vec<usize>) {
    let mut programs = mixtures(4).remove(0).programs;
    programs.variables = programs.rows();
    let rank = programs.variables;
    programs.objective = Objective::Full { rank };
    let batch = programs.known_solution().batch.join(&programs.weakly_active().batch);
    let order = [0, 4, 1, 5, 6, 2, 7, 3];
    (Case::new(batch.select(&order), 6), vec![1, 3, 4, 6])
}

#[test]
fn kinked_samples_are_refused_by_index() {
    let (case, kinked) = kinked();
    let (_, tape) = case.forward();
    let error = tape
        .vjp_tangent(
            &case.cotangent(),
            &Cotangent::default(),
            &case.tangent(),
            &Differentiation::default(),
        )
        .unwrap_err();
    assert!(error.to_string().contains("4 of 8"), "{error}");
    assert!(error.to_string().contains("sample 3"), "{error}");
    assert_eq!(error, Error::NotSmooth { batch: 8, samples: kinked });
}

#[test]
fn kinked_samples_are_nan_or_zero_on_request_and_harm_no_other() {
    let (case, kinked) = kinked();
    let (_, tape) = case.forward();
    let smooth = [0, 2, 5, 7];
    let alone = case.select(&smooth);
    let (_, alone_tape) = alone.forward();
    let none = Cotangent::default();
    let expected = alone_tape
        .vjp_tangent(&alone.cotangent(), &none, &alone.tangent(), &Differentiation::default())
        .unwrap();
    for (how, is_expected) in
        [(NAN, &f64::is_nan as &dyn Fn(f64) -> bool), (ZERO, &|value: f64| value == 0.0)]
    {
        let found = tape.vjp_tangent(&case.cotangent(), &none, &case.tangent(), &how).unwrap();
        for &i in &kinked {
            let StoredGradients { p, q, a, b } = case.gradients_of(i, &found);
            for values in [p, q, a, b] {
                assert!(values.iter().all(|v| is_expected(*v)), "{how:?} {i}: {values:?}");
            }
        }
        for (k, &i) in smooth.iter().enumerate() {
            assert_eq!(case.gradients_of(i, &found), alone.gradients_of(k, &expected), "{i}");
        }
    }
}

/// minimize |x|^2 / 2 + q'x over x <= b with P, q, A shared: at the second b the first row is at a
/// kink.
#[test]
fn kinked_samples_add_nothing_to_gradients_of_shared_values() {
    let structure =
        Structure::new(Pattern::diagonal(2), Pattern::dense(2, 2), vec![Cone::Nonnegative(2)])
            .unwrap();
    let shared = |values: &[f64]| Numbers::Shared(values.to_vec());
    let batch = ProgramBatch {
        structure,
        batch: 3,
        p: shared(&[1.0, 1.0]),
        q: shared(&[-1.0, -2.0]),
        a: shared(&[1.0, 0.0, 0.0, 1.0]),
        b: Numbers::Each(vec![0.5, 5.0, 1.0, 5.0, 0.25, 1.5]),
    };
    let all = Case::new(batch, 9);
    let smooth = all.select(&[0, 2]);
    let none = Cotangent::default();
    let along = |case: &Case, how: &Differentiation| {
        let (solution, tape) = case.forward();
        let found = tape.vjp_tangent(&case.cotangent(), &none, &case.tangent(), how).unwrap();
        (solution, found)
    };
    let (_, expected) = along(&smooth, &Differentiation::default());
    for how in [NAN, ZERO] {
        let (solution, found) = along(&all, &how);
        assert_eq!(solution.reports[1].weakly_active, 1);
        for (what, found, expected) in [
            ("dP", &found.p, &expected.p),
            ("dq", &found.q, &expected.q),
            ("dA", &found.a, &expected.a),
        ] {
            let error = relative_error(found, expected);
            assert!(error < 1e-12, "{what} is off by {error:e}, {how:?}");
        }
    }
}

#[test]
fn other_modes_and_methods_are_refused() {
    let case = Case::new(mixtures(2)[0].programs.known_solution().batch, 7);
    let (_, tape) = case.forward();
    let lsqr = Method::Lsqr { tolerance: 1e-10, max_iterations: 100 };
    for (mode, method, found) in [
        (Mode::Smoothed(1e-3), Method::Direct, "Smoothed(0.001)"),
        (Mode::Lpgd(0.1), Method::Direct, "Lpgd(0.1)"),
        (Mode::Exact, lsqr, "Lsqr"),
    ] {
        let how = Differentiation { mode, method, on_failure: OnFailure::Zero };
        let error = tape
            .vjp_tangent(&case.cotangent(), &Cotangent::default(), &case.tangent(), &how)
            .unwrap_err();
        assert!(matches!(error, Error::Setting { setting: "how", .. }), "{error}");
        assert!(error.to_string().contains(found), "{error}");
    }
}

#[test]
fn samples_without_a_solution_are_refused_or_nan_or_zero() {
    let programs = mixtures(2).remove(0).programs;
    let case = Case::new(programs.known_solution().batch.join(&programs.infeasible()), 8);
    let (_, tape) = case.forward();
    let none = Cotangent::default();
    let along =
        |how: &Differentiation| tape.vjp_tangent(&case.cotangent(), &none, &case.tangent(), how);
    let error = along(&Differentiation::default()).unwrap_err();
    assert!(matches!(error, Error::Unsolved { batch: 4, .. }), "{error}");
    let len = case.batch.variables();
    for (how, is_expected) in
        [(NAN, &f64::is_nan as &dyn Fn(f64) -> bool), (ZERO, &|value: f64| value == 0.0)]
    {
        let found = along(&how).unwrap();
        assert!(found.q[..2 * len].iter().all(|v| v.is_finite()));
        assert!(found.q[2 * len..].iter().all(|v| is_expected(*v)));
    }
}

#[test]
fn a_solver_without_a_factor_refuses_second_derivatives() {
    let case = Case::new(generators::random_qp(size(4, 5, 1, 3), 1), 1);
    let (solution, _) = case.forward();
    let settings = Settings { engine: Engine::MatrixFree, ..Settings::default() };
    let solver = Solver::new(case.batch.structure.clone(), settings).unwrap();
    let (_, tape) = solver.tape_at(&case.batch.values(), &solution).unwrap();
    let cotangent = case.cotangent();
    let found = tape.vjp_tangent(&cotangent, &cotangent, &case.tangent(), &ZERO);
    assert!(matches!(found, Err(Error::Setting { setting: "engine", .. })), "{found:?}");
}
