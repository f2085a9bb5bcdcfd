//! `ratio`, a quotient with a positive denominator.

use std::sync::Arc;

use super::broadcast_to;
use crate::algebra::{LinearMap, Shape};
use crate::atom::{
    Affine, Argument, Atom, Curvature, Graph, Info, LevelSet, LogLog, Monotonicity, Side, Sign,
};
use crate::expression::{Expr, Operand};

/// `p / q`, elementwise, with q > 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio;

/// `p - t q` (below) or `t q - p` (above): at most zero exactly on the level set of `p / q` where
/// q > 0. Its arguments are p, q and the level t.
#[derive(Clone, Copy, Debug)]
struct RatioResidual {
    side: Side,
}

/// `p / q`, elementwise, with broadcasting, for quasiconvex problems ([`crate::quasiconvex`]): its
/// domain is q > 0, as that of `log` is. Quasiconvex where p is convex and q affine or, with p
/// nonnegative, concave; quasiconcave where p is concave and q affine or, with p nonnegative,
/// convex. The operator `/` is the same where the sign of q is known.
#[track_caller]
pub fn ratio<'m>(p: Expr<'m>, q: impl Operand<'m>) -> Expr<'m> {
    let q = q.into_expr(p.model);
    match p.shape().broadcast(&q.shape()) {
        Some(_) if !q.has_variables() => p / q,
        Some(shape) => p.model.atom(Ratio, &[broadcast_to(p, shape), broadcast_to(q, shape)]),
        None => p.model.atom(Ratio, &[p, q]),
    }
}

/// At most zero exactly where `p / q` is on this side of `level`, and q > 0; of one shape.
pub(crate) fn ratio_residual<'m>(
    p: Expr<'m>,
    q: Expr<'m>,
    level: Expr<'m>,
    side: Side,
) -> Expr<'m> {
    p.model.atom(RatioResidual { side }, &[p, q, level])
}

impl Atom for Ratio {
    fn name(&self) -> &str {
        "ratio"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [p, q] if p == q => Ok(*p),
            _ => Err("expected two arguments of one shape".into()),
        }
    }
    fn sign(&self, args: &[Info]) -> Sign {
        args[0].sign
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Unknown
    }
    fn monotonicity(&self, arg: usize, _: &[Info]) -> Monotonicity {
        if arg == 0 { Monotonicity::Increasing } else { Monotonicity::None }
    }
    fn domain(&self) -> &str {
        "q > 0"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        for (k, out) in out.iter_mut().enumerate() {
            let (p, q) = (args[0].values[k], args[1].values[k]);
            *out = if q > 0.0 { p / q } else { f64::NAN };
        }
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        for (k, c) in cotangent.iter().enumerate() {
            let (p, q) = (args[0].values[k], args[1].values[k]);
            gradients[0][k] += c / q;
            gradients[1][k] -= c * p / (q * q);
        }
    }
    /// Never called: an atom without curvature does not pass the check of the DCP rules.
    fn graph(&self, _: &mut Graph<'_>, args: &[Affine]) -> Affine {
        Affine::zeros(args[0].shape())
    }
    fn is_elementwise(&self) -> bool {
        true
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        let n = args[0].size();
        let mut map = LinearMap::new(2 * n);
        (0..n).for_each(|k| map.push_row([(k, 1.0), (n + k, -1.0)]));
        Some(LogLog::Monomial(map))
    }
    fn level_set(&self, side: Side, _: &[Info]) -> Option<LevelSet> {
        Some(LevelSet::Residual(Arc::new(RatioResidual { side })))
    }
    fn advice(&self, _: &[Info]) -> &str {
        "a ratio is quasiconvex: compile_quasiconvex takes problems with it"
    }
}

impl Atom for RatioResidual {
    fn name(&self) -> &str {
        "ratio_residual"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [p, q, t] if p == q && q == t => Ok(*p),
            _ => Err("expected three arguments of one shape".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Unknown
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    /// In q it is that of `-t q` (below) and of `t q` (above); t is held fixed.
    fn monotonicity(&self, arg: usize, args: &[Info]) -> Monotonicity {
        let below = self.side == Side::Below;
        let level = args[2].sign;
        let falls = match arg {
            0 => !below,
            _ if level.is_nonneg() => below,
            _ if level.is_nonpos() => !below,
            _ => return Monotonicity::None,
        };
        if falls { Monotonicity::Decreasing } else { Monotonicity::Increasing }
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let sign = if self.side == Side::Below { 1.0 } else { -1.0 };
        for (k, out) in out.iter_mut().enumerate() {
            *out = sign * (args[0].values[k] - args[2].values[k] * args[1].values[k]);
        }
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let sign = if self.side == Side::Below { 1.0 } else { -1.0 };
        for (k, c) in cotangent.iter().enumerate() {
            gradients[0][k] += sign * c;
            gradients[1][k] -= sign * c * args[2].values[k];
            gradients[2][k] -= sign * c * args[1].values[k];
        }
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        graph.nonneg(args[1].clone());
        let product = graph.multiply(&args[2], &args[1]);
        let difference = graph.sub(&args[0], &product);
        if self.side == Side::Below { difference } else { difference.scaled(-1.0) }
    }
}
