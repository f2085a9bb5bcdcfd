//! Central differences of solutions and gradients, with steps so small that double-double
//! arithmetic is needed: an error of about the square of the step.

use qd::Quad;

use super::{ReferenceError, ReferenceSolution};
use crate::{SolutionDirection, StoredGradients};

impl ReferenceSolution {
    /// `(solution(step) - solution(-step)) / (2 step)` for the program moved by `step` along
    /// `direction`: what [`Self::jvp`] should give, without any derivative of the solution map.
    ///
    /// # Errors
    /// As [`Self::refine`].
    pub fn difference(
        &self,
        direction: &StoredGradients,
        step: f64,
    ) -> Result<SolutionDirection, ReferenceError> {
        let (ahead, behind) = (self.moved(direction, step)?, self.moved(direction, -step)?);
        Ok(SolutionDirection {
            x: slope(&ahead.exact_x, &behind.exact_x, step),
            z: slope(&ahead.projected.z, &behind.projected.z, step),
            s: slope(&ahead.projected.s, &behind.projected.s, step),
        })
    }

    /// Second order: the derivative along `direction` of the gradient of a scalar whose gradients
    /// by x, z, s are given, and constant; by central differences of [`Self::vjp`].
    ///
    /// # Errors
    /// As [`Self::refine`].
    pub fn gradient_difference(
        &self,
        (gx, gz, gs): (&[f64], &[f64], &[f64]),
        direction: &StoredGradients,
        step: f64,
    ) -> Result<StoredGradients, ReferenceError> {
        let ahead = self.moved(direction, step)?.exact_vjp(gx, gz, gs);
        let behind = self.moved(direction, -step)?.exact_vjp(gx, gz, gs);
        Ok(StoredGradients {
            p: slope(&ahead.p, &behind.p, step),
            q: slope(&ahead.q, &behind.q, step),
            a: slope(&ahead.a, &behind.a, step),
            b: slope(&ahead.b, &behind.b, step),
        })
    }

    fn moved(&self, direction: &StoredGradients, step: f64) -> Result<Self, ReferenceError> {
        let program = self.program.moved(direction, step);
        Self::newton(program, self.exact_x.clone(), self.exact_v.clone())
    }
}

fn slope(ahead: &[Quad], behind: &[Quad], step: f64) -> Vec<f64> {
    ahead.iter().zip(behind).map(|(a, b)| a.sub_accurate(*b).0 / (2.0 * step)).collect()
}
