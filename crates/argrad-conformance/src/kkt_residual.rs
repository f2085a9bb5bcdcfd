//! How far a point is from optimal, in the caller's units and by nobody's word but its own.

use argrad_solver::Cone;
use faer::{MatRef, Side};

use crate::reference::project;
use crate::{ProgramBatch, dot, psd_triangle};

/// Residuals of the optimality conditions at (x, z, s), each relative to the largest of its terms
/// or to one, whichever is larger. A NaN anywhere makes a NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KktResidual {
    /// `|Ax + s - b|`, in the largest entry as all of these.
    pub primal: f64,
    /// `|Px + q + A'z|`.
    pub dual: f64,
    /// `|x'Px + q'x + b'z|`, which is s'z where the two above vanish.
    pub gap: f64,
    /// How far s lies outside K.
    pub slack_outside: f64,
    /// How far z lies outside K*.
    pub dual_outside: f64,
    /// Not a residual: the objective 1/2 x'Px + q'x.
    pub objective: f64,
}

impl KktResidual {
    /// The largest of them, or NaN.
    pub fn worst(&self) -> f64 {
        [self.primal, self.dual, self.gap, self.slack_outside, self.dual_outside]
            .into_iter()
            .fold(0.0, worse)
    }
}

/// Measures the point (x, z, s) of sample `index`. A row with b = +inf in a nonnegative cone is
/// no constraint: only its z, which must be zero, counts.
///
/// # Panics
/// When the point has other sizes than the program.
pub fn kkt_residual(
    batch: &ProgramBatch,
    index: usize,
    x: &[f64],
    z: &[f64],
    s: &[f64],
) -> KktResidual {
    let (n, m) = (batch.variables(), batch.rows());
    assert!(x.len() == n && z.len() == m && s.len() == m, "a point of another program");
    let (p, a) = (batch.structure.p(), batch.structure.a());
    let (q, b) = (batch.q.sample(index, n), batch.b.sample(index, m));
    let (mut px, mut atz, mut ax) = (vec![0.0; n], vec![0.0; n], vec![0.0; m]);
    for ((i, j), &entry) in p.entries().zip(batch.p.sample(index, p.nnz())) {
        px[i] += entry * x[j];
        if i != j {
            px[j] += entry * x[i];
        }
    }
    for ((i, j), &entry) in a.entries().zip(batch.a.sample(index, a.nnz())) {
        ax[i] += entry * x[j];
        atz[j] += entry * z[i];
    }

    let mut dual = Relative::default();
    for j in 0..n {
        dual.add(px[j] + q[j] + atz[j], &[px[j], q[j], atz[j]]);
    }
    let mut primal = Relative::default();
    let mut removed = 0.0;
    for i in 0..m {
        if b[i] == f64::INFINITY {
            removed = worse(removed, z[i].abs());
        } else {
            primal.add(ax[i] + s[i] - b[i], &[ax[i], s[i], b[i]]);
        }
    }
    let constrains = |i: &usize| b[*i] != f64::INFINITY;
    let (x_px, q_x) = (dot(x, &px), dot(q, x));
    let b_z: f64 = (0..m).filter(constrains).map(|i| b[i] * z[i]).sum();
    let mut gap = Relative::default();
    gap.add(x_px + q_x + b_z, &[x_px, q_x, b_z]);

    let (mut slack, mut multiplier) = (Relative::default(), Relative::default());
    let mut start = 0;
    for cone in batch.structure.cones() {
        let rows = start..start + cone.dim();
        start = rows.end;
        let (s, z) = (&s[rows.clone()], &z[rows.clone()]);
        slack.add(outside(cone, s), s);
        multiplier.add(outside_dual(cone, z), z);
    }
    KktResidual {
        primal: primal.value(),
        dual: worse(dual.value(), removed),
        gap: gap.value(),
        slack_outside: slack.value(),
        dual_outside: multiplier.value(),
        objective: 0.5 * x_px + q_x,
    }
}

/// A residual and the largest of its terms.
#[derive(Default)]
struct Relative {
    residual: f64,
    largest: f64,
}

impl Relative {
    fn add(&mut self, residual: f64, terms: &[f64]) {
        self.residual = worse(self.residual, residual.abs());
        for term in terms.iter().filter(|term| term.is_finite()) {
            self.largest = self.largest.max(term.abs());
        }
    }

    fn value(&self) -> f64 {
        self.residual / self.largest.max(1.0)
    }
}

/// The larger, or NaN where either is: `f64::max` would drop it.
fn worse(left: f64, right: f64) -> f64 {
    if left.is_nan() || right.is_nan() { f64::NAN } else { left.max(right) }
}

/// How far `v` lies outside the cone: a norm of what is missing.
fn outside(cone: &Cone, v: &[f64]) -> f64 {
    match cone {
        Cone::Zero(_) => v.iter().fold(0.0, |most, v| worse(most, v.abs())),
        Cone::Nonnegative(_) => v.iter().fold(0.0, |most, v| worse(most, -v)),
        Cone::SecondOrder(0) => 0.0,
        Cone::SecondOrder(_) => worse(0.0, dot(&v[1..], &v[1..]).sqrt() - v[0]),
        Cone::PsdTriangle(side) => worse(0.0, -least_eigenvalue(*side, v)),
        Cone::Exponential | Cone::Power(_) | Cone::GeneralizedPower { .. } => {
            if v.iter().all(|v| v.is_finite()) {
                norm(&project(cone, v).dual_point)
            } else {
                f64::NAN
            }
        }
    }
}

/// The same for the dual cone.
fn outside_dual(cone: &Cone, v: &[f64]) -> f64 {
    match cone {
        Cone::Zero(_) => v.iter().fold(0.0, |sum, v| sum + 0.0 * v),
        Cone::Nonnegative(_) | Cone::SecondOrder(_) | Cone::PsdTriangle(_) => outside(cone, v),
        Cone::Exponential | Cone::Power(_) | Cone::GeneralizedPower { .. } => {
            // What is missing is the projection of -v onto the cone (Moreau).
            let minus: Vec<f64> = v.iter().map(|v| -v).collect();
            if v.iter().all(|v| v.is_finite()) {
                norm(&project(cone, &minus).point)
            } else {
                f64::NAN
            }
        }
    }
}

fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}

/// NaN when there is none, +inf for the empty matrix.
fn least_eigenvalue(side: usize, triangle: &[f64]) -> f64 {
    let matrix = psd_triangle::unpack(side, triangle);
    if matrix.iter().any(|entry| !entry.is_finite()) {
        return f64::NAN;
    }
    let matrix = MatRef::from_row_major_slice(&matrix, side, side);
    match matrix.self_adjoint_eigenvalues(Side::Lower) {
        Ok(eigenvalues) => eigenvalues.into_iter().fold(f64::INFINITY, f64::min),
        Err(_) => f64::NAN,
    }
}
