//! One description for the many atoms that differ in a few formulas: elementwise functions, and
//! functions of all elements of a vector or of each row or column of a matrix.

use std::sync::Arc;

use crate::algebra::Shape;
use crate::atom::{
    Affine, Argument, Atom, Curvature, Graph, Info, LevelSet, LogLog, Monotonicity, Side, Sign,
    derivative,
};

/// The shape of an elementwise function of one argument.
pub(super) fn same_shape(args: &[Shape]) -> Result<Shape, String> {
    match args {
        [shape] => Ok(*shape),
        _ => Err(format!("expected one argument, found {}", args.len())),
    }
}

/// Value and gradient of an elementwise function.
pub(super) fn map_values(args: &[Argument<'_>], out: &mut [f64], f: impl Fn(f64) -> f64) {
    out.iter_mut().zip(args[0].values).for_each(|(out, v)| *out = f(*v));
}

/// Adds the gradient of an elementwise function with this derivative.
pub(super) fn map_gradient(
    args: &[Argument<'_>],
    cotangent: &[f64],
    gradients: &mut [Vec<f64>],
    derivative: impl Fn(f64) -> f64,
) {
    for ((g, c), v) in gradients[0].iter_mut().zip(cotangent).zip(args[0].values) {
        *g += c * derivative(*v);
    }
}

/// How the level of a monotone function becomes one of its argument.
#[derive(Debug)]
pub(super) struct Inverse {
    /// The inverse function.
    pub of: fn() -> Arc<dyn Atom>,
    /// The sides of a level on which it may be used.
    pub sides: &'static [Side],
}

/// Both sides of a level.
pub(super) const BOTH: &[Side] = &[Side::Below, Side::Above];

/// A function of one number.
#[derive(Debug)]
pub(super) struct ElementwiseSpec {
    pub name: &'static str,
    pub sign: fn(Sign) -> Sign,
    pub curvature: Curvature,
    pub monotonicity: fn(Sign) -> Monotonicity,
    pub domain: &'static str,
    pub value: fn(f64) -> f64,
    pub derivative: fn(f64) -> f64,
    pub graph: fn(&mut Graph<'_>, &Affine) -> Affine,
    pub log_log: ElementwiseLogLog,
    /// The inverse function, where quasiconvex problems may use it, of levels on these sides.
    pub inverse: Option<Inverse>,
    /// See [`Atom::advice`].
    pub advice: &'static str,
}

/// The logarithm of a function of one number.
#[derive(Debug)]
pub(super) enum ElementwiseLogLog {
    None,
    /// Of a power, its exponent.
    Power(f64),
    /// This function of the logarithm.
    Function(&'static ElementwiseSpec),
}

/// An elementwise function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elementwise(pub &'static ElementwiseSpec);

impl Atom for Elementwise {
    fn name(&self) -> &str {
        self.0.name
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args)
    }
    fn sign(&self, args: &[Info]) -> Sign {
        (self.0.sign)(args[0].sign)
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        self.0.curvature
    }
    fn monotonicity(&self, _: usize, args: &[Info]) -> Monotonicity {
        (self.0.monotonicity)(args[0].sign)
    }
    fn domain(&self) -> &str {
        self.0.domain
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        map_values(args, out, self.0.value);
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        map_gradient(args, cotangent, gradients, self.0.derivative);
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        (self.0.graph)(graph, &args[0])
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        match self.0.log_log {
            ElementwiseLogLog::None => None,
            ElementwiseLogLog::Power(power) => Some(LogLog::power(args[0].size(), power)),
            ElementwiseLogLog::Function(spec) => Some(LogLog::Atom(Arc::new(Self(spec)))),
        }
    }
    fn level_set(&self, side: Side, _: &[Info]) -> Option<LevelSet> {
        let inverse = self.0.inverse.as_ref()?;
        inverse.sides.contains(&side).then(|| LevelSet::Inverse((inverse.of)()))
    }
    fn is_elementwise(&self) -> bool {
        true
    }
    /// By differences of the derivative, each element in its own scale.
    fn vjp_tangent(
        &self,
        args: &[Argument<'_>],
        direction: &[&[f64]],
        cotangent: &[f64],
        gradients: &mut [Vec<f64>],
    ) {
        let size = args[0].values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for (k, (c, d)) in cotangent.iter().zip(direction[0]).enumerate() {
            if *c == 0.0 || *d == 0.0 {
                continue;
            }
            let v = args[0].values[k];
            let scales = [v.abs(), size, 1.0];
            let scale = scales.into_iter().find(|s| *s > 0.0).unwrap_or(1.0);
            let second = derivative(|h| vec![(self.0.derivative)(v + h)], scale)[0];
            gradients[0][k] += c * d * second;
        }
    }
    fn advice(&self, _: &[Info]) -> &str {
        self.0.advice
    }
}

/// A function of a vector, with numbers of its own.
#[derive(Debug)]
pub(super) struct ReductionSpec {
    pub name: &'static str,
    pub sign: fn(Sign) -> Sign,
    pub curvature: Curvature,
    pub monotonicity: fn(Sign) -> Monotonicity,
    pub domain: &'static str,
    /// Whether the numbers fit a vector of this length.
    pub check: fn(usize, &[f64]) -> Result<(), String>,
    pub value: fn(&[f64], &[f64]) -> f64,
    /// The gradient, into the last argument, which is zero.
    pub gradient: fn(&[f64], &[f64], &mut [f64]),
    pub graph: fn(&mut Graph<'_>, &Affine, &[f64]) -> Affine,
    pub log_log: ReductionLogLog,
    /// The side on which a level bounds every element: of a largest one below.
    pub each: Option<Side>,
}

/// The logarithm of a function of a vector.
#[derive(Debug)]
pub(super) enum ReductionLogLog {
    None,
    /// This function of the logarithms, of the same elements.
    Function(&'static ReductionSpec),
    /// From the length and the numbers, where all elements go into one result.
    OfAll(fn(usize, &[f64]) -> LogLog),
}

/// A function of all elements, or of each column (axis 0) or row (axis 1) of a matrix.
#[derive(Clone, Debug)]
pub(super) struct Reduction {
    spec: &'static ReductionSpec,
    axis: Option<usize>,
    numbers: Vec<f64>,
}

/// No condition on the length.
pub(super) fn any_length(_: usize, _: &[f64]) -> Result<(), String> {
    Ok(())
}

impl Reduction {
    pub fn all(spec: &'static ReductionSpec, numbers: &[f64]) -> Self {
        Self { spec, axis: None, numbers: numbers.to_vec() }
    }

    pub fn along(spec: &'static ReductionSpec, axis: usize, numbers: &[f64]) -> Self {
        Self { spec, axis: Some(axis), numbers: numbers.to_vec() }
    }

    /// From [`Atom::data`].
    pub fn restore(spec: &'static ReductionSpec, data: &[f64]) -> Option<Self> {
        let (axis, numbers) = data.split_first()?;
        let axis = (*axis >= 0.0).then_some(*axis as usize);
        Some(Self { spec, axis, numbers: numbers.to_vec() })
    }

    /// Positions of the elements that go into each element of the result.
    fn groups(&self, shape: Shape) -> Vec<Vec<usize>> {
        let (m, n) = (shape.rows(), shape.cols());
        match self.axis {
            None => vec![(0..shape.size()).collect()],
            Some(0) => (0..n).map(|j| (0..m).map(|i| i * n + j).collect()).collect(),
            Some(_) => (0..m).map(|i| (i * n..(i + 1) * n).collect()).collect(),
        }
    }

    fn result(&self, shape: Shape) -> Shape {
        match self.axis {
            None => Shape::SCALAR,
            Some(0) => Shape::vector(shape.cols()),
            Some(_) => Shape::vector(shape.rows()),
        }
    }
}

impl Atom for Reduction {
    fn name(&self) -> &str {
        self.spec.name
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        let shape = same_shape(args)?;
        let len = match self.axis {
            None => shape.size(),
            Some(_) if shape.ndim() != 2 => return Err("expected a matrix with an axis".into()),
            Some(0) => shape.rows(),
            Some(1) => shape.cols(),
            Some(axis) => return Err(format!("expected axis 0 or 1, found axis {axis}")),
        };
        if len == 0 {
            return Err("expected at least one element".into());
        }
        (self.spec.check)(len, &self.numbers).map(|()| self.result(shape))
    }
    fn sign(&self, args: &[Info]) -> Sign {
        (self.spec.sign)(args[0].sign)
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        self.spec.curvature
    }
    fn monotonicity(&self, _: usize, args: &[Info]) -> Monotonicity {
        (self.spec.monotonicity)(args[0].sign)
    }
    fn domain(&self) -> &str {
        self.spec.domain
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        for (out, group) in out.iter_mut().zip(self.groups(args[0].shape)) {
            let x: Vec<f64> = group.iter().map(|k| args[0].values[*k]).collect();
            *out = (self.spec.value)(&x, &self.numbers);
        }
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        for (c, group) in cotangent.iter().zip(self.groups(args[0].shape)) {
            let x: Vec<f64> = group.iter().map(|k| args[0].values[*k]).collect();
            let mut gradient = vec![0.0; x.len()];
            (self.spec.gradient)(&x, &self.numbers, &mut gradient);
            group.iter().zip(gradient).for_each(|(k, g)| gradients[0][*k] += c * g);
        }
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let shape = args[0].shape();
        let mut results = Vec::new();
        for group in self.groups(shape) {
            let len = group.len();
            let x = args[0].pick(group, len);
            results.push((self.spec.graph)(graph, &x, &self.numbers));
        }
        let results: Vec<&Affine> = results.iter().collect();
        Affine::concat(&results).reshape(self.result(shape))
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        match self.spec.log_log {
            ReductionLogLog::Function(spec) => {
                Some(LogLog::Atom(Arc::new(Self { spec, axis: self.axis, numbers: Vec::new() })))
            }
            ReductionLogLog::OfAll(of) if self.axis.is_none() => {
                Some(of(args[0].size(), &self.numbers))
            }
            _ => None,
        }
    }
    fn level_set(&self, side: Side, _: &[Info]) -> Option<LevelSet> {
        (self.axis.is_none() && self.spec.each == Some(side)).then_some(LevelSet::Each)
    }
    fn data(&self) -> Vec<f64> {
        let mut data = vec![self.axis.map_or(-1.0, |axis| axis as f64)];
        data.extend(&self.numbers);
        data
    }
}
