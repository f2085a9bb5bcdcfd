//! `1 / x`, for denominators made of parameters.

use super::{Argument, Atom};
use crate::canonical::{Affine, Graph};
use crate::dcp::{Curvature, Info, Monotonicity, Sign};
use crate::model::Shape;

/// `1 / x` elementwise, of either sign. It has no curvature, so it serves for expressions of parameters
/// only.
#[derive(Clone, Copy, Debug)]
pub struct Recip;

impl Atom for Recip {
    fn name(&self) -> &str {
        "recip"
    }

    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        super::elementwise::same_shape(args)
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
}

/// Never called: an atom without curvature does not pass the check of the DCP rules.
fn unreachable_graph(args: &[Affine]) -> Affine {
    Affine::zeros(args[0].shape())
}
