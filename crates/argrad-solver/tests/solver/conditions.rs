//! The KKT conditions as an object: what it says of solutions, of points that are none, and of
//! points of other solvers.

use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{self, KnownSolution, Objective, Units, rescaled};
use argrad_conformance::{ProgramBatch, kkt_residual};
use argrad_solver::{
    Cone, Error, KktCondition, KktConditions, KktLabel, KktLabels, KktMultipliers, KktPoint,
    Settings, Solver,
};

use crate::case::{size, solver};
use crate::families::families;

fn at(batch: &ProgramBatch, x: &[f64], z: &[f64], s: &[f64]) -> Vec<KktConditions> {
    let point = KktPoint { x, z: Some(z), s: Some(s) };
    solver(batch).conditions(&batch.values(), &point).unwrap()
}

fn of(known: &KnownSolution) -> Vec<KktConditions> {
    at(&known.batch, &known.x, &known.z, &known.s)
}

fn absolute(conditions: &KktConditions, condition: KktCondition) -> f64 {
    conditions.worst_of(condition).map_or(0.0, |row| row.absolute)
}

#[test]
fn a_known_solution_is_optimal_to_rounding_over_every_cone() {
    for family in families(3) {
        let known = family.programs.known_solution();
        for conditions in of(&known) {
            let residual = conditions.residual();
            println!("{}: {residual:.1e}", family.name);
            assert!(conditions.is_optimal(1e-13), "{}\n{conditions}", family.name);
            assert_eq!(conditions.multipliers, KktMultipliers::Given);
        }
    }
}

#[test]
fn x_alone_is_enough_to_see_that_it_is_optimal() {
    for family in families(3) {
        let known = family.programs.known_solution();
        let point = KktPoint { x: &known.x, ..Default::default() };
        let found = solver(&known.batch).conditions(&known.batch.values(), &point).unwrap();
        for conditions in found {
            println!("{}: {:.1e}", family.name, conditions.residual());
            assert!(conditions.is_optimal(1e-9), "{}\n{conditions}", family.name);
            assert_eq!(conditions.multipliers, KktMultipliers::LeastSquares);
        }
    }
}

#[test]
fn multipliers_that_are_unique_are_found_again() {
    let known = generators::known_solution(size(8, 4, 2, 5), 8, 3);
    // As many rows as the fit has unknowns: where rows are active, z solves its normal equations.
    let point = KktPoint { x: &known.x, ..Default::default() };
    let solver = solver(&known.batch);
    let fitted = solver.conditions(&known.batch.values(), &point).unwrap();
    for (fitted, given) in fitted.iter().zip(of(&known)) {
        for condition in [KktCondition::Stationarity, KktCondition::Complementarity] {
            let (a, b) = (absolute(fitted, condition), absolute(&given, condition));
            assert!(a < 1e-11 && b < 1e-13, "{a:e} {b:e}");
        }
    }
}

#[test]
fn a_point_that_is_moved_is_as_far_off_as_the_independent_yardstick_says() {
    for family in families(2) {
        let known = family.programs.known_solution();
        let (n, m) = (known.batch.variables(), known.batch.rows());
        // x alone; z alone; s alone.
        for (moved, step) in [(0, 0.1), (1, 0.2), (2, 0.3)] {
            let [mut x, mut z, mut s] = [known.x.clone(), known.z.clone(), known.s.clone()];
            let noise = generators::normal_vector([n, m, m][moved], 2, 7);
            let vector = [&mut x, &mut z, &mut s];
            vector[moved].iter_mut().zip(&noise).for_each(|(v, noise)| *v += step * noise);
            for (k, found) in at(&known.batch, &x, &z, &s).iter().enumerate() {
                let (own, rows) = (k * n..(k + 1) * n, k * m..(k + 1) * m);
                let yardstick = kkt_residual(
                    &known.batch,
                    k,
                    &x[own.clone()],
                    &z[rows.clone()],
                    &s[rows.clone()],
                );
                let none = KktCondition::PrimalFeasibility;
                let primal = found.worst_of(none).unwrap().relative;
                let expected = yardstick.primal.max(yardstick.slack_outside);
                let is_off = |found: f64, expected: f64| (found > 1e-3) == (expected > 1e-3);
                assert!(is_off(primal, expected), "{} {moved}: {expected:e}\n{found}", family.name);
                let dual = absolute(found, KktCondition::DualFeasibility);
                let expected = yardstick.dual_outside;
                assert!(is_off(dual, expected), "{} {moved}: {expected:e}\n{found}", family.name);
                let stationary = absolute(found, KktCondition::Stationarity);
                let expected = yardstick.dual;
                assert!(is_off(stationary, expected), "{} {moved}\n{found}", family.name);
                assert!(!found.is_optimal(1e-3), "{} {moved}\n{found}", family.name);
            }
        }
    }
}

