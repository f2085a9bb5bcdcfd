//! Derivatives of the solution map, forward and adjoint.
//!
//! For a direction (dP, dq, dA, db) of the program,
//! ```text
//! [ P  A'(D - I) ] [dx]   [ -(dP x + dq + dA' z) ]
//! [ A  D         ] [dv] = [ db - dA x            ]      ds = D dv,  dz = (D - I) dv
//! ```
//! and for cotangents (gx, gz, gs) of the solution, the transposed system with the right-hand side
//! `(gx, D gs + (D - I) gz)` gives (l1, l2) and
//! ```text
//! dL/dq = -l1      dL/dA = -(l2 x' + z l1')
//! dL/db =  l2      dL/dP_ij = -(l1_i x_j + l1_j x_i) for i < j,  -l1_i x_i for i = j
//! ```

use qd::Quad;

use super::ReferenceSolution;
use crate::double_double::{exact, rounded};
use crate::{SolutionDirection, StoredGradients};

/// Gradient by the stored entries, unrounded.
pub(super) struct ExactGradients {
    pub(super) p: Vec<Quad>,
    pub(super) q: Vec<Quad>,
    pub(super) a: Vec<Quad>,
    pub(super) b: Vec<Quad>,
}

impl ReferenceSolution {
    /// Adjoint: gradient of a scalar whose gradients by x, z, s are given.
    ///
    /// # Panics
    /// When the lengths are not those of x, z, s.
    pub fn vjp(&self, gx: &[f64], gz: &[f64], gs: &[f64]) -> StoredGradients {
        let gradients = self.exact_vjp(gx, gz, gs);
        StoredGradients {
            p: rounded(&gradients.p),
            q: rounded(&gradients.q),
            a: rounded(&gradients.a),
            b: rounded(&gradients.b),
        }
    }

    pub(super) fn exact_vjp(&self, gx: &[f64], gz: &[f64], gs: &[f64]) -> ExactGradients {
        let program = &self.program;
        let (n, rows) = (program.variables(), program.rows());
        assert_eq!((gx.len(), gz.len(), gs.len()), (n, rows, rows), "lengths of the cotangents");
        // D gs + (D - I) gz = D (gs + gz) - gz; a removed row has neither s nor z.
        let of_row =
            |g: &[f64], i: usize| Quad::from_f64(if program.removed[i] { 0.0 } else { g[i] });
        let both: Vec<Quad> = (0..rows).map(|i| of_row(gs, i) + of_row(gz, i)).collect();
        let projected = self.projected.derivative_times(&both);
        let mut adjoint = exact(gx);
        adjoint.extend((0..rows).map(|i| projected[i].sub_accurate(of_row(gz, i))));
        self.jacobian.solve_transposed(&mut adjoint);
        let (l1, l2) = adjoint.split_at(n);

        let (x, z) = (&self.exact_x, &self.projected.z);
        let p = program.structure.p().entries().map(|(i, j)| {
            if i == j { -(l1[i] * x[i]) } else { -(l1[i] * x[j]).add_accurate(l1[j] * x[i]) }
        });
        let a = program.structure.a().entries().map(|(i, j)| {
            if program.removed[i] { Quad::ZERO } else { -(l2[i] * x[j]).add_accurate(z[i] * l1[j]) }
        });
        ExactGradients {
            p: p.collect(),
            a: a.collect(),
            q: l1.iter().map(|&l| -l).collect(),
            b: (0..rows).map(|i| if program.removed[i] { Quad::ZERO } else { l2[i] }).collect(),
        }
    }

    /// Forward: derivative along `direction`.
    ///
    /// # Panics
    /// When the lengths are not those of the program.
    pub fn jvp(&self, direction: &StoredGradients) -> SolutionDirection {
        let program = &self.program;
        let (n, rows) = (program.variables(), program.rows());
        let (x, z) = (&self.exact_x, &self.projected.z);
        let (dp, da) = (exact(&direction.p), exact(&direction.a));
        assert_eq!((dp.len(), da.len()), (program.p.len(), program.a.len()), "lengths of P and A");
        assert_eq!((direction.q.len(), direction.b.len()), (n, rows), "lengths of q and b");

        let mut first = exact(&direction.q);
        program.add_p_times(&dp, x, &mut first);
        program.add_a_transposed_times(&da, z, &mut first);
        let mut second: Vec<Quad> = direction.b.iter().map(|&b| Quad::from_f64(-b)).collect();
        program.add_a_times(&da, x, &mut second);
        let mut tangent: Vec<Quad> = first.into_iter().map(|r| -r).collect();
        tangent.extend((0..rows).map(|i| if program.removed[i] { Quad::ZERO } else { -second[i] }));
        self.jacobian.solve(&mut tangent);

        let dv = &tangent[n..];
        let ds = self.projected.derivative_times(dv);
        let dz: Vec<Quad> = ds.iter().zip(dv).map(|(ds, dv)| ds.sub_accurate(*dv)).collect();
        SolutionDirection { x: rounded(&tangent[..n]), z: rounded(&dz), s: rounded(&ds) }
    }
}
