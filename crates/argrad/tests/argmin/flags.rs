//! What is said of points where something is not as it should be, and of malformed input.

use argrad::argmin::{
    Argmin, ArgminCotangent, ArgminError, ArgminPoint, ArgminSettings, ArgminStatus, Dimensions,
    Function, Scalar, SecondOrder, SmoothProblem,
};
use argrad::{Error, OnFailure, Slot};

/// A problem from the kind of trouble it makes.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// (y1 - theta)^2 + y2^2 with y1 <= 0: weakly active at theta = 0.
    Kink,
    /// The same equality twice: LICQ fails, the solution is unique.
    Twice,
    /// (y1^2 - theta)^2 + y2^2: a saddle at 0 between two minima.
    TwoWells,
    /// On the unit circle, minimize theta y1^2 + y2: at (0, 1) a maximum.
    Circle,
    /// y1^2 + theta <= 0.
    Infeasible,
    /// y1 - ln(y1 - theta) + y2^2: not defined for y1 <= theta.
    Logarithm,
    /// (y1 - y2 - theta)^2: minimizers are a line.
    Valley,
    /// -theta y1.
    Unbounded,
    /// y1 <= theta and y1 >= 1, linear.
    Contradiction,
}

impl SmoothProblem for Trouble {
    fn dimensions(&self) -> Dimensions {
        let size = Dimensions::new(1, 2);
        match self {
            Self::Kink | Self::Infeasible => size.inequalities(1),
            Self::Twice => size.equalities(2),
            Self::Circle => size.equalities(1),
            Self::Contradiction => size.inequalities(2),
            _ => size,
        }
    }

    fn objective<D: Scalar>(&self, theta: &[D], y: &[D]) -> D {
        let t = theta[0];
        match self {
            Self::Kink | Self::Twice => (y[0] - t).powi(2) + y[1] * y[1],
            Self::TwoWells => (y[0] * y[0] - t).powi(2) + y[1] * y[1],
            Self::Circle => t * y[0] * y[0] + y[1],
            Self::Infeasible | Self::Contradiction => y[0] * y[0] + y[1] * y[1],
            Self::Logarithm => y[0] - (y[0] - t).ln() + y[1] * y[1],
            Self::Valley => (y[0] - y[1] - t).powi(2),
            Self::Unbounded => -t * y[0] + y[1] * y[1],
        }
    }

    fn equalities<D: Scalar>(&self, theta: &[D], y: &[D]) -> Vec<D> {
        match self {
            Self::Twice => vec![y[0] + y[1] - theta[0], (y[0] + y[1] - theta[0]) * 3.0],
            Self::Circle => vec![y[0] * y[0] + y[1] * y[1] - 1.0],
            _ => Vec::new(),
        }
    }

    fn inequalities<D: Scalar>(&self, theta: &[D], y: &[D]) -> Vec<D> {
        match self {
            Self::Kink => vec![y[0]],
            Self::Infeasible => vec![y[0] * y[0] + theta[0]],
            Self::Contradiction => vec![y[0] - theta[0], -y[0] + 1.0],
            _ => Vec::new(),
        }
    }
}

fn solve(trouble: Trouble, theta: f64, y: [f64; 2]) -> argrad::argmin::ArgminSolution {
    let point = ArgminPoint::new(1, Slot::Shared(std::slice::from_ref(&theta)), Slot::Shared(&y));
    Argmin::new(trouble).solve(&point).unwrap()
}

#[test]
fn weakly_active_constraint_is_flagged() {
    let solution = solve(Trouble::Kink, 0.0, [-1.0, 1.0]);
    let report = &solution.reports[0];
    assert!(
        report.is_solved() && report.weakly_active == 1 && report.is_degenerate(),
        "{report:?}"
    );
    let report = &solve(Trouble::Kink, 0.5, [-1.0, 1.0]).reports[0];
    assert!(report.is_solved() && report.weakly_active == 0 && !report.is_degenerate());
}

