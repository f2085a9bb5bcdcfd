//! What is handed to one pass: to an op by position, to a module by what it has not itself. `A` is
//! the framework's argument, of which the default has no numbers.

use std::sync::Arc;

use super::layer::unknown;
use crate::model::{Layer, ModelError, Outputs};
use crate::qp::QpSolution;

/// The arguments of an op that solves quadratic programs,
///
/// ```text
/// minimize    1/2 x'Px + q'x
/// subject to  Ax = b,  Gx <= h
/// ```
#[derive(Clone, Debug)]
pub struct QpArguments<A> {
    /// Number of samples; `None` to take it from the arguments (1 where all are shared).
    pub batch: Option<usize>,
    /// P.
    pub p: A,
    /// q.
    pub q: A,
    /// A.
    pub a: A,
    /// b.
    pub b: A,
    /// G.
    pub g: A,
    /// h. An entry of 1e19 or more is no constraint.
    pub h: A,
    /// Where to start, sample by sample: the result of an earlier solve.
    pub start: Option<Arc<QpSolution>>,
}

impl<A: Default> QpArguments<A> {
    /// A batch of programs without constraints.
    pub fn new(p: A, q: A) -> Self {
        let [a, b, g, h] = std::array::from_fn(|_| A::default());
        Self { batch: None, p, q, a, b, g, h, start: None }
    }

    /// The same with the equalities Ax = b.
    pub fn equalities(mut self, a: A, b: A) -> Self {
        (self.a, self.b) = (a, b);
        self
    }

    /// The same with the inequalities Gx <= h.
    pub fn inequalities(mut self, g: A, h: A) -> Self {
        (self.g, self.h) = (g, h);
        self
    }

    /// P, q, A, b, G, h.
    pub fn all(&self) -> [&A; 6] {
        [&self.p, &self.q, &self.a, &self.b, &self.g, &self.h]
    }
}

/// What is fed to one pass of a module around a quadratic program.
#[derive(Clone, Debug)]
pub struct QpInputs<A> {
    batch: Option<usize>,
    arguments: [Option<A>; 6],
    start: Option<Arc<QpSolution>>,
}

impl<A> Default for QpInputs<A> {
    fn default() -> Self {
        Self { batch: None, arguments: [const { None }; 6], start: None }
    }
}

impl<A> QpInputs<A> {
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
    pub fn p(self, p: A) -> Self {
        self.with(0, p)
    }

    /// q.
    pub fn q(self, q: A) -> Self {
        self.with(1, q)
    }

    /// A.
    pub fn a(self, a: A) -> Self {
        self.with(2, a)
    }

    /// b, or w where b = A exp(w).
    pub fn b(self, b: A) -> Self {
        self.with(3, b)
    }

    /// G.
    pub fn g(self, g: A) -> Self {
        self.with(4, g)
    }

    /// h.
    pub fn h(self, h: A) -> Self {
        self.with(5, h)
    }

    /// Where to start, sample by sample: the result of an earlier pass.
    pub fn start(mut self, start: Arc<QpSolution>) -> Self {
        self.start = Some(start);
        self
    }

    fn with(mut self, index: usize, argument: A) -> Self {
        self.arguments[index] = Some(argument);
        self
    }

    /// The arguments of the op, of which `own` makes each: it is told the position of the argument
    /// and what was fed for it.
    ///
    /// # Errors
    /// Those of `own`.
    pub fn arguments<E>(
        self,
        own: impl Fn(usize, Option<A>) -> Result<A, E>,
    ) -> Result<QpArguments<A>, E> {
        let Self { batch, arguments: [p, q, a, b, g, h], start } = self;
        let (p, q, a) = (own(0, p)?, own(1, q)?, own(2, a)?);
        let (b, g, h) = (own(3, b)?, own(4, g)?, own(5, h)?);
        Ok(QpArguments { batch, p, q, a, b, g, h, start })
    }
}

/// What one pass of a module around a modelled layer hands to the op.
#[derive(Clone, Debug)]
pub struct LayerArguments<A> {
    /// Number of samples; `None` to take it from the arguments.
    pub batch: Option<usize>,
    /// One for each parameter of the layer, in its order.
    pub arguments: Vec<A>,
    /// Where to start, sample by sample.
    pub start: Option<Arc<Outputs>>,
}

/// What is fed to one pass of a module around a modelled layer.
#[derive(Clone, Debug)]
pub struct LayerInputs<A> {
    batch: Option<usize>,
    /// By the name of the parameter.
    fed: Vec<(String, A)>,
    start: Option<Arc<Outputs>>,
}

impl<A> Default for LayerInputs<A> {
    fn default() -> Self {
        Self { batch: None, fed: Vec::new(), start: None }
    }
}

impl<A> LayerInputs<A> {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of samples. Needed only where no parameter has numbers for each of them.
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// The parameter of this name.
    pub fn feed(mut self, name: impl Into<String>, argument: A) -> Self {
        self.fed.push((name.into(), argument));
        self
    }

    /// Where to start, sample by sample: the result of an earlier pass.
    pub fn start(mut self, start: Arc<Outputs>) -> Self {
        self.start = Some(start);
        self
    }

    /// The arguments of the op, of which `own` makes each: it is told the position of the
    /// parameter, what to call it, and what was fed for it.
    ///
    /// # Errors
    /// Those of `own`; something fed under a name that the layer does not have.
    pub fn arguments<E: From<ModelError>>(
        self,
        layer: &Layer,
        own: impl Fn(usize, &str, Option<A>) -> Result<A, E>,
    ) -> Result<LayerArguments<A>, E> {
        let Self { batch, mut fed, start } = self;
        let mut arguments = Vec::new();
        for (k, info) in layer.parameter_infos().enumerate() {
            let at = fed.iter().position(|(name, _)| name == info.name);
            let given = at.map(|at| fed.swap_remove(at).1);
            arguments.push(own(k, &format!("parameter {}", info.name), given)?);
        }
        match fed.first() {
            Some((name, _)) => Err(unknown(name, layer).into()),
            None => Ok(LayerArguments { batch, arguments, start }),
        }
    }
}
