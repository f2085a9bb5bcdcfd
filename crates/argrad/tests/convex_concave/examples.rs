//! Examples of Shen, Diamond, Gu and Boyd (2016), section 5.

use argrad::atoms::*;
use argrad::convex_concave::{PointKind, Sequence};
use argrad::prelude::*;

use super::case::{check, near};

fn row<'m>(matrix: Expr<'m>, k: usize) -> Expr<'m> {
    matrix.block(k..k + 1, ..).flatten()
}

/// Circles of given radii in the smallest square: no two of them overlap.
#[test]
fn circle_packing() -> Result<(), ModelError> {
    let model = Model::new();
    let radii = model.parameter(3).nonneg().named("radii");
    let centers = model.variable((3, 2));
    let side = model.variable(());
    let mut constraints = Vec::new();
    for i in 0..3 {
        let (center, r) = (row(centers, i), radii.index(i));
        constraints.push((center + r).leq(side));
        constraints.push((center - r).geq(-side));
        for j in 0..i {
            let apart = norm2(center - row(centers, j)).geq(r + radii.index(j));
            constraints.push(apart);
        }
    }
    let problem = Problem::minimize(side).subject_to(constraints);
    let layer = problem.compile_convex_concave([radii], [centers, side])?;
    let layer = layer.with_sequence(Sequence { starts: 8, ..Sequence::default() })?;
    let sizes = [1.0, 1.0, 1.0];
    let (outputs, _) = layer.forward(&[&sizes])?;
    assert_eq!(outputs.sequences[0].kind, PointKind::Stationary);
    // Three unit circles fit into a square of side 2 + 1/sqrt(2) + sqrt(6)/2 = 2 (1.96592...).
    let best = (2.0 + 0.5f64.sqrt() + 1.5f64.sqrt()) / 2.0;
    near(outputs.objective[0], best, 1e-7);
    for i in 0..3 {
        for j in 0..i {
            let at = |k: usize, d: usize| outputs[0][2 * k + d];
            let apart = ((at(i, 0) - at(j, 0)).powi(2) + (at(i, 1) - at(j, 1)).powi(2)).sqrt();
            assert!(apart >= sizes[i] + sizes[j] - 1e-7, "{apart}");
        }
    }
    Ok(())
}

/// A shortest path of equal steps around a disc.
#[test]
fn a_path_around_an_obstacle() -> Result<(), ModelError> {
    let model = Model::new();
    let n = 8;
    let goal = model.parameter(2).named("goal");
    let disc = model.parameter(2).named("disc");
    let path = model.variable((n, 2));
    let mut constraints = vec![row(path, 0).equals([0.0, 0.0]), row(path, n - 1).equals(goal)];
    for k in 1..n - 1 {
        constraints.push(norm2(row(path, k) - disc).geq(0.5));
    }
    let steps = path.block(1.., ..) - path.block(..n - 1, ..);
    let problem = Problem::minimize(sum_squares(steps)).subject_to(constraints);
    let layer = problem.compile_convex_concave([goal, disc], [path])?;
    let values = vec![vec![2.0, 0.2, 2.0, -0.3], vec![1.0, 0.05]];
    let start: Vec<f64> = (0..n)
        .flat_map(|k| {
            let t = k as f64 / (n - 1) as f64;
            [2.0 * t, 1.2 * (std::f64::consts::PI * t).sin()]
        })
        .collect();
    let (outputs, _) = layer.forward_from(&[&values[0], &values[1]], &[(path, &start)])?;
    for sample in 0..2 {
        assert_eq!(outputs.sequences[sample].kind, PointKind::Stationary);
        let straight = (4.0 + [0.2f64, 0.3][sample].powi(2)) / (n - 1) as f64;
        assert!(outputs.objective[sample] > straight * 1.01, "the disc is in the way");
        for k in 0..n {
            let at = &outputs[0][2 * (sample * n + k)..][..2];
            assert!((at[0] - 1.0).hypot(at[1] - 0.05) >= 0.5 - 1e-8);
        }
    }
    check(&layer, &[path], &values, &[outputs[0].to_vec()])
}

/// Phase retrieval: x from the sizes of a'x alone, up to its sign.
#[test]
fn phase_retrieval() -> Result<(), ModelError> {
    let model = Model::new();
    let (m, n) = (10, 3);
    let rows: Vec<Vec<f64>> = (0..m)
        .map(|i| (0..n).map(|j| ((i * i + 3 * j * i + 7 * j) as f64).sin()).collect())
        .collect();
    let x = model.variable(n);
    let sizes = model.parameter(m).nonneg().named("sizes");
    let problem =
        Problem::minimize(0.0 * sum_squares(x))
            .subject_to([abs(matmul(rows.clone(), x)).equals(sizes)]);
    let layer = problem.compile_convex_concave([sizes], [x])?;
    let layer = layer.with_sequence(Sequence { starts: 16, ..Sequence::default() })?;
    let truth = [0.8, -0.5, 0.3];
    let measured: Vec<f64> = rows
        .iter()
        .map(|row| row.iter().zip(truth).map(|(a, x)| a * x).sum::<f64>().abs())
        .collect();
    let outputs = layer.solve(&[&measured])?;
    assert_eq!(outputs.sequences[0].kind, PointKind::Stationary);
    let sign = if outputs[0][0] > 0.0 { 1.0 } else { -1.0 };
    for k in 0..n {
        near(sign * outputs[0][k], truth[k], 1e-6);
    }
    Ok(())
}

/// Boolean least squares: |Ax - b| with every x_i^2 = 1.
#[test]
fn boolean_least_squares() -> Result<(), ModelError> {
    let model = Model::new();
    let (m, n) = (8, 5);
    let rows: Vec<Vec<f64>> = (0..m)
        .map(|i| (0..n).map(|j| ((2 * i + 3 * j * j + i * i * j) as f64).cos()).collect())
        .collect();
    let x = model.variable(n).bounds(-1.0, 1.0);
    let b = model.parameter(m);
    let problem = Problem::minimize(sum_squares(matmul(rows.clone(), x) - b))
        .subject_to([square(x).equals(1.0)]);
    let layer = problem.compile_convex_concave([b], [x])?;
    let layer = layer.with_sequence(Sequence { starts: 16, ..Sequence::default() })?;
    let residual = |x: &[f64], b: &[f64]| -> f64 {
        let of = |(row, b): (&Vec<f64>, &f64)| {
            (row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>() - b).powi(2)
        };
        rows.iter().zip(b).map(of).sum()
    };
    let b: Vec<f64> = (0..2 * m).map(|k| (k as f64 * 0.9).sin() * 1.5).collect();
    let outputs = layer.solve(&[&b])?;
    for sample in 0..2 {
        let own = &b[sample * m..(sample + 1) * m];
        let found = &outputs[0][sample * n..(sample + 1) * n];
        assert_eq!(outputs.sequences[sample].kind, PointKind::Stationary);
        assert!(found.iter().all(|v| (v.abs() - 1.0).abs() < 1e-7), "{found:?}");
        let best = (0..1 << n)
            .map(|bits| {
                let x: Vec<f64> =
                    (0..n).map(|k| if bits >> k & 1 == 1 { 1.0 } else { -1.0 }).collect();
                residual(&x, own)
            })
            .fold(f64::INFINITY, f64::min);
        near(outputs.objective[sample], residual(found, own), 1e-6);
        assert!(outputs.objective[sample] >= best - 1e-6);
    }
    Ok(())
}
