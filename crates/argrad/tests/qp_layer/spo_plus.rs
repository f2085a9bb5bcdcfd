//! The SPO+ loss: its definition over all vertices, its bound, its subgradient, bad input.

use argrad::spo_plus::spo_plus;
use argrad::{Error, QpLayer, QpValues, Slot};

const N: usize = 4;
const BATCH: usize = 6;

/// Numbers between -1 and 1.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// minimize 1/2 curvature |x|^2 + q'x over the simplex, whose vertices are the unit vectors.
fn simplex(curvature: f64) -> (QpLayer, Vec<f64>, Vec<f64>) {
    let diagonal = |value: f64| {
        let mut matrix = vec![0.0; N * N];
        (0..N).for_each(|i| matrix[i * N + i] = value);
        matrix
    };
    (QpLayer::dense(N, 1, N).unwrap(), diagonal(curvature), diagonal(-1.0))
}

fn values<'a>(p: &'a [f64], g: &'a [f64], q: &'a [f64]) -> QpValues<'a> {
    QpValues::new(q.len() / N, Slot::Shared(p), Slot::Each(q))
        .equalities(Slot::Shared(&[1.0; N]), Slot::Shared(&[1.0]))
        .inequalities(Slot::Shared(g), Slot::Shared(&[0.0; N]))
}

fn least(costs: impl Iterator<Item = f64>) -> f64 {
    costs.fold(f64::INFINITY, f64::min)
}

#[test]
fn it_is_its_definition_over_all_vertices() {
    let (layer, p, g) = simplex(0.0);
    let (truly, predicted) = (numbers(BATCH * N, 1), numbers(BATCH * N, 2));
    let values = values(&p, &g, &truly);
    let found = spo_plus(&layer, &values, &layer.solve(&values).unwrap(), &predicted).unwrap();
    for sample in 0..BATCH {
        let (c, p) = (&truly[sample * N..][..N], &predicted[sample * N..][..N]);
        let best = (0..N).min_by(|&i, &j| c[i].total_cmp(&c[j])).unwrap();
        let mixed = least(c.iter().zip(p).map(|(c, p)| 2.0 * p - c));
        let expected = 2.0 * p[best] - mixed - c[best];
        assert!((found.loss[sample] - expected).abs() < 1e-9, "sample {sample}");
        // The regret of the vertex that the prediction decides for.
        let decided = (0..N).min_by(|&i, &j| p[i].total_cmp(&p[j])).unwrap();
        assert!(found.loss[sample] >= c[decided] - c[best] - 1e-9);
    }
    assert!(found.loss.iter().any(|&loss| loss > 0.1));
}

#[test]
fn it_bounds_the_regret_of_quadratic_programs_and_has_their_gradient() {
    let (layer, p, g) = simplex(1.0);
    let (truly, predicted) = (numbers(BATCH * N, 3), numbers(BATCH * N, 4));
    let programs = values(&p, &g, &truly);
    let truth = layer.solve(&programs).unwrap();
    let loss_at = |costs: &[f64]| spo_plus(&layer, &programs, &truth, costs).unwrap();
    let found = loss_at(&predicted);
    let decided = layer.solve(&values(&p, &g, &predicted)).unwrap();
    for sample in 0..BATCH {
        let (c, x) = (&truly[sample * N..][..N], &decided.x[sample * N..][..N]);
        let cost: f64 = c.iter().zip(x).map(|(c, x)| c * x + 0.5 * x * x).sum();
        assert!(found.loss[sample] >= cost - truth.reports[sample].objective - 1e-9);
    }
    assert!(loss_at(&truly).loss.iter().all(|loss| loss.abs() < 1e-9));
    // The decision is Lipschitz in the costs, so the loss has a derivative: it is the subgradient.
    let step = 1e-6;
    for entry in 0..BATCH * N {
        let moved = |by: f64| {
            let mut costs = predicted.clone();
            costs[entry] += by;
            loss_at(&costs).loss[entry / N]
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * step);
        assert!((slope - found.gradient[entry]).abs() < 1e-5, "entry {entry}");
    }
}

#[test]
fn a_sample_without_a_solution_is_nan_and_harms_no_other() {
    // minimize q x over x >= 0: unbounded where q is negative.
    let layer = QpLayer::dense(1, 0, 1).unwrap();
    let truly = [1.0, 2.0, 1.0];
    let values = QpValues::new(3, Slot::Shared(&[0.0]), Slot::Each(&truly))
        .inequalities(Slot::Shared(&[-1.0]), Slot::Shared(&[0.0]));
    let truth = layer.solve(&values).unwrap();
    let found = spo_plus(&layer, &values, &truth, &[3.0, -1.0, 1.0]).unwrap();
    assert!(found.loss[1].is_nan() && found.gradient[1].is_nan());
    for sample in [0, 2] {
        assert!(found.loss[sample].abs() < 1e-9 && found.gradient[sample].abs() < 1e-9);
    }
}

#[test]
fn malformed_arguments_are_named() {
    let (layer, p, g) = simplex(0.0);
    let truly = numbers(BATCH * N, 5);
    let programs = values(&p, &g, &truly);
    let truth = layer.solve(&programs).unwrap();
    let name = |error: Error| match error {
        Error::Length { argument, .. } | Error::NotFinite { argument, .. } => argument,
        other => panic!("{other}"),
    };
    let short = spo_plus(&layer, &programs, &truth, &truly[1..]).unwrap_err();
    assert_eq!(name(short), "predicted");
    let mut bad = truly.clone();
    bad[N + 1] = f64::NAN;
    let error = spo_plus(&layer, &programs, &truth, &bad).unwrap_err();
    assert!(error.to_string().contains("predicted: entry 1 of sample 1 is NaN"), "{error}");
    let other = layer.solve(&values(&p, &g, &truly[..N])).unwrap();
    assert_eq!(name(spo_plus(&layer, &programs, &other, &truly).unwrap_err()), "truth.x");
    let few = QpValues { q: Slot::Each(&truly[..N]), ..programs };
    assert_eq!(name(spo_plus(&layer, &few, &truth, &truly).unwrap_err()), "q");
}
