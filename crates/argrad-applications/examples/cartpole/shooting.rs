//! The predictive controller as a smooth problem, by single shooting.
//!
//! ```text
//! minimize    sum over t < N of c(x_t, u_t) + c_N(x_N)   over u_0, ..., u_(N-1)
//! subject to  -F <= u_t <= F,      x_0 = start,  x_(t+1) = f(x_t, u_t)
//! ```
//!
//! The states are functions of the inputs, so that a sample has N variables and bounds on them
//! instead of 5 N variables and 4 N equalities more: its quadratic programs are 125 times cheaper.
//!
//! [`Shooting`] is the whole problem, and its derivatives by automatic differentiation are
//! available at once ([`Automatic`]). But these take N (N + 1) / 2 simulations of N steps, and
//! those of a step depend on five numbers only: [`Stagewise`] takes 15 evaluations of each step,
//! and puts them together by the chain rule. With the adjoint l_t of the state x_t,
//!
//! ```text
//! l_N = c_N',   q_t(x, u) = c(x, u) + l_(t+1)' f(x, u),   l_t = dq_t / dx,   J_u(t) = dq_t / du
//! J_uu = sum over t of [S_t; e_t]' q_t'' [S_t; e_t] + S_N' c_N'' S_N,
//! S_(t+1) = f_x S_t + f_u e_t'
//! ```
//!
//! where S_t is the derivative of x_t by all inputs (Bryson and Ho 1975, section 2.2).

use argrad::argmin::num_dual::HyperDual64;
use argrad::argmin::{
    ArgminError, Automatic, Dimensions, FunctionDerivatives, FunctionValues, KktVector,
    Multipliers, Oracle, Points, Scalar, SmoothProblem,
};
use rayon::prelude::*;

use crate::cartpole::{Controller, FORCE, STATES};

/// Numbers of the parameter: the start, then the controller.
pub const PARAMETERS: usize = STATES + Controller::<f64>::LEN;

/// The problem over a horizon of so many steps.
#[derive(Clone, Copy, Debug)]
pub struct Shooting {
    /// N.
    pub horizon: usize,
}

fn start<D: Copy>(theta: &[D]) -> [D; STATES] {
    [theta[0], theta[1], theta[2], theta[3]]
}

impl SmoothProblem for Shooting {
    fn dimensions(&self) -> Dimensions {
        Dimensions::new(PARAMETERS, self.horizon).inequalities(2 * self.horizon)
    }

    fn objective<D: Scalar>(&self, theta: &[D], inputs: &[D]) -> D {
        let controller = Controller::from_slice(&theta[STATES..]);
        let (mut state, mut cost) = (start(theta), D::from(0.0));
        for &input in inputs {
            cost += controller.stage_cost(state, input);
            state = controller.step(state, input);
        }
        cost + controller.terminal_cost(state)
    }

    fn inequalities<D: Scalar>(&self, _theta: &[D], inputs: &[D]) -> Vec<D> {
        let upper = inputs.iter().map(|&input| input - FORCE);
        upper.chain(inputs.iter().map(|&input| -input - FORCE)).collect()
    }
}

/// The same problem with its second derivatives step by step.
#[derive(Clone, Copy, Debug)]
pub struct Stagewise(Automatic<Shooting>);

impl Stagewise {
    /// Over a horizon of so many steps.
    pub fn new(horizon: usize) -> Self {
        Self(Automatic(Shooting { horizon }))
    }
}

/// What a step depends on: the state, then the input.
const ARGUMENTS: usize = STATES + 1;

/// Next state and cost of a step, with first and second derivatives by its arguments.
struct Stage {
    /// By output, then argument; the last output is the cost.
    jacobian: [[f64; ARGUMENTS]; ARGUMENTS],
    /// By argument, argument (the second not after the first), then output.
    second: [[[f64; ARGUMENTS]; ARGUMENTS]; ARGUMENTS],
}

