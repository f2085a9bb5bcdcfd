//! What the derivatives of samples without a solution are.

use super::check::failures;
use super::{Gradients, OnFailure, SolutionTangent};
use crate::tape::{Shared, Tape};

impl Tape {
    /// NaN in the adjoint residual of the samples without a solution and of those in `also`, and
    /// where `on_failure` asks for it in their per-sample gradients.
    pub(super) fn mark_failures(
        &self,
        gradients: &mut Gradients,
        also: &[usize],
        on_failure: OnFailure,
        shared: Shared,
    ) {
        let failed: Vec<usize> = failures(&self.reports).map(|(index, _)| index).collect();
        for &index in failed.iter().chain(also) {
            gradients.adjoint_residual[index] = f64::NAN;
        }
        if on_failure != OnFailure::Nan {
            return;
        }
        let structure = &self.prepared.analysis.structure;
        for (values, len, is_shared) in [
            (&mut gradients.p, structure.p.nnz(), shared.p),
            (&mut gradients.q, structure.variables(), shared.q),
            (&mut gradients.a, structure.a.nnz(), shared.a),
            (&mut gradients.b, structure.rows(), shared.b),
        ] {
            if !is_shared {
                failed.iter().chain(also).for_each(|&index| fill_nan(values, index, len));
            }
        }
    }

    /// NaN in the tangents of the samples without a solution, where `on_failure` asks for it.
    pub(super) fn mark_failed_tangents(
        &self,
        tangent: &mut SolutionTangent,
        on_failure: OnFailure,
    ) {
        if on_failure != OnFailure::Nan {
            return;
        }
        let structure = &self.prepared.analysis.structure;
        let (n, m) = (structure.variables(), structure.rows());
        for (index, _) in failures(&self.reports) {
            fill_nan(&mut tangent.x, index, n);
            fill_nan(&mut tangent.z, index, m);
            fill_nan(&mut tangent.s, index, m);
        }
    }
}

fn fill_nan(rows: &mut [f64], index: usize, len: usize) {
    rows[index * len..(index + 1) * len].fill(f64::NAN);
}