#[test]
fn distances_from_cones_are_those_of_projections() {
    // Each cone alone, A = I and P = 0: with q = -z and b = s, x = 0 is a point with any z and s.
    let norm = |v: [f64; 2]| v[0].hypot(v[1]);
    let check = |cone: Cone, s: &[f64], expected: f64| {
        let m = cone.dim();
        let zeros = vec![0.0; m * m];
        let mut program = argrad_conformance::DenseProgram::zeros(m, 0, m);
        (0..m).for_each(|i| program.a[i * m + i] = 1.0);
        program.b.copy_from_slice(s);
        let own =
            ProgramBatch::from_programs(generators::dense_structure(size(m, m, 0, 1)), &[program]);
        let structure = &own.structure;
        let (p, a) = (structure.p().clone(), structure.a().clone());
        let structure = argrad_solver::Structure::new(p, a, vec![cone.clone()]).unwrap();
        let batch = ProgramBatch { structure, ..own };
        let found = at(&batch, &zeros[..m], &zeros[..m], s);
        let absolute = absolute(&found[0], KktCondition::PrimalFeasibility);
        assert!((absolute - expected).abs() < 1e-12, "{cone:?}: {absolute:e} {expected:e}");
    };
    check(Cone::Zero(2), &[0.25, -0.5], 0.5);
    check(Cone::Nonnegative(3), &[0.25, -0.5, -0.125], 0.5);
    // (t, u) with |u| > |t| projects onto (|u| + t) / 2 (1, u / |u|): t lacks (|u| - t) / 2.
    check(Cone::SecondOrder(3), &[1.0, 3.0, 4.0], (norm([3.0, 4.0]) - 1.0) / 2.0);
    // diag(1, -2): what is missing is diag(0, 2).
    check(Cone::PsdTriangle(2), &[1.0, 0.0, -2.0], 2.0);
    // The polar cone of the exponential cone holds (0, -1, -1): its projection is zero.
    check(Cone::Exponential, &[0.0, -1.0, -1.0], 1.0);
    check(Cone::Power(0.5), &[-1.0, -1.0, 0.5], 1.0);
}

#[test]
fn relative_residuals_do_not_depend_on_units() {
    for family in families(2) {
        let mut known = family.programs.known_solution();
        let noise = generators::normal_vector(known.x.len(), 1, 11);
        known.x.iter_mut().zip(&noise).for_each(|(x, noise)| *x += 1e-4 * noise);
        let before = of(&known);
        // Units that the objective, all variables or all rows have in common: to the last bit.
        let structure = &known.batch.structure;
        let common = Units {
            variables: vec![2_f64.powi(20); structure.variables()],
            rows: vec![2_f64.powi(-13); structure.rows()],
            point: 2_f64.powi(9),
            objective: 2_f64.powi(-7),
        };
        let linear = matches!(family.programs.objective, Objective::Linear);
        for (after, before) in of(&common.of_known(&known)).iter().zip(&before) {
            for (a, b) in after.rows.iter().zip(&before.rows) {
                let (a, b) = (a.relative, b.relative);
                // Projections onto curved cones are taken in units of powers of two: alike, not
                // the same bits, where an iteration is behind them.
                assert!((a - b).abs() <= 1e-9 * b + 1e-14, "{} {linear}: {a:e} {b:e}", family.name);
            }
        }
        // A unit for each variable and each row: nearly.
        for (after, before) in of(&rescaled(&known, 3.0, 5)).iter().zip(&before) {
            let (a, b) = (after.residual(), before.residual());
            println!("{}: {a:.1e} {b:.1e}", family.name);
            assert!(a < 30.0 * b && b < 30.0 * a, "{}: {a:e} {b:e}", family.name);
        }
    }
}

#[test]
fn the_solutions_of_another_solver_can_be_checked() {
    for family in families(2) {
        let batch = family.programs.known_solution().batch;
        for (k, found) in ClarabelBatch::new(&batch, 1e-9).solve().iter().enumerate() {
            let own = batch.select(&[k]);
            let conditions = &at(&own, &found.x, &found.z, &found.s)[0];
            println!("{}: {:.1e}", family.name, conditions.residual());
            assert!(
                conditions.verdict().starts_with("optimal to"),
                "{}\n{conditions}",
                family.name
            );
        }
    }
}

