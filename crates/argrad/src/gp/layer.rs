//! A compiled geometric program.

use std::sync::Arc;

use argrad_solver::{Device, Differentiation, Settings, Slot};
use serde::{Deserialize, Serialize};

use crate::error::ModelError;
use crate::expression::Key;
use crate::layer::{Layer, LayerDerivative, LayerTape, Outputs};

/// A compiled geometric program: [`Layer`] of the logarithms, with exponentials after it. Outputs,
/// optimal values and derivatives are those of the problem as it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GpLayer {
    layer: Layer,
    /// Whether each output is a logarithm; duals are not.
    logarithmic: Vec<bool>,
}

/// What backward needs of a forward pass.
#[derive(Debug)]
pub struct GpTape {
    tape: LayerTape,
    /// The outputs, by which derivatives of logarithms are multiplied; empty for duals.
    values: Vec<Vec<f64>>,
    objective: Vec<f64>,
}

impl GpLayer {
    pub(super) fn new(layer: Layer, logarithmic: Vec<bool>) -> Self {
        Self { layer, logarithmic }
    }

    /// The layer of the logarithms: the same parameters, outputs that are logarithms (of variables;
    /// duals are the same).
    pub fn log_layer(&self) -> &Layer {
        &self.layer
    }

    /// As [`Layer::arguments`].
    ///
    /// # Errors
    /// As [`Layer::arguments`].
    pub fn arguments<'c, K: Clone + Into<Key>>(
        &self,
        parameters: &[(K, &'c [f64])],
    ) -> Result<Vec<&'c [f64]>, ModelError> {
        self.layer.arguments(parameters)
    }

    /// As [`Layer::parameter`].
    ///
    /// # Errors
    /// As [`Layer::parameter`].
    pub fn parameter(&self, key: impl Into<Key>) -> Result<usize, ModelError> {
        self.layer.parameter(key)
    }

    /// As [`Layer::output`].
    ///
    /// # Errors
    /// As [`Layer::output`].
    pub fn output(&self, key: impl Into<Key>) -> Result<usize, ModelError> {
        self.layer.output(key)
    }

