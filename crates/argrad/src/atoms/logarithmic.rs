//! Elementwise functions of the exponential cone: `log1p`, `entr`, `logistic`, `xexp`, `kl_div`,
//! `rel_entr`.

use super::broadcast_to;
use super::quadratic::above_square;
use super::spec::{Elementwise, ElementwiseLogLog, ElementwiseSpec};
use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, Monotonicity, Sign};
use crate::expression::{Expr, Operand};

pub(super) static LOG1P: ElementwiseSpec = ElementwiseSpec {
    name: "log1p",
    sign: |sign| sign,
    curvature: Curvature::Concave,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "x > -1",
    value: f64::ln_1p,
    derivative: |v| 1.0 / (1.0 + v),
    graph: |graph, x| {
        let t = graph.variable(x.shape());
        let one = graph.filled(1.0, x.shape());
        let above = graph.add(x, &one);
        graph.exponential(&t, &one, &above);
        t
    },
    log_log: ElementwiseLogLog::None,
    inverse: None,
    advice: "",
};

/// `log(1 + x)`, elementwise, x > -1. Cone form: `(t, 1, 1 + x)` in the exponential cone.
#[track_caller]
pub fn log1p(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&LOG1P), &[x])
}

pub(super) static ENTR: ElementwiseSpec = ElementwiseSpec {
    name: "entr",
    sign: |_| Sign::Unknown,
    curvature: Curvature::Concave,
    monotonicity: |_| Monotonicity::None,
    domain: "x >= 0",
    value: |v| if v == 0.0 { 0.0 } else { -v * v.ln() },
    derivative: |v| -v.ln() - 1.0,
    graph: |graph, x| {
        let t = graph.variable(x.shape());
        let one = graph.filled(1.0, x.shape());
        graph.exponential(&t, x, &one);
        t
    },
    log_log: ElementwiseLogLog::None,
    inverse: None,
    advice: "",
};

/// `-x log x`, elementwise, x >= 0. Cone form: `(t, x, 1)` in the exponential cone.
#[track_caller]
pub fn entr(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&ENTR), &[x])
}

pub(super) static LOGISTIC: ElementwiseSpec = ElementwiseSpec {
    name: "logistic",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    value: |v| v.max(0.0) + (-v.abs()).exp().ln_1p(),
    derivative: |v| 1.0 / (1.0 + (-v).exp()),
    graph: |graph, x| {
        let shape = x.shape();
        let (t, u, v) = (graph.variable(shape), graph.variable(shape), graph.variable(shape));
        let one = graph.filled(1.0, shape);
        let difference = graph.sub(x, &t);
        graph.exponential(&difference, &one, &u);
        graph.exponential(&t.scaled(-1.0), &one, &v);
        let rest = graph.sub(&graph.sub(&one, &u), &v);
        graph.nonneg(rest);
        t
    },
    log_log: ElementwiseLogLog::None,
    inverse: None,
    advice: "",
};

/// `log(1 + e^x)`, elementwise. Cone form: `e^(x - t) + e^(-t) <= 1`, two exponential cones and an
/// inequality.
#[track_caller]
pub fn logistic(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&LOGISTIC), &[x])
}

pub(super) static XEXP: ElementwiseSpec = ElementwiseSpec {
    name: "xexp",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: |sign| {
        if sign.is_nonneg() { Monotonicity::Increasing } else { Monotonicity::None }
    },
    domain: "x >= 0",
    value: |v| if v >= 0.0 { v * v.exp() } else { f64::NAN },
    derivative: |v| (1.0 + v) * v.exp(),
    graph: |graph, x| {
        let shape = x.shape();
        let (t, v) = (graph.variable(shape), graph.variable(shape));
        let one = graph.filled(1.0, ());
        for k in 0..x.size() {
            above_square(graph, &v.pick([k], ()), &one, &x.pick([k], 1));
        }
        graph.exponential(&v, x, &t);
        t
    },
    log_log: ElementwiseLogLog::None,
    inverse: None,
    advice: "",
};

/// `x e^x`, elementwise, x >= 0. Cone form: `v >= x^2` and `(v, x, t)` in the exponential cone. It
/// counts as increasing in an argument that is known to be nonnegative.
#[track_caller]
pub fn xexp(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&XEXP), &[x])
}

/// `x log(x / y)`, with `- x + y` added or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct RelativeEntropy {
    divergence: bool,
}

impl RelativeEntropy {
    pub(super) const REL_ENTR: Self = Self { divergence: false };
    pub(super) const KL_DIV: Self = Self { divergence: true };
}

/// `x log(x / y)`, elementwise, with broadcasting, x >= 0, y > 0. Cone form: `(-t, x, y)` in the
/// exponential cone.
#[track_caller]
pub fn rel_entr<'m>(x: Expr<'m>, y: impl Operand<'m>) -> Expr<'m> {
    of_two(RelativeEntropy::REL_ENTR, x, y.into_expr(x.model))
}

/// `x log(x / y) - x + y`, elementwise, with broadcasting, x >= 0, y > 0. Cone form: `t - x + y`
/// with `(-t, x, y)` in the exponential cone.
#[track_caller]
pub fn kl_div<'m>(x: Expr<'m>, y: impl Operand<'m>) -> Expr<'m> {
    of_two(RelativeEntropy::KL_DIV, x, y.into_expr(x.model))
}

#[track_caller]
fn of_two<'m>(atom: RelativeEntropy, x: Expr<'m>, y: Expr<'m>) -> Expr<'m> {
    match x.shape().broadcast(&y.shape()) {
        Some(shape) => x.model.atom(atom, &[broadcast_to(x, shape), broadcast_to(y, shape)]),
        None => x.model.atom(atom, &[x, y]),
    }
}

impl Atom for RelativeEntropy {
    fn name(&self) -> &str {
        if self.divergence { "kl_div" } else { "rel_entr" }
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x, y] if x == y => Ok(*x),
            _ => Err("expected two arguments of one shape".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        if self.divergence { Sign::Nonneg } else { Sign::Unknown }
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    fn monotonicity(&self, arg: usize, _: &[Info]) -> Monotonicity {
        if arg == 1 && !self.divergence { Monotonicity::Decreasing } else { Monotonicity::None }
    }
    fn domain(&self) -> &str {
        "x >= 0, y > 0"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        for (k, out) in out.iter_mut().enumerate() {
            let (x, y) = (args[0].values[k], args[1].values[k]);
            let entropy = if x == 0.0 && y > 0.0 { 0.0 } else { x * (x / y).ln() };
            // The logarithm of a quotient of two negative numbers is one of the outside.
            *out = if y <= 0.0 { f64::NAN } else { entropy };
            *out += if self.divergence { y - x } else { 0.0 };
        }
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        for (k, c) in cotangent.iter().enumerate() {
            let (x, y) = (args[0].values[k], args[1].values[k]);
            let one = if self.divergence { 1.0 } else { 0.0 };
            gradients[0][k] += c * ((x / y).ln() + 1.0 - one);
            gradients[1][k] += c * (one - x / y);
        }
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(args[0].shape());
        graph.exponential(&t.scaled(-1.0), &args[0], &args[1]);
        if self.divergence { graph.add(&graph.sub(&t, &args[0]), &args[1]) } else { t }
    }
}
