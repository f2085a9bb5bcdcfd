//! How a layer is checked.

use argrad::convex_concave::{ConvexConcaveLayer, PointKind, Sequence};
use argrad::prelude::*;

pub fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{found} against {expected}"
    );
}

/// Backward at the point from `start` against differences of fourth order, which start at that
/// point, and against jvp. `variables` are the outputs.
pub fn check(
    layer: &ConvexConcaveLayer,
    variables: &[Expr<'_>],
    values: &[Vec<f64>],
    start: &[Vec<f64>],
) -> Result<(), ModelError> {
    let settings = Settings { tolerance: 1e-12, ..Settings::default() };
    // Differences of a step h see errors of the point as large as 1 / h.
    let sequence = Sequence { tolerance: 1e-13, limit: 5000, ..Sequence::default() };
    let layer = layer.clone().with_settings(settings)?.with_sequence(sequence)?;
    let run = |values: &[Vec<f64>], start: &[Vec<f64>]| {
        let own: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        let start: Vec<(Expr<'_>, &[f64])> =
            variables.iter().copied().zip(start.iter().map(Vec::as_slice)).collect();
        layer.forward_from(&own, &start)
    };
    let (outputs, tape) = run(values, start)?;
    let rests = |kind: PointKind| kind == PointKind::Stationary;
    assert!(outputs.sequences.iter().all(|s| rests(s.kind)), "{:?}", outputs.sequences);
    let weight = |k: usize| 1.0 - 0.37 * (k % 5) as f64;
    let cotangents: Vec<Vec<f64>> =
        outputs.values.iter().map(|v| (0..v.len()).map(weight).collect()).collect();
    let slices: Vec<&[f64]> = cotangents.iter().map(Vec::as_slice).collect();
    let gradients = layer.backward(&tape, &slices)?;
    let scalar = |values: &[Vec<f64>]| -> f64 {
        let moved = run(values, &outputs.values).unwrap().0;
        assert!(moved.sequences.iter().all(|s| rests(s.kind)), "{:?}", moved.sequences);
        let pairs = moved.values.iter().zip(&cotangents);
        pairs.flat_map(|(v, c)| v.iter().zip(c)).map(|(v, c)| v * c).sum()
    };
    for (p, given) in values.iter().enumerate() {
        for k in 0..given.len() {
            let at = |h: f64| {
                let mut moved = values.to_vec();
                moved[p][k] += h;
                scalar(&moved)
            };
            let central = |h: f64| (at(h) - at(-h)) / (2.0 * h);
            let h = 1e-3 * given[k].abs().max(0.3);
            near(gradients[p][k], (4.0 * central(h / 2.0) - central(h)) / 3.0, 1e-7);
        }
    }
    let tangents: Vec<Vec<f64>> =
        values.iter().map(|v| (0..v.len()).map(|k| weight(k + 2)).collect()).collect();
    let slices: Vec<&[f64]> = tangents.iter().map(Vec::as_slice).collect();
    let moved = layer.jvp(&tape, &slices)?;
    let dot = |a: &[Vec<f64>], b: &[Vec<f64>]| -> f64 {
        a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| a * b).sum()
    };
    near(dot(&moved, &cotangents), dot(&gradients, &tangents), 1e-8);
    Ok(())
}
