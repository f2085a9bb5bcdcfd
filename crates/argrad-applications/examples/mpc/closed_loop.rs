//! The controller at work on the plant, and the gradient of what that costs:
//!
//! ```text
//! J = mean over samples of 1/T sum over t of  x_t'Q x_t + R |u_t|^2,     u_t = u(x_t; tuning)
//! ```
//!
//! Backwards through the steps: the plant hands the cotangent of x_(t+1) to x_t and u_t, and the
//! layer that of u_t to x_t and to the tuning.

use argrad::model::{Layer, LayerTape, ModelError};

use crate::controller::{Tuning, slots};
use crate::plant::{INPUTS, Plant, SEEN, STATES, Scenarios};

/// What the task asks for: weights of the squares of positions and velocities.
pub const WEIGHTS: [f64; SEEN] = [1.0, 1.0, 0.1, 0.1];
/// The weight of the squares of the inputs.
pub const EFFORT: f64 = 0.1;

/// A run of all scenarios.
pub struct Course {
    /// States of all samples at each step, `batch x STATES`.
    pub states: Vec<Vec<f64>>,
    /// Inputs of all samples at each step, `batch x INPUTS`.
    pub inputs: Vec<Vec<f64>>,
    /// J of each sample.
    pub costs: Vec<f64>,
}

impl Course {
    /// J.
    pub fn mean_cost(&self) -> f64 {
        self.costs.iter().sum::<f64>() / self.costs.len() as f64
    }

    fn empty(scenarios: &Scenarios) -> Self {
        let costs = vec![0.0; scenarios.batch()];
        Self { states: vec![scenarios.starts.clone()], inputs: Vec::new(), costs }
    }

    fn now(&self) -> &[f64] {
        &self.states[self.states.len() - 1]
    }

    /// Goes on by one step with these inputs.
    fn advance(&mut self, plant: &Plant, inputs: Vec<f64>, scenarios: &Scenarios) {
        let (t, steps) = (self.inputs.len(), scenarios.disturbances.len() as f64);
        let mut next = Vec::with_capacity(self.now().len());
        let samples = self.now().chunks(STATES).zip(inputs.chunks(INPUTS));
        let mut costs = self.costs.clone();
        for (k, (x, u)) in samples.enumerate() {
            let states: f64 = WEIGHTS.iter().zip(x).map(|(w, x)| w * x * x).sum();
            costs[k] += (states + EFFORT * u.iter().map(|u| u * u).sum::<f64>()) / steps;
            let disturbance = &scenarios.disturbances[t][k * SEEN..(k + 1) * SEEN];
            next.extend(plant.step(x, u, disturbance));
        }
        (self.costs, self.states) = (costs, std::mem::take(&mut self.states));
        self.states.push(next);
        self.inputs.push(inputs);
    }
}

/// What a controller that sees so many numbers of a state sees of the states.
fn seen(states: &[f64], count: usize) -> Vec<f64> {
    states.chunks(STATES).flat_map(|x| x[..count].iter().copied()).collect()
}

/// Runs the scenarios.
///
/// # Errors
/// What the layer reports. Its program has a solution for every state.
pub fn run(
    layer: &Layer,
    plant: &Plant,
    tuning: &Tuning,
    scenarios: &Scenarios,
) -> Result<Course, ModelError> {
    let mut course = Course::empty(scenarios);
    let mut last = None;
    for _ in 0..scenarios.disturbances.len() {
        let now = seen(course.now(), tuning.seen());
        let out = layer.solve_slots(scenarios.batch(), &slots(&now, tuning), last.as_ref())?;
        course.advance(plant, out[0].to_vec(), scenarios);
        last = Some(out);
    }
    Ok(course)
}

/// J and its gradient by the parts of the tuning.
///
/// # Errors
/// As [`run`].
pub fn gradient(
    layer: &Layer,
    plant: &Plant,
    tuning: &Tuning,
    scenarios: &Scenarios,
) -> Result<(f64, [Vec<f64>; 5]), ModelError> {
    let mut course = Course::empty(scenarios);
    let mut tapes: Vec<LayerTape> = Vec::new();
    let batch = scenarios.batch();
    for _ in 0..scenarios.disturbances.len() {
        let now = seen(course.now(), tuning.seen());
        let (out, tape) = layer.forward_slots(batch, &slots(&now, tuning), None)?;
        course.advance(plant, out[0].to_vec(), scenarios);
        tapes.push(tape);
    }
    let share = 2.0 / (batch * scenarios.disturbances.len()) as f64;
    let mut sum = tuning.parts().map(|part| vec![0.0; part.len()]);
    let mut adjoint = vec![0.0; batch * STATES];
    for (t, tape) in tapes.iter().enumerate().rev() {
        let mut by_input = Vec::with_capacity(batch * INPUTS);
        for (k, next) in adjoint.chunks_mut(STATES).enumerate() {
            let (by_x, by_u) = plant.step_adjoint(next);
            let u = &course.inputs[t][k * INPUTS..(k + 1) * INPUTS];
            by_input.extend(u.iter().zip(by_u).map(|(u, by_u)| share * EFFORT * u + by_u));
            next.copy_from_slice(&by_x);
            let x = &course.states[t][k * STATES..(k + 1) * STATES];
            for ((next, weight), x) in next.iter_mut().zip(WEIGHTS).zip(x) {
                *next += share * weight * x;
            }
        }
        let by_parameters = layer.backward(tape, &[&by_input])?;
        for (k, by_start) in by_parameters[0].chunks(tuning.seen()).enumerate() {
            let own = &mut adjoint[k * STATES..k * STATES + tuning.seen()];
            own.iter_mut().zip(by_start).for_each(|(own, v)| *own += v);
        }
        for (sum, part) in sum.iter_mut().zip(&by_parameters[1..]) {
            sum.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
        }
    }
    Ok((course.mean_cost(), sum))
}
