//! The Huber function.

use super::quadratic::Square;
use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, Monotonicity, Sign};
use crate::expression::{Expr, Operand};

/// Huber's function of x with the threshold M.
#[derive(Clone, Copy, Debug)]
pub(super) struct Huber;

/// Huber's function, elementwise: `x^2` for `|x| <= M`, else `2 M |x| - M^2`. The threshold M >= 0
/// is a number or a nonnegative parameter, a scalar.
///
/// Cone form: the least of `n^2 + 2 M u` over `u >= |x - n|`. In the objective `n^2` stays
/// quadratic.
#[track_caller]
pub fn huber<'m>(x: Expr<'m>, threshold: impl Operand<'m>) -> Expr<'m> {
    x.model.atom(Huber, &[x, threshold.into_expr(x.model)])
}

/// New variables n and `u >= |x - n|`.
fn split(graph: &mut Graph<'_>, x: &Affine) -> (Affine, Affine) {
    let (n, u) = (graph.variable(x.shape()), graph.variable(x.shape()));
    let rest = graph.sub(x, &n);
    graph.nonneg(graph.sub(&u, &rest));
    graph.nonneg(graph.add(&u, &rest));
    (n, u)
}

impl Atom for Huber {
    fn name(&self) -> &str {
        "huber"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x, threshold] if threshold.size() == 1 => Ok(*x),
            _ => Err("expected any shape and a scalar threshold".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, args: &[Info]) -> Curvature {
        let threshold = args[1];
        if threshold.curvature == Curvature::Constant && threshold.sign.is_nonneg() {
            Curvature::Convex
        } else {
            Curvature::Unknown
        }
    }
    fn monotonicity(&self, arg: usize, args: &[Info]) -> Monotonicity {
        if arg == 0 { Monotonicity::as_abs(args[0].sign) } else { Monotonicity::Increasing }
    }
    fn domain(&self) -> &str {
        "a threshold M >= 0 without variables"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let m = args[1].values[0];
        for (out, v) in out.iter_mut().zip(args[0].values) {
            let size = v.abs();
            *out = if m < 0.0 {
                f64::NAN
            } else if size <= m {
                size * size
            } else {
                m * (2.0 * size - m)
            };
        }
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let m = args[1].values[0];
        for (k, (c, v)) in cotangent.iter().zip(args[0].values).enumerate() {
            gradients[0][k] += c * 2.0 * v.clamp(-m, m);
            gradients[1][0] += c * 2.0 * (v.abs() - m).max(0.0);
        }
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let (n, u) = split(graph, &args[0]);
        let squares = graph.graph_of(&Square, &[n]);
        let linear = graph.multiply(&args[1].scaled(2.0), &u).reshape(u.shape());
        graph.add(&squares, &linear)
    }
    fn is_quadratic(&self, _: &[Info]) -> bool {
        true
    }
    fn quadratic(&self, graph: &mut Graph<'_>, args: &[Affine], weights: &Affine) {
        let (n, u) = split(graph, &args[0]);
        graph.minimize_squares(&n, weights);
        let slopes = graph.multiply(&args[1].scaled(2.0), weights);
        graph.minimize_linear(&u, &slopes);
    }
}
