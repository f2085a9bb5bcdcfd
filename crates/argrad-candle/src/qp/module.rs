//! The quadratic program as a module.

use std::sync::Arc;

use argrad::host::QpProgram;
use argrad::{QpLayer, QpSolution};
use candle_core::Var;

use super::program::run;
use super::{QpArguments, QpOutput};
use crate::argument::Argument;
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

/// What is fed to one forward pass.
#[derive(Clone, Debug, Default)]
pub struct QpInputs {
    batch: Option<usize>,
    arguments: [Option<Argument>; 6],
    start: Option<Arc<QpSolution>>,
}

impl QpInputs {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of samples. Needed only where no argument has numbers for each of them.
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// P, or its factor L where P = LL' + eps I.
    pub fn p(self, p: Argument) -> Self {
        self.with(0, p)
    }

    /// q.
    pub fn q(self, q: Argument) -> Self {
        self.with(1, q)
    }

    /// A.
    pub fn a(self, a: Argument) -> Self {
        self.with(2, a)
    }

    /// b, or w where b = A exp(w).
    pub fn b(self, b: Argument) -> Self {
        self.with(3, b)
    }

    /// G.
    pub fn g(self, g: Argument) -> Self {
        self.with(4, g)
    }

    /// h.
    pub fn h(self, h: Argument) -> Self {
        self.with(5, h)
    }

    /// Where to start, sample by sample: the result of an earlier pass.
    pub fn start(mut self, start: Arc<QpSolution>) -> Self {
        self.start = Some(start);
        self
    }

    fn with(mut self, index: usize, argument: Argument) -> Self {
        self.arguments[index] = Some(argument);
        self
    }
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
        let QpInputs { batch, arguments: [p, q, a, b, g, h], start } = inputs;
        let names = self.program.names();
        let own = |k: usize, fed| self.weights[k].argument(names[k], fed);
        let arguments = QpArguments {
            batch,
            p: own(0, p)?,
            q: own(1, q)?,
            a: own(2, a)?,
            b: own(3, b)?,
            g: own(4, g)?,
            h: own(5, h)?,
            start,
        };
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