    /// The same layer with other settings of the solver.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn with_settings(self, settings: Settings) -> Result<Self, ModelError> {
        Ok(Self { layer: self.layer.with_settings(settings)?, ..self })
    }

    /// The same layer on a device, as [`Layer::on`].
    ///
    /// # Errors
    /// As [`Layer::on`].
    pub fn on(self, device: Arc<dyn Device>) -> Result<Self, ModelError> {
        Ok(Self { layer: self.layer.on(device)?, ..self })
    }

    /// The same layer, differentiated in another way.
    pub fn with_differentiation(self, how: Differentiation) -> Self {
        Self { layer: self.layer.with_differentiation(how), ..self }
    }

    /// As [`Layer::forward`].
    ///
    /// # Errors
    /// As [`Layer::forward`]; also for parameters that are zero.
    pub fn forward(&self, parameters: &[&[f64]]) -> Result<(Outputs, GpTape), ModelError> {
        let (outputs, tape) = self.layer.forward(parameters)?;
        Ok(self.exponentiate(outputs, tape))
    }

    /// As [`Layer::forward_from`].
    ///
    /// # Errors
    /// As [`Self::forward`]; also when `start` is of another batch.
    pub fn forward_from(
        &self,
        parameters: &[&[f64]],
        start: &Outputs,
    ) -> Result<(Outputs, GpTape), ModelError> {
        let (outputs, tape) = self.layer.forward_from(parameters, start)?;
        Ok(self.exponentiate(outputs, tape))
    }

    /// As [`Layer::forward_slots`].
    ///
    /// # Errors
    /// As [`Self::forward_from`].
    pub fn forward_slots(
        &self,
        batch: usize,
        parameters: &[Slot<'_>],
        start: Option<&Outputs>,
    ) -> Result<(Outputs, GpTape), ModelError> {
        let (outputs, tape) = self.layer.forward_slots(batch, parameters, start)?;
        Ok(self.exponentiate(outputs, tape))
    }

    /// As [`Layer::solve`]: without a tape.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn solve(&self, parameters: &[&[f64]]) -> Result<Outputs, ModelError> {
        Ok(self.to_values(self.layer.solve(parameters)?))
    }

    /// As [`Layer::solve_from`].
    ///
    /// # Errors
    /// As [`Self::forward_from`].
    pub fn solve_from(
        &self,
        parameters: &[&[f64]],
        start: &Outputs,
    ) -> Result<Outputs, ModelError> {
        Ok(self.to_values(self.layer.solve_from(parameters, start)?))
    }

    /// As [`Layer::solve_slots`].
    ///
    /// # Errors
    /// As [`Self::forward_from`].
    pub fn solve_slots(
        &self,
        batch: usize,
        parameters: &[Slot<'_>],
        start: Option<&Outputs>,
    ) -> Result<Outputs, ModelError> {
        Ok(self.to_values(self.layer.solve_slots(batch, parameters, start)?))
    }

    /// Outputs from their logarithms.
    fn to_values(&self, mut outputs: Outputs) -> Outputs {
        outputs.objective.iter_mut().for_each(|value| *value = value.exp());
        for (output, logarithmic) in outputs.values.iter_mut().zip(&self.logarithmic) {
            if *logarithmic {
                output.iter_mut().for_each(|value| *value = value.exp());
            }
        }
        outputs
    }

    fn exponentiate(&self, outputs: Outputs, tape: LayerTape) -> (Outputs, GpTape) {
        let outputs = self.to_values(outputs);
        let kept = outputs.values.iter().zip(&self.logarithmic);
        let values = kept.map(|(output, log)| if *log { output.clone() } else { Vec::new() });
        let (values, objective) = (values.collect(), outputs.objective.clone());
        (outputs, GpTape { tape, values, objective })
    }

    /// As [`Layer::backward`].
    ///
    /// # Errors
    /// As [`Layer::backward`].
    pub fn backward(
        &self,
        tape: &GpTape,
        cotangents: &[&[f64]],
    ) -> Result<LayerDerivative, ModelError> {
        let scaled: Vec<Vec<f64>> = cotangents
            .iter()
            .enumerate()
            .map(|(at, cotangent)| tape.scaled(at, cotangent))
            .collect();
        let scaled: Vec<&[f64]> = scaled.iter().map(Vec::as_slice).collect();
        self.layer.backward(&tape.tape, &scaled)
    }

    /// As [`Layer::value_gradient`].
    ///
    /// # Errors
    /// As [`Layer::value_gradient`].
    pub fn value_gradient(
        &self,
        tape: &GpTape,
        weights: &[f64],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        // A number too many or too few is for the layer to refuse.
        let scale = |(at, weight): (usize, &f64)| weight * tape.objective.get(at).unwrap_or(&1.0);
        let weights: Vec<f64> = weights.iter().enumerate().map(scale).collect();
        self.layer.value_gradient(&tape.tape, &weights)
    }

    /// As [`Layer::jvp`].
    ///
    /// # Errors
    /// As [`Layer::jvp`].
    pub fn jvp(&self, tape: &GpTape, tangents: &[&[f64]]) -> Result<LayerDerivative, ModelError> {
        let mut moved = self.layer.jvp(&tape.tape, tangents)?;
        for (at, values) in moved.values.iter_mut().enumerate() {
            *values = tape.scaled(at, values);
        }
        Ok(moved)
    }
}

impl GpTape {
    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.tape.batch()
    }

    /// Times the output, where it is an exponential.
    fn scaled(&self, output: usize, numbers: &[f64]) -> Vec<f64> {
        let mut out = numbers.to_vec();
        if let Some(values) = self.values.get(output) {
            out.iter_mut().zip(values).for_each(|(out, v)| *out *= v);
        }
        out
    }
}
