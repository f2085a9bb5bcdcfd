//! Linear model predictive control in boxes, for a fleet of systems with the same dynamics.

use argrad_solver::{Pattern, Structure};

use super::cones;
use super::draws::Draws;
use crate::{Numbers, ProgramBatch};

/// States, inputs and steps of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plant {
    /// States.
    pub states: usize,
    /// Inputs.
    pub inputs: usize,
    /// Steps ahead.
    pub horizon: usize,
}

/// Minimize `sum_k 1/2 (|x_k|^2 + 0.1 |u_{k-1}|^2)` over `x_k = A x_{k-1} + B u_{k-1}`, |u| <= 0.5,
/// |x| <= 5, from a state x_0 of each sample's own, which is all that varies (in b).
///
/// Variables `(u_0, x_1, u_1, x_2, ...)`; rows: the dynamics, step by step, then `v <= bound` and
/// `-v <= bound` for each variable v. A = I + 0.1 N(0,1) / sqrt(states), B ~ 0.3 N(0,1), x_0 ~
/// N(0,1).
pub fn linear_mpc(plant: Plant, batch: usize, seed: u64) -> ProgramBatch {
    let Plant { states, inputs, horizon } = plant;
    let draws = &mut Draws::of_shared(seed);
    let mut dynamics = draws.normals(states * states);
    dynamics.iter_mut().for_each(|entry| *entry *= 0.1 / (states as f64).sqrt());
    (0..states).for_each(|i| dynamics[i * states + i] += 1.0);
    let response: Vec<f64> = draws.normals(states * inputs).iter().map(|v| 0.3 * v).collect();

    let (stage, equalities) = (states + inputs, states * horizon);
    let n = stage * horizon;
    let mut columns = Columns::default();
    let mut p = Vec::with_capacity(n);
    let mut bounds = Vec::with_capacity(2 * n);
    for step in 0..horizon {
        let row = step * states;
        for j in 0..stage {
            if let Some(state) = j.checked_sub(inputs) {
                columns.entries.push((row + state, 1.0));
                if step + 1 < horizon {
                    let next = |i: usize| (row + states + i, -dynamics[i * states + state]);
                    columns.entries.extend((0..states).map(next));
                }
                p.push(1.0);
                bounds.extend([5.0; 2]);
            } else {
                let next = |i: usize| (row + i, -response[i * inputs + j]);
                columns.entries.extend((0..states).map(next));
                p.push(0.1);
                bounds.extend([0.5; 2]);
            }
            let below = equalities + 2 * columns.ends.len();
            columns.entries.extend([(below, 1.0), (below + 1, -1.0)]);
            columns.ends.push(columns.entries.len());
        }
    }
    let (rowval, a): (Vec<usize>, Vec<f64>) = columns.entries.into_iter().unzip();
    let rows = equalities + 2 * n;
    let colptr = [&[0], &columns.ends[..]].concat();
    let structure = Structure::new(
        Pattern::diagonal(n),
        Pattern::new(rows, n, colptr, rowval).expect("rows ascend in each column"),
        cones(equalities, 2 * n),
    )
    .expect("sizes fit together");

    let mut b = Vec::with_capacity(batch * rows);
    for i in 0..batch {
        let start = Draws::of_sample(seed, i).normals(states);
        let row = |i: usize| &dynamics[i * states..(i + 1) * states];
        b.extend((0..states).map(|i| crate::dot(row(i), &start)));
        b.extend(std::iter::repeat_n(0.0, equalities - states));
        b.extend(&bounds);
    }
    ProgramBatch {
        structure,
        batch,
        p: Numbers::Shared(p),
        q: Numbers::Shared(vec![0.0; n]),
        a: Numbers::Shared(a),
        b: Numbers::Each(b),
    }
}

/// A sparse matrix, column by column: its entries (row, value), and where each column ends.
#[derive(Default)]
struct Columns {
    entries: Vec<(usize, f64)>,
    ends: Vec<usize>,
}
