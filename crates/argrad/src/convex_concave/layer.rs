//! A compiled convex-concave problem.

use std::sync::Arc;

use argrad_solver::{Device, Differentiation, Report, Settings, Slot};

use super::point::SequenceReport;
use super::tangents::Tangents;
use super::tape::ConvexConcaveTape;
use crate::error::ModelError;
use crate::expression::{Attributes, Expr, Handle, Key};
use crate::function::Function;
use crate::layer::Layer;

/// A compiled convex-concave problem: a differentiable function of its parameters, in batches. Its
/// solutions are stationary points, of which there may be several.
#[derive(Clone, Debug)]
pub struct ConvexConcaveLayer {
    /// One step: its parameters are the problem's, the tangents, and the weight of the slacks.
    pub(super) layer: Layer,
    pub(super) parts: Parts,
    pub(super) sequence: Sequence,
}

/// What a layer knows beyond the convex problem of a step.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// Number of outputs and parameters that the user asked for.
    pub outputs: usize,
    pub parameters: usize,
    /// The objective, the differences of the constraints with slacks, and what has tangents, as
    /// functions of all variables and parameters.
    pub function: Function,
    /// Number of constraints with slacks.
    pub relaxed: usize,
    pub tangents: Tangents,
    /// Which outputs of the step the variables are, and the slacks.
    pub variables: Vec<usize>,
    pub slacks: Vec<usize>,
    /// What is known of a variable where a start is drawn.
    pub starts: Vec<StartSpec>,
    /// 1 for a minimization, -1 for a maximization.
    pub sign: f64,
}

/// A variable of which a start is given or drawn.
#[derive(Clone, Debug)]
pub(super) struct StartSpec {
    pub handle: Handle,
    pub name: String,
    pub size: usize,
    pub attributes: Attributes,
}

/// How the sequence of convex problems goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sequence {
    /// Number of starts that are drawn for each sample, of which the best end is returned; at least
    /// 1. The same ones for every sample, so that a result does not depend on the batch.
    pub starts: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Starts are drawn uniformly between a variable's bounds, and where it has none, between
    /// `-spread` and `spread` (with its sign); in the units of the variables.
    pub spread: f64,
    /// Factor by which the weight of the slacks grows from step to step while there are any; above
    /// 1. It starts at the ratio of the gradients of objective and constraints.
    pub growth: f64,
    /// Relative change of all variables in one step, at which a point counts as stationary.
    pub tolerance: f64,
    /// Most steps.
    pub limit: u32,
}

impl Default for Sequence {
    fn default() -> Self {
        Self { starts: 4, seed: 0, spread: 1.0, growth: 2.0, tolerance: 1e-10, limit: 500 }
    }
}

/// What a forward pass returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConvexConcaveOutputs {
    /// Number of samples.
    pub batch: usize,
    /// The outputs in the order in which they were asked for, `batch` times the size of each; NaN
    /// where a convex problem of the sequence had no solution.
    pub values: Vec<Vec<f64>>,
    /// The objective of each sample at the point that was found.
    pub objective: Vec<f64>,
    /// How the sequence went, and what kind of point it found.
    pub sequences: Vec<SequenceReport>,
    /// How the last convex problem went.
    pub reports: Vec<Report>,
}

impl std::ops::Index<usize> for ConvexConcaveOutputs {
    type Output = [f64];

    fn index(&self, output: usize) -> &[f64] {
        &self.values[output]
    }
}

impl ConvexConcaveLayer {
    pub(super) fn new(layer: Layer, parts: Parts) -> Self {
        Self { layer, parts, sequence: Sequence::default() }
    }

    /// The same layer with another course of the sequence.
    ///
    /// # Errors
    /// [`ModelError::Argument`] for a number that is out of its range.
    pub fn with_sequence(mut self, sequence: Sequence) -> Result<Self, ModelError> {
        let Sequence { starts, spread, growth, tolerance, limit, .. } = sequence;
        let checks = [
            ("starts", starts >= 1, "at least 1", starts.to_string()),
            ("spread", spread > 0.0 && spread.is_finite(), "a positive number", spread.to_string()),
            ("growth", growth > 1.0 && growth.is_finite(), "above 1", growth.to_string()),
            (
                "tolerance",
                tolerance > 0.0 && tolerance < 1.0,
                "between 0 and 1",
                tolerance.to_string(),
            ),
            ("limit", limit >= 1, "at least 1", limit.to_string()),
        ];
        for (name, holds, expected, found) in checks {
            if !holds {
                let argument = format!("Sequence::{name}");
                return Err(ModelError::Argument { argument, expected: expected.into(), found });
            }
        }
        self.sequence = sequence;
        Ok(self)
    }

