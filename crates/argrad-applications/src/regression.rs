//! Least squares, which forecasts are fitted with that know nothing of the decision they serve.

/// A forecast `y = W x + w`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Numbers in x.
    pub inputs: usize,
    /// Numbers in y.
    pub outputs: usize,
    /// W, `inputs` x `outputs`, row-major: the row of an input is what it adds to each output.
    pub weights: Vec<f64>,
    /// w, one number for each output.
    pub intercept: Vec<f64>,
}

impl Linear {
    /// Minimizes the sum of squares of `y - W x - w` over the rows, plus `ridge` times the mean
    /// squared norm of a feature times the squares of W. `x` is rows x inputs, `y` rows x outputs,
    /// both row-major. None where the normal equations have no unique solution.
    pub fn fit(x: &[f64], y: &[f64], inputs: usize, outputs: usize, ridge: f64) -> Option<Self> {
        let rows = x.len() / inputs.max(1);
        let (x_mean, y_mean) = (column_means(x, inputs), column_means(y, outputs));
        let mut normal = vec![0.0; inputs * inputs];
        let mut right = vec![0.0; inputs * outputs];
        let mut centred = vec![0.0; inputs];
        for row in 0..rows {
            for (j, value) in centred.iter_mut().enumerate() {
                *value = x[row * inputs + j] - x_mean[j];
            }
            for (i, &xi) in centred.iter().enumerate() {
                for (sum, xj) in normal[i * inputs..][..=i].iter_mut().zip(&centred) {
                    *sum += xi * xj;
                }
                for (k, sum) in right[i * outputs..][..outputs].iter_mut().enumerate() {
                    *sum += xi * (y[row * outputs + k] - y_mean[k]);
                }
            }
        }
        let trace: f64 = (0..inputs).map(|i| normal[i * inputs + i]).sum();
        (0..inputs).for_each(|i| normal[i * inputs + i] += ridge * trace / inputs as f64);
        let factor = cholesky(&normal, inputs)?;
        solve(&factor, inputs, &mut right, outputs);
        let intercept = (0..outputs)
            .map(|k| {
                let shift = (0..inputs).map(|j| x_mean[j] * right[j * outputs + k]);
                y_mean[k] - shift.sum::<f64>()
            })
            .collect();
        Some(Self { inputs, outputs, weights: right, intercept })
    }

    /// `W x + w` for each row of `x`.
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut y = Vec::with_capacity(x.len() / self.inputs.max(1) * self.outputs);
        for row in x.chunks(self.inputs) {
            let start = y.len();
            y.extend(&self.intercept);
            for (xj, weights) in row.iter().zip(self.weights.chunks(self.outputs)) {
                y[start..].iter_mut().zip(weights).for_each(|(y, w)| *y += xj * w);
            }
        }
        y
    }
}

/// The covariance of the rows, `columns` x `columns`, row-major.
pub fn covariance(rows: &[f64], columns: usize) -> Vec<f64> {
    let mean = column_means(rows, columns);
    let count = rows.len() / columns.max(1);
    let mut sums = vec![0.0; columns * columns];
    for row in rows.chunks(columns) {
        for i in 0..columns {
            for j in 0..columns {
                sums[i * columns + j] += (row[i] - mean[i]) * (row[j] - mean[j]) / count as f64;
            }
        }
    }
    sums
}

/// The lower triangular L with A = L L', row-major, from the lower triangle of the n x n matrix A;
/// None where A is not positive definite to working accuracy.
pub fn cholesky(a: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let (own, other) = (&l[i * n..][..j], &l[j * n..][..j]);
            let rest = a[i * n + j] - own.iter().zip(other).map(|(p, q)| p * q).sum::<f64>();
            if i > j {
                l[i * n + j] = rest / l[j * n + j];
            } else if rest > n as f64 * f64::EPSILON * a[i * n + i] {
                l[i * n + i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(l)
}

/// Solves L L' X = B in place; X and B have `columns` columns.
fn solve(l: &[f64], n: usize, b: &mut [f64], columns: usize) {
    for k in 0..columns {
        for i in 0..n {
            let known = (0..i).map(|j| l[i * n + j] * b[j * columns + k]).sum::<f64>();
            b[i * columns + k] = (b[i * columns + k] - known) / l[i * n + i];
        }
        for i in (0..n).rev() {
            let known = (i + 1..n).map(|j| l[j * n + i] * b[j * columns + k]).sum::<f64>();
            b[i * columns + k] = (b[i * columns + k] - known) / l[i * n + i];
        }
    }
}

fn column_means(rows: &[f64], columns: usize) -> Vec<f64> {
    let count = (rows.len() / columns.max(1)) as f64;
    let mean = |j: usize| rows.iter().skip(j).step_by(columns.max(1)).sum::<f64>() / count;
    (0..columns).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight rows of two features, and targets 2 a - b + 3 and b - 1.
    fn rows() -> (Vec<f64>, Vec<f64>) {
        let x: Vec<f64> = (0..8).flat_map(|k| [f64::from(k), f64::from(k * k % 5)]).collect();
        let y = x.chunks(2).flat_map(|x| [2.0 * x[0] - x[1] + 3.0, x[1] - 1.0]).collect();
        (x, y)
    }

    #[test]
    fn a_linear_law_is_found() {
        let (x, y) = rows();
        let law = Linear::fit(&x, &y, 2, 2, 0.0).unwrap();
        for (found, expected) in law.weights.iter().zip([2.0, 0.0, -1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "{law:?}");
        }
        for (found, expected) in law.apply(&x).iter().zip(&y) {
            assert!((found - expected).abs() < 1e-11);
        }
    }

    #[test]
    fn a_ridge_shortens_the_weights_and_keeps_the_mean() {
        let (x, y) = rows();
        let (free, bound) =
            (Linear::fit(&x, &y, 2, 2, 0.0).unwrap(), Linear::fit(&x, &y, 2, 2, 0.5).unwrap());
        let square = |law: &Linear| law.weights.iter().map(|w| w * w).sum::<f64>();
        assert!(square(&bound) < 0.8 * square(&free));
        let error = bound.apply(&x).iter().zip(&y).step_by(2).map(|(a, b)| a - b).sum::<f64>();
        assert!(error.abs() < 1e-12);
    }

    #[test]
    fn features_that_repeat_each_other_need_a_ridge() {
        let x: Vec<f64> = (0..8).flat_map(|k| [f64::from(k), f64::from(2 * k)]).collect();
        let y: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(Linear::fit(&x, &y, 2, 1, 0.0), None);
        assert!(Linear::fit(&x, &y, 2, 1, 1e-6).is_some());
    }

    #[test]
    fn the_root_of_a_covariance_gives_it_back() {
        let (x, _) = rows();
        let a = covariance(&x, 2);
        let l = cholesky(&a, 2).unwrap();
        for i in 0..2 {
            for j in 0..2 {
                let product: f64 = (0..2).map(|k| l[i * 2 + k] * l[j * 2 + k]).sum();
                assert!((product - a[i * 2 + j]).abs() < 1e-12);
            }
        }
        assert_eq!(cholesky(&[1.0, 2.0, 2.0, 4.0], 2), None);
        assert_eq!(cholesky(&[f64::NAN], 1), None);
    }
}
