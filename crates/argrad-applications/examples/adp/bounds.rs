//! What is known without learning: the regulator without bounds on the inputs, and a lower bound of
//! what any controller with them costs.

use argrad::atoms::*;
use argrad::prelude::*;

use crate::matrix::{Matrix, largest, product, solve, sum, transpose, unit};
use crate::system::{INPUTS, LARGEST, STATES, System, VARIANCE};

/// The value function x'Px of the linear quadratic regulator, without bounds, and its gain.
pub struct Regulator {
    /// P.
    pub value: Matrix<STATES, STATES>,
    /// K: the input is -K x.
    pub gain: Matrix<INPUTS, STATES>,
}

/// Most steps of the recursion.
const STEPS: usize = 100_000;

/// Solves P = Q + A'PA - A'PB (R + B'PB)^-1 B'PA by the recursion that it is the limit of.
pub fn regulator(system: &System) -> Option<Regulator> {
    let (a, b) = (&system.a, &system.b);
    let (at, bt) = (transpose(a), transpose(b));
    let mut value = unit();
    for _ in 0..STEPS {
        let pa = product(&value, a);
        let of_inputs = sum(&unit(), 1.0, &product(&bt, &product(&value, b)));
        let gain = solve(&of_inputs, &product(&bt, &pa))?;
        let next = sum(&sum(&unit(), 1.0, &product(&at, &pa)), -1.0, &{
            product(&transpose(&gain), &product(&bt, &pa))
        });
        let moved = largest(&sum(&next, -1.0, &value));
        value = next;
        if moved <= 1e-13 * largest(&value) {
            return Some(Regulator { value, gain });
        }
    }
    None
}

/// What the quadratic value function x'Px costs each step in the long run: trace(P W).
pub fn long_run(value: &Matrix<STATES, STATES>) -> f64 {
    VARIANCE * (0..STATES).map(|i| value[i][i]).sum::<f64>()
}

/// No controller with |u| <= [`LARGEST`] costs less in the long run than the value of
///
/// ```text
/// maximize    trace(P W) - u_max^2 sum(l)
/// subject to  [ R + B'PB  B'PA         ]
///             [ A'PB      I + A'PA - P ] psd,   R - I <= diag(l),   P, R psd,   l >= 0
/// ```
///
/// (Wang and Boyd 2009; Agrawal et al. 2020). Returns the value and P, which is a good
/// approximation of the value function.
///
/// # Errors
/// What the solver reports.
pub fn lower_bound(system: &System) -> Result<(f64, Matrix<STATES, STATES>), ModelError> {
    let (a, b) = (&system.a, &system.b);
    let model = Model::new();
    let p = model.variable((STATES, STATES)).psd();
    let r = model.variable((INPUTS, INPUTS)).psd();
    let l = model.variable(INPUTS).nonneg();
    let (pa, pb) = (p.matmul(a), p.matmul(b));
    let (apa, bpa) = (matmul(transpose(a), pa), matmul(transpose(b), pa));
    let (apb, bpb) = (bpa.t(), matmul(transpose(b), pb));
    let bellman = bmat(&[&[r + bpb, bpa], &[apb, apa - p + unit::<STATES>()]]);
    let answer = Problem::maximize(VARIANCE * p.trace() - LARGEST * LARGEST * l.sum())
        .subject_to([bellman.psd_geq(0.0), l.diag().psd_geq(r - unit::<INPUTS>())])
        .solve(&[])?;
    let found = answer.get(p)?;
    let value = std::array::from_fn(|i| std::array::from_fn(|j| found[i * STATES + j]));
    Ok((if answer.status == Status::Solved { answer.value } else { f64::NAN }, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The regulator's is printed in the paper's notebook. For the bound that has 10.7947, by a
    /// solver with a loose tolerance; 10.69685 is Clarabel's.
    #[test]
    fn the_numbers_of_the_paper_are_reproduced() {
        let system = System::of_the_paper();
        let regulator = regulator(&system).unwrap();
        assert!((long_run(&regulator.value) - 6.0375).abs() < 5e-4);
        let (bound, _) = lower_bound(&system).unwrap();
        assert!((bound - 10.69685).abs() < 1e-4, "{bound}");
    }

    #[test]
    fn the_value_function_is_a_fixed_point() {
        let system = System::random(5);
        let Regulator { value, gain } = regulator(&system).unwrap();
        // P = I + K'K + (A - BK)'P(A - BK).
        let closed = sum(&system.a, -1.0, &product(&system.b, &gain));
        let next = product(&transpose(&closed), &product(&value, &closed));
        let next = sum(&sum(&unit(), 1.0, &product(&transpose(&gain), &gain)), 1.0, &next);
        assert!(largest(&sum(&next, -1.0, &value)) < 1e-10 * largest(&value));
    }
}
