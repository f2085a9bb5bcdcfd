//! The way back, and the tangent.

use std::ops::Range;

use argrad_solver::Slot;
use argrad_solver::{Cotangent, Gradients, OnFailure, Tangent};
use rayon::prelude::*;

use super::data::Source;
use super::{Layer, LayerDerivative, LayerTape, Outputs};
use crate::canonical::MatrixMap;
use crate::error::ModelError;

/// Samples whose gradients are summed together, whatever the number of threads; of those that are a
/// thread's work each, and have more of it than there is to be summed, one.
const BLOCK: usize = 8;

/// Consecutive samples, with their rows of the gradient of each parameter that has one per sample,
/// and the sum over them of that of each other one.
struct Block<'a> {
    samples: Range<usize>,
    rows: Vec<&'a mut [f64]>,
    shared: Vec<Vec<f64>>,
}

impl Layer {
    /// Gradient of a scalar with respect to the parameters, given its gradient with respect to each
    /// output (`batch` times its size; an empty slice is zero). Each has the length of the value
    /// that it belongs to; that of a shared parameter is the sum over the batch.
    ///
    /// # Errors
    /// Wrong lengths; samples without a solution, unless [`Self::with_differentiation`] says
    /// otherwise.
    pub fn backward(
        &self,
        tape: &LayerTape,
        cotangents: &[&[f64]],
    ) -> Result<LayerDerivative, ModelError> {
        self.check_tape(tape)?;
        let (x, z) = self.cotangent_of_solution(tape, cotangents, "cotangents")?;
        let cotangent = Cotangent { x: Some(&x), z: z.as_deref(), s: None };
        let gradients = tape.tape.vjp(&cotangent, &self.how)?;
        Ok(LayerDerivative {
            values: self.to_parameters(tape, &gradients, None, &tape.failed),
            residual: gradients.adjoint_residual,
            accuracy: gradients.accuracy,
            unfinished: gradients.unfinished,
        })
    }

    /// The gradient with respect to x, and to z where an output reads it, from those with respect
    /// to the outputs, the argument `name`.
    pub(super) fn cotangent_of_solution(
        &self,
        tape: &LayerTape,
        cotangents: &[&[f64]],
        name: &str,
    ) -> Result<(Vec<f64>, Option<Vec<f64>>), ModelError> {
        let (batch, program) = (tape.batch, &self.data.assembled);
        self.check_outputs(name, cotangents, batch)?;
        let mut x = vec![0.0; batch * program.variables];
        let mut z = Vec::new();
        for (spec, cotangent) in self.data.outputs.iter().zip(cotangents) {
            if cotangent.is_empty() {
                continue;
            }
            let (out, len) = match spec.source {
                Source::Primal => (&mut x, program.variables),
                Source::Dual => {
                    z.resize(batch * program.rows, 0.0);
                    (&mut z, program.rows)
                }
            };
            let size = spec.shape.size();
            for sample in 0..batch {
                let own = &cotangent[sample * size..(sample + 1) * size];
                spec.map.apply_transpose(own, &mut out[sample * len..(sample + 1) * len]);
            }
        }
        let z = (!z.is_empty()).then_some(z);
        Ok((x, z))
    }

