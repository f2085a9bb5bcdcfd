//! What is refused, and what is said then.

use argrad::atoms::*;
use argrad::convex_concave::Sequence;
use argrad::prelude::*;

#[test]
fn what_has_no_curvature_is_named_with_what_to_do() {
    let model = Model::new();
    let (x, y) = (model.variable(()).named("x"), model.variable(()).named("y"));
    let refused = |problem: &Problem<'_>, parts: &[&str]| {
        let error = problem.check_convex_concave().unwrap_err();
        assert!(matches!(error, ModelError::NotDccp(_)), "{error}");
        let message = error.to_string();
        for part in parts.iter().chain(&["refusals.rs"]) {
            assert!(message.contains(part), "{message}\ndoes not say: {part}");
        }
    };
    refused(&Problem::minimize(x * y), &["x * y", "square(x + y) - square(x - y)"]);
    refused(&Problem::minimize(sqrt(square(x))), &["sqrt", "in a constraint of its own"]);
    let both = (x * y).leq(1.0);
    refused(&Problem::minimize(sqrt(exp(y))).subject_to([both]), &["x * y", "sqrt"]);
    assert!(Problem::minimize(square(x) - exp(y)).subject_to([sqrt(x).leq(y)]).is_dccp());
}

#[test]
fn malformed_input_is_an_error_that_names_it() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, z) = (model.variable(2).named("x"), model.variable(2).named("z"));
    let p = model.parameter(2).named("p");
    let outside = norm2(x).geq(1.0);
    let problem = Problem::minimize(sum_squares(x - p)).subject_to([outside]);
    let message = problem.compile_convex_concave([p], [outside.dual()]).unwrap_err().to_string();
    assert!(message.contains("dual"), "{message}");
    let message = problem.compile_convex_concave([p], [z]).unwrap_err().to_string();
    assert!(message.contains("does not have"), "{message}");
    let message = problem.compile_convex_concave([p], [norm2(x)]).unwrap_err().to_string();
    assert!(message.contains("outputs are affine"), "{message}");
    let layer = problem.compile_convex_concave([p], [x])?;
    let message = layer.solve(&[]).unwrap_err().to_string();
    assert!(message.contains("1 parameters (p)"), "{message}");
    let message = layer.solve(&[&[1.0, f64::INFINITY]]).unwrap_err().to_string();
    assert!(message.contains("parameter p") && message.contains("finite"), "{message}");
    let from = |start: &[(Expr<'_>, &[f64])]| {
        layer.forward_from(&[&[1.0, 2.0]], start).map(|_| ()).unwrap_err().to_string()
    };
    assert!(from(&[(z, &[1.0, 1.0])]).contains("z is no variable of the problem"));
    assert!(from(&[(x, &[1.0])]).contains("start of x"));
    assert!(from(&[(x, &[1.0, f64::NAN])]).contains("finite"));
    let default = Sequence::default();
    for (bad, name) in [
        (Sequence { starts: 0, ..default }, "starts"),
        (Sequence { spread: 0.0, ..default }, "spread"),
        (Sequence { growth: 1.0, ..default }, "growth"),
        (Sequence { tolerance: f64::NAN, ..default }, "tolerance"),
        (Sequence { limit: 0, ..default }, "limit"),
    ] {
        let message = layer.clone().with_sequence(bad).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    let (_, tape) = layer.forward(&[&[1.0, 2.0]])?;
    let message = layer.backward(&tape, &[&[1.0]]).unwrap_err().to_string();
    assert!(message.contains("cotangent 0") && message.contains("2 numbers"), "{message}");
    let message = layer.jvp(&tape, &[]).unwrap_err().to_string();
    assert!(message.contains("tangents"), "{message}");
    Ok(())
}

/// Outside of the domain of what is linearized there is no tangent.
#[test]
fn a_start_outside_of_a_domain_is_no_point() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p) = (model.variable(()), model.parameter(()));
    let problem = Problem::minimize(square(x - p)).subject_to([log(x).leq(0.5)]);
    let layer = problem.compile_convex_concave([p], [x])?;
    let (outputs, _) = layer.forward_from(&[&[3.0]], &[(x, &[-1.0])])?;
    assert!(!outputs.reports[0].is_solved() && outputs[0][0].is_nan());
    let (outputs, _) = layer.forward_from(&[&[3.0]], &[(x, &[1.0])])?;
    assert!((outputs[0][0] - 0.5f64.exp()).abs() < 1e-8);
    Ok(())
}
