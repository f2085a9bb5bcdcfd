//! The KKT conditions of modelled problems, by the user's constraints.

use argrad::KktCondition;
use argrad::atoms::*;
use argrad::prelude::*;

/// A problem whose solution every kind of constraint and several atoms determine.
fn layer() -> Result<Layer, ModelError> {
    let model = Model::new();
    let x = model.variable(3).named("x");
    let y = model.variable(2).named("y").nonneg();
    let p = model.parameter(3).named("p");
    let budget = (x.sum() + y.sum()).equals(1.0).named("budget");
    let ball = norm2(x - p).leq(0.8);
    let objective = sum_squares(x) + y.sum() - log(y + 0.5).sum() + norm1(x);
    let problem = Problem::minimize(objective).subject_to([budget, ball]);
    problem.compile([p], [Output::from(x), y.into(), ball.dual()])
}

const P: [f64; 6] = [0.7, -0.4, 0.6, 1.1, 0.2, -0.3];

#[test]
fn outputs_of_the_layer_are_optimal_and_each_constraint_is_named() -> Result<(), ModelError> {
    let layer = layer()?;
    let outputs = layer.solve(&[&P])?;
    for conditions in layer.conditions(&[&P], &outputs)? {
        assert!(conditions.is_optimal(1e-9), "{conditions}");
        let names: Vec<&str> = conditions.rows.iter().map(|row| row.constraint.as_str()).collect();
        for expected in ["budget", "attributes of y", "x", "y"] {
            assert!(names.contains(&expected), "{expected}\n{conditions}");
        }
        assert!(names.iter().any(|name| name.contains("norm2(x - p)") && name.contains(">= 0")));
        assert!(names.iter().any(|name| name.starts_with("the graph of norm2")), "{conditions}");
        assert!(names.iter().all(|name| !name.contains("(cone")), "{conditions}");
    }
    Ok(())
}

#[test]
fn values_of_variables_are_enough() -> Result<(), ModelError> {
    let layer = layer()?;
    let outputs = layer.solve(&[&P])?;
    let found = layer.conditions_at(&[&P], &[("x", &outputs[0]), ("y", &outputs[1])])?;
    assert_eq!(found.len(), 2);
    for conditions in &found {
        assert!(conditions.is_optimal(1e-7), "{conditions}");
    }
    // Off the budget, outside the ball, outside an attribute: the user's constraints say so.
    let violated = |x: &[f64], y: &[f64]| -> Result<(String, f64), ModelError> {
        let found = layer.conditions_at(&[&P[..3]], &[("x", x), ("y", y)])?;
        let worst = found[0].worst_of(KktCondition::PrimalFeasibility);
        let row = worst.ok_or_else(|| ModelError::Parameters("no row".into()))?;
        Ok((row.constraint.clone(), row.absolute))
    };
    let (name, by) = violated(&[0.7, -0.4, 0.6], &[0.3, 0.3])?;
    assert!(name == "budget" && (by - 0.5).abs() < 1e-9, "{name} {by}");
    let (name, by) = violated(&[0.7, -0.4 - 1.0, 0.6], &[0.5, 0.6])?;
    assert!(name.contains("norm2") && (by - 0.2).abs() < 1e-8, "{name} {by}");
    let (name, by) = violated(&[0.7, -0.4, 0.6], &[-0.125, 0.225])?;
    assert!(name == "attributes of y" && (by - 0.125).abs() < 1e-9, "{name} {by}");
    Ok(())
}

#[test]
fn where_an_atom_has_no_value_there_is_no_verdict_and_other_samples_have_theirs()
-> Result<(), ModelError> {
    let layer = layer()?;
    let outputs = layer.solve(&[&P])?;
    let mut y = outputs[1].to_vec();
    y[0] = -2.0;
    let found = layer.conditions_at(&[&P], &[("x", &outputs[0]), ("y", &y)])?;
    assert!(found[0].verdict().starts_with("no verdict"), "{}", found[0]);
    assert!(found[1].is_optimal(1e-7), "{}", found[1]);
    Ok(())
}

#[test]
fn a_maximization_and_a_layer_from_a_file_have_the_same_conditions()
-> Result<(), Box<dyn std::error::Error>> {
    let model = Model::new();
    let (x, p) = (model.variable(2).named("x"), model.parameter(2).named("p"));
    let cap = x.leq(p).named("cap");
    let problem = Problem::maximize(log(x).sum() - x.sum()).subject_to([cap]);
    let layer = problem.compile([p], [x])?;
    let outputs = layer.solve(&[&[0.5, 4.0]])?;
    let expected = layer.conditions(&[&[0.5, 4.0]], &outputs)?;
    assert!(expected[0].is_optimal(1e-9), "{}", expected[0]);
    let read: Layer = serde_json::from_str(&serde_json::to_string(&layer)?)?;
    let found = read.conditions(&[&[0.5, 4.0]], &read.solve(&[&[0.5, 4.0]])?)?;
    assert_eq!(found, expected);
    // A file of an earlier version, without names: by cone.
    let mut old: serde_json::Value = serde_json::from_str(&serde_json::to_string(&layer)?)?;
    let names = old.as_object_mut().and_then(|map| map.remove("names"));
    assert!(names.is_some());
    let old: Layer = serde_json::from_value(old)?;
    let found = old.conditions(&[&[0.5, 4.0]], &old.solve(&[&[0.5, 4.0]])?)?;
    assert!(found[0].rows[0].constraint.contains("(cone"), "{}", found[0]);
    // Names of rows that there are not.
    let mut broken: serde_json::Value = serde_json::from_str(&serde_json::to_string(&layer)?)?;
    *broken.pointer_mut("/names/constraints/0/at/0/end").ok_or("no end")? = 99.into();
    assert!(serde_json::from_value::<Layer>(broken).is_err());
    Ok(())
}

#[test]
fn points_that_do_not_fit_are_refused() -> Result<(), ModelError> {
    let (layer, other) = (layer()?, layer()?);
    let outputs = layer.solve(&[&P])?;
    let message = |result: Result<_, ModelError>| {
        let _: Vec<argrad::KktConditions> = match result {
            Err(error) => return error.to_string(),
            Ok(found) => found,
        };
        "no error".into()
    };
    let found = message(other.conditions(&[&P], &outputs));
    assert!(found.contains("those of another"), "{found}");
    let found = message(layer.conditions_at(&[&P], &[("x", &outputs[0])]));
    assert!(found.contains("y: expected the values of every variable"), "{found}");
    let found = message(layer.conditions_at(&[&P], &[("z", &outputs[0])]));
    assert!(found.contains("no output z"), "{found}");
    let found = message(layer.conditions_at(&[&P], &[("x", &[1.0][..]), ("y", &outputs[1])]));
    assert!(found.contains("1 numbers"), "{found}");
    let found = message(layer.conditions_at(&[&P], &[(2, &outputs[2])]));
    assert!(found.contains("expected a variable, found a dual"), "{found}");
    Ok(())
}
