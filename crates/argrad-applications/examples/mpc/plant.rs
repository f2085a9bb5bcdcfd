//! What is controlled: two masses in a row, held by springs, each pushed by an actuator that lags
//! behind its command.
//!
//! ```text
//! p1'' = -k p1 - k (p1 - p2) - c p1' + a1     a1' = (u1 - a1) / tau
//! p2'' = -k p2 - k (p2 - p1) - c p2' + a2     a2' = (u2 - a2) / tau
//! ```
//!
//! The controller sees positions and velocities, [`SEEN`] numbers, and does not know that the
//! actuators lag: no choice of its model is right.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Numbers of a state: two positions, two velocities, two forces of the actuators.
pub const STATES: usize = 6;
/// The first so many are what the controller sees.
pub const SEEN: usize = 4;
/// Numbers of an input.
pub const INPUTS: usize = 2;
/// Largest command, as a force per mass.
pub const LARGEST: f64 = 1.0;

/// Seconds between two commands, each held in between.
const STEP: f64 = 0.2;
/// Steps of the integration between two commands.
const SUBSTEPS: usize = 20;
/// Disturbances of positions and velocities at each step are uniform, up to this.
const DISTURBANCE: f64 = 0.05;

/// x' = A x + B u + a disturbance of what is seen.
#[derive(Clone, Debug)]
pub struct Plant {
    /// A, row by row.
    pub a: [[f64; STATES]; STATES],
    /// B, row by row.
    pub b: [[f64; INPUTS]; STATES],
}

impl Plant {
    /// Stiffness, damping and lag are drawn.
    pub fn new(rng: &mut StdRng) -> Self {
        let stiffness = rng.random_range(0.5..1.5);
        let damping = rng.random_range(0.02..0.1);
        let lag = rng.random_range(0.4..0.8);
        let slope = |x: &[f64; STATES], u: &[f64; INPUTS]| {
            let [p1, p2, v1, v2, a1, a2] = *x;
            [
                v1,
                v2,
                stiffness * (p2 - 2.0 * p1) - damping * v1 + a1,
                stiffness * (p1 - 2.0 * p2) - damping * v2 + a2,
                (u[0] - a1) / lag,
                (u[1] - a2) / lag,
            ]
        };
        // Linear, so that the columns are where unit vectors go, by Heun's method.
        let go = |mut x: [f64; STATES], u: [f64; INPUTS]| {
            let h = STEP / SUBSTEPS as f64;
            for _ in 0..SUBSTEPS {
                let first = slope(&x, &u);
                let second = slope(&std::array::from_fn(|i| x[i] + h * first[i]), &u);
                x = std::array::from_fn(|i| x[i] + 0.5 * h * (first[i] + second[i]));
            }
            x
        };
        let unit = |j: usize, i: usize| f64::from(i == j);
        let of_a: [_; STATES] =
            std::array::from_fn(|j| go(std::array::from_fn(|i| unit(j, i)), [0.0; INPUTS]));
        let of_b: [_; INPUTS] =
            std::array::from_fn(|j| go([0.0; STATES], std::array::from_fn(|i| unit(j, i))));
        let a = std::array::from_fn(|i| of_a.map(|column| column[i]));
        let b = std::array::from_fn(|i| of_b.map(|column| column[i]));
        Self { a, b }
    }

    /// The next state.
    pub fn step(&self, x: &[f64], u: &[f64], disturbance: &[f64]) -> [f64; STATES] {
        let dot = |row: &[f64], v: &[f64]| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
        std::array::from_fn(|i| {
            let pushed = disturbance.get(i).copied().unwrap_or(0.0);
            dot(&self.a[i], x) + dot(&self.b[i], u) + pushed
        })
    }

    /// Cotangents of a state and an input from that of the next state.
    pub fn step_adjoint(&self, next: &[f64]) -> ([f64; STATES], [f64; INPUTS]) {
        let by = |column: &dyn Fn(usize) -> f64| -> f64 {
            next.iter().enumerate().map(|(i, v)| v * column(i)).sum()
        };
        (
            std::array::from_fn(|j| by(&|i| self.a[i][j])),
            std::array::from_fn(|j| by(&|i| self.b[i][j])),
        )
    }
}

/// Starts and disturbances of several runs.
#[derive(Clone, Debug)]
pub struct Scenarios {
    /// `batch x STATES`.
    pub starts: Vec<f64>,
    /// At each step, `batch x SEEN`.
    pub disturbances: Vec<Vec<f64>>,
}

impl Scenarios {
    /// Random ones: positions within 2, velocities within 1, actuators at rest.
    pub fn new(batch: usize, steps: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let reach = [2.0, 2.0, 1.0, 1.0, 0.0, 0.0];
        let starts =
            (0..batch * STATES).map(|k| reach[k % STATES] * rng.random_range(-1.0..1.0)).collect();
        let disturbances = (0..steps)
            .map(|_| (0..batch * SEEN).map(|_| DISTURBANCE * rng.random_range(-1.0..1.0)).collect())
            .collect();
        Self { starts, disturbances }
    }

    /// How many.
    pub fn batch(&self) -> usize {
        self.starts.len() / STATES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjoint_of_a_step_is_its_transpose() {
        let plant = Plant::new(&mut StdRng::seed_from_u64(1));
        let (x, u) = ([0.3, -0.2, 0.5, 0.1, -0.4, 0.7], [0.6, -0.9]);
        let next = [0.2, 0.8, -0.3, 0.4, 0.9, -0.5];
        let moved = plant.step(&x, &u, &[]);
        let (by_x, by_u) = plant.step_adjoint(&next);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert!((dot(&moved, &next) - dot(&x, &by_x) - dot(&u, &by_u)).abs() < 1e-14);
    }

    #[test]
    fn the_actuator_lags_behind_its_command() {
        let plant = Plant::new(&mut StdRng::seed_from_u64(2));
        let next = plant.step(&[0.0; STATES], &[1.0, 0.0], &[]);
        assert!(next[4] > 0.2 && next[4] < 0.5, "{}", next[4]);
        assert!(next[2] > 0.0 && next[2] < 0.5 * STEP);
        assert_eq!(next[5], 0.0);
    }
}
