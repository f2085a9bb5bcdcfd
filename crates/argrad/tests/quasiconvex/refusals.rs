//! What is refused, and what is said then.

use argrad::atoms::*;
use argrad::prelude::*;

fn refused(problem: &Problem<'_>, parts: &[&str]) {
    let error = problem.check_quasiconvex().unwrap_err();
    assert!(matches!(error, ModelError::NotDqcp(_)), "{error}");
    let message = error.to_string();
    assert!(message.contains("refusals.rs"), "{message}");
    for part in parts {
        assert!(message.contains(part), "{message}\ndoes not say: {part}");
    }
}

#[test]
fn what_is_not_quasiconvex_is_named_with_what_to_do() {
    let model = Model::new();
    let (x, y) = (model.variable(()).named("x"), model.variable(()).nonneg().named("y"));
    let (p, z) = (model.parameter(()).named("p"), model.variable(2).nonneg());
    refused(&Problem::minimize(y / x), &["sign of the denominator x", "ratio(p, q)"]);
    refused(
        &Problem::minimize(ratio(x, 1.0 + y) + ratio(y, 2.0 + y)),
        &["a sum of quasiconvex functions is not quasiconvex"],
    );
    refused(&Problem::minimize(p * (x / y)), &["sign of the factor p", ".nonneg()"]);
    refused(&Problem::maximize(x * y), &["that of x is not", ".nonneg()"]);
    refused(&Problem::minimize((y + 1.0) * y), &["quasiconcave", "not convex"]);
    refused(&Problem::maximize(norm2(z)), &["norm2", "convex", "is not quasiconcave"]);
    refused(&Problem::minimize(ratio(sqrt(y), y + 1.0)), &["it is not quasiconvex", "concave"]);
    refused(&Problem::maximize(length(z)), &["length", "not quasiconcave"]);
    refused(&Problem::minimize(log(ratio(x, y))), &["log asks for x > 0"]);
    refused(&Problem::minimize((z / (y + 1.0)).sum()), &["mixes elements"]);
    let both = ratio(square(x), y).leq(x);
    refused(&Problem::minimize(x).subject_to([both]), &["free of variables", "p <= r * q"]);
    let never = exp(ratio(x, y)).leq(-1.0);
    refused(&Problem::minimize(x).subject_to([never]), &["no value of exp"]);
    let equal = ratio(x, y).equals(2.0);
    refused(&Problem::minimize(x).subject_to([equal]), &["ratio"]);
}

#[test]
fn malformed_input_is_an_error_that_names_it() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(2).named("x"), model.variable(()).nonneg());
    let p = model.parameter(2).named("p");
    let problem = Problem::minimize(ratio(norm2(x - p), y + 1.0)).subject_to([y.leq(1.0)]);
    let floor = x.geq(0.0);
    let problem = problem.subject_to([floor]);
    let message = problem.compile_quasiconvex([p], [floor.dual()]).unwrap_err().to_string();
    assert!(message.contains("value_gradient"), "{message}");
    let message = problem.compile_quasiconvex([p], [norm2(x)]).unwrap_err().to_string();
    assert!(message.contains("outputs are affine"), "{message}");
    let none: [Expr<'_>; 0] = [];
    let message = problem.compile_quasiconvex(none, [x]).unwrap_err().to_string();
    assert!(message.contains("missing parameters: p"), "{message}");
    let layer = problem.compile_quasiconvex([p], [x])?;
    let message = layer.solve(&[]).unwrap_err().to_string();
    assert!(message.contains("1 parameters (p)"), "{message}");
    let message = layer.solve(&[&[1.0, f64::NAN]]).unwrap_err().to_string();
    assert!(message.contains("parameter p") && message.contains("finite"), "{message}");
    let message = layer.solve(&[&[1.0, 2.0, 3.0]]).unwrap_err().to_string();
    assert!(message.contains("a multiple of 2"), "{message}");
    let (_, tape) = layer.forward(&[&[1.0, 2.0]])?;
    let message = layer.backward(&tape, &[&[1.0]]).unwrap_err().to_string();
    assert!(message.contains("cotangent 0") && message.contains("2 numbers"), "{message}");
    let message = layer.value_gradient(&tape, &[1.0, 2.0]).unwrap_err().to_string();
    assert!(message.contains("weights 0"), "{message}");
    let message = layer.jvp(&tape, &[]).unwrap_err().to_string();
    assert!(message.contains("tangents"), "{message}");
    let sum = Problem::minimize(ratio(x, y + 1.0));
    assert!(sum.check_quasiconvex().unwrap_err().to_string().contains("expected a scalar"));
    Ok(())
}
