//! Zeros in the numbers of parameters that the batch shares are left out of the computation, and of
//! nothing else.

use argrad::atoms::*;
use argrad::prelude::*;

use crate::derivative::numbers;

const N: usize = 12;
const BATCH: usize = 3;

/// A program of which P and the rows of G are matrices of parameters.
fn layer() -> Layer {
    let model = Model::new();
    let (x, q) = (model.variable(N), model.parameter(N));
    let (l, g, h) = (model.parameter((N, N)), model.parameter((N, N)), model.parameter(N));
    let cost = sum_squares(l.matmul(x)) + (q * x).sum();
    let problem = Problem::minimize(cost).subject_to([g.matmul(x).leq(h)]);
    problem.compile([l, q, g, h], [x]).unwrap()
}

/// A diagonal factor, a q for each sample, bounds.
fn bounded() -> [Vec<f64>; 4] {
    let diagonal = |own: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..N * N).map(|k| if k % (N + 1) == 0 { own(k / N) } else { 0.0 }).collect()
    };
    let l = diagonal(&|k| 1.0 + 0.1 * k as f64);
    [l, numbers(BATCH * N, 1), diagonal(&|_| -1.0), vec![0.05; N]]
}

/// Solutions, gradients and tangents, with which parameters shared.
fn everything(shared: [bool; 4]) -> Vec<Vec<f64>> {
    let layer = layer();
    let given = bounded();
    let values: Vec<Vec<f64>> = given
        .iter()
        .zip(shared)
        .map(|(v, shared)| if shared || v.len() == BATCH * N { v.clone() } else { v.repeat(BATCH) })
        .collect();
    let slices: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let (outputs, tape) = layer.forward(&slices).unwrap();
    assert!(outputs.reports.iter().all(Report::is_solved));
    assert_eq!(layer.solve(&slices).unwrap().values, outputs.values);
    let mut rows = vec![0.0; BATCH * layer.flat_tape_len()];
    tape.write_flat(&mut rows).unwrap();
    let cotangent = numbers(BATCH * N, 2);
    let gradients = layer.backward(&tape, &[&cotangent]).unwrap().values;
    let slots: Vec<Slot<'_>> = slices
        .iter()
        .zip(&given)
        .map(|(v, own)| {
            if v.len() == own.len() && own.len() != BATCH * N {
                Slot::Shared(v)
            } else {
                Slot::Each(v)
            }
        })
        .collect();
    let (_, again) = layer.tape_from_flat(BATCH, &slots, &rows).unwrap();
    assert_eq!(layer.backward(&again, &[&cotangent]).unwrap().values, gradients);
    // What the samples share, along one direction of all of them.
    let tangents: Vec<Vec<f64>> = given.iter().map(|v| numbers(v.len(), 3)).collect();
    let tangents: Vec<Vec<f64>> =
        tangents.iter().zip(&values).map(|(t, v)| t.repeat(v.len() / t.len())).collect();
    let tangents: Vec<&[f64]> = tangents.iter().map(Vec::as_slice).collect();
    let moved = layer.jvp(&tape, &tangents).unwrap().values;
    let summed = gradients.iter().zip(&given).map(|(gradient, own)| {
        let mut sum = vec![0.0; own.len()];
        gradient.iter().enumerate().for_each(|(k, g)| sum[k % own.len()] += g);
        sum
    });
    summed.chain(outputs.values).chain(moved).collect()
}

#[test]
fn zeros_of_shared_parameters_change_nothing() {
    let plain = everything([false; 4]);
    for shared in
        [[true, false, true, true], [true, false, false, true], [false, false, true, false]]
    {
        for (found, expected) in everything(shared).iter().zip(&plain) {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-10, "{found} {expected}");
            }
        }
    }
}