#[test]
fn dependent_constraints_are_flagged_and_the_derivative_of_y_is_right() {
    let argmin = Argmin::new(Trouble::Twice);
    let solution = solve(Trouble::Twice, 1.0, [3.0, -1.0]);
    let report = &solution.reports[0];
    assert!(report.is_solved() && report.dependent == 1, "{report:?}");
    assert_eq!(report.inertia, [2, 1, 1]);
    let tangent = argmin.jvp(&solution, Slot::Shared(&[1.0])).unwrap();
    // y = (theta, 0)
    assert!((tangent.y[0] - 1.0).abs() < 1e-12 && tangent.y[1].abs() < 1e-12, "{tangent:?}");
}

#[test]
fn saddle_points_are_left_and_given_ones_named() {
    let solution = solve(Trouble::TwoWells, 4.0, [0.0, 1.0]);
    let report = &solution.reports[0];
    assert!(report.is_solved() && report.saddles_left == 1, "{report:?}");
    assert!((solution.y[0].abs() - 2.0).abs() < 1e-12);
    // Along a curved constraint, from a maximum.
    let solution = solve(Trouble::Circle, 0.25, [0.0, 1.0]);
    assert!(solution.reports[0].is_solved(), "{:?}", solution.reports[0]);
    assert!((solution.y[1] + 1.0).abs() < 1e-12, "{:?}", solution.y);
    let point = ArgminPoint::new(1, Slot::Shared(&[0.25]), Slot::Shared(&[0.0, 1.0]));
    let given = Argmin::new(Trouble::Circle).at(&point).unwrap();
    let report = &given.reports[0];
    assert_eq!(report.status, ArgminStatus::Saddle);
    assert_eq!(report.second_order, SecondOrder::NegativeCurvature);
    assert_eq!(report.inertia, [1, 2, 0]);
}

#[test]
fn infeasible_problems_end_at_the_least_violation() {
    for start in [[3.0, 1.0], [1e-3, -2.0]] {
        let solution = solve(Trouble::Infeasible, 1.0, start);
        let report = &solution.reports[0];
        assert_eq!(report.status, ArgminStatus::InfeasibleStationary, "{report:?}");
        assert!(solution.y[0].abs() < 1e-6, "{:?}", solution.y);
    }
    let report = &solve(Trouble::Contradiction, 0.5, [3.0, 1.0]).reports[0];
    assert_eq!(report.status, ArgminStatus::InfeasibleStationary, "{report:?}");
}

#[test]
fn not_a_number_is_named_and_avoided_where_a_shorter_step_can() {
    let report = &solve(Trouble::Logarithm, 2.0, [1.0, 1.0]).reports[0];
    assert_eq!(report.status, ArgminStatus::NotANumber);
    let found = report.not_a_number.unwrap();
    assert!(found.at_start && found.derivative == 0);
    assert_eq!(found.function, Function::Objective);
    // Steps from far away leave the domain.
    let solution = solve(Trouble::Logarithm, 2.0, [40.0, 1.0]);
    assert!(solution.reports[0].is_solved(), "{:?}", solution.reports[0]);
    assert!((solution.y[0] - 3.0).abs() < 1e-12);
}

#[test]
fn singular_hessian_is_flagged_and_its_derivative_least_norm() {
    let argmin = Argmin::new(Trouble::Valley);
    let solution = solve(Trouble::Valley, 1.0, [3.0, -1.0]);
    let report = &solution.reports[0];
    assert!(report.is_solved(), "{report:?}");
    assert_eq!(report.second_order, SecondOrder::Singular);
    assert!(report.condition.is_infinite());
    let tangent = argmin.jvp(&solution, Slot::Shared(&[1.0])).unwrap();
    assert!((tangent.y[0] - 0.5).abs() < 1e-12 && (tangent.y[1] + 0.5).abs() < 1e-12);
}

#[test]
fn unbounded_problems_are_named() {
    let report = &solve(Trouble::Unbounded, 1.0, [3.0, 1.0]).reports[0];
    assert_eq!(report.status, ArgminStatus::Unbounded, "{report:?}");
}

