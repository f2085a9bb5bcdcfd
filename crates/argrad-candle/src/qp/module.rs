//! The quadratic program as a module.

use argrad::QpLayer;
use argrad::host::QpProgram;
use candle_core::Var;

use super::program::run;
use super::{QpInputs, QpOutput};
use crate::error::Error;
use crate::weights::Weights;

/// Solves a quadratic program for each sample of a batch; some of its numbers are learned, some
/// fixed, some fed by the layer before. Made by [`QpConfig`](crate::QpConfig).
#[derive(Clone, Debug)]
pub struct QpModule {
    /// Of P, q, A, b, G, h.
    weights: [Weights; 6],
    program: QpProgram,
}

impl QpModule {
    /// `weights` are those of P, q, A, b, G, h.
    pub(crate) fn new(weights: [Weights; 6], program: QpProgram) -> Self {
        Self { weights, program }
    }

    /// Solves the batch.
    ///
    /// # Errors
    /// Malformed input; an argument fed that is not expected or expected and not fed; a sample
    /// without a solution, unless the module was configured to live with it.
    pub fn forward(&self, inputs: QpInputs) -> Result<QpOutput, Error> {
        let names = self.program.names();
        let arguments = inputs.arguments(|k, fed| self.weights[k].argument(names[k], fed))?;
        run(&self.program, &arguments)
    }

    /// P, or its factor L where P = LL' + eps I.
    pub fn p(&self) -> &Weights {
        &self.weights[0]
    }

    /// q.
    pub fn q(&self) -> &Weights {
        &self.weights[1]
    }

    /// A.
    pub fn a(&self) -> &Weights {
        &self.weights[2]
    }

    /// b, or w where b = A exp(w).
    pub fn b(&self) -> &Weights {
        &self.weights[3]
    }

    /// G.
    pub fn g(&self) -> &Weights {
        &self.weights[4]
    }

    /// h.
    pub fn h(&self) -> &Weights {
        &self.weights[5]
    }

    /// The variables of the learnable arguments, for an optimizer.
    pub fn variables(&self) -> Vec<Var> {
        self.weights.iter().filter_map(|weights| weights.variable().cloned()).collect()
    }

    /// The layer that solves the program and differentiates it.
    pub fn layer(&self) -> &QpLayer {
        self.program.layer()
    }
}
