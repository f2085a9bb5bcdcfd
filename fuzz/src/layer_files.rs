//! Layers in JSON files, broken. What can still be read is called forward, backward and tangent.

use std::sync::LazyLock;

use argrad::atoms::*;
use argrad::prelude::*;
use serde_json::Value;

use crate::Outcome;
use crate::draw::Draw;
use crate::json;

/// Files of layers that use every kind of cone, derived parameters, and duals as outputs.
static FILES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let layers = [portfolio(), regression(), semidefinite(), powers()];
    layers.map(|layer| serde_json::to_value(&layer).expect("layers can be written")).into()
});

fn portfolio() -> Layer {
    let model = Model::new();
    let (mu, gamma) = (model.parameter(3), model.parameter(()).nonneg());
    let w = model.variable(3);
    let budget = w.sum().equals(1.0);
    let risk = gamma * (sum_squares(w) + norm2(w));
    let problem = Problem::maximize(mu.dot(w) - risk).subject_to([budget, w.geq(0.0)]);
    compiled(problem.compile([mu, gamma], [Output::from(w), budget.dual()]))
}

fn regression() -> Layer {
    let model = Model::new();
    let (data, scale) = (model.parameter((4, 2)), model.parameter(2));
    let x = model.variable(2);
    let loss = logistic(matmul(data, x)).sum() + norm1(exp(scale) * x) + 0.1 * sum_squares(x);
    compiled(Problem::minimize(loss).compile([data, scale], [x]))
}

fn semidefinite() -> Layer {
    let model = Model::new();
    let target = model.parameter((3, 3)).symmetric();
    let x = model.variable((3, 3)).psd();
    let distance = sum_squares(x - target) + lambda_max(x);
    compiled(Problem::minimize(distance).compile([target], [x]))
}

fn powers() -> Layer {
    let model = Model::new();
    let weight = model.parameter(3).bounds(0.1, 2.0);
    let x = model.variable(3);
    let problem =
        Problem::maximize(weighted_geo_mean(x, &[0.2, 0.3, 0.5]) - power(x.index(0), 2.5))
            .subject_to([weight.dot(x).leq(3.0), x.geq(0.0)]);
    compiled(problem.compile([weight], [x]))
}

fn compiled(layer: Result<Layer, ModelError>) -> Layer {
    layer.expect("the layers that files are made from are valid")
}

/// Whether sizes are small enough to be solved thousands of times.
fn is_small(layer: &Layer) -> bool {
    let structure = layer.structure();
    let parameters: usize = layer.parameters().map(|(_, len)| len).fold(0, usize::saturating_add);
    structure.variables() + structure.rows() < 200 && parameters < 1000
}

pub fn run(draw: &mut Draw) -> Outcome {
    let file = draw.one_of(&FILES);
    let text = json::broken(draw, file);
    let Ok(layer) = serde_json::from_str::<Layer>(&text) else {
        return Outcome::Refused;
    };
    if !is_small(&layer) {
        return Outcome::Accepted;
    }
    let batch = draw.below(3);
    let values: Vec<Vec<f64>> = layer
        .parameters()
        .map(|(_, len)| {
            let len = if draw.once_in(2) { len } else { len * batch };
            draw.parameter(len)
        })
        .collect();
    let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let Ok((outputs, tape)) = layer.forward(&values) else {
        return Outcome::Refused;
    };
    let cotangents: Vec<Vec<f64>> =
        outputs.values.iter().map(|output| draw.numbers(output.len(), 200)).collect();
    let cotangents: Vec<&[f64]> = cotangents.iter().map(Vec::as_slice).collect();
    let backward = layer.backward(&tape, &cotangents);
    let tangent = layer.jvp(&tape, &values);
    match (backward, tangent) {
        (Ok(_), Ok(_)) => Outcome::Accepted,
        _ => Outcome::Refused,
    }
}
