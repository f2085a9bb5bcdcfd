//! `length`: how many leading elements of a vector are needed.

use std::sync::Arc;

use super::spec::same_shape;
use crate::algebra::Shape;
use crate::atom::{
    Affine, Argument, Atom, Curvature, Graph, Info, LevelSet, Monotonicity, Side, Sign,
    theta_affine,
};
use crate::expression::Expr;

/// Elements of a vector whose size is at most this, relative to the largest, count as zero: the
/// square root of the rounding.
const ZERO: f64 = 1.5e-8;

/// The position after the last element that is not zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length;

/// `max |x_i|` over the elements from position floor(t) on: at most zero exactly where the length
/// of x is at most t. Its arguments are x and t.
#[derive(Clone, Copy, Debug)]
struct LengthResidual;

/// A vector of n numbers: 1 from position floor(t) on, else 0. Of levels only.
#[derive(Clone, Copy, Debug)]
pub(super) struct FromPosition {
    n: usize,
}

/// The position after the last element that is not zero (to rounding: an element counts as zero
/// where it is at most 1.5e-8 of the largest one), for quasiconvex problems
/// ([`crate::quasiconvex`]): quasiconvex, and integer-valued.
#[track_caller]
pub fn length(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Length, &[x.flatten()])
}

impl Atom for Length {
    fn name(&self) -> &str {
        "length"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args).map(|_| Shape::SCALAR)
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Unknown
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::None
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let x = args[0].values;
        let largest = x.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let last = x.iter().rposition(|v| v.abs() > ZERO * largest);
        out[0] = last.map_or(0.0, |at| (at + 1) as f64);
    }
    /// Zero: the value jumps.
    fn vjp(&self, _: &[Argument<'_>], _: &[f64], _: &mut [Vec<f64>]) {}
    /// Never called: an atom without curvature does not pass the check of the DCP rules.
    fn graph(&self, _: &mut Graph<'_>, _: &[Affine]) -> Affine {
        Affine::zeros(Shape::SCALAR)
    }
    fn level_set(&self, side: Side, _: &[Info]) -> Option<LevelSet> {
        (side == Side::Below).then(|| LevelSet::Residual(Arc::new(LengthResidual)))
    }
    fn advice(&self, _: &[Info]) -> &str {
        "length(x) is quasiconvex: compile_quasiconvex takes problems with it"
    }
}

impl Atom for LengthResidual {
    fn name(&self) -> &str {
        "length_residual"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [_, t] if t.size() == 1 => Ok(Shape::SCALAR),
            _ => Err("expected a vector and a scalar".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::None
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let beyond = args[0].values.iter().enumerate();
        let beyond = beyond.filter(|(k, _)| *k as f64 >= args[1].values[0].floor());
        out[0] = beyond.fold(0.0, |m, (_, v)| m.max(v.abs()));
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let mut top = [0.0];
        self.value(args, &mut top);
        let x = args[0].values;
        if let Some(k) = (0..x.len()).rev().find(|k| x[*k].abs() == top[0] && top[0] > 0.0) {
            gradients[0][k] += cotangent[0] * x[k].signum();
        }
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let n = args[0].size();
        let level = graph.theta_of(&args[1]);
        let weights = graph.derivation.atom(Arc::new(FromPosition { n }), vec![level], n.into());
        let beyond = graph.multiply(&theta_affine(weights.offset, n.into()), &args[0]);
        let top = graph.variable(());
        let above = graph.broadcast(&top, beyond.shape());
        graph.nonneg(graph.sub(&above, &beyond));
        graph.nonneg(graph.add(&above, &beyond));
        top
    }
}

impl FromPosition {
    /// From [`Atom::data`].
    pub(super) fn restore(data: &[f64]) -> Option<Self> {
        data.first().map(|n| Self { n: *n as usize })
    }
}

impl Atom for FromPosition {
    fn name(&self) -> &str {
        "from_position"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [t] if t.size() == 1 => Ok(self.n.into()),
            _ => Err("expected a scalar".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Unknown
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::Decreasing
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let t = args[0].values[0].floor();
        out.iter_mut().enumerate().for_each(|(k, w)| *w = if k as f64 >= t { 1.0 } else { 0.0 });
    }
    /// Zero: the values jump.
    fn vjp(&self, _: &[Argument<'_>], _: &[f64], _: &mut [Vec<f64>]) {}
    /// Never called: it is of levels only.
    fn graph(&self, _: &mut Graph<'_>, _: &[Affine]) -> Affine {
        Affine::zeros(self.n.into())
    }
    fn data(&self) -> Vec<f64> {
        vec![self.n as f64]
    }
}
