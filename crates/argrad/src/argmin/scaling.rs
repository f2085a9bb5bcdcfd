//! Units: equilibration of a KKT matrix by powers of two, which round nothing.
//!
//! With D for the variables and E for the constraints, the scaled matrix is
//! `[D L_YY D, D A'E; E A D, 0]`: the change of variables y = D y^, and constraints E c. Ruiz's
//! iteration (2001) brings the largest entry of each row near one, so that the scaled matrix does
//! not depend on the units of y, f and the constraints.

/// Passes; each takes the square root of what is left to be done.
const PASSES: usize = 12;

/// D and E.
#[derive(Clone, Debug)]
pub(super) struct Scaling {
    /// D: one power of two for each variable.
    pub(super) y: Vec<f64>,
    /// E: one for each constraint.
    pub(super) rows: Vec<f64>,
}

impl Scaling {
    /// For the Hessian (n x n) and the gradients of constraints (m x n).
    pub(super) fn new(hessian: &[f64], a: &[f64], n: usize) -> Self {
        let m = a.len() / n.max(1);
        let mut scaling = Self { y: vec![1.0; n], rows: vec![1.0; m] };
        let mut norms = vec![0.0_f64; n + m];
        for _ in 0..PASSES {
            norms.fill(0.0);
            for i in 0..n {
                for j in 0..n {
                    let v = (scaling.y[i] * hessian[i * n + j] * scaling.y[j]).abs();
                    norms[i] = norms[i].max(v);
                }
            }
            for i in 0..m {
                for j in 0..n {
                    let v = (scaling.rows[i] * a[i * n + j] * scaling.y[j]).abs();
                    norms[n + i] = norms[n + i].max(v);
                    norms[j] = norms[j].max(v);
                }
            }
            let mut settled = true;
            let scales = scaling.y.iter_mut().chain(&mut scaling.rows);
            for (scale, norm) in scales.zip(&norms) {
                let factor = root_of_reciprocal(*norm);
                settled &= factor == 1.0;
                *scale *= factor;
            }
            if settled {
                break;
            }
        }
        scaling
    }

    /// D H D.
    pub(super) fn hessian(&self, hessian: &[f64]) -> Vec<f64> {
        scaled(hessian, &self.y, &self.y)
    }

    /// E A D for all rows.
    pub(super) fn rows(&self, a: &[f64]) -> Vec<f64> {
        scaled(a, &self.rows, &self.y)
    }
}

fn scaled(matrix: &[f64], left: &[f64], right: &[f64]) -> Vec<f64> {
    let rows = matrix.chunks(right.len().max(1)).zip(left);
    rows.flat_map(|(row, l)| row.iter().zip(right).map(move |(v, r)| l * v * r)).collect()
}

/// About `1 / sqrt(norm)`, as a power of two; one where there is nothing to scale.
fn root_of_reciprocal(norm: f64) -> f64 {
    if norm == 0.0 || !norm.is_finite() {
        return 1.0;
    }
    (-0.5 * norm.log2()).round_ties_even().exp2()
}