#[test]
fn failed_samples_leave_the_others_as_they_are() {
    let theta = [2.0, 0.0, 1.5];
    let y = [1.0, 1.0, 5.0, 2.0, 4.0, 0.5]; // the first is outside of the domain
    let argmin = Argmin::new(Trouble::Logarithm);
    let both = argmin.solve(&ArgminPoint::new(3, Slot::Each(&theta), Slot::Each(&y))).unwrap();
    assert_eq!(both.failures().collect::<Vec<_>>(), [(0, ArgminStatus::NotANumber)]);
    let alone = Argmin::new(Trouble::Logarithm)
        .solve(&ArgminPoint::new(2, Slot::Each(&theta[1..]), Slot::Each(&y[2..])))
        .unwrap();
    assert_eq!(both.y[2..], alone.y[..]);
    let w = [1.0; 6];
    let cotangent = ArgminCotangent { y: Some(&w), ..Default::default() };
    let error = argmin.backward(&both, &cotangent).unwrap_err();
    assert!(matches!(&error, ArgminError::Unsolved { batch: 3, .. }));
    assert!(error.to_string().contains("sample 0: a function or derivative is not a finite"));
    for (on_failure, first) in [(OnFailure::Nan, f64::NAN), (OnFailure::Zero, 0.0)] {
        let settings = ArgminSettings { on_failure, ..ArgminSettings::default() };
        let argmin = argmin.clone().with_settings(settings).unwrap();
        let gradient = argmin.backward(&both, &cotangent).unwrap();
        assert!(gradient[0].to_bits() == first.to_bits() || first.is_nan() && gradient[0].is_nan());
        // y1 = theta + 1
        assert!((gradient[1] - 1.0).abs() < 1e-12 && (gradient[2] - 1.0).abs() < 1e-12);
    }
}

#[test]
fn malformed_input_names_the_argument() {
    let argmin = Argmin::new(Trouble::Kink);
    let message = |theta: &[f64], y: &[f64]| {
        argmin
            .solve(&ArgminPoint::new(2, Slot::Each(theta), Slot::Each(y)))
            .unwrap_err()
            .to_string()
    };
    assert!(message(&[1.0], &[0.0; 4]).contains("theta: expected length 2 (batch 2 x 1 numbers)"));
    assert!(message(&[1.0, 2.0], &[0.0; 3]).contains("y: expected length 4"));
    let nan = message(&[1.0, f64::NAN], &[0.0; 4]);
    assert!(nan.contains("theta: entry 0 of sample 1 is NaN"), "{nan}");
    let solution = solve(Trouble::Kink, 0.5, [-1.0, 1.0]);
    let short = ArgminCotangent { y: Some(&[1.0]), ..Default::default() };
    let error = argmin.backward(&solution, &short).unwrap_err();
    assert!(error.to_string().contains("cotangent.y: expected length 2"), "{error}");
    let settings = ArgminSettings { tolerance: 0.0, ..ArgminSettings::default() };
    let error = argmin.clone().with_settings(settings).unwrap_err();
    assert!(matches!(error, ArgminError::Solver(Error::Setting { setting: "tolerance", .. })));
    assert!(
        argmin.solve(&ArgminPoint::new(0, Slot::Each(&[]), Slot::Each(&[]))).unwrap().y.is_empty()
    );
}

/// A problem that does not keep its word.
struct Liar;

impl SmoothProblem for Liar {
    fn dimensions(&self) -> Dimensions {
        Dimensions::new(1, 1).equalities(2)
    }

    fn objective<D: Scalar>(&self, _theta: &[D], y: &[D]) -> D {
        y[0]
    }

    fn equalities<D: Scalar>(&self, _theta: &[D], y: &[D]) -> Vec<D> {
        vec![y[0]]
    }
}

#[test]
fn functions_with_the_wrong_number_of_entries_are_named() {
    let point = ArgminPoint::new(1, Slot::Shared(&[1.0]), Slot::Shared(&[1.0]));
    let error = Argmin::new(Liar).solve(&point).unwrap_err();
    let expected = ArgminError::Function { function: "equalities", expected: 2, found: 1 };
    assert_eq!(error, expected);
}
