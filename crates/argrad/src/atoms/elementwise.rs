//! `abs`, `exp`, `log`.

use super::{Argument, Atom};
use crate::canonical::{Affine, Graph};
use crate::dcp::{Curvature, Info, Monotonicity, Sign};
use crate::model::{Expr, Shape};

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

/// `|x|`, elementwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abs;

/// `|x|`, elementwise.
#[track_caller]
pub fn abs(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Abs, &[x])
}

impl Atom for Abs {
    fn name(&self) -> &str {
        "abs"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args)
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    fn monotonicity(&self, _: usize, args: &[Info]) -> Monotonicity {
        Monotonicity::as_abs(args[0].sign)
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        map_values(args, out, f64::abs);
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        // Zero is a subgradient at zero.
        let derivative = |v: f64| if v == 0.0 { 0.0 } else { v.signum() };
        map_gradient(args, cotangent, gradients, derivative);
    }
    /// `t >= x, t >= -x`.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(args[0].shape());
        graph.nonneg(graph.sub(&t, &args[0]));
        graph.nonneg(graph.add(&t, &args[0]));
        t
    }
}

/// `e^x`, elementwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exp;

/// `e^x`, elementwise.
#[track_caller]
pub fn exp(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Exp, &[x])
}

impl Atom for Exp {
    fn name(&self) -> &str {
        "exp"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args)
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::Increasing
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        map_values(args, out, f64::exp);
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        map_gradient(args, cotangent, gradients, f64::exp);
    }
    /// `(x, 1, t)` in the exponential cone.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(args[0].shape());
        let one = graph.filled(1.0, args[0].shape());
        graph.exponential(&args[0], &one, &t);
        t
    }
}

/// `log x`, elementwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log;

/// `log x`, elementwise, x > 0.
#[track_caller]
pub fn log(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Log, &[x])
}

impl Atom for Log {
    fn name(&self) -> &str {
        "log"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args)
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Unknown
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Concave
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::Increasing
    }
    fn domain(&self) -> &str {
        "x > 0"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        map_values(args, out, f64::ln);
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        map_gradient(args, cotangent, gradients, |v| 1.0 / v);
    }
    /// `(t, 1, x)` in the exponential cone.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(args[0].shape());
        let one = graph.filled(1.0, args[0].shape());
        graph.exponential(&t, &one, &args[0]);
        t
    }
}
