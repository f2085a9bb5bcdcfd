//! The Euclidean norm.

use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, LogLog, Monotonicity, Sign};
use crate::expression::Expr;

/// `sqrt(sum x_i^2)` of all elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm2;

/// The Euclidean norm of all elements (of a matrix, the Frobenius norm).
#[track_caller]
pub fn norm2(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Norm2, &[x])
}

pub(super) fn euclidean(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

impl Atom for Norm2 {
    fn name(&self) -> &str {
        "norm2"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        if args.len() == 1 { Ok(Shape::SCALAR) } else { Err("expected one argument".into()) }
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
        out[0] = euclidean(args[0].values);
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let norm = euclidean(args[0].values);
        if norm > 0.0 {
            for (g, v) in gradients[0].iter_mut().zip(args[0].values) {
                *g += cotangent[0] * v / norm;
            }
        }
    }
    /// `(t, x)` in the second-order cone.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(());
        graph.second_order(&t, &args[0]);
        t
    }
    fn vjp_tangent(
        &self,
        args: &[Argument<'_>],
        direction: &[&[f64]],
        cotangent: &[f64],
        gradients: &mut [Vec<f64>],
    ) {
        let (x, d) = (args[0].values, direction[0]);
        let norm = euclidean(x);
        if norm > 0.0 {
            let along = x.iter().zip(d).map(|(x, d)| x / norm * d).sum::<f64>();
            for ((g, x), d) in gradients[0].iter_mut().zip(x).zip(d) {
                *g += cotangent[0] * (d - x / norm * along) / norm;
            }
        }
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        (args[0].size() > 0).then(|| LogLog::p_norm(args[0].size(), 2.0))
    }
}
