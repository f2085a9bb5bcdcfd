//! Two stages: first the model that predicts best, by least squares on runs with random commands;
//! then the controller with that model and the weights of the task.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::controller::Tuning;
use crate::plant::{INPUTS, LARGEST, Plant, SEEN, STATES, Scenarios};

/// What a regression has: states and inputs.
const REGRESSORS: usize = SEEN + INPUTS;

/// (A, B), row by row, that makes the squares of x_(t+1) - A x_t - B u_t least over these runs, in
/// which each command is random.
pub fn least_squares(plant: &Plant, runs: usize, steps: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let scenarios = Scenarios::new(runs, steps, seed);
    let mut rng = StdRng::seed_from_u64(seed ^ 0x9e37_79b9);
    let (mut regressors, mut targets) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let mut x: [f64; STATES] = std::array::from_fn(|i| scenarios.starts[run * STATES + i]);
        for disturbances in &scenarios.disturbances {
            let u: [f64; INPUTS] = std::array::from_fn(|_| LARGEST * rng.random_range(-1.0..1.0));
            let next = plant.step(&x, &u, &disturbances[run * SEEN..(run + 1) * SEEN]);
            let z = |i: usize| if i < SEEN { x[i] } else { u[i - SEEN] };
            regressors.push(std::array::from_fn::<f64, REGRESSORS, _>(z));
            targets.push(std::array::from_fn::<f64, SEEN, _>(|i| next[i]));
            x = next;
        }
    }
    let moments = regression(regressors.into_iter(), targets.into_iter());
    let of = |row: usize, range: std::ops::Range<usize>| range.map(move |k| moments[k][row]);
    (
        (0..SEEN).flat_map(|row| of(row, 0..SEEN)).collect(),
        (0..SEEN).flat_map(|row| of(row, SEEN..REGRESSORS)).collect(),
    )
}

/// The matrix M, row by row, for which the squares of y - M'z are least.
pub fn regression<const R: usize, const T: usize>(
    regressors: impl Iterator<Item = [f64; R]>,
    targets: impl Iterator<Item = [f64; T]>,
) -> [[f64; T]; R] {
    let (mut gram, mut moments) = ([[0.0; R]; R], [[0.0; T]; R]);
    for (z, y) in regressors.zip(targets) {
        for i in 0..R {
            (0..R).for_each(|j| gram[i][j] += z[i] * z[j]);
            (0..T).for_each(|j| moments[i][j] += z[i] * y[j]);
        }
    }
    solve(&mut gram, &mut moments);
    moments
}

/// Replaces `rhs` by the solution of the positive definite system (Gauss elimination).
fn solve<const R: usize, const T: usize>(matrix: &mut [[f64; R]; R], rhs: &mut [[f64; T]; R]) {
    for k in 0..R {
        let pivot = (matrix[k], rhs[k]);
        for i in (0..R).filter(|&i| i != k) {
            let factor = matrix[i][k] / pivot.0[k];
            (0..R).for_each(|j| matrix[i][j] -= factor * pivot.0[j]);
            (0..T).for_each(|j| rhs[i][j] -= factor * pivot.1[j]);
        }
    }
    for k in 0..R {
        rhs[k] = rhs[k].map(|v| v / matrix[k][k]);
    }
}

/// The controller of two stages: this model, and the weights of the task, the last state counted
/// like the others.
pub fn two_stages((a, b): (Vec<f64>, Vec<f64>), weights: [f64; SEEN], effort: f64) -> Tuning {
    let q: Vec<f64> = weights.iter().map(|w| w.sqrt()).collect();
    Tuning { a, b, f: q.clone(), q, r: vec![effort.sqrt(); INPUTS] }
}

/// For reference: the same with the plant itself as its model, and with the forces of the actuators
/// seen. Its weights are still those of the task, and its horizon is short: it can be beaten.
pub fn full_information(plant: &Plant, weights: [f64; SEEN], effort: f64) -> Tuning {
    let mut tuning = two_stages((plant.a.concat(), plant.b.concat()), weights, effort);
    tuning.q.resize(STATES, 0.0);
    tuning.f.resize(STATES, 0.0);
    tuning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_system_is_solved() {
        let at = |i: usize, j: usize| if i == j { 4.0 } else { 1.0 / (1.0 + (i + j) as f64) };
        let matrix: [[f64; REGRESSORS]; REGRESSORS] =
            std::array::from_fn(|i| std::array::from_fn(|j| at(i, j)));
        let known: [[f64; SEEN]; REGRESSORS] =
            std::array::from_fn(|i| std::array::from_fn(|j| (i as f64 - j as f64).sin()));
        let mut rhs: [[f64; SEEN]; REGRESSORS] = std::array::from_fn(|i| {
            std::array::from_fn(|j| (0..REGRESSORS).map(|k| matrix[i][k] * known[k][j]).sum())
        });
        solve(&mut matrix.clone(), &mut rhs);
        for (found, known) in rhs.iter().flatten().zip(known.iter().flatten()) {
            assert!((found - known).abs() < 1e-13);
        }
    }

    #[test]
    fn a_model_without_lag_is_found_but_for_the_noise() {
        // Actuators that are not seen have no part in what follows.
        let mut plant = Plant::new(&mut StdRng::seed_from_u64(3));
        for i in 0..SEEN {
            (plant.a[i][4], plant.a[i][5]) = (0.0, 0.0);
        }
        let (a, b) = least_squares(&plant, 50, 50, 4);
        for i in 0..SEEN {
            (0..SEEN).for_each(|j| assert!((a[i * SEEN + j] - plant.a[i][j]).abs() < 5e-3));
            (0..INPUTS).for_each(|j| assert!((b[i * INPUTS + j] - plant.b[i][j]).abs() < 5e-3));
        }
    }
}