impl Stage {
    fn new(controller: &Controller<HyperDual64>, arguments: [f64; ARGUMENTS]) -> Self {
        let mut stage = Self {
            jacobian: [[0.0; ARGUMENTS]; ARGUMENTS],
            second: [[[0.0; ARGUMENTS]; ARGUMENTS]; ARGUMENTS],
        };
        let mut z = arguments.map(HyperDual64::from);
        for i in 0..ARGUMENTS {
            z[i].eps1 = 1.0;
            for j in 0..=i {
                z[j].eps2 = 1.0;
                let state = [z[0], z[1], z[2], z[3]];
                let next = controller.step(state, z[4]);
                let cost = controller.stage_cost(state, z[4]);
                let outputs = [next[0], next[1], next[2], next[3], cost];
                for (k, output) in outputs.iter().enumerate() {
                    stage.second[i][j][k] = output.eps1eps2;
                    stage.jacobian[k][i] = output.eps1;
                }
                z[j].eps2 = 0.0;
            }
            z[i].eps1 = 0.0;
        }
        stage
    }

    /// Gradient and Hessian of cost + adjoint'state.
    fn weighted(
        &self,
        adjoint: &[f64; STATES],
    ) -> ([f64; ARGUMENTS], [[f64; ARGUMENTS]; ARGUMENTS]) {
        let with = |outputs: [f64; ARGUMENTS]| {
            let states = outputs.iter().zip(adjoint).map(|(output, l)| output * l);
            outputs[STATES] + states.sum::<f64>()
        };
        let gradient = std::array::from_fn(|i| with(self.jacobian.map(|output| output[i])));
        let hessian =
            std::array::from_fn(|i| std::array::from_fn(|j| with(self.second[i.max(j)][i.min(j)])));
        (gradient, hessian)
    }
}

/// Gradient and Hessian of the terminal cost.
fn terminal(
    controller: &Controller<HyperDual64>,
    state: [f64; STATES],
) -> ([f64; STATES], [[f64; STATES]; STATES]) {
    let (mut gradient, mut hessian) = ([0.0; STATES], [[0.0; STATES]; STATES]);
    let mut x = state.map(HyperDual64::from);
    for i in 0..STATES {
        x[i].eps1 = 1.0;
        for j in 0..=i {
            x[j].eps2 = 1.0;
            let cost = controller.terminal_cost(x);
            gradient[i] = cost.eps1;
            (hessian[i][j], hessian[j][i]) = (cost.eps1eps2, cost.eps1eps2);
            x[j].eps2 = 0.0;
        }
        x[i].eps1 = 0.0;
    }
    (gradient, hessian)
}

/// Gradient and Hessian of the objective by the inputs, row by row.
fn objective_derivatives(theta: &[f64], inputs: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = inputs.len();
    let plain = Controller::from_slice(&theta[STATES..]);
    let controller = Controller::from_slice(&plain.to_array().map(HyperDual64::from));
    let mut state = start(theta);
    let mut stages = Vec::with_capacity(n);
    for &input in inputs {
        let [position, angle, velocity, rate] = state;
        stages.push(Stage::new(&controller, [position, angle, velocity, rate, input]));
        state = plain.step(state, input);
    }
    let (mut adjoint, last) = terminal(&controller, state);
    let mut gradient = vec![0.0; n];
    let mut curvatures = vec![[[0.0; ARGUMENTS]; ARGUMENTS]; n];
    for (t, stage) in stages.iter().enumerate().rev() {
        let (of_stage, curvature) = stage.weighted(&adjoint);
        adjoint.copy_from_slice(&of_stage[..STATES]);
        gradient[t] = of_stage[STATES];
        curvatures[t] = curvature;
    }
    let mut hessian = vec![0.0; n * n];
    // Row by row the derivatives of the arguments (x_t, u_t) of a step by the inputs before t + 1.
    let mut arguments = vec![vec![0.0; n]; ARGUMENTS];
    for (t, (stage, curvature)) in stages.iter().zip(&curvatures).enumerate() {
        arguments[STATES].fill(0.0);
        arguments[STATES][t] = 1.0;
        add_congruence(&mut hessian, &arguments, curvature, t + 1);
        let next: Vec<Vec<f64>> =
            stage.jacobian[..STATES].iter().map(|row| combination(row, &arguments, n)).collect();
        arguments[..STATES].clone_from_slice(&next);
    }
    add_congruence(&mut hessian, &arguments[..STATES], &last, n);
    (gradient, hessian)
}

