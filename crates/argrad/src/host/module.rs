//! Modules: layers some of whose numbers are learned, some fixed, and some fed at each call. What
//! they hold is the framework's; how they are put together is the same for all.

use argrad_solver::{Differentiation, Error, Settings};

use super::layer::unknown;
use super::{Extent, Misfit, QpProgram, check_differentiation, extent};
use crate::factored_quadratic::FactoredQuadratic;
use crate::feasible_rhs::FeasibleRhs;
use crate::model::{Layer, ModelError};
use crate::qp::{MatrixShape, QpLayer, QpShape};

/// Where the numbers of an argument come from, in the words of a framework: what it has to bring so
/// that [`QpConfig`] and [`LayerConfig`] make its modules.
pub trait ModuleSource: Clone {
    /// Where parameters are made.
    type Device;
    /// What a module keeps of an argument.
    type Weights;
    /// A quadratic program as a module.
    type QpModule;
    /// A modelled layer as a module.
    type LayerModule;
    /// What can go wrong.
    type Error: From<Error> + From<ModelError>;

    /// Given to every pass.
    fn fed() -> Self;

    /// These numbers.
    fn fixed(numbers: Vec<f64>) -> Self;

    /// What a module keeps of an argument of this name and extent.
    ///
    /// # Errors
    /// `misfit` makes that of a source with other numbers than the extent has.
    fn weights(
        self,
        argument: &str,
        extent: Extent,
        device: &Self::Device,
        misfit: &dyn Fn(Misfit) -> Self::Error,
    ) -> Result<Self::Weights, Self::Error>;

    /// The module, of the weights of the six arguments of a program.
    fn qp_module(weights: [Self::Weights; 6], program: QpProgram) -> Self::QpModule;

    /// The module, of the weights of the parameters of a layer.
    fn layer_module(weights: Vec<Self::Weights>, layer: Layer) -> Self::LayerModule;
}

/// Configuration of a module around a quadratic program,
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
pub struct QpConfig<S> {
    shape: QpShape,
    factor: Option<FactoredQuadratic>,
    feasible: bool,
    sources: [S; 6],
    settings: Settings,
    differentiation: Differentiation,
}

impl<S: ModuleSource> QpConfig<S> {
    /// A program in `n` variables.
    pub fn new(n: usize) -> Self {
        let nothing = || S::fixed(Vec::new());
        Self {
            shape: QpShape::new(n),
            factor: None,
            feasible: false,
            sources: [nothing(), S::fed(), nothing(), nothing(), nothing(), nothing()],
            settings: Settings::default(),
            differentiation: Differentiation::default(),
        }
    }

    /// P itself. Learned freely, it may lose its convexity, which is an error of the forward pass:
    /// to learn a dense P, take [`Self::factored_quadratic`].
    pub fn quadratic(mut self, shape: MatrixShape, p: S) -> Self {
        self.shape.p = shape;
        self.factor = None;
        self.sources[0] = p;
        self
    }

    /// P = LL' + eps I with a dense n x n factor L, convex whatever L is.
    pub fn factored_quadratic(mut self, l: S, eps: f64) -> Self {
        let n = self.shape.variables();
        self.shape.p = MatrixShape::Dense { rows: n, cols: n };
        self.factor = Some(FactoredQuadratic::full(n, eps));
        self.sources[0] = l;
        self
    }

    /// q.
    pub fn linear(mut self, q: S) -> Self {
        self.sources[1] = q;
        self
    }

    /// Ax = b.
    pub fn equalities(mut self, shape: MatrixShape, a: S, b: S) -> Self {
        self.shape.a = shape;
        self.feasible = false;
        (self.sources[2], self.sources[3]) = (a, b);
        self
    }

    /// Ax = A exp(w), which `x = exp(w) > 0` satisfies whatever A and w are. w has one number per
    /// variable.
    pub fn feasible_equalities(mut self, shape: MatrixShape, a: S, w: S) -> Self {
        self.shape.a = shape;
        self.feasible = true;
        (self.sources[2], self.sources[3]) = (a, w);
        self
    }

    /// Gx <= h.
    pub fn inequalities(mut self, shape: MatrixShape, g: S, h: S) -> Self {
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
    /// [`QpLayer::with_differentiation`]).
    pub fn differentiation(mut self, differentiation: Differentiation) -> Self {
        self.differentiation = differentiation;
        self
    }

    /// Makes the module: analyses the program, checks the numbers, creates the parameters on
    /// `device`, in the order P, q, A, b, G, h.
    ///
    /// # Errors
    /// Shapes that do not fit together, numbers of the wrong length or shape, a setting of the
    /// derivative that is out of its range.
    pub fn init(self, device: &S::Device) -> Result<S::QpModule, S::Error> {
        let Self { shape, factor, feasible, sources, settings, differentiation } = self;
        let layer = QpLayer::new(shape.clone(), settings)?.with_differentiation(differentiation);
        let feasible = feasible.then(|| FeasibleRhs::new(&shape.a));
        let program = QpProgram::new(layer, factor, feasible)?;
        let (names, extents) = (program.names(), program.extents());
        let weights = |k: usize, source: S| {
            source.weights(names[k], extents[k], device, &|Misfit { expected, found, .. }| {
                Error::Shape { argument: names[k], expected, found }.into()
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
        Ok(S::qp_module(weights, program))
    }
}

/// Configuration of a module around a modelled layer. Unless told otherwise, every parameter of the
/// layer is fed.
#[derive(Clone, Debug)]
pub struct LayerConfig<S> {
    layer: Layer,
    sources: Vec<(String, S)>,
}

impl<S: ModuleSource> LayerConfig<S> {
    /// A module around this layer, with its settings and its way to differentiate.
    pub fn new(layer: Layer) -> Self {
        Self { layer, sources: Vec::new() }
    }

    /// Where the numbers of the parameter of this name come from.
    pub fn parameter(mut self, name: impl Into<String>, source: S) -> Self {
        self.sources.push((name.into(), source));
        self
    }

    /// Makes the module: checks names and numbers, creates the parameters on `device`, in the order
    /// of the layer.
    ///
    /// # Errors
    /// Names that the layer does not have, numbers of the wrong length or shape, a setting of the
    /// derivative that is out of its range.
    pub fn init(self, device: &S::Device) -> Result<S::LayerModule, S::Error> {
        let Self { layer, sources } = self;
        for (name, _) in &sources {
            if layer.parameter_infos().all(|info| info.name != name) {
                return Err(unknown(name, &layer).into());
            }
        }
        check_differentiation(layer.differentiation())?;
        let mut weights = Vec::new();
        for info in layer.parameter_infos() {
            let source = sources.iter().rev().find(|(name, _)| name == info.name);
            let source = source.map_or_else(S::fed, |(_, source)| source.clone());
            let argument = format!("parameter {}", info.name);
            let own = source.weights(
                &argument,
                extent(&info),
                device,
                &|Misfit { expected, found, .. }| {
                    ModelError::Argument { argument: argument.clone(), expected, found }.into()
                },
            )?;
            weights.push(own);
        }
        Ok(S::layer_module(weights, layer))
    }
}
