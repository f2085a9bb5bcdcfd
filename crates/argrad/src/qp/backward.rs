//! The way back, and the tangent.

use std::sync::Arc;

use argrad_solver::{Cotangent, Error, Gradients, OnFailure, Slot, SolutionTangent, Tangent};

use super::rows::split_rows;
use super::samples::Assembled;
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
        let Maps { shape, constraints, .. } = &*self.maps;
        let batch = tape.batch();
        let [equalities, inequalities] = constraints.rows();
        let parts = [
            ("cotangent.x", cotangent.x, shape.variables()),
            ("cotangent.equality_duals", cotangent.equality_duals, equalities),
            ("cotangent.inequality_duals", cotangent.inequality_duals, inequalities),
            ("cotangent.slacks", cotangent.slacks, inequalities),
        ];
        for (argument, part, len) in parts {
            if let Some(part) = part {
                check_length(argument, Slot::Each(part), len, batch)?;
            }
        }
        let duals = [cotangent.equality_duals, cotangent.inequality_duals];
        let z = constraints.stack(duals, batch);
        let s = constraints.stack([None, cotangent.slacks], batch);
        let cotangent = Cotangent { x: cotangent.x, z: z.as_deref(), s: s.as_deref() };
        Ok(self.in_user_order(tape, tape.tape.vjp(&cotangent, &self.how)?))
    }

    /// Gradient with respect to the values of the weighted sum of optimal values
    /// 1/2 x'Px + q'x (the envelope formula), one weight per sample.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn value_gradient(&self, tape: &QpTape, weights: &[f64]) -> Result<QpGradients, Error> {
        self.check_tape(tape)?;
        check_length("weights", Slot::Each(weights), 1, tape.batch())?;
        Ok(self.in_user_order(tape, tape.tape.value_gradient(weights, &self.how)?))
    }

    fn in_user_order(&self, tape: &QpTape, gradients: Gradients) -> QpGradients {
        let Maps { objective, constraints, .. } = &*self.maps;
        let counts = |k: usize| self.how.on_failure != OnFailure::Nan || tape.solved[k];
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
        let Maps { shape, objective, constraints } = &*self.maps;
        let batch = tape.batch();
        let rows = constraints.rows();
        let lens = [shape.a.len(), shape.g.len()];
        let parts = [
            ("tangent.p", tangent.p, shape.p.len()),
            ("tangent.q", tangent.q, shape.variables()),
            ("tangent.a", tangent.a, lens[0]),
            ("tangent.b", tangent.b, rows[0]),
            ("tangent.g", tangent.g, lens[1]),
            ("tangent.h", tangent.h, rows[1]),
        ];
        for (argument, slot, len) in parts {
            if let Some(slot) = slot {
                check_length(argument, slot, len, batch)?;
            }
        }
        let zeros = vec![0.0; lens.into_iter().chain(rows).max().unwrap_or(0)];
        // Both parts of a stack, where either changes.
        let either = |parts: [Option<Slot<'_>>; 2]| parts.iter().any(Option::is_some);
        let p = tangent.p.map(|slot| objective.assemble(slot, batch, f64::INFINITY)).transpose()?;
        let a = if either([tangent.a, tangent.g]) {
            let a = tangent.a.unwrap_or(Slot::Shared(&zeros[..lens[0]]));
            let g = tangent.g.unwrap_or(Slot::Shared(&zeros[..lens[1]]));
            Some(constraints.assemble([a, g], batch, true)?)
        } else {
            None
        };
        let b = either([tangent.b, tangent.h]).then(|| {
            let b = tangent.b.unwrap_or(Slot::Shared(&zeros[..rows[0]]));
            let h = tangent.h.unwrap_or(Slot::Shared(&zeros[..rows[1]]));
            constraints.assemble_rhs([b, h], batch)
        });
        let tangent = Tangent {
            p: p.as_ref().map(Assembled::slot),
            q: tangent.q,
            a: a.as_ref().map(Assembled::slot),
            b: b.as_ref().map(Assembled::slot),
        };
        let out = tape.tape.jvp(&tangent, &self.how)?;
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
    fn check_tape(&self, tape: &QpTape) -> Result<(), Error> {
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
