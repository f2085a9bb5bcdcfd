//! The quadratic program as a module.

use argrad::QpLayer;
use argrad::host::QpProgram;
use burn::module::Module;

use super::program::run;
use super::{QpInputs, QpOutput};
use crate::error::Error;
use crate::weights::Weights;

/// Solves a quadratic program for each sample of a batch; some of its numbers are learned, some
/// fixed, some fed by the layer before. Made by [`QpConfig`](crate::QpConfig).
#[derive(Module, Debug)]
pub struct QpModule {
    p: Weights,
    q: Weights,
    a: Weights,
    b: Weights,
    g: Weights,
    h: Weights,
    #[module(skip)]
    program: QpProgram,
}

impl QpModule {
    /// `weights` are those of P, q, A, b, G, h.
    pub(crate) fn new(weights: [Weights; 6], program: QpProgram) -> Self {
        let [p, q, a, b, g, h] = weights;
        Self { p, q, a, b, g, h, program }
    }

    /// Solves the batch.
    ///
    /// # Errors
    /// Malformed input; an argument fed that is not expected or expected and not fed; a sample
    /// without a solution, unless the module was configured to live with it.
    pub fn forward(&self, inputs: QpInputs) -> Result<QpOutput, Error> {
        let weights = [&self.p, &self.q, &self.a, &self.b, &self.g, &self.h];
        let names = self.program.names();
        let arguments = inputs.arguments(|k, fed| weights[k].argument(names[k], fed))?;
        run(&self.program, &arguments)
    }

    /// P, or its factor L where P = LL' + eps I.
    pub fn p(&self) -> &Weights {
        &self.p
    }

    /// q.
    pub fn q(&self) -> &Weights {
        &self.q
    }

    /// A.
    pub fn a(&self) -> &Weights {
        &self.a
    }

    /// b, or w where b = A exp(w).
    pub fn b(&self) -> &Weights {
        &self.b
    }

    /// G.
    pub fn g(&self) -> &Weights {
        &self.g
    }

    /// h.
    pub fn h(&self) -> &Weights {
        &self.h
    }

    /// The layer that solves the program and differentiates it.
    pub fn layer(&self) -> &QpLayer {
        self.program.layer()
    }
}
