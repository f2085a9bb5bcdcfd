//! The gradient of the optimal value: the envelope theorem, with no linear solve.

use super::check::check_length;
use super::gradient::{self, Adjoints, Vectors, Which};
use super::{Differentiation, Gradients};
use crate::program::Error;
use crate::tape::Tape;

impl Tape {
    /// Gradient of the sum over the batch of `weights[i]` times the optimal value of sample i
    /// (envelope theorem: dq = x, dP = x x' / 2, dA = z x', db = -z). Of `how` only `on_failure`
    /// matters.
    ///
    /// # Errors
    /// As [`Self::vjp`].
    pub fn value_gradient(
        &self,
        weights: &[f64],
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        check_length("weights", Some(weights), batch, 1)?;
        how.check(&self.reports)?;
        // Those of an adjoint, dP = -sym(l1 x') with l1 = -w x / 2 and dA = -l2 x' with l2 = -w z.
        let l1 = self.weighted(&self.x, n, weights, -0.5);
        let l2 = self.weighted(&self.z, m, weights, -1.0);
        let nothing = vec![0.0; n.max(m)];
        let (no_x, no_z) = (Vectors::repeated(&nothing[..n]), Vectors::repeated(&nothing[..m]));
        let x = Vectors::each(&self.x, n);
        let for_p = Adjoints { l1: Vectors::each(&l1, n), l2: no_z, x, z: no_z };
        let for_a = Adjoints { l1: no_x, l2: Vectors::each(&l2, m), x, z: no_z };
        let shared = self.shared;
        let mut gradients = Gradients {
            p: gradient::of_matrix(&structure.p, Which::P, batch, shared.p, &[for_p]),
            a: gradient::of_matrix(&structure.a, Which::A, batch, shared.a, &[for_a]),
            q: gradient::of_vector(l1, n, shared.q, -2.0),
            b: gradient::of_vector(l2, m, shared.b, 1.0),
            adjoint_residual: vec![0.0; batch],
            accuracy: vec![f64::NAN; batch],
            iterations: vec![0; batch],
            unfinished: Vec::new(),
        };
        self.mark_failures(&mut gradients, &[], how.on_failure, shared);
        Ok(gradients)
    }

    /// Each sample's vector of `len` numbers times `factor` and its weight, zero for those
    /// without a solution.
    fn weighted(&self, vectors: &[f64], len: usize, weights: &[f64], factor: f64) -> Vec<f64> {
        let mut weighted = vec![0.0; vectors.len()];
        let rows = weighted.chunks_mut(len.max(1)).zip(vectors.chunks(len.max(1)));
        for ((report, weight), (out, vector)) in self.reports.iter().zip(weights).zip(rows) {
            let weight = factor * weight;
            if report.is_solved() && weight != 0.0 {
                out.iter_mut().zip(vector).for_each(|(out, value)| *out = weight * value);
            }
        }
        weighted
    }
}