    /// The same layer with other settings of the solver.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn with_settings(mut self, settings: Settings) -> Result<Self, ModelError> {
        self.layer = self.layer.with_settings(settings)?;
        Ok(self)
    }

    /// The same layer on a device, as [`Layer::on`].
    ///
    /// # Errors
    /// As [`Layer::on`].
    pub fn on(mut self, device: Arc<dyn Device>) -> Result<Self, ModelError> {
        self.layer = self.layer.on(device)?;
        Ok(self)
    }

    /// The same layer, differentiated in another way.
    pub fn with_differentiation(mut self, how: Differentiation) -> Self {
        self.layer = self.layer.with_differentiation(how);
        self
    }

    /// The convex layer of one step: its parameters are those of the problem, then the tangents,
    /// then the weight of the slacks.
    pub fn step_layer(&self) -> &Layer {
        &self.layer
    }

    /// Name and number of values of each parameter, in the order of [`Self::forward`].
    pub fn parameters(&self) -> impl Iterator<Item = (&str, usize)> {
        self.layer.parameters().take(self.parts.parameters)
    }

    /// Position of an output, in [`ConvexConcaveOutputs::values`] and among cotangents.
    ///
    /// # Errors
    /// As [`Layer::output`].
    pub fn output(&self, key: impl Into<Key>) -> Result<usize, ModelError> {
        self.layer.output(key)
    }

    /// Finds a stationary point for each sample of a batch, from starts that are drawn, and keeps
    /// what a derivative needs. A parameter of k numbers is given by k numbers, which all samples
    /// share, or by `batch * k`. Each step is one batch of convex problems: of all samples and
    /// starts that have not ended.
    ///
    /// # Errors
    /// Values that are not those of the parameters: [`ModelError::Value`] says which. What kind of
    /// point was found is no error but said by [`SequenceReport::kind`].
    pub fn forward(
        &self,
        parameters: &[&[f64]],
    ) -> Result<(ConvexConcaveOutputs, ConvexConcaveTape), ModelError> {
        self.forward_from(parameters, &[])
    }

    /// [`Self::forward`] from given values of some variables: as many numbers as the variable has,
    /// or `batch` times that. Others are drawn. Where all variables are given there is one start.
    ///
    /// # Errors
    /// As [`Self::forward`]; [`ModelError::Handle`] for what is no variable of the problem.
    pub fn forward_from(
        &self,
        parameters: &[&[f64]],
        start: &[(Expr<'_>, &[f64])],
    ) -> Result<(ConvexConcaveOutputs, ConvexConcaveTape), ModelError> {
        let (batch, slots) = self.slots(parameters)?;
        let points = self.starts(batch, start)?;
        let jobs = self.run(&slots, points)?;
        self.finish(batch, &slots, &jobs)
    }

    /// [`Self::forward`] without a tape.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn solve(&self, parameters: &[&[f64]]) -> Result<ConvexConcaveOutputs, ModelError> {
        Ok(self.forward(parameters)?.0)
    }

    /// Batch and slots of the problem's parameters, which are checked.
    fn slots<'p>(&self, parameters: &[&'p [f64]]) -> Result<(usize, Vec<Slot<'p>>), ModelError> {
        let expected = self.parts.parameters;
        if parameters.len() != expected {
            let names: Vec<&str> = self.parameters().map(|(name, _)| name).collect();
            return Err(ModelError::Parameters(format!(
                "expected the values of {expected} parameters ({}), found {}",
                names.join(", "),
                parameters.len()
            )));
        }
        let rest: Vec<Vec<f64>> =
            self.layer.parameters().skip(expected).map(|(_, len)| vec![0.0; len]).collect();
        let all: Vec<&[f64]> =
            parameters.iter().copied().chain(rest.iter().map(Vec::as_slice)).collect();
        let (batch, slots) = self.layer.infer(&all)?;
        self.layer.check(batch, &slots)?;
        let own = slots.iter().zip(parameters).map(|(slot, values)| match slot {
            Slot::Shared(_) => Slot::Shared(values),
            Slot::Each(_) => Slot::Each(values),
        });
        Ok((batch, own.collect()))
    }

    /// The numbers of the parameters of one sample.
    pub(super) fn sample<'p>(&self, slots: &[Slot<'p>], sample: usize) -> Vec<&'p [f64]> {
        let lengths = self.layer.parameters().map(|(_, len)| len);
        slots.iter().zip(lengths).map(|(slot, len)| slot.sample(sample, len)).collect()
    }
}
