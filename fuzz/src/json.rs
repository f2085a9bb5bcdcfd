//! Breaks JSON texts.

use serde_json::{Number, Value};

use crate::draw::Draw;

/// What numbers are replaced by, as they are written.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "-1",
    "2",
    "0.5",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "1e19",
    "1e-320",
    "1e308",
    "-1e308",
    "1e400",
];

/// The text with a few things changed: values in it, or bytes.
pub fn broken(draw: &mut Draw, value: &Value) -> String {
    if draw.once_in(5) {
        return broken_text(draw, value.to_string());
    }
    let mut value = value.clone();
    for _ in 0..=draw.below(3) {
        change(draw, &mut value);
    }
    value.to_string()
}

/// Changes one value somewhere below.
fn change(draw: &mut Draw, value: &mut Value) {
    let stop = draw.once_in(12);
    match value {
        Value::Array(list) if !stop && !list.is_empty() => {
            let at = draw.below(list.len());
            if draw.once_in(8) { change_list(draw, list, at) } else { change(draw, &mut list[at]) }
        }
        Value::Object(fields) if !stop && !fields.is_empty() => {
            let at = draw.below(fields.len());
            let name = fields.keys().nth(at).cloned().unwrap_or_default();
            if draw.once_in(30) {
                fields.remove(&name);
            } else if let Some(field) = fields.get_mut(&name) {
                change(draw, field);
            }
        }
        other => replace(draw, other),
    }
}

fn change_list(draw: &mut Draw, list: &mut Vec<Value>, at: usize) {
    match draw.below(4) {
        0 => list.truncate(at),
        1 => list.push(list[at].clone()),
        2 => list.swap(0, at),
        _ => drop(list.remove(at)),
    }
}

fn replace(draw: &mut Draw, value: &mut Value) {
    *value = match value {
        Value::Number(number) if draw.once_in(2) => {
            let next = number.as_u64().map(|n| n.wrapping_add(1));
            let moved = number.as_f64().map(|n| n + draw.number());
            next.map(Number::from)
                .or(moved.and_then(Number::from_f64))
                .map_or(Value::Null, Value::from)
        }
        Value::Number(_) => {
            let text = *draw.one_of(&NUMBERS);
            // 1e400 is no number: the value then is one that no field takes.
            serde_json::from_str(text).unwrap_or(Value::Null)
        }
        Value::Bool(is) => Value::Bool(!*is),
        Value::String(_) => {
            Value::from(*draw.one_of(&["", "square", "exp", "sum", "recip", "Dual", "Primal"]))
        }
        Value::Null => Value::from(draw.below(3)),
        _ => match draw.below(4) {
            0 => Value::Null,
            1 => Value::from(draw.below(4)),
            2 => Value::Array(Vec::new()),
            _ => Value::Object(Default::default()),
        },
    };
}

fn broken_text(draw: &mut Draw, text: String) -> String {
    let mut bytes = text.into_bytes();
    for _ in 0..=draw.below(3) {
        let at = draw.below(bytes.len().max(1));
        match draw.below(4) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..(at + draw.below(20)).min(bytes.len()))),
            2 => bytes.insert(at, *draw.one_of(b"0123456789-.eE[]{}\",:\\ntf")),
            _ => bytes.extend_from_within(at..),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
