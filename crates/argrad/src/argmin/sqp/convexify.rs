//! Inertia correction: a positive definite matrix that agrees with the Hessian of the Lagrangian
//! where that matters.
//!
//! The quadratic program needs a convex objective, and Newton's method only the Hessian on the null
//! space of the constraints that will be active. With [Y Z] as in [`super::super::kkt`]:
//!
//! ```text
//! H = [Y Z] [ D  C'] [Y Z]'   ->   [Y Z] [ D + T  C' ] [Y Z]'
//!           [ C  B ]                     [ C      B+ ]
//! ```
//!
//! B+ has the eigenvalues of the reduced Hessian B in absolute value, and T is the least matrix by
//! which the Schur complement D + T - C'B+^-1 C is positive. On the steps with A p = -c the term
//! p'YTY'p is constant, so T changes no step, only the multipliers, by a known amount. At a strict
//! local minimum B+ = B, and the steps are those of Newton's method on the KKT conditions.

use super::super::dense::{
    PivotedQr, SymmetricEigen, congruence, exceeds, largest, product, transposed_product,
};
use super::super::kkt::{DEPENDENT, FLAT};

/// A convex Hessian, in scaled variables.
pub(super) struct Convexified {
    /// n x n, positive definite.
    pub(super) matrix: Vec<f64>,
    /// Y and T, where T is not zero.
    range_term: Option<(PivotedQr, Vec<f64>)>,
}

impl Convexified {
    /// Of the scaled Hessian `h` (order n), whose curvature along the rows `a` (scaled gradients of
    /// the constraints that are expected to be active) matters. `flat` is the curvature to give to
    /// directions without any, at most that of H; `damping` is added to all, relative to the
    /// largest entry.
    pub(super) fn new(h: &[f64], n: usize, a: &[f64], flat: f64, damping: f64) -> Self {
        let size = if largest(h) > 0.0 { largest(h) } else { flat };
        let floor = FLAT * size;
        let mut convex = match exceeds(h, n, floor) {
            true => Self { matrix: h.to_vec(), range_term: None },
            false => Self::corrected(h, n, a, floor, flat.max(floor).min(size)),
        };
        (0..n).for_each(|i| convex.matrix[i * n + i] += damping * size);
        convex
    }

    fn corrected(h: &[f64], n: usize, a: &[f64], floor: f64, flat: f64) -> Self {
        let qr = PivotedQr::new(a, a.len() / n.max(1), n, DEPENDENT);
        let (rank, free) = (qr.rank, n - qr.rank);
        let lift = move |v: f64| match v {
            v if v > floor => v,
            v if v < -floor => -v,
            _ => flat,
        };
        let b = SymmetricEigen::new(&congruence(&qr.null, free, h, n, &qr.null, free), free);
        let b_convex = b.rebuild(lift);
        let b_inverse = b.rebuild(|v| 1.0 / lift(v));
        let c = congruence(&qr.null, free, h, n, &qr.range, rank);
        let d = congruence(&qr.range, rank, h, n, &qr.range, rank);
        let across = congruence(&c, rank, &b_inverse, free, &c, rank);
        let schur: Vec<f64> = d.iter().zip(across).map(|(d, across)| d - across).collect();
        let schur = SymmetricEigen::new(&schur, rank);
        let t = schur.rebuild(|v| lift(v) - v);
        let basis = stack_columns(&qr.range, rank, &qr.null, free, n);
        let mut inner = vec![0.0; n * n];
        for i in 0..rank {
            for j in 0..rank {
                inner[i * n + j] = d[i * rank + j] + t[i * rank + j];
            }
            for j in 0..free {
                inner[i * n + rank + j] = c[j * rank + i];
                inner[(rank + j) * n + i] = c[j * rank + i];
            }
        }
        for i in 0..free {
            for j in 0..free {
                inner[(rank + i) * n + rank + j] = b_convex[i * free + j];
            }
        }
        let transposed = transpose(&basis, n);
        let matrix = symmetrized(congruence(&transposed, n, &inner, n, &transposed, n), n);
        let range_term = (largest(&t) > 0.0).then_some((qr, t));
        Self { matrix, range_term }
    }

    /// What to add to the multipliers of the rows `a` (scaled) for T not to count, after the scaled
    /// step p: A'delta = Y T Y'p.
    pub(super) fn multiplier_correction(&self, p: &[f64]) -> Option<Vec<f64>> {
        let (qr, t) = self.range_term.as_ref()?;
        let along = transposed_product(&qr.range, qr.rank, p);
        Some(qr.solve(&product(t, qr.rank, &along)))
    }
}

fn stack_columns(left: &[f64], l: usize, right: &[f64], r: usize, n: usize) -> Vec<f64> {
    (0..n)
        .flat_map(|i| left[i * l..(i + 1) * l].iter().chain(&right[i * r..(i + 1) * r]).copied())
        .collect()
}

fn transpose(m: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|k| m[(k % n) * n + k / n]).collect()
}

fn symmetrized(mut m: Vec<f64>, n: usize) -> Vec<f64> {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (m[i * n + j] + m[j * n + i]);
            m[i * n + j] = mean;
            m[j * n + i] = mean;
        }
    }
    m
}
