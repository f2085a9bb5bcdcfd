//! Second derivatives.

use argrad_solver::Error;

use super::{QpCotangent, QpGradients, QpLayer, QpTangent, QpTape};

impl QpLayer {
    /// How [`Self::backward`] changes when the values move along `direction` and the cotangent
    /// along `cotangent_change`. With no change of the cotangent it is the product of the Hessian
    /// of `cotangent . solution` with the direction; see
    /// [`Tape::vjp_tangent`](argrad_solver::Tape::vjp_tangent).
    ///
    /// # Errors
    /// As [`Self::backward`]; [`Error::NotSmooth`] names the samples whose projection has a kink at
    /// the solution (an inequality that holds with equality and has no dual), or whose solution is
    /// not unique; where failures are let through, their [`QpGradients::adjoint_residual`] is NaN.
    /// [`Error::Setting`] for other derivatives than
    /// [`Mode::Exact`](crate::Mode::Exact) with [`Method::Direct`](crate::Method::Direct), and for
    /// a solver without a factor.
    pub fn backward_tangent(
        &self,
        tape: &QpTape,
        cotangent: &QpCotangent<'_>,
        cotangent_change: &QpCotangent<'_>,
        direction: &QpTangent<'_>,
    ) -> Result<QpGradients, Error> {
        self.check_tape(tape)?;
        let batch = tape.batch();
        let cotangent = self.stacked_cotangent(cotangent, batch, "cotangent")?;
        let change = self.stacked_cotangent(cotangent_change, batch, "cotangent_change")?;
        let zeros = self.zeros();
        let direction = self.assembled_tangent(direction, batch, &zeros)?;
        let gradients = tape.tape.vjp_tangent(
            &cotangent.slices(),
            &change.slices(),
            &direction.slots(),
            &self.how,
        )?;
        let smooth: Vec<bool> = gradients.adjoint_residual.iter().map(|r| !r.is_nan()).collect();
        Ok(self.in_user_order(tape, gradients, |k| smooth[k]))
    }
}
