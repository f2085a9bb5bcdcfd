//! `1 / x`, for denominators made of parameters.

use super::spec::same_shape;
use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, LogLog, Monotonicity, Sign};

/// `1 / x` elementwise, of either sign. It has no curvature, so it serves for expressions of
/// parameters only.
#[derive(Clone, Copy, Debug)]
pub struct Recip;

impl Atom for Recip {
    fn name(&self) -> &str {
        "recip"
    }

    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args)
    }

    fn sign(&self, args: &[Info]) -> Sign {
        args[0].sign
    }

    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Unknown
    }

    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::None
    }

    fn domain(&self) -> &str {
        "x != 0, without variables"
    }

    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        out.iter_mut().zip(args[0].values).for_each(|(out, v)| *out = 1.0 / v);
    }

    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        for (k, (c, v)) in cotangent.iter().zip(args[0].values).enumerate() {
            gradients[0][k] -= c / (v * v);
        }
    }

    fn graph(&self, _: &mut Graph<'_>, args: &[Affine]) -> Affine {
        unreachable_graph(args)
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        Some(LogLog::power(args[0].size(), -1.0))
    }
    fn is_reciprocal(&self) -> bool {
        true
    }
    fn is_elementwise(&self) -> bool {
        true
    }
    fn advice(&self, _: &[Info]) -> &str {
        "it is a division by an expression with variables; write inv_pos(x) for 1 / x with x > 0, \
         or quad_over_lin(y, x) for y^2 / x"
    }
}

/// Never called: an atom without curvature does not pass the check of the DCP rules.
fn unreachable_graph(args: &[Affine]) -> Affine {
    Affine::zeros(args[0].shape())
}
