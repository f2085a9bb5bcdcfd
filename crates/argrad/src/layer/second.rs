//! Second derivatives.

use argrad_solver::{Cotangent, Gradients, Slot, Tangent};

use super::{Layer, LayerDerivative, LayerTape};
use crate::canonical::ParameterMap;
use crate::error::ModelError;

impl Layer {
    /// How [`Self::backward`] changes when the parameters move along `direction` (as
    /// [`Self::jvp`] takes it) and the cotangents along `cotangent_changes`. With no change of the
    /// cotangents it is the product of the Hessian of `cotangents . outputs` with the direction;
    /// see [`Tape::vjp_tangent`](argrad_solver::Tape::vjp_tangent). Functions of parameters add
    /// their own second derivatives.
    ///
    /// # Errors
    /// As [`Self::backward`]; samples whose projection has a kink at the solution, or whose
    /// solution is not unique, are named by
    /// [`Error::NotSmooth`](argrad_solver::Error::NotSmooth), and have NaN for a
    /// [`LayerDerivative::residual`] where failures are let through. Only for
    /// [`Mode::Exact`](crate::Mode::Exact) with [`Method::Direct`](crate::Method::Direct), and a
    /// solver with a factor.
    pub fn backward_tangent(
        &self,
        tape: &LayerTape,
        cotangents: &[&[f64]],
        cotangent_changes: &[&[f64]],
        direction: &[&[f64]],
    ) -> Result<LayerDerivative, ModelError> {
        let data = self.data_tangent(tape, direction)?;
        let slot = |at: usize| {
            let values = &data[at][..];
            Some(if tape.varies[at] { Slot::Each(values) } else { Slot::Shared(values) })
        };
        let tangent = Tangent { p: slot(0), q: slot(1), a: slot(2), b: slot(3) };
        let (x, z) = self.cotangent_of_solution(tape, cotangents, "cotangents")?;
        let (dx, dz) = self.cotangent_of_solution(tape, cotangent_changes, "cotangent_changes")?;
        let cotangent = Cotangent { x: Some(&x), z: z.as_deref(), s: None };
        let change = Cotangent { x: Some(&dx), z: dz.as_deref(), s: None };
        let changes = tape.tape.vjp_tangent(&cotangent, &change, &tangent, &self.how)?;
        let lost: Vec<bool> = changes.adjoint_residual.iter().map(|r| r.is_nan()).collect();
        let values = if self.data.program.is_affine() {
            self.to_parameters(tape, &changes, None, &lost)
        } else {
            let gradients = tape.tape.vjp(&cotangent, &self.how)?;
            let directions = self.check_tangents(tape, direction)?;
            self.to_parameters_along(tape, (&gradients, &changes), &directions, &lost)
        };
        Ok(LayerDerivative {
            values,
            residual: changes.adjoint_residual,
            accuracy: changes.accuracy,
            unfinished: changes.unfinished,
        })
    }

    /// How [`Self::to_parameters`] changes along `directions`, where functions of the parameters
    /// are not affine: their second derivatives meet the `gradients`, their first the `changes`.
    fn to_parameters_along(
        &self,
        tape: &LayerTape,
        (gradients, changes): (&Gradients, &Gradients),
        directions: &[Vec<f64>],
        lost: &[bool],
    ) -> Vec<Vec<f64>> {
        let maps = self.maps();
        let parts = [&gradients.p, &gradients.q, &gradients.a, &gradients.b];
        let moved_parts = [&changes.p, &changes.q, &changes.a, &changes.b];
        let mut out: Vec<Vec<f64>> = tape.lengths.iter().map(|len| vec![0.0; *len]).collect();
        let len = self.data.program.len();
        let [mut theta, mut moved, mut gradient, mut change] = [const { Vec::new() }; 4];
        for vector in [&mut theta, &mut moved, &mut gradient, &mut change] {
            vector.resize(len, 0.0);
        }
        let given: Vec<&[f64]> = tape.parameters.iter().map(Vec::as_slice).collect();
        self.fill_shared(&given, &tape.each, &mut theta);
        let is_lost = |sample: usize| lost[sample];
        // What only shared parameters reach is summed already; it goes with the first sample.
        let transposed = |map: &ParameterMap, part: &[f64], varies, sample, out: &mut [f64]| {
            if part.is_empty() || if varies { is_lost(sample) } else { sample > 0 } {
                return;
            }
            let at = if varies { sample * map.len() } else { 0 };
            map.apply_transpose(&part[at..at + map.len()], out);
        };
        for sample in 0..if tape.varies.contains(&true) { tape.batch } else { 1 } {
            gradient.fill(0.0);
            change.fill(0.0);
            for (at, map) in maps.iter().enumerate().take(parts.len()) {
                transposed(map, parts[at], tape.varies[at], sample, &mut gradient);
                transposed(map, moved_parts[at], tape.varies[at], sample, &mut change);
            }
            self.fill_theta(&given, &tape.each, &tape.marked, sample, &mut theta);
            let specs = self.data.parameters.iter().zip(&tape.each);
            for ((spec, each), direction) in specs.clone().zip(directions) {
                let at = if *each { sample * spec.len } else { 0 };
                moved[spec.offset..spec.offset + spec.len]
                    .copy_from_slice(&direction[at..at + spec.len]);
            }
            self.data.program.jvp(&theta, &mut moved);
            self.data.program.vjp_tangent(&theta, &moved, &mut gradient, &mut change);
            for ((spec, each), out) in specs.zip(&mut out) {
                let at = if *each { sample * spec.len } else { 0 };
                let own = &change[spec.offset..spec.offset + spec.len];
                self.add_own(&mut out[at..at + spec.len], own, *each && is_lost(sample));
            }
        }
        for (spec, out) in self.data.parameters.iter().zip(&mut out) {
            spec.symmetrize(out);
        }
        out
    }
}
