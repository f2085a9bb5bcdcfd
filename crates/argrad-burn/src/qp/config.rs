//! The configuration of a module: the shape of its program, and where each argument comes from.

use argrad::factored_quadratic::FactoredQuadratic;
use argrad::feasible_rhs::FeasibleRhs;
use argrad::{Differentiation, MatrixShape, QpLayer, QpShape, Settings};
use burn::module::Initializer;
use burn::tensor::Device;

use crate::qp::module::Weights;
use crate::qp::program::Program;
use crate::{Error, QpModule};

/// Where the numbers of an argument come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A parameter of the module, shared by the batch, drawn when the module is made.
    Learnable(Initializer),
    /// A parameter of the module, shared by the batch, that starts here.
    LearnableFrom(Vec<f64>),
    /// These numbers, shared by the batch.
    Fixed(Vec<f64>),
    /// Given to every forward pass, by the layer before.
    Fed,
}

/// Configuration of a [`QpModule`],
///
/// ```text
/// minimize    1/2 z'Qz + q'z
/// subject to  Az = b,  Gz <= h
/// ```
///
/// Unless told otherwise, Q = 0, q is fed, and there are no constraints. The numbers of an argument
/// are in the order of its [`MatrixShape`].
#[derive(Clone, Debug)]
pub struct QpConfig {
    shape: QpShape,
    factor: Option<FactoredQuadratic>,
    feasible: bool,
    sources: [Source; 6],
    settings: Settings,
    differentiation: Differentiation,
}

const NOTHING: Source = Source::Fixed(Vec::new());

impl QpConfig {
    /// A program in `n` variables.
    pub fn new(n: usize) -> Self {
        Self {
            shape: QpShape::new(n),
            factor: None,
            feasible: false,
            sources: [NOTHING, Source::Fed, NOTHING, NOTHING, NOTHING, NOTHING],
            settings: Settings::default(),
            differentiation: Differentiation::default(),
        }
    }

    /// Q itself. Learned freely, it may lose its convexity, which is an error of the forward pass:
    /// to learn a dense Q, take [`Self::factored_quadratic`].
    pub fn quadratic(mut self, shape: MatrixShape, q: Source) -> Self {
        self.shape.quadratic = shape;
        self.factor = None;
        self.sources[0] = q;
        self
    }

    /// Q = LL' + eps I with a dense n x n factor L, convex whatever L is.
    pub fn factored_quadratic(mut self, l: Source, eps: f64) -> Self {
        let n = self.shape.variables();
        self.shape.quadratic = MatrixShape::Dense { rows: n, cols: n };
        self.factor = Some(FactoredQuadratic::full(n, eps));
        self.sources[0] = l;
        self
    }

    /// q.
    pub fn linear(mut self, q: Source) -> Self {
        self.sources[1] = q;
        self
    }

    /// Az = b.
    pub fn equalities(mut self, shape: MatrixShape, a: Source, b: Source) -> Self {
        self.shape.equalities = shape;
        self.feasible = false;
        (self.sources[2], self.sources[3]) = (a, b);
        self
    }

    /// Az = A exp(w), which `z = exp(w) > 0` satisfies whatever A and w are. w has one number a
    /// variable.
    pub fn feasible_equalities(mut self, shape: MatrixShape, a: Source, w: Source) -> Self {
        self.shape.equalities = shape;
        self.feasible = true;
        (self.sources[2], self.sources[3]) = (a, w);
        self
    }

    /// Gz <= h.
    pub fn inequalities(mut self, shape: MatrixShape, g: Source, h: Source) -> Self {
        self.shape.inequalities = shape;
        (self.sources[4], self.sources[5]) = (g, h);
        self
    }

    /// Settings of the solver.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// How to differentiate, and what to do about instances without a solution (see
    /// [`qp`](crate::qp())).
    pub fn differentiation(mut self, differentiation: Differentiation) -> Self {
        self.differentiation = differentiation;
        self
    }

    /// Makes the module: analyses the program, creates the parameters on `device`, in the order Q,
    /// q, A, b, G, h.
    ///
    /// # Errors
    /// Shapes that do not fit together, numbers of the wrong length.
    pub fn init(self, device: &Device) -> Result<QpModule, Error> {
        let Self { shape, factor, feasible, sources, settings, differentiation } = self;
        let n = shape.variables();
        let layer = QpLayer::new(shape.clone(), settings)?;
        let vector = |len| MatrixShape::Diagonal(len);
        let rhs = if feasible { n } else { shape.equalities.rows() };
        let shapes = [
            shape.quadratic.clone(),
            vector(n),
            shape.equalities.clone(),
            vector(rhs),
            shape.inequalities.clone(),
            vector(shape.inequalities.rows()),
        ];
        let feasible = feasible.then(|| FeasibleRhs::new(&shape.equalities));
        let program = Program::new(layer, factor, feasible, differentiation)?;
        let names = program.names();
        let mut weights = Vec::with_capacity(6);
        for ((source, shape), argument) in sources.into_iter().zip(shapes).zip(names) {
            weights.push(Weights::new(argument, source, &shape, device)?);
        }
        Ok(QpModule::new(weights, program))
    }
}
