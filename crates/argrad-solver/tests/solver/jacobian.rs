//! The full Jacobian: its columns are tangents of unit directions.

use argrad_conformance::{Numbers, relative_error};
use argrad_solver::{Differentiation, Error, Slot, Tangent, Tape};

use crate::case::{Case, NAN};
use crate::families::{Family, mixtures, single_cones};

/// x, z, s of each sample along unit direction `k` of one value, one sample after the other.
fn column(tape: &Tape, unit: &[f64], which: usize) -> Vec<Vec<f64>> {
    let slot = Some(Slot::Shared(unit));
    let none = None;
    let at = |here: usize| if which == here { slot } else { none };
    let tangent = Tangent { p: at(0), q: at(1), a: at(2), b: at(3) };
    let moved = tape.jvp(&tangent, &Differentiation::default()).unwrap();
    let batch = tape.batch();
    let row = |values: &[f64], i: usize| {
        let len = values.len() / batch;
        values[i * len..(i + 1) * len].to_vec()
    };
    (0..batch).map(|i| [row(&moved.x, i), row(&moved.z, i), row(&moved.s, i)].concat()).collect()
}

fn assert_columns_are_tangents(name: &str, case: &Case) {
    let batch = case.batch.batch;
    let (_, tape) = case.forward();
    let jacobian = tape.jacobian(&Differentiation::default()).unwrap();
    let rows = case.batch.variables() + 2 * case.batch.rows();
    assert_eq!(jacobian.rows, rows);
    for (which, values) in
        [&jacobian.p, &jacobian.q, &jacobian.a, &jacobian.b].into_iter().enumerate()
    {
        let len = values.len() / (batch * rows);
        let mut expected = vec![0.0; values.len()];
        for k in 0..len {
            let mut unit = vec![0.0; len];
            unit[k] = 1.0;
            for (i, column) in column(&tape, &unit, which).into_iter().enumerate() {
                for (row, value) in column.into_iter().enumerate() {
                    expected[(i * rows + row) * len + k] = value;
                }
            }
        }
        for i in 0..batch {
            let of = |values: &[f64]| values[i * rows * len..(i + 1) * rows * len].to_vec();
            let error = relative_error(&of(values), &of(&expected));
            assert!(error < 1e-10, "{name} {i}: value {which} is off by {error:e}");
        }
    }
}

#[test]
fn columns_are_tangents_of_unit_directions() {
    for Family { name, programs } in single_cones(3).into_iter().chain(mixtures(3)) {
        assert_columns_are_tangents(name, &Case::new(programs.known_solution().batch, 1));
    }
}

/// Gradients of shared values are sums; a Jacobian is that of each sample all the same.
#[test]
fn shared_values_have_a_jacobian_per_sample() {
    let programs = &single_cones(3)[2].programs;
    let mut case = Case::new(programs.known_solution().batch, 2);
    let first = case.batch.select(&[0]);
    case.batch.p = Numbers::Shared(first.p.as_slice().to_vec());
    case.batch.a = Numbers::Shared(first.a.as_slice().to_vec());
    assert_columns_are_tangents("shared", &case);
}

#[test]
fn samples_without_a_solution_have_none() {
    let programs = &single_cones(2)[2].programs;
    let case = Case::new(programs.known_solution().batch.join(&programs.infeasible()), 3);
    let (_, tape) = case.forward();
    let error = tape.jacobian(&Differentiation::default()).unwrap_err();
    assert!(matches!(error, Error::Unsolved { batch: 4, .. }), "{error}");
    let jacobian = tape.jacobian(&NAN).unwrap();
    let len = jacobian.q.len() / 4;
    assert!(jacobian.q[..2 * len].iter().all(|v| v.is_finite()));
    assert!(jacobian.q[2 * len..].iter().all(|v| v.is_nan()));
}
