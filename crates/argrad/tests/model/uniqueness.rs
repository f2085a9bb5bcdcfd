//! What is unique in a layer: its outputs, not what stands for atoms.

use argrad::atoms::*;
use argrad::prelude::*;

/// The point nearest to c with `bound(x) <= limit`: c itself, where the constraint is not active.
fn nearest(bound: impl for<'m> Fn(Expr<'m>) -> Expr<'m>, limit: f64) -> (Layer, [f64; 3]) {
    let model = Model::new();
    let c = model.parameter(3).named("c");
    let x = model.variable(3);
    let layer = Problem::minimize(sum_squares(x - c))
        .subject_to([bound(x).leq(limit)])
        .compile([c], [x])
        .unwrap();
    (layer, [0.3, -0.2, 0.1])
}

#[test]
fn atoms_in_constraints_that_are_not_active_leave_x_unique_and_its_derivative_exact() {
    let cases: [(&str, Layer, [f64; 3]); 6] = [
        ("norm2", nearest(|x| norm2(x), 1.0)),
        ("norm1", nearest(|x| norm1(x), 1.0)),
        ("max", nearest(|x| max(x), 1.0)),
        ("sum_squares", nearest(|x| sum_squares(x), 9.0)),
        ("log_sum_exp", nearest(|x| log_sum_exp(x), 3.0)),
        ("exp", nearest(|x| exp(x).sum(), 9.0)),
    ]
    .map(|(name, (layer, c))| (name, layer, c));
    for (name, layer, c) in cases {
        let (outputs, tape) = layer.forward(&[&c]).unwrap();
        let report = outputs.reports[0];
        assert!(report.is_solved() && report.unique_x, "{name}: {report:?}");
        let gradient = layer.backward(&tape, &[&[1.0, 10.0, 100.0]]).unwrap();
        for (found, expected) in gradient[0].iter().zip([1.0, 10.0, 100.0]) {
            assert!((found - expected).abs() < 1e-10, "{name}: {found}");
        }
    }
}

#[test]
fn outputs_that_are_not_unique_are_flagged() {
    let model = Model::new();
    let c = model.parameter(2).named("c");
    let x = model.variable(2);
    // Any point of the ball: nothing chooses one.
    let layer = Problem::minimize(maximum(norm2(x - c), 1.0)).compile([c], [x]).unwrap();
    assert!(!layer.forward(&[&[0.0, 0.0]]).unwrap().0.reports[0].unique_x);
}