/// The sum of the rows with these weights.
fn combination(weights: &[f64], rows: &[Vec<f64>], n: usize) -> Vec<f64> {
    let mut sum = vec![0.0; n];
    for (weight, row) in weights.iter().zip(rows) {
        sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += weight * v);
    }
    sum
}

/// Adds rows' * middle * rows to the leading `used` rows and columns of the square matrix `to`.
fn add_congruence<const K: usize>(
    to: &mut [f64],
    rows: &[Vec<f64>],
    middle: &[[f64; K]; K],
    used: usize,
) {
    let n = rows[0].len();
    for (row, weights) in rows.iter().zip(middle) {
        let weighted = combination(weights, rows, n);
        for i in 0..used {
            let to = &mut to[i * n..i * n + used];
            to.iter_mut().zip(&weighted).for_each(|(to, v)| *to += row[i] * v);
        }
    }
}

impl Oracle for Stagewise {
    fn dimensions(&self) -> Dimensions {
        self.0.dimensions()
    }

    fn values(&self, at: &Points<'_>) -> Result<FunctionValues, ArgminError> {
        self.0.values(at)
    }

    fn derivatives(
        &self,
        at: &Points<'_>,
        _multipliers: &Multipliers<'_>,
    ) -> Result<FunctionDerivatives, ArgminError> {
        let n = self.dimensions().y;
        // The bounds are linear: they add nothing to the Hessian of the Lagrangian.
        let samples: Vec<_> = at.theta.chunks(PARAMETERS).zip(at.y.chunks(n)).collect();
        let all: Vec<_> = samples
            .into_par_iter()
            .map(|(theta, inputs)| objective_derivatives(theta, inputs))
            .collect();
        let mut bounds = vec![0.0; 2 * n * n];
        for t in 0..n {
            (bounds[t * n + t], bounds[(n + t) * n + t]) = (1.0, -1.0);
        }
        Ok(FunctionDerivatives {
            objective: all.iter().flat_map(|(gradient, _)| gradient.iter().copied()).collect(),
            equalities: Vec::new(),
            inequalities: bounds.repeat(at.count()),
            hessian: all.iter().flat_map(|(_, hessian)| hessian.iter().copied()).collect(),
        })
    }

    fn mixed_jvp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        theta_tangent: &[f64],
    ) -> Result<KktVector, ArgminError> {
        self.0.mixed_jvp(at, multipliers, theta_tangent)
    }

    fn mixed_vjp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        cotangent: &KktVector,
    ) -> Result<Vec<f64>, ArgminError> {
        self.0.mixed_vjp(at, multipliers, cotangent)
    }

    fn lagrangian_gradient(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<Vec<f64>, ArgminError> {
        self.0.lagrangian_gradient(at, multipliers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_step_by_step_are_those_of_the_whole() {
        let horizon = 7;
        let theta = [0.3, 0.5, -0.2, 0.4, 0.3, 0.6, 1.0, 3.0, 0.1, 0.2, 0.01];
        let y: Vec<f64> = (0..horizon).map(|t| 5.0 * (1.7 * t as f64).sin()).collect();
        let at = Points { samples: &[0], theta: &theta, y: &y };
        let mu = vec![0.5; 2 * horizon];
        let multipliers = Multipliers { equalities: &[], inequalities: &mu };
        let stagewise = Stagewise::new(horizon);
        let ours = stagewise.derivatives(&at, &multipliers).unwrap();
        let whole = stagewise.0.derivatives(&at, &multipliers).unwrap();
        for (ours, whole) in [
            (&ours.objective, &whole.objective),
            (&ours.inequalities, &whole.inequalities),
            (&ours.hessian, &whole.hessian),
        ] {
            assert_eq!(ours.len(), whole.len());
            let size = whole.iter().fold(0.0, |most: f64, v| v.abs().max(most));
            for (ours, whole) in ours.iter().zip(whole) {
                assert!((ours - whole).abs() <= 1e-13 * size, "{ours} {whole}");
            }
        }
    }
}
