//! Variables that only help to state a program do not make its solution less unique.

use argrad_solver::{
    Cone, Cotangent, Differentiation, Error, Pattern, Settings, Slot, Solver, Structure, Values,
};

/// The projection of (0.3, 0.4) onto the ball of radius `radius`: `|x| <= t, t <= radius`. Returns
/// whether x is unique, and the derivative of `x_1` by both coordinates.
fn ball(radius: f64, auxiliary: Option<Vec<bool>>) -> (bool, Vec<f64>) {
    let p = Pattern::new(3, 3, vec![0, 1, 2, 2], vec![0, 1]).unwrap();
    let cones = vec![Cone::Nonnegative(1), Cone::SecondOrder(3)];
    let a = Pattern::new(4, 3, vec![0, 1, 2, 4], vec![2, 3, 0, 1]).unwrap();
    let mut structure = Structure::new(p, a, cones).unwrap();
    if let Some(auxiliary) = auxiliary {
        structure = structure.with_auxiliary(auxiliary).unwrap();
    }
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let (q, a, b) = ([-0.3, -0.4, 0.0], [-1.0, -1.0, 1.0, -1.0], [radius, 0.0, 0.0, 0.0]);
    let [p, q, a, b] = [&[1.0, 1.0][..], &q, &a, &b].map(Slot::Shared);
    let (solution, tape) = solver.forward(&Values { batch: 1, p, q, a, b }).unwrap();
    assert!(solution.reports[0].is_solved());
    let cotangent = Cotangent { x: Some(&[1.0, 0.0, 0.0]), ..Cotangent::default() };
    let gradients = tape.vjp(&cotangent, &Differentiation::default()).unwrap();
    (solution.reports[0].unique_x, gradients.q[..2].iter().map(|g| -g).collect())
}

#[test]
fn the_bound_of_a_norm_that_is_not_active_is_not_missed() {
    for radius in [0.6, 1.0, 100.0] {
        let (is_unique, derivative) = ball(radius, Some(vec![false, false, true]));
        assert!(is_unique, "radius {radius}");
        for (found, expected) in derivative.into_iter().zip([1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-14, "radius {radius}: {found}");
        }
        assert!(!ball(radius, None).0, "the bound itself is not unique");
    }
}

#[test]
fn where_the_norm_is_active_nothing_changes() {
    // x = c / (2 |c|), whose derivative is that of the direction.
    let (is_unique, derivative) = ball(0.25, Some(vec![false, false, true]));
    assert!(is_unique);
    for (found, expected) in derivative.into_iter().zip([0.5 * 0.64, -0.5 * 0.48]) {
        assert!((found - expected).abs() < 1e-14, "{found}");
    }
}

#[test]
fn other_variables_must_be_unique_whatever_is_auxiliary() {
    // minimize x + y over x + y >= 1, x >= 0, y >= 0, with t = x.
    let structure = Structure::new(
        Pattern::empty(3, 3),
        Pattern::dense(4, 3),
        vec![Cone::Zero(1), Cone::Nonnegative(3)],
    )
    .unwrap();
    for (auxiliary, is_unique) in [([false, false, true], false), ([true, true, false], false)] {
        let structure = structure.clone().with_auxiliary(auxiliary.to_vec()).unwrap();
        let solver = Solver::new(structure, Settings::default()).unwrap();
        let a = [1.0, -1.0, -1.0, 0.0, 0.0, -1.0, 0.0, -1.0, -1.0, 0.0, 0.0, 0.0];
        let [p, q, a, b] =
            [&[][..], &[1.0, 1.0, 0.0], &a, &[0.0, -1.0, 0.0, 0.0]].map(Slot::Shared);
        let solution = solver.solve(&Values { batch: 1, p, q, a, b }).unwrap();
        assert_eq!(solution.reports[0].unique_x, is_unique, "{auxiliary:?}");
    }
}

#[test]
fn flags_that_do_not_fit_are_refused_by_name() {
    let structure =
        Structure::new(Pattern::empty(2, 2), Pattern::dense(1, 2), vec![Cone::Zero(1)]).unwrap();
    let error = structure.with_auxiliary(vec![true]).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "auxiliary", expected: 2, found: 1, .. }));
}
