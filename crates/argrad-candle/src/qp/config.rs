//! The configuration of a module: the shape of its program, and where each argument comes from.

use argrad::factored_quadratic::FactoredQuadratic;
use argrad::feasible_rhs::FeasibleRhs;
use argrad::host::{Misfit, QpProgram};
use argrad::{Differentiation, MatrixShape, QpLayer, QpShape, Settings};

use super::QpModule;
use crate::error::Error;
use crate::weights::{Source, Weights};

/// Configuration of a [`QpModule`],
///
/// ```text
/// minimize    1/2 x'Px + q'x
/// subject to  Ax = b,  Gx <= h
/// ```
///
/// Unless told otherwise, P = 0, q is fed, and there are no constraints. The numbers of an argument
/// are in the order of its [`MatrixShape`]. An entry of h that is 1e19 or more is no constraint
/// (see [`QpLayer`]).
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

    /// P itself. Learned freely, it may lose its convexity, which is an error of the forward pass:
    /// to learn a dense P, take [`Self::factored_quadratic`].
    pub fn quadratic(mut self, shape: MatrixShape, p: Source) -> Self {
        self.shape.p = shape;
        self.factor = None;
        self.sources[0] = p;
        self
    }

    /// P = LL' + eps I with a dense n x n factor L, convex whatever L is.
    pub fn factored_quadratic(mut self, l: Source, eps: f64) -> Self {
        let n = self.shape.variables();
        self.shape.p = MatrixShape::Dense { rows: n, cols: n };
        self.factor = Some(FactoredQuadratic::full(n, eps));
        self.sources[0] = l;
        self
    }

    /// q.
    pub fn linear(mut self, q: Source) -> Self {
        self.sources[1] = q;
        self
    }

    /// Ax = b.
    pub fn equalities(mut self, shape: MatrixShape, a: Source, b: Source) -> Self {
        self.shape.a = shape;
        self.feasible = false;
        (self.sources[2], self.sources[3]) = (a, b);
        self
    }

    /// Ax = A exp(w), which `x = exp(w) > 0` satisfies whatever A and w are. w has one number per
    /// variable.
    pub fn feasible_equalities(mut self, shape: MatrixShape, a: Source, w: Source) -> Self {
        self.shape.a = shape;
        self.feasible = true;
        (self.sources[2], self.sources[3]) = (a, w);
        self
    }

    /// Gx <= h.
    pub fn inequalities(mut self, shape: MatrixShape, g: Source, h: Source) -> Self {
        self.shape.g = shape;
        (self.sources[4], self.sources[5]) = (g, h);
        self
    }

    /// Settings of the solver.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// How to differentiate, and what to do about samples without a solution (see
    /// [`qp`](crate::qp())).
    pub fn differentiation(mut self, differentiation: Differentiation) -> Self {
        self.differentiation = differentiation;
        self
    }

    /// Makes the module: analyses the program and checks the numbers.
    ///
    /// # Errors
    /// Shapes that do not fit together or to a variable, numbers of the wrong length; a variable
    /// that is not of floats on the CPU.
    pub fn init(self) -> Result<QpModule, Error> {
        let Self { shape, factor, feasible, sources, settings, differentiation } = self;
        let layer = QpLayer::new(shape.clone(), settings)?.with_differentiation(differentiation);
        let feasible = feasible.then(|| FeasibleRhs::new(&shape.a));
        let program = QpProgram::new(layer, factor, feasible)?;
        let (extents, names) = (program.extents(), program.names());
        let weights = |k: usize, source: Source| {
            Weights::new(source, extents[k], names[k], |Misfit { expected, found, .. }| {
                Error::Program(argrad::Error::Shape { argument: names[k], expected, found })
            })
        };
        let [p, q, a, b, g, h] = sources;
        let weights = [
            weights(0, p)?,
            weights(1, q)?,
            weights(2, a)?,
            weights(3, b)?,
            weights(4, g)?,
            weights(5, h)?,
        ];
        Ok(QpModule::new(weights, program))
    }
}
