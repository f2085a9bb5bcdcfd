//! `maximum` and `minimum` of several arguments, elementwise.

use std::sync::Arc;

use super::broadcast_to;
use crate::algebra::Shape;
use crate::atom::{
    Affine, Argument, Atom, Curvature, Graph, Info, LevelSet, LogLog, Monotonicity, Side, Sign,
};
use crate::expression::{Expr, Operand};

/// The elementwise largest (`sign` 1) or smallest (-1) of arguments of one shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extremum {
    sign: f64,
}

impl Extremum {
    pub(super) const MAXIMUM: Self = Self { sign: 1.0 };
    pub(super) const MINIMUM: Self = Self { sign: -1.0 };

    /// Whether a is beyond b; NaN, outside of the domain of an argument, is beyond everything.
    fn beats(&self, a: f64, b: f64) -> bool {
        self.sign * a > self.sign * b || a.is_nan()
    }
}

/// The larger of two, elementwise, with broadcasting.
#[track_caller]
pub fn maximum<'m>(x: Expr<'m>, other: impl Operand<'m>) -> Expr<'m> {
    of_two(Extremum::MAXIMUM, x, other.into_expr(x.model))
}

/// The smaller of two, elementwise, with broadcasting.
#[track_caller]
pub fn minimum<'m>(x: Expr<'m>, other: impl Operand<'m>) -> Expr<'m> {
    of_two(Extremum::MINIMUM, x, other.into_expr(x.model))
}

#[track_caller]
fn of_two<'m>(atom: Extremum, a: Expr<'m>, b: Expr<'m>) -> Expr<'m> {
    match a.shape().broadcast(&b.shape()) {
        Some(shape) => a.model.atom(atom, &[broadcast_to(a, shape), broadcast_to(b, shape)]),
        None => a.model.atom(atom, &[a, b]),
    }
}

impl Atom for Extremum {
    fn name(&self) -> &str {
        if self.sign > 0.0 { "maximum" } else { "minimum" }
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [first, rest @ ..] if rest.iter().all(|shape| shape == first) => Ok(*first),
            _ => Err("expected arguments of one shape".into()),
        }
    }
    fn sign(&self, args: &[Info]) -> Sign {
        let any = |holds: fn(Sign) -> bool| args.iter().any(|arg| holds(arg.sign));
        let all = |holds: fn(Sign) -> bool| args.iter().all(|arg| holds(arg.sign));
        let (nonneg, nonpos) = if self.sign > 0.0 {
            (any(Sign::is_nonneg), all(Sign::is_nonpos))
        } else {
            (all(Sign::is_nonneg), any(Sign::is_nonpos))
        };
        Sign::from_parts(!nonpos, !nonneg)
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        if self.sign > 0.0 { Curvature::Convex } else { Curvature::Concave }
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::Increasing
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        out.copy_from_slice(args[0].values);
        for arg in &args[1..] {
            for (out, v) in out.iter_mut().zip(arg.values) {
                if self.beats(*v, *out) {
                    *out = *v;
                }
            }
        }
    }
    /// The first of equal arguments gets the gradient.
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        for (k, c) in cotangent.iter().enumerate() {
            let mut best = 0;
            for at in 1..args.len() {
                if self.beats(args[at].values[k], args[best].values[k]) {
                    best = at;
                }
            }
            gradients[best][k] += c;
        }
    }
    /// `t >= x_i` for each argument (for the smallest: `t <= x_i`).
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(args[0].shape());
        for arg in args {
            let above = graph.sub(&t, arg).scaled(self.sign);
            graph.nonneg(above);
        }
        t
    }
    fn log_log(&self, _: &[Shape]) -> Option<LogLog> {
        Some(LogLog::Atom(Arc::new(*self)))
    }
    fn level_set(&self, side: Side, _: &[Info]) -> Option<LevelSet> {
        let own = if self.sign > 0.0 { Side::Below } else { Side::Above };
        (side == own).then_some(LevelSet::Each)
    }
    fn is_elementwise(&self) -> bool {
        true
    }
}
