//! The derivative of a quasiconvex layer at its solution.
//!
//! Let `r(t, theta)` be the least residual of a level t: the optimal value of the convex problem
//! `minimize phi(x, t, theta)`, where phi is at most zero exactly on the level set of the
//! objective. The optimal level t* is the root of r in t, and the points of the level set of t* are
//! the solutions of that convex problem. Hence, with the solution map `x(t, theta)` of the convex
//! problem, a differentiable layer,
//!
//! ```text
//! dt*/dtheta = -(dr/dtheta) / (dr/dt)
//! dx*/dtheta = dx/dtheta + (dx/dt) (dt*/dtheta)
//! ```
//!
//! Both derivatives of r are those of a Lagrangian, by the envelope theorem. For a quotient `p / q`
//! the residual is `p - t q`, which is Dinkelbach's function (1967).

use argrad_solver::OnFailure;

use super::layer::QuasiconvexLayer;
use super::tape::QuasiconvexTape;
use crate::error::ModelError;
use crate::layer::check_slices;

impl QuasiconvexLayer {
    /// Gradient of a scalar with respect to the parameters, given its gradient with respect to each
    /// output (`batch` times its size; an empty slice is zero). That of a shared parameter is the
    /// sum over the batch.
    ///
    /// # Errors
    /// Wrong lengths; samples without a solution, unless [`Self::with_differentiation`] says
    /// otherwise.
    pub fn backward(
        &self,
        tape: &QuasiconvexTape,
        cotangents: &[&[f64]],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        self.pull_back(tape, cotangents, &[])
    }

    /// Gradient of the sum of `weights[i]` times the optimal value of sample i.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn value_gradient(
        &self,
        tape: &QuasiconvexTape,
        weights: &[f64],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        check_slices("weights", &[weights], &[tape.batch])?;
        self.pull_back(tape, &vec![&[][..]; tape.sizes.len()], weights)
    }

    /// The gradient for cotangents of the outputs and of the optimal values.
    fn pull_back(
        &self,
        tape: &QuasiconvexTape,
        cotangents: &[&[f64]],
        levels: &[f64],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        let on_failure = self.layer.differentiation().on_failure;
        let expected: Vec<usize> = tape.sizes.iter().map(|size| tape.batch * size).collect();
        check_slices("cotangent", cotangents, &expected)?;
        tape.check(on_failure)?;
        let mut gradients: Vec<Vec<f64>> =
            tape.given().into_iter().map(|len| vec![0.0; len]).collect();
        if let Some((_, inner)) = &tape.inner {
            let mut own: Vec<Vec<f64>> = cotangents
                .iter()
                .zip(&tape.sizes)
                .map(|(c, size)| if c.is_empty() { Vec::new() } else { tape.gather(c, *size) })
                .collect();
            own.resize(self.layer.outputs().count(), Vec::new());
            let own: Vec<&[f64]> = own.iter().map(Vec::as_slice).collect();
            let at_level = self.layer.backward(inner, &own)?;
            let level_gradient = at_level.last().map_or(&[][..], Vec::as_slice);
            let weights: Vec<f64> = (0..tape.found.len())
                .map(|at| {
                    let direct = levels.get(tape.found[at]).copied().unwrap_or(0.0);
                    (direct + level_gradient[at]) * tape.level_per_residual(at, self.parts.sign)
                })
                .collect();
            let of_level = self.layer.value_gradient(inner, &weights)?;
            for (k, gradient) in gradients.iter_mut().enumerate() {
                let sum: Vec<f64> =
                    at_level[k].iter().zip(&of_level[k]).map(|(a, b)| a + b).collect();
                if tape.shared[k] {
                    gradient.copy_from_slice(&sum);
                } else {
                    let size = tape.lengths[k];
                    for (at, sample) in tape.found.iter().enumerate() {
                        gradient[sample * size..(sample + 1) * size]
                            .copy_from_slice(&sum[at * size..(at + 1) * size]);
                    }
                }
            }
        }
        if on_failure == OnFailure::Nan {
            for (k, gradient) in gradients.iter_mut().enumerate().filter(|(k, _)| !tape.shared[*k])
            {
                let size = tape.lengths[k];
                for (sample, _) in &tape.failures {
                    gradient[sample * size..(sample + 1) * size].fill(f64::NAN);
                }
            }
        }
        Ok(gradients)
    }

    /// Directional derivative of the outputs, then of the optimal values, along a change of the
    /// parameters, each of the length of its value (an empty slice is zero).
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn jvp(
        &self,
        tape: &QuasiconvexTape,
        tangents: &[&[f64]],
    ) -> Result<(Vec<Vec<f64>>, Vec<f64>), ModelError> {
        let on_failure = self.layer.differentiation().on_failure;
        check_slices("tangent", tangents, &tape.given())?;
        tape.check(on_failure)?;
        let missing = if on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
        let mut out: Vec<Vec<f64>> =
            tape.sizes.iter().map(|size| vec![missing; tape.batch * size]).collect();
        let mut values = vec![missing; tape.batch];
        let Some((outputs, inner)) = &tape.inner else { return Ok((out, values)) };
        let mut own: Vec<Vec<f64>> = tangents
            .iter()
            .enumerate()
            .map(|(k, tangent)| match tape.shared[k] || tangent.is_empty() {
                true => tangent.to_vec(),
                false => tape.gather(tangent, tape.lengths[k]),
            })
            .collect();
        own.push(Vec::new());
        let slices: Vec<&[f64]> = own.iter().map(Vec::as_slice).collect();
        let residuals = self.layer.value_jvp(inner, outputs, &slices)?;
        let levels: Vec<f64> = residuals
            .iter()
            .enumerate()
            .map(|(at, moved)| moved * tape.level_per_residual(at, self.parts.sign))
            .collect();
        let mut slices = slices;
        slices.pop();
        slices.push(&levels);
        let moved = self.layer.jvp(inner, &slices)?;
        for (at, sample) in tape.found.iter().enumerate() {
            values[*sample] = levels[at];
            for ((out, moved), size) in out.iter_mut().zip(&moved).zip(&tape.sizes) {
                out[sample * size..(sample + 1) * size]
                    .copy_from_slice(&moved[at * size..(at + 1) * size]);
            }
        }
        Ok((out, values))
    }
}
