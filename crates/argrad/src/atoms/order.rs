//! Functions of parameters that put numbers in order.

use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, Monotonicity, Sign};

/// Positions from the largest number to the smallest; of equal ones, the first comes first.
pub(super) fn descending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|i, j| values[*j].total_cmp(&values[*i]));
    order
}

/// The numbers of w in the order of x: where x is largest, the largest w, and so on. With x
/// descending, w sorted. It has no curvature, so it serves for parameters only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrange;

impl Atom for Arrange {
    fn name(&self) -> &str {
        "arrange"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x, w] if x == w && x.ndim() == 1 => Ok(*w),
            _ => Err("expected two vectors of one length".into()),
        }
    }
    fn sign(&self, args: &[Info]) -> Sign {
        args[1].sign
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Unknown
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::None
    }
    fn domain(&self) -> &str {
        "x and w without variables"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let (to, from) = (descending(args[0].values), descending(args[1].values));
        to.into_iter().zip(from).for_each(|(to, from)| out[to] = args[1].values[from]);
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let (to, from) = (descending(args[0].values), descending(args[1].values));
        to.into_iter().zip(from).for_each(|(to, from)| gradients[1][from] += cotangent[to]);
    }
    fn graph(&self, _: &mut Graph<'_>, args: &[Affine]) -> Affine {
        Affine::zeros(args[1].shape()) // never called: there is no curvature
    }
}

/// The (n - 1) x n matrix D such that `(D v)_k` is v where x is k-th largest, less v where x is
/// next. As a function of x it is constant by pieces, so its derivative is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderDifferences;

impl Atom for OrderDifferences {
    fn name(&self) -> &str {
        "order_differences"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x] if x.ndim() == 1 && x.rows() > 0 => Ok(Shape::matrix(x.rows() - 1, x.rows())),
            _ => Err("expected a vector".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Unknown
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Unknown
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::None
    }
    fn domain(&self) -> &str {
        "x without variables"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let n = args[0].values.len();
        out.fill(0.0);
        for (row, pair) in descending(args[0].values).windows(2).enumerate() {
            (out[row * n + pair[0]], out[row * n + pair[1]]) = (1.0, -1.0);
        }
    }
    fn vjp(&self, _: &[Argument<'_>], _: &[f64], _: &mut [Vec<f64>]) {}
    fn graph(&self, _: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let n = args[0].shape().rows();
        Affine::zeros(Shape::matrix(n.saturating_sub(1), n)) // never called: there is no curvature
    }
}
