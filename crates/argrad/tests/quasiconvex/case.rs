//! How a layer is checked.

use argrad::prelude::*;
use argrad::quasiconvex::QuasiconvexLayer;

pub fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{found} against {expected}"
    );
}

/// Backward and the gradient of the value against differences of fourth order, and against jvp.
pub fn check(layer: &QuasiconvexLayer, values: &[Vec<f64>]) -> Result<(), ModelError> {
    let settings = Settings { tolerance: 1e-12, ..Settings::default() };
    let layer = layer.clone().with_settings(settings)?;
    let slices =
        |values: &[Vec<f64>]| -> Vec<Vec<f64>> { values.iter().map(|v| v.to_vec()).collect() };
    let own = slices(values);
    let own: Vec<&[f64]> = own.iter().map(Vec::as_slice).collect();
    let (outputs, tape) = layer.forward(&own)?;
    for report in &outputs.reports {
        assert!(report.is_solved(), "{:?}", outputs.reports);
    }
    assert!(outputs.levels.iter().all(|level| level.moves && level.steps < 60));
    let weight = |k: usize| 1.0 - 0.37 * (k % 5) as f64;
    let cotangents: Vec<Vec<f64>> =
        outputs.values.iter().map(|v| (0..v.len()).map(weight).collect()).collect();
    let of_values: Vec<f64> = (0..outputs.batch).map(|k| weight(k + 1)).collect();
    let cotangent_slices: Vec<&[f64]> = cotangents.iter().map(Vec::as_slice).collect();
    let of_outputs = layer.backward(&tape, &cotangent_slices)?;
    let of_levels = layer.value_gradient(&tape, &of_values)?;
    // The two scalars that these are gradients of.
    let scalars = |values: &[Vec<f64>]| -> [f64; 2] {
        let own: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        let outputs = layer.solve(&own).unwrap();
        let pairs = outputs.values.iter().zip(&cotangents);
        let first = pairs.flat_map(|(v, c)| v.iter().zip(c)).map(|(v, c)| v * c).sum();
        let second = outputs.objective.iter().zip(&of_values).map(|(v, c)| v * c).sum();
        [first, second]
    };
    for (p, given) in values.iter().enumerate() {
        for k in 0..given.len() {
            let central = |h: f64| {
                let at = |h: f64| {
                    let mut moved = slices(values);
                    moved[p][k] += h;
                    scalars(&moved)
                };
                let (above, below) = (at(h), at(-h));
                [0, 1].map(|s| (above[s] - below[s]) / (2.0 * h))
            };
            let h = 1e-3 * given[k].abs().max(0.1);
            let (fine, coarse) = (central(h / 2.0), central(h));
            let expected = [0, 1].map(|s| (4.0 * fine[s] - coarse[s]) / 3.0);
            near(of_outputs[p][k], expected[0], 1e-7);
            near(of_levels[p][k], expected[1], 1e-7);
        }
    }
    let tangents: Vec<Vec<f64>> =
        values.iter().map(|v| (0..v.len()).map(|k| weight(k + 2)).collect()).collect();
    let tangent_slices: Vec<&[f64]> = tangents.iter().map(Vec::as_slice).collect();
    let (moved, moved_levels) = layer.jvp(&tape, &tangent_slices)?;
    let dot = |a: &[Vec<f64>], b: &[Vec<f64>]| -> f64 {
        a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| a * b).sum()
    };
    near(dot(&moved, &cotangents), dot(&of_outputs, &tangents), 1e-9);
    near(dot(&[moved_levels], &[of_values]), dot(&of_levels, &tangents), 1e-9);
    Ok(())
}
