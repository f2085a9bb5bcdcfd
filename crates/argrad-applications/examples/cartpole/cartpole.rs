//! The cart-pole: a cart on a rail, pushed by a force, with a pole that turns on it.
//!
//! With the position p of the cart (m), its velocity v, the angle a of the pole from upright (rad,
//! positive to the right), its rate w and the force u (N), for a pole whose mass m is at its tip
//! (Barto, Sutton and Anderson 1983, without friction):
//!
//! ```text
//! v' = (u + m sin(a) (l w^2 - g cos(a))) / d,      d = M + m sin(a)^2
//! w' = ((M + m) g sin(a) - cos(a) (u + m l w^2 sin(a))) / (l d)
//! ```

use argrad::argmin::Scalar;

/// Numbers of a state: position, angle, velocity, rate.
pub const STATES: usize = 4;
/// Seconds between two inputs, each held in between.
pub const STEP: f64 = 0.05;
/// Largest force, in N.
pub const FORCE: f64 = 10.0;

/// Mass of the cart, in kg.
const CART: f64 = 1.0;
/// Gravity, in m/s^2.
const GRAVITY: f64 = 9.81;
/// The cost of the last state counts for as many seconds.
const TERMINAL: f64 = 0.5;

/// What the controller believes of the pole and wants: its numbers are the parameters that are
/// learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controller<D> {
    /// Mass of the pole, in kg.
    pub mass: D,
    /// Length of the pole, in m.
    pub length: D,
    /// Weights of position, angle, velocity and rate, squared, each second.
    pub weights: [D; STATES],
    /// Weight of the force, squared, each second.
    pub effort: D,
}

impl<D: Copy> Controller<D> {
    /// How many numbers these are.
    pub const LEN: usize = 7;

    /// From [`Self::LEN`] numbers in the order of the fields.
    pub fn from_slice(numbers: &[D]) -> Self {
        let weights = [numbers[2], numbers[3], numbers[4], numbers[5]];
        Self { mass: numbers[0], length: numbers[1], weights, effort: numbers[6] }
    }

    /// The numbers in the order of the fields.
    pub fn to_array(self) -> [D; 7] {
        let [position, angle, velocity, rate] = self.weights;
        [self.mass, self.length, position, angle, velocity, rate, self.effort]
    }
}

impl<D: Scalar> Controller<D> {
    /// The derivative of the state by time.
    fn motion(&self, state: [D; STATES], force: D) -> [D; STATES] {
        let [_, angle, velocity, rate] = state;
        let (sin, cos) = angle.sin_cos();
        let swing = self.mass * self.length * rate * rate * sin;
        let inertia = (self.mass * sin * sin + CART).recip();
        let acceleration = (force + swing - self.mass * sin * cos * GRAVITY) * inertia;
        let turn = (self.mass + CART) * sin * GRAVITY - cos * (force + swing);
        [velocity, rate, acceleration, turn * inertia / self.length]
    }

    /// The state a [`STEP`] later, by one step of the classical Runge-Kutta method.
    pub fn step(&self, state: [D; STATES], force: D) -> [D; STATES] {
        let along = |slope: [D; STATES], time: f64| -> [D; STATES] {
            std::array::from_fn(|i| state[i] + slope[i] * time)
        };
        let k1 = self.motion(state, force);
        let k2 = self.motion(along(k1, 0.5 * STEP), force);
        let k3 = self.motion(along(k2, 0.5 * STEP), force);
        let k4 = self.motion(along(k3, STEP), force);
        std::array::from_fn(|i| state[i] + (k1[i] + (k2[i] + k3[i]) * 2.0 + k4[i]) * (STEP / 6.0))
    }

    /// The cost of a state each second. The angle counts by 2 (1 - cos), its square near upright.
    fn state_cost(&self, state: [D; STATES]) -> D {
        let [position, angle, velocity, rate] = state;
        let [of_position, of_angle, of_velocity, of_rate] = self.weights;
        of_position * position * position
            + of_angle * (-angle.cos() + 1.0) * 2.0
            + of_velocity * velocity * velocity
            + of_rate * rate * rate
    }

    /// The cost of a step.
    pub fn stage_cost(&self, state: [D; STATES], force: D) -> D {
        (self.state_cost(state) + self.effort * force * force) * STEP
    }

    /// The cost of the state after the last step.
    pub fn terminal_cost(&self, state: [D; STATES]) -> D {
        self.state_cost(state) * TERMINAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLE: Controller<f64> =
        Controller { mass: 0.3, length: 0.7, weights: [1.0; STATES], effort: 0.1 };

    /// Kinetic and potential energy, in J.
    fn energy([_, a, v, w]: [f64; STATES]) -> f64 {
        let (m, l) = (POLE.mass, POLE.length);
        let tip = [v + l * w * a.cos(), l * w * a.sin()];
        0.5 * CART * v * v
            + 0.5 * m * (tip[0] * tip[0] + tip[1] * tip[1])
            + m * GRAVITY * l * a.cos()
    }

    #[test]
    fn energy_is_kept_without_a_force() {
        let mut state = [0.0, 0.4, 0.3, -0.5];
        let before = energy(state);
        for _ in 0..40 {
            state = POLE.step(state, 0.0);
        }
        // Runge-Kutta of order four: the rest is of the order STEP^4.
        assert!((energy(state) - before).abs() < 1e-3 * before, "{} {before}", energy(state));
    }

    #[test]
    fn a_push_to_the_right_turns_the_pole_to_the_left() {
        let [position, angle, velocity, rate] = POLE.step([0.0; STATES], 1.0);
        assert!(position > 0.0 && velocity > 0.0 && angle < 0.0 && rate < 0.0);
        assert_eq!(POLE.step([0.0; STATES], 0.0), [0.0; STATES]);
    }

    #[test]
    fn numbers_go_back_and_forth() {
        assert_eq!(Controller::from_slice(&POLE.to_array()), POLE);
    }
}
