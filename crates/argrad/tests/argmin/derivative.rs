//! Derivatives against closed forms, in any unit: relative errors of at most 1e-8 on 200 random
//! problems.

use argrad::Slot;
use argrad::argmin::{
    Argmin, ArgminCotangent, ArgminPoint, ArgminSolution, Automatic, Oracle, SecondOrder, equations,
};

use crate::family::{Answer, Known};

const PROBLEMS: u64 = 200;

/// |a - b| / |b|, in the Euclidean norm.
pub fn relative_error(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
    let size = norm(&mut b.iter().copied());
    if size == 0.0 { difference } else { difference / size }
}

/// The Jacobians of y and of (nu, mu), row-major, column by column from the JVP.
pub fn jacobians<O: Oracle>(argmin: &Argmin<O>, solution: &ArgminSolution) -> [Vec<f64>; 2] {
    let size = argmin.oracle().dimensions();
    let (p, n, m) = (size.theta, size.y, size.rows());
    let mut out = [vec![0.0; n * p], vec![0.0; m * p]];
    for j in 0..p {
        let unit: Vec<f64> = (0..p).map(|k| f64::from(k == j)).collect();
        let tangent = argmin.jvp(solution, Slot::Shared(&unit)).unwrap();
        let rows = [tangent.equality_multipliers, tangent.inequality_multipliers].concat();
        (0..n).for_each(|i| out[0][i * p + j] = tangent.y[i]);
        (0..m).for_each(|i| out[1][i * p + j] = rows[i]);
    }
    out
}

fn given<'a>(answer: &'a Answer, equalities: usize) -> ArgminPoint<'a> {
    let (nu, mu) = answer.lambda.split_at(equalities);
    ArgminPoint::new(1, Slot::Shared(&answer.theta), Slot::Shared(&answer.y))
        .with_multipliers(Slot::Shared(nu), Slot::Shared(mu))
}

#[test]
fn derivative_of_the_kkt_system_is_the_closed_form_in_any_unit() {
    let mut worst = [0.0_f64; 2];
    for seed in 0..PROBLEMS {
        let problem = Known::new(seed, seed % 4 > 0, true);
        let answer = problem.answer();
        let equalities = problem.size.equalities;
        let argmin = Argmin::new(&problem);
        let solution = argmin.at(&given(&answer, equalities)).unwrap();
        let report = &solution.reports[0];
        assert!(report.is_solved(), "{seed}: {report:?}");
        assert_eq!(report.second_order, SecondOrder::Sufficient, "{seed}: {report:?}");
        assert_eq!(report.dependent, 0, "{seed}");
        let [y, lambda] = jacobians(&argmin, &solution);
        worst[0] = worst[0].max(relative_error(&y, &answer.y_jacobian));
        worst[1] = worst[1].max(relative_error(&lambda, &answer.lambda_jacobian));
    }
    println!("worst relative errors of dy and dlambda: {:.1e} {:.1e}", worst[0], worst[1]);
    assert!(worst[0] <= 1e-8 && worst[1] <= 1e-8, "{worst:?}");
}

#[test]
fn least_squares_multipliers_are_those_of_the_closed_form() {
    for seed in 0..PROBLEMS {
        let problem = Known::new(seed, seed % 4 > 0, true);
        let answer = problem.answer();
        let point = ArgminPoint::new(1, Slot::Shared(&answer.theta), Slot::Shared(&answer.y));
        let solution = Argmin::new(&problem).at(&point).unwrap();
        assert!(solution.reports[0].is_solved(), "{seed}: {:?}", solution.reports[0]);
        let lambda = [solution.equality_multipliers, solution.inequality_multipliers].concat();
        assert!(relative_error(&lambda, &answer.lambda) <= 1e-8, "{seed}");
    }
}

#[test]
fn adjoint_is_the_transpose_of_the_tangent() {
    for seed in 0..PROBLEMS {
        let problem = Known::new(seed, seed % 4 > 0, true);
        let answer = problem.answer();
        let size = problem.size;
        let argmin = Argmin::new(&problem);
        let solution = argmin.at(&given(&answer, size.equalities)).unwrap();
        // Weights of all outputs, in the units of each.
        let units = problem.units;
        let weight = |k: usize, unit: f64| ((k + 1) as f64 * 1.7).sin() / unit;
        let w_y: Vec<f64> = (0..size.y).map(|k| weight(k, units.y)).collect();
        let rows = |k: usize| weight(k + 50, units.f / units.c);
        let w_h: Vec<f64> = (0..size.equalities).map(rows).collect();
        let w_g: Vec<f64> = (0..size.inequalities).map(|k| rows(k + 20)).collect();
        let cotangent = ArgminCotangent {
            y: Some(&w_y),
            equality_multipliers: Some(&w_h),
            inequality_multipliers: Some(&w_g),
        };
        let gradient = argmin.backward(&solution, &cotangent).unwrap();
        let (p, w) = (size.theta, [w_y.clone(), w_h, w_g].concat());
        let all = [answer.y_jacobian.clone(), answer.lambda_jacobian.clone()].concat();
        let expected: Vec<f64> =
            (0..p).map(|j| w.iter().enumerate().map(|(i, w)| w * all[i * p + j]).sum()).collect();
        let error = relative_error(&gradient, &expected);
        assert!(error <= 1e-8, "{seed}: {error:e}");
    }
}

#[test]
fn solver_finds_the_known_solution_in_any_unit() {
    let (mut worst, mut iterations) = (0.0_f64, 0);
    for seed in 0..PROBLEMS {
        let problem = Known::new(seed, seed % 4 > 0, true);
        let answer = problem.answer();
        let near: Vec<f64> = answer
            .y
            .iter()
            .enumerate()
            .map(|(k, y)| y + 0.05 * problem.units.y * ((k + 3) as f64).sin())
            .collect();
        let argmin = Argmin::new(&problem);
        let start = ArgminPoint::new(1, Slot::Shared(&answer.theta), Slot::Shared(&near));
        let solution = argmin.solve(&start).unwrap();
        assert!(solution.reports[0].is_solved(), "{seed}: {:?}", solution.reports[0]);
        worst = worst.max(relative_error(&solution.y, &answer.y));
        let [y, lambda] = jacobians(&argmin, &solution);
        worst = worst.max(relative_error(&y, &answer.y_jacobian));
        worst = worst.max(relative_error(&lambda, &answer.lambda_jacobian));
        iterations = iterations.max(solution.reports[0].iterations);
    }
    println!("worst relative error {worst:.1e}, at most {iterations} iterations");
    assert!(worst <= 1e-8, "{worst:e}");
}

#[test]
fn equation_4_is_the_closed_form_in_any_unit() {
    let mut worst = 0.0_f64;
    for seed in 0..PROBLEMS {
        let problem = Known::new(seed, seed % 4 > 0, false);
        let answer = problem.answer();
        let oracle = Automatic(&problem);
        let (theta, y) = (Slot::Shared(&answer.theta[..]), Slot::Shared(&answer.y[..]));
        let jacobian = equations::unconstrained(&oracle, 1, theta, y).unwrap();
        assert!(jacobian.regular[0]);
        worst = worst.max(relative_error(&jacobian.y, &answer.y_jacobian));
    }
    println!("worst relative error {worst:.1e}");
    assert!(worst <= 1e-8, "{worst:e}");
}
