//! Layers in files: what was written is read bit for bit, what was broken is refused, and nothing
//! panics.

use argrad::atoms::{exp, power};
use argrad::prelude::*;
use proptest::prelude::*;
use serde_json::Value;

/// Layers with every kind of row, with derived parameters, and with duals as outputs.
fn layer(kind: usize) -> Layer {
    let model = Model::new();
    let (p, w) = (model.parameter(3).named("p"), model.parameter(()).bounds(0.5, 4.0).named("w"));
    let x = model.variable(3).named("x");
    let budget = x.sum().leq(4.0);
    let objective = match kind {
        0 => sum_squares(x - p) + w * norm1(x),
        1 => norm2(x - p) + w * log_sum_exp(x) + 0.1 * sum_squares(x),
        2 => power(x - p, 4.0).sum() + square(exp(0.1 * w) * x).sum(),
        _ => huber(x - square(p), 1.0).sum() + sum_squares(w * x),
    };
    let problem = Problem::minimize(objective).subject_to([budget, x.geq(-3.0)]);
    problem.compile([p, w], [Output::from(x), budget.dual()]).expect("the layers are valid")
}

/// Something else in place of a value.
fn broken(value: &mut Value, how: u8, number: i64) {
    *value = match how % 8 {
        0 => Value::Null,
        1 => Value::from(number),
        2 => Value::from(-1),
        3 => Value::from(u64::MAX),
        4 => Value::from(f64::MAX),
        5 => Value::from("x"),
        6 => Value::Array(vec![Value::from(number)]),
        _ => match value.take() {
            Value::Array(mut items) => {
                items.pop();
                Value::Array(items)
            }
            Value::Number(n) => {
                Value::from(n.as_f64().map_or(1, |n| n as i64).wrapping_add(number))
            }
            other => other,
        },
    };
}

/// Goes down the tree as `path` says and breaks what is there.
fn breaks(value: &mut Value, path: &[usize], how: u8, number: i64) {
    let Some((step, rest)) = path.split_first() else { return broken(value, how, number) };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            breaks(&mut items[at], rest, how, number);
        }
        Value::Object(fields) if !fields.is_empty() => {
            let at = step % fields.len();
            if let Some(field) = fields.values_mut().nth(at) {
                breaks(field, rest, how, number);
            }
        }
        value => broken(value, how, number),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn a_broken_file_is_refused_or_read_and_never_panics(
        kind in 0usize..4,
        path in prop::collection::vec(0usize..64, 1..7),
        how in any::<u8>(),
        number in -3i64..40,
    ) {
        let mut value = serde_json::to_value(layer(kind)).unwrap();
        breaks(&mut value, &path, how, number);
        let Ok(layer) = serde_json::from_value::<Layer>(value) else { return Ok(()) };
        // What is read can be called, whatever comes out.
        let numbers: Vec<Vec<f64>> =
            layer.parameters().map(|(_, len)| vec![1.0; len.min(1000)]).collect();
        let numbers: Vec<&[f64]> = numbers.iter().map(Vec::as_slice).collect();
        let settings = Settings { max_iterations: 20, ..layer.settings().clone() };
        let layer = layer.with_settings(settings).unwrap();
        if let Ok((outputs, tape)) = layer.forward(&numbers) {
            let ones: Vec<Vec<f64>> = outputs.values.iter().map(|v| vec![1.0; v.len()]).collect();
            let ones: Vec<&[f64]> = ones.iter().map(Vec::as_slice).collect();
            let _ = layer.backward(&tape, &ones);
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused(kind in 0usize..4, at in 0.0..1.0f64) {
        let text = serde_json::to_string(&layer(kind)).unwrap();
        let end = (at * text.len() as f64) as usize;
        prop_assume!(end < text.len() && text.is_char_boundary(end));
        prop_assert!(serde_json::from_str::<Layer>(&text[..end]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn what_was_written_is_read_bit_for_bit(
        kind in 0usize..4,
        p in prop::collection::vec(-2.0..2.0f64, 6),
        w in 0.5..4.0f64,
    ) {
        let layer = layer(kind);
        let text = serde_json::to_string(&layer).unwrap();
        let read: Layer = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&serde_json::to_string(&read).unwrap(), &text);
        let [(own, of_own), (other, of_other)] =
            [&layer, &read].map(|layer| layer.forward(&[&p, &[w]]).unwrap());
        prop_assert_eq!(&own.values, &other.values);
        if own.reports.iter().all(Report::is_solved) {
            let ones = own.values.iter().map(|v| vec![1.0; v.len()]).collect::<Vec<_>>();
            let ones: Vec<&[f64]> = ones.iter().map(Vec::as_slice).collect();
            let gradients = [layer.backward(&of_own, &ones), read.backward(&of_other, &ones)];
            let [own, other] = gradients.map(Result::unwrap);
            prop_assert_eq!(own, other);
        }
    }
}
