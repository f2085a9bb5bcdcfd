//! The formulas of the survey (Katyal 2024), written out as it prints them, against what argrad
//! computes; and its errors, each with the number that shows it. `docs/survey.md` is the map.

mod applications;
mod barrier;
mod canonicalizer;
mod cone_programs;
mod expressivity;
mod optnet;

/// Solves a dense system, row-major, by elimination with pivoting: independent of the solver.
fn solve_dense(matrix: &[f64], right: &[f64]) -> Vec<f64> {
    let n = right.len();
    assert_eq!(matrix.len(), n * n);
    let mut rows: Vec<Vec<f64>> =
        (0..n).map(|i| [&matrix[i * n..][..n], &right[i..=i]].concat()).collect();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs())).unwrap();
        rows.swap(k, pivot);
        assert!(rows[k][k] != 0.0, "a singular system");
        let (done, rest) = rows.split_at_mut(k + 1);
        for row in rest {
            let factor = row[k] / done[k][k];
            for (entry, above) in row[k..].iter_mut().zip(&done[k][k..]) {
                *entry -= factor * above;
            }
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| rows[i][j] * x[j]).sum();
        x[i] = (rows[i][n] - known) / rows[i][i];
    }
    x
}

/// The largest difference, relative to the largest entry.
fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |most, e| most.max(e.abs()));
    found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max) / largest
}
