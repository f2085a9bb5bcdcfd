//! Layers that solve infeasible samples with violated constraints.
//!
//! Every sample is solved as usual. Those that are found infeasible, and no others, are solved
//! again by the [relaxed](Layer::relaxed) layer; here the two are joined. So feasible samples are
//! bitwise what they are without it.

use argrad_solver::{Differentiation, Error, OnFailure, Slot, Status};

use super::price::{Relaxation, ViolationNorm};
use super::{Layer, LayerTape, Outputs};
use crate::error::ModelError;

/// A layer with its relaxed one. Made by [`Layer::elastic`].
///
/// ```
/// use argrad::model::Relaxation;
/// use argrad::prelude::{Model, Problem, square};
///
/// # fn main() -> Result<(), argrad::model::ModelError> {
/// // The point between two bounds that is nearest to zero.
/// let model = Model::new();
/// let (x, low, high) = (model.variable(()), model.parameter(()), model.parameter(()));
/// let problem = Problem::minimize(square(x)).subject_to([x.geq(low), x.leq(high)]);
/// let layer = problem.compile([low, high], [x])?.elastic(Relaxation::default())?;
///
/// let (solved, tape) = layer.forward(&[&[1.0, 2.0], &[3.0, 1.0]])?;
/// assert_eq!(solved.violated, [1]); // 2 <= x <= 1
/// assert!((solved.outputs[0][1] - 1.5).abs() < 1e-2); // halfway
/// // A gradient that leads to feasibility: the sizes of the violations, by the two bounds.
/// let gradients = layer.backward(&tape, &[&[], &solved.violation])?;
/// assert!(gradients[0][0] == 0.0 && gradients[0][1] > 0.4 && gradients[1][1] < -0.4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ElasticLayer {
    /// Does not fail for infeasible samples, whose gradients are replaced.
    layer: Layer,
    relaxed: Layer,
    norm: ViolationNorm,
    how: Differentiation,
}

/// What a forward pass of an [`ElasticLayer`] returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ElasticOutputs {
    /// Outputs, optimal values and reports of the samples; of violated ones, those of their relaxed
    /// programs. A later pass may start here.
    pub outputs: Outputs,
    /// How far each of [`Layer::relaxed_rows`] is from what it must be, `batch` times their number;
    /// zero where the sample is feasible.
    pub violation: Vec<f64>,
    /// The samples that violate their constraints, in order.
    pub violated: Vec<usize>,
}

/// What derivatives need of a forward pass of an [`ElasticLayer`].
#[derive(Debug)]
pub struct ElasticTape {
    usual: LayerTape,
    relaxed: Option<LayerTape>,
    violated: Vec<usize>,
    /// Samples that neither way solved.
    failures: Vec<(usize, Status)>,
}

impl Layer {
    /// This layer, with [`Self::relaxed`] for the samples that are infeasible.
    ///
    /// # Errors
    /// As [`Self::relaxed`].
    pub fn elastic(&self, relaxation: Relaxation) -> Result<ElasticLayer, ModelError> {
        let mut usual = self.how;
        if usual.on_failure == OnFailure::Error {
            usual.on_failure = OnFailure::Zero;
        }
        Ok(ElasticLayer {
            layer: self.clone().with_differentiation(usual),
            relaxed: self.relaxed(relaxation)?.with_differentiation(usual),
            norm: relaxation.norm,
            how: self.how,
        })
    }
}

impl ElasticLayer {
    /// The layer of the samples that are feasible.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// How its outputs are differentiated.
    pub fn differentiation(&self) -> &Differentiation {
        &self.how
    }

    /// Solves a batch, and keeps what a derivative needs, as [`Layer::forward`].
    ///
    /// # Errors
    /// As [`Layer::forward`].
    pub fn forward(
        &self,
        parameters: &[&[f64]],
    ) -> Result<(ElasticOutputs, ElasticTape), ModelError> {
        let (batch, slots) = self.layer.infer(parameters)?;
        self.forward_slots(batch, &slots, None)
    }

