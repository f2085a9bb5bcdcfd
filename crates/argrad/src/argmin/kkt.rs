//! The KKT system of one sample, by the null space of its active constraints.
//!
//! At a solution, L_Y(theta, y, lambda) = 0 and c(theta, y) = 0 for the active rows c of (h, g).
//! The derivative of these conditions by (y, lambda) is the symmetric matrix
//!
//! ```text
//! K = [ L_YY  A' ]     A = c_Y
//!     [ A     0  ]
//! ```
//!
//! so that one factorization serves the derivative, its adjoint and Newton's step. With an
//! orthogonal basis [Y Z] where Z spans the null space of A, K is regular if and only if A has full
//! rank (LICQ) and the reduced Hessian Z'L_YY Z is regular; and its inertia is that of Z'L_YY Z
//! plus one positive and one negative eigenvalue for each row (Nocedal and Wright 2006, theorem
//! 16.3). Both factors tell more than an LDL' would: which rows depend on others, and which
//! directions have negative curvature.

use super::dense::{PivotedQr, SymmetricEigen, congruence, largest, product, transposed_product};
use super::scaling::Scaling;

/// Curvature below this, relative to the largest, counts as none: half of the digits.
pub(super) const FLAT: f64 = 1.490_116_119_384_765_6e-8; // sqrt of the rounding
/// A row whose part outside of the others is below this part of it depends on them.
pub(super) const DEPENDENT: f64 = 3.637_978_807_091_713e-11; // rounding^(2/3)
/// Eigenvalues below this, relative to the largest, cannot be told from zero.
const ZERO: f64 = 64.0 * f64::EPSILON;
/// Refinements of a solve.
const REFINEMENTS: usize = 2;

/// K, factored.
#[derive(Clone, Debug)]
pub(super) struct KktSystem {
    n: usize,
    /// Number of rows of (h, g).
    m: usize,
    /// Which rows of (h, g) are active: indices into both, equalities first.
    active: Vec<usize>,
    scaling: Scaling,
    /// Scaled.
    hessian: Vec<f64>,
    /// Scaled, active rows only.
    a: Vec<f64>,
    qr: PivotedQr,
    reduced: SymmetricEigen,
    /// Largest curvature of the scaled Hessian, in any direction.
    curvature: f64,
}

impl KktSystem {
    /// Factors K for the Hessian of the Lagrangian (n x n) and the gradients of all constraints
    /// (n columns), of which the rows `active` are active. All numbers must be finite.
    pub(super) fn new(hessian: &[f64], gradients: &[f64], n: usize, active: Vec<usize>) -> Self {
        let a: Vec<f64> =
            active.iter().flat_map(|&i| gradients[i * n..(i + 1) * n].iter().copied()).collect();
        let scaling = Scaling::new(hessian, &a, n);
        let hessian = scaling.hessian(hessian);
        let a = scaling.rows(&a);
        let qr = PivotedQr::new(&a, active.len(), n, DEPENDENT);
        let free = n - qr.rank;
        let reduced =
            SymmetricEigen::new(&congruence(&qr.null, free, &hessian, n, &qr.null, free), free);
        let curvature = largest(&reduced.values).max(largest(&hessian));
        let m = gradients.len() / n.max(1);
        Self { n, m, active, scaling, hessian, a, qr, reduced, curvature }
    }

    /// Number of active rows that depend on others.
    pub(super) fn dependent(&self) -> usize {
        self.active.len() - self.qr.rank
    }

    /// Least eigenvalue of the reduced Hessian, relative to the largest curvature; infinite where
    /// nothing is free.
    pub(super) fn least_curvature(&self) -> f64 {
        match self.reduced.least() {
            None => f64::INFINITY,
            Some(_) if self.curvature == 0.0 => 0.0,
            Some(k) => self.reduced.values[k] / self.curvature,
        }
    }

    /// The direction of least curvature along the active constraints, in the caller's units, of
    /// length one in scaled variables.
    pub(super) fn least_curved(&self) -> Option<Vec<f64>> {
        let vector = self.reduced.vector(self.reduced.least()?);
        let scaled = product(&self.qr.null, self.n - self.qr.rank, &vector);
        Some(scaled.iter().zip(&self.scaling.y).map(|(v, d)| v * d).collect())
    }

    /// Positive, negative and zero eigenvalues of K.
    pub(super) fn inertia(&self) -> [u32; 3] {
        let mut inertia = [self.qr.rank as u32, self.qr.rank as u32, self.dependent() as u32];
        for &value in &self.reduced.values {
            let sign = match value / self.curvature {
                v if v > FLAT => 0,
                v if v < -FLAT => 1,
                _ => 2,
            };
            inertia[sign] += 1;
        }
        inertia
    }

