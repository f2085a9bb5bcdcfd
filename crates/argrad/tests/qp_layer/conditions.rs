//! The KKT conditions of quadratic programs.

use argrad::{Error, KktCondition, KktMultipliers, QpLayer, QpPoint, QpShape, Settings};

use crate::case::Case;

fn case() -> Case {
    Case::random(QpShape::dense(6, 2, 5), 2, 4, 3)
}

#[test]
fn solutions_of_the_layer_are_optimal_and_other_points_are_not() {
    let case = case();
    let layer = QpLayer::new(case.shape.clone(), Settings::default()).unwrap();
    let solution = layer.solve(&case.values()).unwrap();
    let found = layer.conditions(&case.values(), &(&solution).into()).unwrap();
    for conditions in &found {
        assert!(conditions.is_optimal(1e-12), "{conditions}");
        assert_eq!(conditions.multipliers, KktMultipliers::Given);
    }
    let point = QpPoint { x: &solution.x, ..Default::default() };
    let alone = layer.conditions(&case.values(), &point).unwrap();
    for conditions in &alone {
        assert!(conditions.is_optimal(1e-9), "{conditions}");
        assert_eq!(conditions.multipliers, KktMultipliers::LeastSquares);
    }
    let mut duals = solution.inequality_duals.clone();
    duals[7] -= 3.0;
    let point = QpPoint { inequality_duals: Some(&duals), ..(&solution).into() };
    let moved = layer.conditions(&case.values(), &point).unwrap();
    // Sample 1, row 2; the other samples are as they were.
    let worst = moved[1].worst_of(KktCondition::DualFeasibility).unwrap();
    assert_eq!((worst.constraint.as_str(), worst.entry), ("Gx <= h", Some(2)));
    assert!(!moved[1].is_optimal(1e-2));
    assert_eq!((&moved[0], &moved[2]), (&found[0], &found[2]));
}

#[test]
fn points_that_do_not_fit_are_refused() {
    let case = case();
    let layer = QpLayer::new(case.shape.clone(), Settings::default()).unwrap();
    let point = QpPoint { x: &case.x[1..], ..Default::default() };
    let error = layer.conditions(&case.values(), &point).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "point.x", .. }), "{error}");
    let duals = Some(&case.equality_duals[..]);
    let point = QpPoint { x: &case.x, equality_duals: duals, ..Default::default() };
    let error = layer.conditions(&case.values(), &point).unwrap_err().to_string();
    assert!(error.contains("equality_duals without inequality_duals"), "{error}");
}
