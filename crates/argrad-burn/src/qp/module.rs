//! The quadratic program as a module.

use std::sync::Arc;

use argrad::{Differentiation, MatrixShape, QpLayer, QpPoint};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::qp::program::Program;
use crate::{Argument, Error, QpArguments, QpOutput, Source};

/// Solves a quadratic program for each instance of a batch; some of its numbers are learned, some
/// fixed, some fed by the layer before. Made by [`QpConfig`](crate::QpConfig).
#[derive(Module, Debug)]
pub struct QpModule {
    quadratic: Weights,
    linear: Weights,
    a: Weights,
    b: Weights,
    g: Weights,
    h: Weights,
    #[module(skip)]
    program: Program,
}

/// What a module keeps of one argument: a parameter, or constants, or nothing (where it is fed).
#[derive(Module, Debug)]
pub struct Weights {
    matrix: Option<Param<Tensor<2>>>,
    vector: Option<Param<Tensor<1>>>,
    #[module(skip)]
    constants: Option<Arc<[f64]>>,
}

impl Weights {
    pub(crate) fn new(
        argument: &'static str,
        source: Source,
        shape: &MatrixShape,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut weights = Self { matrix: None, vector: None, constants: None };
        if let Source::LearnableFrom(values) | Source::Fixed(values) = &source
            && values.len() != shape.len()
        {
            return Err(Error::Program(argrad::Error::Length {
                argument,
                expected: shape.len(),
                found: values.len(),
                meaning: format!("numbers of a {shape} matrix"),
            }));
        }
        match (source, shape) {
            (Source::Fed, _) => {}
            (Source::Fixed(values), _) => weights.constants = Some(values.into()),
            (Source::Learnable(initializer), &MatrixShape::Dense { rows, cols }) => {
                weights.matrix =
                    Some(initializer.init_with([rows, cols], Some(cols), Some(rows), device));
            }
            (Source::Learnable(initializer), _) => {
                let len = shape.len();
                weights.vector = Some(initializer.init_with([len], Some(len), Some(len), device));
            }
            (Source::LearnableFrom(values), &MatrixShape::Dense { rows, cols }) => {
                weights.matrix =
                    Some(Param::from_data(TensorData::new(values, [rows, cols]), device));
            }
            (Source::LearnableFrom(values), _) => {
                let len = values.len();
                weights.vector = Some(Param::from_data(TensorData::new(values, [len]), device));
            }
        }
        // Drawn now and not at first use, so that a seed determines them.
        weights.matrix.iter().for_each(|matrix| drop(matrix.val()));
        weights.vector.iter().for_each(|vector| drop(vector.val()));
        Ok(weights)
    }

    /// The parameter of a dense matrix, rows x columns.
    pub fn matrix(&self) -> Option<Tensor<2>> {
        self.matrix.as_ref().map(Param::val)
    }

    /// The parameter of a vector, a diagonal, or the entries of a sparse matrix.
    pub fn vector(&self) -> Option<Tensor<1>> {
        self.vector.as_ref().map(Param::val)
    }

    /// The constants.
    pub fn constants(&self) -> Option<&[f64]> {
        self.constants.as_deref()
    }

    /// Whether the argument is given to every forward pass.
    pub fn is_fed(&self) -> bool {
        self.matrix.is_none() && self.vector.is_none() && self.constants.is_none()
    }

    fn argument(&self, argument: &'static str, fed: Option<Argument>) -> Result<Argument, Error> {
        let (own, declared) = if let Some(matrix) = self.matrix() {
            (Argument::shared(matrix), "learnable")
        } else if let Some(vector) = self.vector() {
            (Argument::shared(vector), "learnable")
        } else if let Some(constants) = &self.constants {
            (Argument::fixed(Arc::clone(constants)), "fixed")
        } else {
            return fed.ok_or(Error::Missing { argument });
        };
        match fed {
            None => Ok(own),
            Some(_) => Err(Error::Unexpected { argument, declared }),
        }
    }
}

/// What is fed to one forward pass.
#[derive(Clone, Debug, Default)]
pub struct QpInputs {
    batch: Option<usize>,
    arguments: [Option<Argument>; 6],
    start: Option<Arc<QpPoint>>,
}

impl QpInputs {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of instances. Needed only where no argument has numbers for each of them.
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// Q, or its factor L where Q = LL' + eps I.
    pub fn quadratic(self, quadratic: Argument) -> Self {
        self.with(0, quadratic)
    }

    /// q.
    pub fn linear(self, linear: Argument) -> Self {
        self.with(1, linear)
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

    /// Where to start, instance by instance: the result of an earlier pass.
    pub fn start(mut self, start: Arc<QpPoint>) -> Self {
        self.start = Some(start);
        self
    }

    fn with(mut self, index: usize, argument: Argument) -> Self {
        self.arguments[index] = Some(argument);
        self
    }
}

impl QpModule {
    /// `weights` are six.
    pub(crate) fn new(weights: Vec<Weights>, program: Program) -> Self {
        let mut weights = weights.into_iter();
        let mut next =
            || weights.next().unwrap_or(Weights { matrix: None, vector: None, constants: None });
        Self {
            quadratic: next(),
            linear: next(),
            a: next(),
            b: next(),
            g: next(),
            h: next(),
            program,
        }
    }

    /// Solves the batch.
    ///
    /// # Errors
    /// Malformed input; an argument fed that is not expected or expected and not fed; an instance
    /// without a solution, unless the module was configured to live with it.
    pub fn forward(&self, inputs: QpInputs) -> Result<QpOutput, Error> {
        let QpInputs { batch, arguments, start } = inputs;
        let [quadratic, linear, a, b, g, h] = arguments;
        let names = self.program.names();
        let arguments = QpArguments {
            batch,
            quadratic: self.quadratic.argument(names[0], quadratic)?,
            linear: self.linear.argument(names[1], linear)?,
            a: self.a.argument(names[2], a)?,
            b: self.b.argument(names[3], b)?,
            g: self.g.argument(names[4], g)?,
            h: self.h.argument(names[5], h)?,
            start,
        };
        self.program.run(&arguments)
    }

    /// Q, or its factor L where Q = LL' + eps I.
    pub fn quadratic(&self) -> &Weights {
        &self.quadratic
    }

    /// q.
    pub fn linear(&self) -> &Weights {
        &self.linear
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

    /// The layer that solves the program.
    pub fn layer(&self) -> &QpLayer {
        &self.program.layer
    }

    /// How it differentiates.
    pub fn differentiation(&self) -> &Differentiation {
        &self.program.how
    }
}