    /// [`Self::forward`] with the batch and what is shared said explicitly, each sample starting
    /// from an earlier solution where there is one.
    ///
    /// # Errors
    /// As [`Layer::forward_from`].
    pub fn forward_slots(
        &self,
        batch: usize,
        parameters: &[Slot<'_>],
        start: Option<&Outputs>,
    ) -> Result<(ElasticOutputs, ElasticTape), ModelError> {
        let (outputs, usual) = self.layer.forward_slots(batch, parameters, start)?;
        let (solved, relaxed) = self.join(outputs, parameters, |count, slots| {
            self.relaxed.forward_slots(count, slots, None)
        })?;
        let violated = solved.violated.clone();
        let reports = solved.outputs.reports.iter().map(|report| report.status).enumerate();
        let failures = reports.filter(|(_, status)| !status.is_solved()).collect();
        Ok((solved, ElasticTape { usual, relaxed, violated, failures }))
    }

    /// Solves a batch, as [`Self::forward`] does bit for bit, without what a derivative needs.
    ///
    /// # Errors
    /// As [`Layer::solve`].
    pub fn solve(&self, parameters: &[&[f64]]) -> Result<ElasticOutputs, ModelError> {
        let (batch, slots) = self.layer.infer(parameters)?;
        self.solve_slots(batch, &slots, None)
    }

    /// [`Self::solve`] with the batch and what is shared said explicitly, each sample starting from
    /// an earlier solution where there is one.
    ///
    /// # Errors
    /// As [`Layer::solve_from`].
    pub fn solve_slots(
        &self,
        batch: usize,
        parameters: &[Slot<'_>],
        start: Option<&Outputs>,
    ) -> Result<ElasticOutputs, ModelError> {
        let outputs = self.layer.solve_slots(batch, parameters, start)?;
        let (solved, _) = self.join(outputs, parameters, |count, slots| {
            Ok((self.relaxed.solve_slots(count, slots, None)?, ()))
        })?;
        Ok(solved)
    }

    /// Gradient of a scalar with respect to the parameters, as [`Layer::backward`], given that with
    /// respect to each output and, last, to the violation.
    ///
    /// # Errors
    /// As [`Layer::backward`]; samples that are solved neither way, as the layer's
    /// [`differentiation`](Layer::differentiation) says.
    pub fn backward(
        &self,
        tape: &ElasticTape,
        cotangents: &[&[f64]],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        let (usual, violation) = self.check(tape, cotangents)?;
        let mut gradients = self.layer.backward(&tape.usual, usual)?.values;
        let Some(relaxed) = &tape.relaxed else { return Ok(gradients) };
        let batch = tape.usual.batch;
        let own: Vec<Vec<f64>> = usual
            .iter()
            .chain([&violation])
            .map(|cotangent| rows_of(cotangent, batch, &tape.violated))
            .collect();
        let own: Vec<&[f64]> = own.iter().map(Vec::as_slice).collect();
        let better = self.relaxed.backward(relaxed, &own)?.values;
        for ((gradient, better), each) in gradients.iter_mut().zip(better).zip(&tape.usual.each) {
            if *each {
                replace(gradient, batch, &tape.violated, &better);
            } else {
                gradient.iter_mut().zip(better).for_each(|(sum, own)| *sum += own);
            }
        }
        Ok(gradients)
    }

    /// Directional derivative of the outputs and, last, of the violation along a change of the
    /// parameters, as [`Layer::jvp`].
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn jvp(
        &self,
        tape: &ElasticTape,
        tangents: &[&[f64]],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        self.check_failures(tape)?;
        let batch = tape.usual.batch;
        let mut along = self.layer.jvp(&tape.usual, tangents)?.values;
        along.push(vec![0.0; batch * self.rows_relaxed()]);
        let Some(relaxed) = &tape.relaxed else { return Ok(along) };
        let each = tape.usual.each.iter();
        let own: Vec<Vec<f64>> = tangents
            .iter()
            .zip(each)
            .map(
                |(tangent, each)| {
                    if *each { rows_of(tangent, batch, &tape.violated) } else { tangent.to_vec() }
                },
            )
            .collect();
        let own: Vec<&[f64]> = own.iter().map(Vec::as_slice).collect();
        let better = self.relaxed.jvp(relaxed, &own)?.values;
        for (values, better) in along.iter_mut().zip(better) {
            replace(values, batch, &tape.violated, &better);
        }
        Ok(along)
    }

    /// The size of each sample's violation, in the norm of the relaxation.
    pub fn violation_sizes(&self, solved: &ElasticOutputs) -> Vec<f64> {
        let rows = self.rows_relaxed();
        let samples = 0..solved.outputs.batch;
        samples.map(|sample| self.size_of(&solved.violation[sample * rows..][..rows])).collect()
    }

    /// The gradient of [`Self::violation_sizes`] with respect to the violation, each sample's times
    /// its weight; zero where nothing is violated.
    pub fn violation_gradient(&self, solved: &ElasticOutputs, weights: &[f64]) -> Vec<f64> {
        let rows = self.rows_relaxed();
        let mut gradient = solved.violation.clone();
        for (own, weight) in gradient.chunks_mut(rows.max(1)).zip(weights) {
            let size = self.size_of(own);
            for number in own {
                let slope = match self.norm {
                    ViolationNorm::L1 if *number == 0.0 => 0.0,
                    ViolationNorm::L1 => number.signum(),
                    ViolationNorm::L2 if size == 0.0 => 0.0,
                    ViolationNorm::L2 => *number / size,
                };
                *number = weight * slope;
            }
        }
        gradient
    }

    fn size_of(&self, violation: &[f64]) -> f64 {
        match self.norm {
            ViolationNorm::L1 => violation.iter().map(|e| e.abs()).sum(),
            ViolationNorm::L2 => violation.iter().map(|e| e * e).sum::<f64>().sqrt(),
        }
    }

    fn rows_relaxed(&self) -> usize {
        self.relaxed.outputs().last().map_or(0, |(_, shape)| shape.size())
    }

    /// The samples as they were solved, but for the infeasible ones, of which there is what `relax`
    /// makes of them: that many samples at these parameters.
    fn join<T>(
        &self,
        outputs: Outputs,
        parameters: &[Slot<'_>],
        relax: impl FnOnce(usize, &[Slot<'_>]) -> Result<(Outputs, T), ModelError>,
    ) -> Result<(ElasticOutputs, Option<T>), ModelError> {
        let statuses = outputs.reports.iter().map(|report| report.status).enumerate();
        let infeasible = statuses.filter(|(_, status)| *status == Status::PrimalInfeasible);
        let infeasible: Vec<usize> = infeasible.map(|(at, _)| at).collect();
        let violation = vec![0.0; outputs.batch * self.rows_relaxed()];
        let mut solved = ElasticOutputs { outputs, violation, violated: Vec::new() };
        if infeasible.is_empty() {
            return Ok((solved, None));
        }
        let rows = self.rows(parameters, &infeasible);
        let (found, rest) = relax(infeasible.len(), &slots(parameters, &rows))?;
        solved.take(&found, infeasible);
        Ok((solved, Some(rest)))
    }

    /// What the samples have of each parameter that is not shared.
    fn rows(&self, parameters: &[Slot<'_>], samples: &[usize]) -> Vec<Option<Vec<f64>>> {
        let lens = self.layer.parameters().map(|(_, len)| len);
        let own = |(slot, len): (&Slot<'_>, usize)| match slot {
            Slot::Shared(_) => None,
            Slot::Each(values) => Some(
                samples.iter().flat_map(|at| &values[at * len..(at + 1) * len]).copied().collect(),
            ),
        };
        parameters.iter().zip(lens).map(own).collect()
    }

    /// Cotangents of the outputs, and that of the violation.
    fn check<'a, 'b>(
        &self,
        tape: &ElasticTape,
        cotangents: &'a [&'b [f64]],
    ) -> Result<(&'a [&'b [f64]], &'b [f64]), ModelError> {
        self.check_failures(tape)?;
        let expected = tape.usual.batch * self.rows_relaxed();
        match cotangents.split_last() {
            Some((last, usual)) if last.is_empty() || last.len() == expected => Ok((usual, last)),
            last => Err(ModelError::Argument {
                argument: "cotangents".into(),
                expected: format!("last that of the violation, {expected} numbers or none"),
                found: last.map_or("nothing".into(), |(last, _)| format!("{}", last.len())),
            }),
        }
    }

    fn check_failures(&self, tape: &ElasticTape) -> Result<(), ModelError> {
        if self.how.on_failure != OnFailure::Error || tape.failures.is_empty() {
            return Ok(());
        }
        let (batch, failures) = (tape.usual.batch, tape.failures.clone());
        Err(Error::Unsolved { batch, failures }.into())
    }
}

impl ElasticOutputs {
    /// Takes what the relaxed layer found for some samples.
    fn take(&mut self, found: &Outputs, samples: Vec<usize>) {
        let batch = self.outputs.batch;
        let own = self.outputs.values.iter_mut().chain([&mut self.violation]);
        for (values, better) in own.zip(&found.values) {
            replace(values, batch, &samples, better);
        }
        for (at, &sample) in samples.iter().enumerate() {
            self.outputs.objective[sample] = found.objective[at];
            self.outputs.reports[sample] = found.reports[at];
        }
        self.violated = samples;
    }
}

/// Parameters, with `rows` in the place of those that are not shared.
fn slots<'a>(parameters: &[Slot<'a>], rows: &'a [Option<Vec<f64>>]) -> Vec<Slot<'a>> {
    let own = |(slot, rows): (&Slot<'a>, &'a Option<Vec<f64>>)| match rows {
        None => *slot,
        Some(rows) => Slot::Each(rows),
    };
    parameters.iter().zip(rows).map(own).collect()
}

/// What some samples have of the numbers of a batch.
fn rows_of(values: &[f64], batch: usize, samples: &[usize]) -> Vec<f64> {
    let len = values.len() / batch.max(1);
    samples.iter().flat_map(|at| &values[at * len..(at + 1) * len]).copied().collect()
}

/// Other numbers for some samples of a batch.
fn replace(values: &mut [f64], batch: usize, samples: &[usize], better: &[f64]) {
    let len = values.len() / batch.max(1);
    for (at, sample) in samples.iter().enumerate() {
        values[sample * len..(sample + 1) * len].copy_from_slice(&better[at * len..(at + 1) * len]);
    }
}
