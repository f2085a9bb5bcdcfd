//! One system: its lower bound, and what the policies cost on runs that no training has seen.

use argrad::model::{Layer, ModelError};
use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;

use crate::arguments::Arguments;
use crate::bounds::{long_run, lower_bound, regulator};
use crate::matrix::root;
use crate::policy::{Value, compile};
use crate::simulation::{clipped, gradient, planned, simulate};
use crate::system::{Scenarios, System};

/// The policies that are compared.
pub const NAMES: [&str; 4] =
    ["regulator, cut off", "value of the regulator", "value of the bound", "learned value"];

/// Longest gradient of a step; longer ones are shortened.
const LONGEST: f64 = 10.0;

/// What one system gave.
pub struct Comparison {
    /// What the regulator would cost in the long run if inputs were not bounded.
    pub unbounded: f64,
    /// No policy costs less in the long run.
    pub bound: f64,
    /// Mean costs a step of the held-out runs, by policy in the order of [`NAMES`].
    pub costs: Vec<Vec<f64>>,
    /// Mean held-out cost before each tenth of the training, and after it: step, cost.
    pub course: Vec<(usize, f64)>,
}

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Compares on one system. `step_done` hears of each step of the training, with its cost.
pub fn compare(
    system: &System,
    arguments: &Arguments,
    seed: u64,
    interruption: &Interruption,
    step_done: impl Fn(f64),
) -> Result<Comparison, Failure> {
    let (bound, of_bound) = lower_bound(system)?;
    let regulator = regulator(system).ok_or("the recursion of the regulator does not converge")?;
    let root_of = |matrix, name| root(matrix).ok_or(format!("{name} is not positive definite"));
    let first = Value::new(&root_of(&regulator.value, "the regulator's value function")?);
    let of_bound = Value::new(&root_of(&of_bound, "the lower bound's value function")?);

    let layer = compile(system)?;
    let test = Scenarios::new(arguments.test, arguments.length, seed << 32);
    let held_out = |value: &Value| -> Result<Vec<f64>, ModelError> {
        simulate(system, &test, |states| planned(&layer, value, states))
    };
    let mut value = first.clone();
    let mut course = Vec::new();
    let pause = arguments.steps.div_ceil(10);
    for step in 0..arguments.steps {
        if interruption.requested() {
            break;
        }
        if step % pause == 0 {
            course.push((step, mean(&held_out(&value)?)));
        }
        let rate = arguments.lr * if 2 * step < arguments.steps { 1.0 } else { 0.1 };
        let runs =
            Scenarios::new(arguments.batch, arguments.length, (seed << 32) + 1 + step as u64);
        step_done(descend(&layer, system, &mut value, &runs, rate)?);
    }
    let regulated = |states: &[f64]| Ok::<_, ModelError>(clipped(&regulator.gain, states));
    let costs = vec![
        simulate(system, &test, regulated)?,
        held_out(&first)?,
        held_out(&of_bound)?,
        held_out(&value)?,
    ];
    course.push((arguments.steps, mean(&costs[3])));
    Ok(Comparison { unbounded: long_run(&regulator.value), bound, costs, course })
}

/// One step of gradient descent. Returns the cost before it.
pub fn descend(
    layer: &Layer,
    system: &System,
    value: &mut Value,
    runs: &Scenarios,
    rate: f64,
) -> Result<f64, ModelError> {
    let (cost, slope) = gradient(layer, system, value, runs)?;
    let length = slope.root.iter().chain(&slope.linear).map(|v| v * v).sum::<f64>().sqrt();
    let step = rate * (LONGEST / length).min(1.0);
    value.root.iter_mut().zip(&slope.root).for_each(|(v, slope)| *v -= step * slope);
    value.linear.iter_mut().zip(&slope.linear).for_each(|(v, slope)| *v -= step * slope);
    Ok(cost)
}
