//! Derivatives of the solution with the active set held fixed.
//!
//! Differentiating the equations of the active rows W and of the inactive rows I:
//! ```text
//! P dx + A_W' dz_W = -(dq + dP x + dA' z)       A_W dx = db_W - dA_W x
//! dz_I = 0,  ds_W = 0,  ds_I = db_I - dA_I x - A_I dx
//! ```
//! The adjoint, for cotangents (gx, gz, gs), solves the same symmetric matrix for (l1, w) with the
//! right-hand side `(gx - A_I' gs_I, gz_W)`; with l2 = w in the active rows and gs in the others,
//! ```text
//! dL/dq = -l1      dL/dA = -(l2 x' + z l1')
//! dL/db =  l2      dL/dP_ij = -(l1_i x_j + l1_j x_i) for i < j,  -l1_i x_i for i = j
//! ```
//! where an off-diagonal entry of the stored upper triangle stands for both of its places.

use argrad_solver::Structure;
use qd::Quad;

use super::ActiveSetSolution;
use crate::DenseProgram;
use crate::double_double::{dot, sum_products};
use crate::sensitivity::{SolutionDirection, StoredGradients};

/// Gradient of a scalar with respect to the numbers of a dense program.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseGradients {
    /// With respect to the upper triangle of P, row-major `n * n`; zero below the diagonal.
    pub p: Vec<f64>,
    /// With respect to q.
    pub q: Vec<f64>,
    /// With respect to A, row-major.
    pub a: Vec<f64>,
    /// With respect to b.
    pub b: Vec<f64>,
}

impl DenseGradients {
    /// The entries that `structure` stores.
    pub fn stored(&self, structure: &Structure) -> StoredGradients {
        let n = self.q.len();
        StoredGradients {
            p: structure.p().entries().map(|(i, j)| self.p[i * n + j]).collect(),
            q: self.q.clone(),
            a: structure.a().entries().map(|(i, j)| self.a[i * n + j]).collect(),
            b: self.b.clone(),
        }
    }
}

impl ActiveSetSolution {
    /// Adjoint: gradient of a scalar whose gradients with respect to x, z, s are given.
    pub fn vjp(&self, gx: &[f64], gz: &[f64], gs: &[f64]) -> DenseGradients {
        let program = &self.program;
        let (n, rows) = (program.variables, program.rows());
        let is_inactive = self.inactive();
        let exact = Quad::from_f64;

        let mut adjoint: Vec<Quad> = (0..n)
            .map(|j| {
                let column = (0..rows)
                    .filter(|&i| is_inactive[i])
                    .map(|i| (program.a[i * n + j], exact(gs[i])));
                exact(gx[j]).sub_accurate(sum_products(column))
            })
            .collect();
        adjoint.extend(self.kkt.active().iter().map(|&i| exact(gz[i])));
        self.kkt.solve(&mut adjoint);
        let mut l2 = vec![Quad::ZERO; rows];
        for i in (0..rows).filter(|&i| is_inactive[i]) {
            l2[i] = exact(gs[i]);
        }
        for (&i, &w) in self.kkt.active().iter().zip(&adjoint[n..]) {
            l2[i] = w;
        }
        let l1 = &adjoint[..n];

        let (x, z) = (&self.exact_x, &self.exact_z);
        let mut p = vec![0.0; n * n];
        for i in 0..n {
            p[i * n + i] = -(l1[i] * x[i]).0;
            for j in i + 1..n {
                p[i * n + j] = -(l1[i] * x[j]).add_accurate(l1[j] * x[i]).0;
            }
        }
        let a = (0..rows * n)
            .map(|k| (k / n, k % n))
            .map(|(i, j)| -(l2[i] * x[j]).add_accurate(z[i] * l1[j]).0)
            .collect();
        DenseGradients {
            p,
            q: l1.iter().map(|l| -l.0).collect(),
            a,
            b: l2.iter().map(|l| l.0).collect(),
        }
    }

    /// Forward: derivative along `direction`, whose numbers are changes of those of the program
    /// (its P symmetric).
    pub fn jvp(&self, direction: &DenseProgram) -> SolutionDirection {
        let program = &self.program;
        let (n, rows) = (program.variables, program.rows());
        let (x, z) = (&self.exact_x, &self.exact_z);
        let moved =
            |i: usize| Quad::from_f64(direction.b[i]).sub_accurate(dot(direction.row(i), x));

        let mut tangent: Vec<Quad> = (0..n)
            .map(|j| {
                let column = (0..rows).map(|i| (direction.a[i * n + j], z[i]));
                -Quad::from_f64(direction.q[j])
                    .add_accurate(dot(&direction.p[j * n..(j + 1) * n], x))
                    .add_accurate(sum_products(column))
            })
            .collect();
        tangent.extend(self.kkt.active().iter().map(|&i| moved(i)));
        self.kkt.solve(&mut tangent);
        let dx = &tangent[..n];

        let mut dz = vec![0.0; rows];
        for (&i, w) in self.kkt.active().iter().zip(&tangent[n..]) {
            dz[i] = w.0;
        }
        let mut ds = vec![0.0; rows];
        for (i, _) in self.inactive().iter().enumerate().filter(|&(_, &inactive)| inactive) {
            ds[i] = moved(i).sub_accurate(dot(program.row(i), dx)).0;
        }
        SolutionDirection { x: dx.iter().map(|v| v.0).collect(), z: dz, s: ds }
    }

    /// Rows that are neither active nor removed.
    fn inactive(&self) -> Vec<bool> {
        let mut inactive: Vec<bool> = self.program.b.iter().map(|b| b.is_finite()).collect();
        for &i in self.kkt.active() {
            inactive[i] = false;
        }
        inactive
    }
}
