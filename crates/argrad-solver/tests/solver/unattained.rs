//! Programs whose infimum no point attains, and their neighbours with a solution.

use argrad_conformance::generators::normal_vector;
use argrad_solver::{Cone, Pattern, Report, Settings, Slot, Solver, Status, Structure, Values};

const SAMPLES: usize = 20;
const FEATURES: usize = 3;

/// Logistic regression with an intercept: minimize `sum ln(1 + exp(-y (w'x + b)))` over w and b, as
/// t_i with `exp(-t) <= u`, `exp(-y (w'x + b) - t) <= v`, `u + v <= 1`.
fn regression(points: &[f64], labels: &[f64]) -> Report {
    let first = FEATURES + 1;
    let n = first + 3 * SAMPLES;
    let mut q = vec![0.0; n];
    q[first..first + SAMPLES].fill(1.0);
    let (mut rows, mut b) = (Vec::new(), vec![1.0; SAMPLES]);
    let mut cones = vec![Cone::Nonnegative(SAMPLES)];
    for i in 0..SAMPLES {
        let mut row = vec![0.0; n];
        row[first + SAMPLES + 2 * i..][..2].fill(1.0);
        rows.push(row);
    }
    for (i, (point, label)) in points.chunks(FEATURES).zip(labels).enumerate() {
        for k in 0..2 {
            let mut exponent = vec![0.0; n];
            exponent[first + i] = 1.0;
            if k == 1 {
                let margin = point.iter().chain(&[1.0]).map(|x| label * x);
                exponent.iter_mut().zip(margin).for_each(|(entry, x)| *entry = x);
            }
            let mut bound = vec![0.0; n];
            bound[first + SAMPLES + 2 * i + k] = -1.0;
            rows.extend([exponent, vec![0.0; n], bound]);
            b.extend([0.0, 1.0, 0.0]);
            cones.push(Cone::Exponential);
        }
    }
    let a: Vec<f64> = (0..n).flat_map(|j| rows.iter().map(move |row| row[j])).collect();
    let pattern = Pattern::dense(b.len(), n);
    let zeros = a.iter().map(|&entry| entry == 0.0).collect();
    let structure = Structure::new(Pattern::empty(n, n), pattern, cones).unwrap();
    let structure = structure.with_zeros(Vec::new(), zeros).unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let [p, q, a, b] = [&[][..], &q, &a, &b].map(Slot::Shared);
    solver.solve(&Values { batch: 1, p, q, a, b }).unwrap().reports[0]
}

/// Points in units of 1e-3 to 1e3, and a label for each that a plane separates.
fn cases() -> impl Iterator<Item = (Vec<f64>, Vec<f64>)> {
    (0..12).map(|seed| {
        let unit = 10_f64.powi(seed % 7 - 3);
        let mut points = normal_vector(FEATURES, SAMPLES, 400 + seed as u64);
        points.iter_mut().for_each(|x| *x *= unit);
        let side = |x: &[f64]| if x[0] + 2.0 * x[1] > x[2] { 1.0 } else { -1.0 };
        let labels = points.chunks(FEATURES).map(side).collect();
        (points, labels)
    })
}

#[test]
fn labels_of_one_class_have_no_solution_and_it_is_said() {
    for (points, _) in cases() {
        for label in [1.0, -1.0] {
            let report = regression(&points, &[label; SAMPLES]);
            assert_ne!(report.status, Status::Solved, "{report:?}");
            assert!(!report.unique_x && report.is_degenerate(), "{report:?}");
        }
    }
}

#[test]
fn separable_labels_have_no_solution_and_it_is_said() {
    for (points, labels) in cases() {
        // Where the way to infinity is too flat for a step to be seen, x is not unique.
        let report = regression(&points, &labels);
        assert!(report.status != Status::Solved || !report.unique_x, "{report:?}");
        assert!(report.is_degenerate(), "{report:?}");
    }
}

#[test]
fn labels_that_no_plane_separates_have_a_solution() {
    for (points, mut labels) in cases() {
        // Every other label is wrong.
        labels.iter_mut().step_by(2).for_each(|label| *label = -*label);
        let report = regression(&points, &labels);
        assert_eq!(report.status, Status::Solved, "{report:?}");
        assert!(report.unique_x, "{report:?}");
    }
}