    /// Gradient of the sum of `weights[i]` times the optimal value of sample i: the sensitivities.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn value_gradient(
        &self,
        tape: &LayerTape,
        weights: &[f64],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        self.check_tape(tape)?;
        let signed: Vec<f64> = weights.iter().map(|w| self.data.sign() * w).collect();
        let gradients = tape.tape.value_gradient(&signed, &self.how)?;
        Ok(self.to_parameters(tape, &gradients, Some(&signed), &tape.failed))
    }

    /// From gradients of P, q, A, b (and of the constant) to those of the parameters; samples that
    /// are `lost` add nothing.
    pub(super) fn to_parameters(
        &self,
        tape: &LayerTape,
        gradients: &Gradients,
        constant: Option<&[f64]>,
        lost: &[bool],
    ) -> Vec<Vec<f64>> {
        let maps = self.maps();
        let summed: Vec<f64>;
        let constant = match constant {
            None => &[][..],
            Some(weights) if tape.varies[4] => weights,
            Some(weights) => {
                summed = vec![weights.iter().sum()];
                &summed
            }
        };
        let parts = [&gradients.p[..], &gradients.q, &gradients.a, &gradients.b, constant];
        let given: Vec<&[f64]> = tape.parameters.iter().map(Vec::as_slice).collect();
        let mut theta = vec![0.0; self.data.program.len()];
        self.fill_shared(&given, &tape.each, &mut theta);
        let add_sample = |sample: usize, theta: &mut [f64], gradient: &mut [f64]| {
            gradient.fill(0.0);
            for ((map, part), varies) in maps.iter().zip(parts).zip(tape.varies) {
                // Those of a failed sample may be NaN, and add nothing to what is shared.
                if part.is_empty() || if varies { lost[sample] } else { sample > 0 } {
                    continue;
                }
                let at = if varies { sample * map.len() } else { 0 };
                map.apply_transpose(&part[at..at + map.len()], gradient);
            }
            if !given.is_empty() {
                self.fill_theta(&given, &tape.each, &tape.marked, sample, theta);
                self.data.program.vjp(theta, gradient);
            }
        };
        let mut out: Vec<Vec<f64>> = tape.lengths.iter().map(|len| vec![0.0; *len]).collect();
        let samples = if tape.varies.contains(&true) { tape.batch } else { 1 };
        let blocks = self.blocks(tape, samples, &mut out);
        let work = |(theta, gradient): &mut (Vec<f64>, Vec<f64>), mut block: Block<'_>| {
            for sample in block.samples.clone() {
                add_sample(sample, theta, gradient);
                self.add_to(&mut block, sample, gradient, lost[sample]);
            }
            block.shared
        };
        let scratch = || (theta.clone(), theta.clone());
        let shared: Vec<Vec<Vec<f64>>> = if self.is_worth_threads(samples) {
            blocks.into_par_iter().map_init(scratch, work).collect()
        } else {
            let mut scratch = scratch();
            blocks.into_iter().map(|block| work(&mut scratch, block)).collect()
        };
        // In the order of the samples, whichever thread summed them.
        for own in shared {
            for ((out, own), each) in out.iter_mut().zip(own).zip(&tape.each) {
                if !each {
                    out.iter_mut().zip(own).for_each(|(out, own)| *out += own);
                }
            }
        }
        for (spec, out) in self.data.parameters.iter().zip(&mut out) {
            spec.symmetrize(out);
        }
        out
    }

    /// The first samples, some at a time, with their rows of the gradients.
    fn blocks<'a>(
        &self,
        tape: &LayerTape,
        samples: usize,
        out: &'a mut [Vec<f64>],
    ) -> Vec<Block<'a>> {
        let specs = &self.data.parameters;
        let mut rest: Vec<&mut [f64]> = out.iter_mut().map(Vec::as_mut_slice).collect();
        let mut blocks = Vec::new();
        let summed = specs.iter().zip(&tape.each).filter(|(_, each)| !**each);
        let summed: usize = summed.map(|(spec, _)| spec.len).sum();
        let is_alone = self.is_worth_threads(1) && BLOCK * summed <= self.cost();
        let size = if is_alone { 1 } else { BLOCK };
        for first in (0..samples).step_by(size) {
            let samples = first..samples.min(first + size);
            let rows = rest.iter_mut().zip(specs).zip(&tape.each).map(|((rest, spec), each)| {
                let len = if *each { samples.len() * spec.len } else { 0 };
                let (own, after) = std::mem::take(rest).split_at_mut(len);
                *rest = after;
                own
            });
            let rows = rows.collect();
            let shared = specs.iter().zip(&tape.each);
            let shared = shared.map(|(spec, each)| vec![0.0; if *each { 0 } else { spec.len }]);
            blocks.push(Block { samples, rows, shared: shared.collect() });
        }
        blocks
    }

    /// Adds the gradient of one of its samples to a block.
    fn add_to(&self, block: &mut Block<'_>, sample: usize, gradient: &[f64], lost: bool) {
        let Block { samples, rows, shared } = block;
        for ((spec, rows), shared) in self.data.parameters.iter().zip(rows).zip(shared) {
            let own = &gradient[spec.offset..spec.offset + spec.len];
            if rows.is_empty() {
                self.add_own(shared, own, false);
            } else {
                let at = (sample - samples.start) * spec.len;
                self.add_own(&mut rows[at..at + spec.len], own, lost);
            }
        }
    }

    /// Adds what a sample has of a parameter's gradient; NaN where it is `lost` and that was asked
    /// for.
    pub(super) fn add_own(&self, out: &mut [f64], own: &[f64], lost: bool) {
        out.iter_mut().zip(own).for_each(|(out, g)| *out += g);
        if lost && self.how.on_failure == OnFailure::Nan {
            out.fill(f64::NAN);
        }
    }

    /// Directional derivative of the outputs along a change of the parameters, each of the length
    /// of its value (an empty slice is zero).
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn jvp(
        &self,
        tape: &LayerTape,
        tangents: &[&[f64]],
    ) -> Result<LayerDerivative, ModelError> {
        let (batch, program) = (tape.batch, &self.data.assembled);
        let data = self.data_tangent(tape, tangents)?;
        let slot = |at: usize| {
            let values = &data[at][..];
            Some(if tape.varies[at] { Slot::Each(values) } else { Slot::Shared(values) })
        };
        let tangent = Tangent { p: slot(0), q: slot(1), a: slot(2), b: slot(3) };
        let solution = tape.tape.jvp(&tangent, &self.how)?;
        let mut out = Vec::with_capacity(self.data.outputs.len());
        for spec in &self.data.outputs {
            let (source, len) = match spec.source {
                Source::Primal => (&solution.x, program.variables),
                Source::Dual => (&solution.z, program.rows),
            };
            let size = spec.shape.size();
            let mut values = vec![0.0; batch * size];
            for sample in 0..batch {
                spec.map.apply(
                    &source[sample * len..(sample + 1) * len],
                    &mut values[sample * size..(sample + 1) * size],
                );
            }
            out.push(values);
        }
        Ok(LayerDerivative {
            values: out,
            residual: solution.residual,
            accuracy: solution.accuracy,
            unfinished: solution.unfinished,
        })
    }

    /// Directional derivative of the optimal value of each sample along a change of the parameters,
    /// as [`Self::jvp`] takes it; `outputs` are those that were made with the tape. By the envelope
    /// theorem, the derivative of the Lagrangian:
    /// `1/2 x'dP x + dq'x + z'dA x - z'db`, with the objective's constant. Samples without a
    /// solution have NaN.
    ///
    /// # Errors
    /// Wrong lengths, and a tape or outputs of another layer or batch.
    pub fn value_jvp(
        &self,
        tape: &LayerTape,
        outputs: &Outputs,
        tangents: &[&[f64]],
    ) -> Result<Vec<f64>, ModelError> {
        let [p, q, a, b, constant] = self.data_tangent(tape, tangents)?;
        if outputs.batch != tape.batch || !std::sync::Arc::ptr_eq(&outputs.data, &self.data) {
            return Err(ModelError::Argument {
                argument: "outputs".into(),
                expected: format!("those of this tape, a batch of {}", tape.batch),
                found: format!("those of another solve, a batch of {}", outputs.batch),
            });
        }
        let structure = self.structure();
        let (n, m) = (structure.variables(), structure.rows());
        let own = |data: &'_ [f64], at: usize, sample: usize| -> std::ops::Range<usize> {
            let len = self.maps()[at].len();
            if tape.varies[at] { sample * len..(sample + 1) * len } else { 0..data.len() }
        };
        let mut out = Vec::with_capacity(tape.batch);
        for sample in 0..tape.batch {
            let x = &outputs.solution.x[sample * n..(sample + 1) * n];
            let z = &outputs.solution.z[sample * m..(sample + 1) * m];
            let mut sum: f64 = constant[own(&constant, 4, sample)].iter().sum();
            sum += q[own(&q, 1, sample)].iter().zip(x).map(|(q, x)| q * x).sum::<f64>();
            sum -= b[own(&b, 3, sample)].iter().zip(z).map(|(b, z)| b * z).sum::<f64>();
            let own_p = &p[own(&p, 0, sample)];
            for_each_entry(&self.data.assembled.p, |k, i, j| {
                sum += own_p[k] * x[i] * x[j] * if i == j { 0.5 } else { 1.0 };
            });
            let own_a = &a[own(&a, 2, sample)];
            for_each_entry(&self.data.assembled.a, |k, i, j| sum += own_a[k] * z[i] * x[j]);
            out.push(if tape.failed[sample] { f64::NAN } else { self.data.sign() * sum });
        }
        Ok(out)
    }

    /// The tangents of P, q, A, b and the objective's constant: one copy, or one per sample.
    pub(super) fn data_tangent(
        &self,
        tape: &LayerTape,
        tangents: &[&[f64]],
    ) -> Result<[Vec<f64>; 5], ModelError> {
        self.check_tape(tape)?;
        let batch = tape.batch;
        let tangents = self.check_tangents(tape, tangents)?;
        let maps = self.maps();
        let mut data: [Vec<f64>; 5] = std::array::from_fn(|at| {
            vec![0.0; if tape.varies[at] { batch } else { 1 } * maps[at].len()]
        });
        let len = self.data.program.len();
        let (mut theta, mut tangent) = (vec![0.0; len], vec![0.0; len]);
        let given: Vec<&[f64]> = tape.parameters.iter().map(Vec::as_slice).collect();
        self.fill_shared(&given, &tape.each, &mut theta);
        let any_varies = tape.varies.contains(&true);
        for sample in 0..if any_varies { batch } else { 1 } {
            self.fill_theta(&given, &tape.each, &tape.marked, sample, &mut theta);
            for ((spec, values), each) in self.data.parameters.iter().zip(&tangents).zip(&tape.each)
            {
                let at = if *each { sample * spec.len } else { 0 };
                tangent[spec.offset..spec.offset + spec.len]
                    .copy_from_slice(&values[at..at + spec.len]);
            }
            self.data.program.jvp(&theta, &mut tangent);
            for ((map, data), varies) in maps.iter().zip(&mut data).zip(tape.varies) {
                if varies || sample == 0 {
                    let at = if varies { sample * map.len() } else { 0 };
                    map.apply_linear(&tangent, &mut data[at..at + map.len()]);
                }
            }
        }
        Ok(data)
    }

    fn check_outputs(&self, what: &str, given: &[&[f64]], batch: usize) -> Result<(), ModelError> {
        let error = |argument: String, expected: String, found: String| {
            Err(ModelError::Argument { argument, expected, found })
        };
        if given.len() != self.data.outputs.len() {
            let expected = format!("one slice for each of {} outputs", self.data.outputs.len());
            return error(what.into(), expected, given.len().to_string());
        }
        for (spec, values) in self.data.outputs.iter().zip(given) {
            let expected = batch * spec.shape.size();
            if !values.is_empty() && values.len() != expected {
                return error(
                    format!("cotangent of {}", spec.name),
                    format!("{expected} numbers (batch {batch}, {})", spec.shape),
                    format!("{} numbers", values.len()),
                );
            }
        }
        Ok(())
    }

    /// Tangents of full length, symmetric where their parameters are.
    pub(super) fn check_tangents(
        &self,
        tape: &LayerTape,
        tangents: &[&[f64]],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        if tangents.len() != self.data.parameters.len() {
            return Err(ModelError::Argument {
                argument: "tangents".into(),
                expected: format!(
                    "one slice for each of {} parameters",
                    self.data.parameters.len()
                ),
                found: tangents.len().to_string(),
            });
        }
        let mut out = Vec::with_capacity(tangents.len());
        for ((spec, tangent), expected) in
            self.data.parameters.iter().zip(tangents).zip(&tape.lengths)
        {
            let mut own = match tangent.len() {
                0 => vec![0.0; *expected],
                len if len == *expected => tangent.to_vec(),
                len => {
                    return Err(ModelError::Argument {
                        argument: format!("tangent of {}", spec.name),
                        expected: format!("{expected} numbers, as its value has"),
                        found: format!("{len} numbers"),
                    });
                }
            };
            spec.symmetrize(&mut own);
            out.push(own);
        }
        Ok(out)
    }
}

/// Calls `entry(k, row, column)` for each stored entry of a matrix.
fn for_each_entry(matrix: &MatrixMap, mut entry: impl FnMut(usize, usize, usize)) {
    for (column, ends) in matrix.colptr.windows(2).enumerate() {
        (ends[0]..ends[1]).for_each(|k| entry(k, matrix.rowval[k], column));
    }
}
