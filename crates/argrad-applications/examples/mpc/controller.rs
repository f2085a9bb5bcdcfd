//! The predictive controller as a layer:
//!
//! ```text
//! minimize    sum over t < N of |diag(q) x_(t+1)|^2 + |diag(r) u_t|^2  +  |diag(f) x_N|^2
//! subject to  x_(t+1) = A x_t + B u_t,  x_0 = start,  |u_t| <= 1
//! ```
//!
//! Its parameters are the start, the model (A, B) and the weights (q, r, f); its output is u_0.

use argrad::atoms::*;
use argrad::prelude::*;

use crate::plant::{INPUTS, LARGEST};

/// Model and weights, the numbers that are learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// A, row by row.
    pub a: Vec<f64>,
    /// B, row by row.
    pub b: Vec<f64>,
    /// Roots of the weights of the states.
    pub q: Vec<f64>,
    /// Roots of the weights of the inputs.
    pub r: Vec<f64>,
    /// Roots of the weights of the last state.
    pub f: Vec<f64>,
}

impl Tuning {
    /// How many numbers of a state the controller sees.
    pub fn seen(&self) -> usize {
        self.q.len()
    }

    /// The parts in the order of the layer's parameters.
    pub fn parts(&self) -> [&[f64]; 5] {
        [&self.a, &self.b, &self.q, &self.r, &self.f]
    }

    /// The same, to change.
    pub fn parts_mut(&mut self) -> [&mut [f64]; 5] {
        [&mut self.a, &mut self.b, &mut self.q, &mut self.r, &mut self.f]
    }
}

/// The layer that plans `horizon` steps for so many states and returns the first input.
pub fn compile(states: usize, horizon: usize) -> Result<Layer, ModelError> {
    let model = Model::new();
    let start = model.parameter(states).named("start");
    let a = model.parameter((states, states)).named("A");
    let b = model.parameter((states, INPUTS)).named("B");
    let (q, r) = (model.parameter(states).named("q"), model.parameter(INPUTS).named("r"));
    let f = model.parameter(states).named("f");
    let x = model.variable((horizon + 1, states));
    let u = model.variable((horizon, INPUTS)).bounds(-LARGEST, LARGEST);
    let mut rules = vec![x.index(0).equals(start)];
    let mut cost = sum_squares(f * x.index(horizon));
    for t in 0..horizon {
        rules.push(x.index(t + 1).equals(a.matmul(x.index(t)) + b.matmul(u.index(t))));
        cost = cost + sum_squares(q * x.index(t + 1)) + sum_squares(r * u.index(t));
    }
    Problem::minimize(cost).subject_to(rules).compile([start, a, b, q, r, f], [u.index(0)])
}

/// The parameters of the layer: a start for each sample, the tuning for all.
pub fn slots<'a>(starts: &'a [f64], tuning: &'a Tuning) -> [Slot<'a>; 6] {
    let [a, b, q, r, f] = tuning.parts().map(Slot::Shared);
    [Slot::Each(starts), a, b, q, r, f]
}