#[test]
fn rows_that_b_removes_are_no_constraints_and_have_no_multipliers() {
    let known = generators::known_solution(size(3, 3, 1, 1), 3, 9);
    let mut batch = known.batch.clone();
    batch.b.as_mut_slice()[2] = 1e20;
    let solver = solver(&batch);
    let solution = solver.solve(&batch.values()).unwrap();
    assert_eq!(solution.s[2], f64::INFINITY);
    let found = solver.conditions(&batch.values(), &(&solution).into()).unwrap();
    assert!(found[0].is_optimal(1e-11), "{}", found[0]);
    let mut z = solution.z.clone();
    z[2] = 1.0;
    let point = KktPoint { x: &solution.x, z: Some(&z), s: None };
    let found = solver.conditions(&batch.values(), &point).unwrap();
    let worst = found[0].worst().unwrap();
    assert_eq!((worst.condition, worst.entry), (KktCondition::DualFeasibility, Some(1)));
    assert_eq!(worst.absolute, 1.0);
}

#[test]
fn a_sample_that_is_no_number_leaves_the_others_alone() {
    let known = families(3).swap_remove(9).programs.known_solution();
    let (n, expected) = (known.batch.variables(), of(&known));
    let mut x = known.x.clone();
    x[n + 2] = f64::NAN;
    for z in [Some(&known.z[..]), None] {
        let point = KktPoint { x: &x, z, s: None };
        let found = solver(&known.batch).conditions(&known.batch.values(), &point).unwrap();
        assert!(found[1].residual().is_nan() && !found[1].is_optimal(1.0));
        assert!(found[1].verdict().starts_with("no verdict"), "{}", found[1]);
        assert!(found[0].is_optimal(1e-9) && found[2].is_optimal(1e-9), "{}", found[0]);
    }
    let point = KktPoint { x: &x, z: Some(&known.z), s: Some(&known.s) };
    let found = solver(&known.batch).conditions(&known.batch.values(), &point).unwrap();
    assert_eq!((&found[0], &found[2]), (&expected[0], &expected[2]));
}

#[test]
fn constraints_are_called_as_the_caller_calls_them() {
    let known = generators::known_solution(size(3, 4, 1, 1), 3, 2);
    let solver = solver(&known.batch);
    let mut s = known.s.clone();
    s[4] -= 8.0;
    let labels = KktLabels {
        constraints: vec![
            KktLabel { text: "bounds".into(), at: vec![3..5, 1..2] },
            KktLabel::new("budget", 0..1),
        ],
        variables: vec![KktLabel::new("price", 1..3)],
    };
    let point = KktPoint { x: &known.x, z: Some(&known.z), s: Some(&s) };
    let found = solver.conditions_by(&known.batch.values(), &point, &labels).unwrap();
    let text = found[0].to_string();
    println!("{text}");
    assert!(text.starts_with("infeasible by 8.0e0 in row 1 of `bounds`"), "{text}");
    let names: Vec<&str> = found[0].rows.iter().map(|row| row.constraint.as_str()).collect();
    // Row 2 has no name. An equality has primal feasibility only.
    let rest = "inequalities (cone 1)";
    assert_eq!(
        names,
        ["bounds", "budget", rest, "bounds", rest, "bounds", rest, "price", "other variables"]
    );
    let labels = KktLabels { constraints: vec![KktLabel::new("all", 0..6)], variables: vec![] };
    let error = solver.conditions_by(&known.batch.values(), &point, &labels).unwrap_err();
    assert!(error.to_string().contains("0..6 of `all`"), "{error}");
}

#[test]
fn points_of_another_size_are_refused() {
    let known = generators::known_solution(size(3, 4, 1, 2), 3, 2);
    let solver = Solver::new(known.batch.structure.clone(), Settings::default()).unwrap();
    let point = KktPoint { x: &known.x[1..], z: None, s: None };
    let error = solver.conditions(&known.batch.values(), &point).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "point.x", expected: 6, found: 5, .. }));
    let point = KktPoint { x: &known.x, z: Some(&known.z[..4]), s: None };
    let error = solver.conditions(&known.batch.values(), &point).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "point.z", expected: 10, found: 4, .. }));
}

#[test]
fn programs_without_rows_or_samples_have_conditions_too() {
    let known = generators::known_solution(size(3, 0, 0, 2), 3, 2);
    let found = of(&known);
    assert!(found.iter().all(|own| own.is_optimal(1e-13) && own.rows.len() == 1));
    let none = known.batch.select(&[]);
    let point = KktPoint::default();
    assert!(solver(&none).conditions(&none.values(), &point).unwrap().is_empty());
}
