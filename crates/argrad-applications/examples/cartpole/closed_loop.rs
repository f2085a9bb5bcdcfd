//! The controller at work: at each step it plans, and its first input moves the true cart-pole.

use argrad::argmin::{Argmin, ArgminError};
use argrad_applications::interruption::Interruption;

use crate::cartpole::{Controller, STATES};
use crate::demonstrations::{guess, horizon, plan};
use crate::shooting::Stagewise;

/// How the cart-pole moved from several starts.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// States of all samples, `batch x STATES`, at each step.
    pub states: Vec<Vec<f64>>,
    /// What each sample has cost, measured by the truth.
    pub costs: Vec<f64>,
}

/// A pole this far from upright (rad) at the end has fallen.
const UPRIGHT: f64 = 0.2;

impl Course {
    /// Share of the samples whose pole is upright at the end.
    pub fn upright(&self) -> f64 {
        let Some(last) = self.states.last() else { return f64::NAN };
        let angles = last.chunks(STATES).map(|state| state[1]);
        let up = angles.filter(|angle| 1.0 - angle.cos() < 1.0 - UPRIGHT.cos()).count();
        up as f64 / self.costs.len() as f64
    }

    /// The mean of the costs.
    pub fn mean_cost(&self) -> f64 {
        self.costs.iter().sum::<f64>() / self.costs.len() as f64
    }
}

/// Runs `controller` on the cart-pole that `truth` describes, whose weights measure the cost.
pub fn run(
    argmin: &Argmin<Stagewise>,
    controller: &Controller<f64>,
    truth: &Controller<f64>,
    starts: &[f64],
    steps: usize,
    interruption: &Interruption,
) -> Result<Course, ArgminError> {
    let n = horizon(argmin);
    let batch = starts.len() / STATES;
    let mut course = Course { states: vec![starts.to_vec()], costs: vec![0.0; batch] };
    let mut plans = guess(controller, starts, n);
    for _ in 0..steps {
        if interruption.requested() {
            break;
        }
        let mut states = course.states[course.states.len() - 1].clone();
        // A plan that is not optimal is still the best that was found.
        let inputs = plan(argmin, controller, &states, &plans)?.y;
        for (k, (state, input)) in states.chunks_mut(STATES).zip(inputs.chunks(n)).enumerate() {
            let now = [state[0], state[1], state[2], state[3]];
            course.costs[k] += truth.stage_cost(now, input[0]);
            state.copy_from_slice(&truth.step(now, input[0]));
            // The rest of the plan is the guess for the next.
            plans[k * n..(k + 1) * n - 1].copy_from_slice(&input[1..]);
            plans[(k + 1) * n - 1] = input[n - 1];
        }
        course.states.push(states);
    }
    Ok(course)
}
