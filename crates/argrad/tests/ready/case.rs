//! A layer against an independent function of the same parameters.

use argrad::prelude::*;

/// Numbers between -1 and 1 that look random, the same on every machine.
pub fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The parameters of one sample.
fn sample<'a>(layer: &Layer, values: &'a [Vec<f64>], at: usize) -> Vec<&'a [f64]> {
    let own = |((_, len), values): ((&str, usize), &'a Vec<f64>)| {
        if values.len() == len { &values[..] } else { &values[at * len..(at + 1) * len] }
    };
    layer.parameters().zip(values).map(own).collect()
}

/// Values to 1e-9 and the gradient to 1e-7 (of central differences of `closed`), for a batch whose
/// parameters are each or shared by their lengths. No sample may be at a kink.
pub fn agrees(layer: &Layer, values: &[Vec<f64>], closed: impl Fn(&[&[f64]]) -> Vec<f64>) {
    let slices: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let (outputs, tape) = layer.forward(&slices).unwrap();
    let size = outputs[0].len() / outputs.batch;
    let cotangent = numbers(outputs[0].len(), 77);
    let gradients = layer.backward(&tape, &[&cotangent]).unwrap();
    let mut expected: Vec<Vec<f64>> = values.iter().map(|v| vec![0.0; v.len()]).collect();
    for at in 0..outputs.batch {
        let report = outputs.reports[at];
        assert!(!report.is_degenerate(), "sample {at}: {report:?}");
        let parameters = sample(layer, values, at);
        let y = closed(&parameters);
        let own = at * size..(at + 1) * size;
        for (k, (found, y)) in outputs[0][own.clone()].iter().zip(&y).enumerate() {
            assert!((found - y).abs() <= 1e-9, "sample {at}, entry {k}: {found} against {y}");
        }
        for p in 0..parameters.len() {
            let len = parameters[p].len();
            let start = if values[p].len() == len { 0 } else { at * len };
            for j in 0..len {
                let moved = |h: f64| {
                    let mut shifted: Vec<Vec<f64>> =
                        parameters.iter().map(|v| v.to_vec()).collect();
                    shifted[p][j] += h;
                    let shifted: Vec<&[f64]> = shifted.iter().map(Vec::as_slice).collect();
                    let y = closed(&shifted);
                    y.iter().zip(&cotangent[own.clone()]).map(|(y, c)| y * c).sum::<f64>()
                };
                let central = |h: f64| (moved(h) - moved(-h)) / (2.0 * h);
                let h = 1e-4;
                expected[p][start + j] += (4.0 * central(h / 2.0) - central(h)) / 3.0;
            }
        }
    }
    for (p, (found, expected)) in gradients.iter().zip(&expected).enumerate() {
        for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(
                (found - expected).abs() <= 1e-7 * (1.0 + expected.abs()),
                "parameter {p}, entry {k}: {found} against {expected}"
            );
        }
    }
}

/// The one sample is at a kink, and its report says so.
pub fn is_flagged(layer: &Layer, values: &[&[f64]]) {
    let (outputs, _) = layer.forward(values).unwrap();
    assert!(outputs.reports[0].is_solved() && outputs.reports[0].is_degenerate());
}
