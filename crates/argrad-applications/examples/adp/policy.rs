//! The policy: the input that is best for one step, if the next state costs |S x + s|^2 but for a
//! constant.
//!
//! ```text
//! u(x) = argmin |u|^2 + |S x'|^2 + s'x',     x' = A x + B u,   |u| <= u_max
//! ```

use argrad::prelude::*;

use crate::matrix::Matrix;
use crate::system::{INPUTS, LARGEST, STATES, System};

/// The parameters that are learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// S, row by row.
    pub root: Vec<f64>,
    /// s.
    pub linear: Vec<f64>,
}

impl Value {
    /// Without a linear part.
    pub fn new(root: &Matrix<STATES, STATES>) -> Self {
        Self { root: root.concat(), linear: vec![0.0; STATES] }
    }

    /// The parameters of the layer, for these states.
    pub fn slots<'a>(&'a self, states: &'a [f64]) -> [Slot<'a>; 3] {
        [Slot::Each(states), Slot::Shared(&self.root), Slot::Shared(&self.linear)]
    }
}

/// The policy as a layer.
///
/// # Errors
/// None: the problem is convex.
pub fn compile(system: &System) -> Result<Layer, ModelError> {
    let model = Model::new();
    let x = model.parameter(STATES).named("x");
    let root = model.parameter((STATES, STATES)).named("S");
    let linear = model.parameter(STATES).named("s");
    let u = model.variable(INPUTS).bounds(-LARGEST, LARGEST);
    let next = model.variable(STATES);
    let cost = sum_squares(u) + sum_squares(root.matmul(next)) + linear.dot(next);
    let moves = next.equals(matmul(system.a, x) + matmul(system.b, u));
    Problem::minimize(cost).subject_to([moves]).compile([x, root, linear], [u])
}
