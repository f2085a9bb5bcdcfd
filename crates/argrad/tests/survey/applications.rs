//! Section 5: the programs of its applications, (18) to (20).

use argrad::atoms::{norm1, sum_squares};
use argrad::model::{Model, Problem};

/// (19) for two points y = (0, d): each moves towards the other by lambda, until they meet.
#[test]
fn equation_19_denoises_two_points_as_by_hand() {
    let model = Model::new();
    let (y, lambda) = (model.parameter(2), model.parameter(()).nonneg());
    let z = model.variable(2);
    let cost = 0.5 * sum_squares(y - z) + lambda * norm1(z.diff());
    let layer = Problem::minimize(cost).compile([y, lambda], [z]).unwrap();
    for (d, lambda) in [(1.0, 0.2), (1.0, 3.0), (-4.0, 0.5)] {
        let (found, _) = layer.forward(&[&[0.0, d], &[lambda]]).unwrap();
        let step = f64::min(lambda, f64::abs(d) / 2.0) * d.signum();
        let expected = [step, d - step];
        let error = (found[0][0] - expected[0]).hypot(found[0][1] - expected[1]);
        assert!(error < 1e-9, "{:?} against {expected:?}", &found[0]);
    }
}

/// (20) prints "minimize" over delta; the attack it describes, and its update with the sign of the
/// gradient, make the test loss larger. Ridge regression on points that the attacker moves.
#[test]
fn equation_20_is_a_maximization() {
    let model = Model::new();
    let (x, y) = (model.parameter((6, 2)).named("x"), model.parameter(6).named("y"));
    let theta = model.variable(2);
    let cost = sum_squares(x.matmul(theta) - y) + 0.1 * sum_squares(theta);
    let layer = Problem::minimize(cost).compile([x, y], [theta]).unwrap();
    let points = [0.9, 0.1, -0.4, 1.2, 0.3, -0.8, -1.1, 0.6, 0.5, 0.5, -0.2, -1.4];
    let labels = [1.0, -0.4, 0.9, -1.5, 0.3, 0.8];
    let (test_point, test_label) = ([0.7, -0.9], 1.3);
    let test_loss = |points: &[f64]| {
        let (solution, tape) = layer.forward(&[points, &labels]).unwrap();
        let theta = &solution[0];
        let off = test_point[0] * theta[0] + test_point[1] * theta[1] - test_label;
        let cotangent = [2.0 * off * test_point[0], 2.0 * off * test_point[1]];
        let gradient = layer.backward(&tape, &[&cotangent]).unwrap();
        (off * off, gradient[0].clone())
    };
    let (before, gradient) = test_loss(&points);
    let moved = |epsilon: f64| {
        let step = |(x, g): (&f64, &f64)| x + epsilon * g.signum();
        test_loss(&points.iter().zip(&gradient).map(step).collect::<Vec<f64>>()).0
    };
    assert!(moved(0.05) > before, "the update of section 5.3 raises the test loss");
    assert!(moved(-0.05) < before, "what (20) prints would lower it");
}
