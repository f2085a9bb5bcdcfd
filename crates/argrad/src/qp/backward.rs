//! The way back, and the tangent.

use std::sync::Arc;

use argrad_solver::{Error, Gradients, OnFailure, Slot, SolutionTangent};

use super::rows::split_rows;
use super::tape::Maps;
use super::{
    QpCotangent, QpGradients, QpLayer, QpSolutionTangent, QpTangent, QpTape, check_length,
};

impl QpLayer {
    /// Gradient with respect to the values of a scalar whose gradient with respect to the solution
    /// is `cotangent`. Takes triangular solves only.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::Shape`] for a tape of another layer; [`Error::Unsolved`] when an
    /// sample is not solved and
    /// [`Differentiation::on_failure`](crate::Differentiation::on_failure) is [`OnFailure::Error`];
    /// [`Error::Setting`] when the mode's number is out of its range.
    pub fn backward(
        &self,
        tape: &QpTape,
        cotangent: &QpCotangent<'_>,
    ) -> Result<QpGradients, Error> {
        self.check_tape(tape)?;
        let cotangent = self.stacked_cotangent(cotangent, tape.batch(), "cotangent")?;
        let gradients = tape.tape.vjp(&cotangent.slices(), &self.how)?;
        Ok(self.in_user_order(tape, gradients, |k| tape.solved[k]))
    }

    /// Gradient with respect to the values of the weighted sum of optimal values
    /// 1/2 x'Px + q'x (the envelope formula), one weight per sample.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn value_gradient(&self, tape: &QpTape, weights: &[f64]) -> Result<QpGradients, Error> {
        self.check_tape(tape)?;
        check_length("weights", Slot::Each(weights), 1, tape.batch())?;
        let gradients = tape.tape.value_gradient(weights, &self.how)?;
        Ok(self.in_user_order(tape, gradients, |k| tape.solved[k]))
    }

    /// Gradients in the user's layout; samples of which `has_gradient` is false add nothing to what
    /// is shared.
    pub(super) fn in_user_order(
        &self,
        tape: &QpTape,
        gradients: Gradients,
        has_gradient: impl Fn(usize) -> bool,
    ) -> QpGradients {
        let Maps { objective, constraints, .. } = &*self.maps;
        let counts = |k: usize| self.how.on_failure != OnFailure::Nan || has_gradient(k);
        let [a, g] = constraints.gradient(gradients.a, tape.sharing.matrices, counts);
        let [b, h] = constraints.gradient_rhs(gradients.b, tape.sharing.rhs, counts);
        let (p, q) = (objective.gradient(gradients.p), gradients.q);
        let Gradients { adjoint_residual, accuracy, unfinished, .. } = gradients;
        QpGradients { p, q, a, b, g, h, adjoint_residual, accuracy, unfinished }
    }

    /// Directional derivative of the solution along a change of the values.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn jvp(&self, tape: &QpTape, tangent: &QpTangent<'_>) -> Result<QpSolutionTangent, Error> {
        self.check_tape(tape)?;
        let batch = tape.batch();
        let rows = self.maps.constraints.rows();
        let zeros = self.zeros();
        let tangent = self.assembled_tangent(tangent, batch, &zeros)?;
        let out = tape.tape.jvp(&tangent.slots(), &self.how)?;
        let [equality_duals, inequality_duals] = split_rows(out.z, batch, rows);
        let [_, slacks] = split_rows(out.s, batch, rows);
        let SolutionTangent { x, residual, accuracy, unfinished, .. } = out;
        Ok(QpSolutionTangent {
            x,
            equality_duals,
            inequality_duals,
            slacks,
            residual,
            accuracy,
            unfinished,
        })
    }

    /// Whether a tape is of this layer, or of a clone of it.
    pub(super) fn check_tape(&self, tape: &QpTape) -> Result<(), Error> {
        if Arc::ptr_eq(&tape.maps, &self.maps) {
            return Ok(());
        }
        Err(Error::Shape {
            argument: "tape",
            expected: "one that this layer made".into(),
            found: "that of another layer".into(),
        })
    }
}
