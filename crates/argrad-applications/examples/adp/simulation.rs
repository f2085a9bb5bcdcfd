//! Runs under a policy, what they cost each step, and the gradient of that by the value function.

use argrad::model::{Layer, LayerTape, ModelError};

use crate::matrix::{Matrix, apply, transpose};
use crate::policy::Value;
use crate::system::{INPUTS, LARGEST, STATES, Scenarios, System};

/// What a step costs.
fn cost(x: &[f64], u: &[f64]) -> f64 {
    x.iter().chain(u).map(|v| v * v).sum()
}

/// Runs the scenarios under any policy, from all states to all inputs; the mean cost a step of each
/// run.
pub fn simulate<E>(
    system: &System,
    scenarios: &Scenarios,
    mut policy: impl FnMut(&[f64]) -> Result<Vec<f64>, E>,
) -> Result<Vec<f64>, E> {
    let mut costs = vec![0.0; scenarios.batch()];
    let mut states = scenarios.noise[0].clone();
    for disturbances in &scenarios.noise[1..] {
        let inputs = policy(&states)?;
        let samples = states.chunks_mut(STATES).zip(inputs.chunks(INPUTS));
        for (k, (x, u)) in samples.enumerate() {
            costs[k] += cost(x, u) / scenarios.steps() as f64;
            let next = system.step(x, u, &disturbances[k * STATES..(k + 1) * STATES]);
            x.copy_from_slice(&next);
        }
    }
    Ok(costs)
}

/// The regulator's inputs, cut off at the bounds.
pub fn clipped(gain: &Matrix<INPUTS, STATES>, states: &[f64]) -> Vec<f64> {
    let inputs = states.chunks(STATES).flat_map(|x| apply(gain, x));
    inputs.map(|u| (-u).clamp(-LARGEST, LARGEST)).collect()
}

/// The inputs of the layer with this value function.
///
/// # Errors
/// What the layer reports.
pub fn planned(layer: &Layer, value: &Value, states: &[f64]) -> Result<Vec<f64>, ModelError> {
    let batch = states.len() / STATES;
    Ok(layer.solve_slots(batch, &value.slots(states), None)?[0].to_vec())
}

/// The mean cost a step over all runs, and its gradient by S and s.
///
/// # Errors
/// What the layer reports.
pub fn gradient(
    layer: &Layer,
    system: &System,
    value: &Value,
    scenarios: &Scenarios,
) -> Result<(f64, Value), ModelError> {
    let batch = scenarios.batch();
    let share = 1.0 / (batch * scenarios.steps()) as f64;
    let mut steps: Vec<(Vec<f64>, Vec<f64>, LayerTape)> = Vec::new();
    let (mut total, mut states) = (0.0, scenarios.noise[0].clone());
    for disturbances in &scenarios.noise[1..] {
        let (out, tape) = layer.forward_slots(batch, &value.slots(&states), None)?;
        let inputs = out[0].to_vec();
        let mut next = Vec::with_capacity(states.len());
        for (k, (x, u)) in states.chunks(STATES).zip(inputs.chunks(INPUTS)).enumerate() {
            total += share * cost(x, u);
            next.extend(system.step(x, u, &disturbances[k * STATES..(k + 1) * STATES]));
        }
        steps.push((std::mem::replace(&mut states, next), inputs, tape));
    }
    let (at, bt) = (transpose(&system.a), transpose(&system.b));
    let mut sum = Value { root: vec![0.0; STATES * STATES], linear: vec![0.0; STATES] };
    let mut adjoint = vec![0.0; batch * STATES];
    for (states, inputs, tape) in steps.iter().rev() {
        let mut by_input = Vec::with_capacity(inputs.len());
        for (k, next) in adjoint.chunks_mut(STATES).enumerate() {
            let (by_x, by_u) = (apply(&at, next), apply(&bt, next));
            let u = &inputs[k * INPUTS..(k + 1) * INPUTS];
            by_input.extend(u.iter().zip(by_u).map(|(u, by_u)| 2.0 * share * u + by_u));
            let x = &states[k * STATES..(k + 1) * STATES];
            next.iter_mut().zip(x.iter().zip(by_x)).for_each(|(next, (x, by_x))| {
                *next = 2.0 * share * x + by_x;
            });
        }
        let by_parameters = layer.backward(tape, &[&by_input])?;
        adjoint.iter_mut().zip(&by_parameters[0]).for_each(|(own, v)| *own += v);
        sum.root.iter_mut().zip(&by_parameters[1]).for_each(|(sum, v)| *sum += v);
        sum.linear.iter_mut().zip(&by_parameters[2]).for_each(|(sum, v)| *sum += v);
    }
    Ok((total, sum))
}
