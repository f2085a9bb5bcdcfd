//! The geometric mean of two, elementwise: what products of variables are compared by.

use super::roots::geometric;
use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, Monotonicity, Sign};
use crate::expression::Expr;

/// `sqrt(x y)`, elementwise, x, y >= 0.
#[derive(Clone, Copy, Debug)]
struct RootOfProduct;

/// `sqrt(x y)`, elementwise, of one shape, x, y >= 0. Cone form: `x y >= t^2`, a second-order cone
/// of 3 rows.
pub(crate) fn root_of_product<'m>(x: Expr<'m>, y: Expr<'m>) -> Expr<'m> {
    x.model.atom(RootOfProduct, &[x, y])
}

impl Atom for RootOfProduct {
    fn name(&self) -> &str {
        "root_of_product"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x, y] if x == y => Ok(*x),
            _ => Err("expected two arguments of one shape".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Concave
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::Increasing
    }
    fn domain(&self) -> &str {
        "x, y >= 0"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        for (k, out) in out.iter_mut().enumerate() {
            *out = (args[0].values[k] * args[1].values[k]).sqrt();
        }
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        for (k, c) in cotangent.iter().enumerate() {
            let (x, y) = (args[0].values[k], args[1].values[k]);
            gradients[0][k] += 0.5 * c * (y / x).sqrt();
            gradients[1][k] += 0.5 * c * (x / y).sqrt();
        }
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(args[0].shape());
        geometric(graph, &args[0], &args[1], &t, 0.5);
        t
    }
}