    /// Condition number of the reduced Hessian.
    pub(super) fn condition(&self) -> f64 {
        let sizes = self.reduced.values.iter().map(|v| v.abs());
        let least = sizes.fold(f64::INFINITY, f64::min);
        match largest(&self.reduced.values) / least {
            _ if self.reduced.values.is_empty() => 1.0,
            ratio if ratio.is_nan() || ratio > 1.0 / ZERO => f64::INFINITY,
            ratio => ratio,
        }
    }

    /// Solves K (u, v) = (r, s): `r` has n numbers, `s` and v one for every row of (h, g), where
    /// the others than the active ones are not read, and zero. Dependent rows are left out; where
    /// the reduced Hessian is singular, u is least-norm in scaled variables. K is symmetric, and so
    /// is this map: the adjoint is the same function.
    pub(super) fn solve(&self, r: &[f64], s: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let r: Vec<f64> = r.iter().zip(&self.scaling.y).map(|(v, d)| v * d).collect();
        let scaled_row = |(&row, e): (&usize, &f64)| s[row] * e;
        let s: Vec<f64> = self.active.iter().zip(&self.scaling.rows).map(scaled_row).collect();
        let (mut u, mut v) = self.solve_scaled(&r, &s);
        for _ in 0..REFINEMENTS {
            let mut rest_r = product(&self.hessian, self.n, &u);
            let at_v = transposed_product(&self.a, self.n, &v);
            for ((rest, at_v), r) in rest_r.iter_mut().zip(&at_v).zip(&r) {
                *rest = r - *rest - at_v;
            }
            let au = product(&self.a, self.n, &u);
            let rest_s: Vec<f64> = s.iter().zip(&au).map(|(s, au)| s - au).collect();
            let (du, dv) = self.solve_scaled(&rest_r, &rest_s);
            u.iter_mut().zip(du).for_each(|(u, d)| *u += d);
            v.iter_mut().zip(dv).for_each(|(v, d)| *v += d);
        }
        u.iter_mut().zip(&self.scaling.y).for_each(|(u, d)| *u *= d);
        let mut rows = vec![0.0; self.m];
        for ((&row, e), v) in self.active.iter().zip(&self.scaling.rows).zip(v) {
            rows[row] = v * e;
        }
        (u, rows)
    }

    fn solve_scaled(&self, r: &[f64], s: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (n, rank) = (self.n, self.qr.rank);
        let free = n - rank;
        let along_range = self.qr.solve_transposed(s);
        let mut u = product(&self.qr.range, rank, &along_range);
        u.resize(n, 0.0); // no columns, no chunks
        let rest = difference(r, &product(&self.hessian, n, &u));
        let reduced = transposed_product(&self.qr.null, free, &rest);
        let mut coefficients = transposed_product(&self.reduced.vectors, free, &reduced);
        for (c, &value) in coefficients.iter_mut().zip(&self.reduced.values) {
            let regular = value.abs() > ZERO * self.curvature;
            *c = if regular { *c / value } else { 0.0 };
        }
        let along_null = product(&self.reduced.vectors, free, &coefficients);
        let step = product(&self.qr.null, free, &along_null);
        u.iter_mut().zip(step).for_each(|(u, step)| *u += step);
        let rest = difference(r, &product(&self.hessian, n, &u));
        let v = self.qr.solve(&transposed_product(&self.qr.range, rank, &rest));
        (u, v)
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Multipliers that make f_Y + A'lambda least, in scaled variables, for these rows of A; zero for
/// the others. Of the inequalities (from row `equalities` on), those with a negative multiplier
/// are left out, the most negative first.
pub(super) fn least_squares_multipliers(
    f_y: &[f64],
    gradients: &[f64],
    equalities: usize,
    mut rows: Vec<usize>,
) -> Vec<f64> {
    let n = f_y.len();
    let mut out = vec![0.0; gradients.len() / n.max(1)];
    let scaling = Scaling::new(&vec![0.0; n * n], gradients, n);
    let a = scaling.rows(gradients);
    let target: Vec<f64> = f_y.iter().zip(&scaling.y).map(|(v, d)| -v * d).collect();
    loop {
        let chosen: Vec<f64> =
            rows.iter().flat_map(|&i| a[i * n..(i + 1) * n].iter().copied()).collect();
        let qr = PivotedQr::new(&chosen, rows.len(), n, DEPENDENT);
        let lambda = qr.solve(&transposed_product(&qr.range, qr.rank, &target));
        let worst = (0..rows.len())
            .filter(|&k| rows[k] >= equalities && lambda[k] < 0.0)
            .min_by(|&a, &b| lambda[a].total_cmp(&lambda[b]));
        match worst {
            Some(k) => drop(rows.remove(k)),
            None => {
                for (&row, v) in rows.iter().zip(lambda) {
                    out[row] = v * scaling.rows[row];
                }
                return out;
            }
        }
    }
}
