//! Powers and roots: `power`, `sqrt`, `inv_pos`.

use std::sync::Arc;

use super::quadratic::{Square, above_square};
use super::spec::{
    BOTH, Elementwise, ElementwiseLogLog, ElementwiseSpec, Inverse, map_gradient, map_values,
    same_shape,
};
use crate::algebra::Shape;
use crate::atom::{
    Affine, Argument, Atom, Curvature, Graph, Info, LevelSet, LogLog, Monotonicity, Side, Sign,
};
use crate::expression::Expr;

/// `x^alpha y^(1 - alpha) >= |z|, x, y >= 0`, elementwise: second-order cones for alpha = 1/2, else
/// power cones.
pub(super) fn geometric(graph: &mut Graph<'_>, x: &Affine, y: &Affine, z: &Affine, alpha: f64) {
    if alpha != 0.5 {
        graph.power(x, y, z, alpha);
        return;
    }
    for k in 0..x.size() {
        above_square(graph, &x.pick([k], ()), &y.pick([k], ()), &z.pick([k], 1));
    }
}

pub(super) static SQRT: ElementwiseSpec = ElementwiseSpec {
    name: "sqrt",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Concave,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "x >= 0",
    value: f64::sqrt,
    derivative: |v| 0.5 / v.sqrt(),
    graph: |graph, x| {
        let t = graph.variable(x.shape());
        let one = graph.filled(1.0, x.shape());
        geometric(graph, x, &one, &t, 0.5);
        t
    },
    log_log: ElementwiseLogLog::Power(0.5),
    inverse: Some(Inverse { of: || Arc::new(Square), sides: BOTH }),
    advice: "write norm2(x) for sqrt(sum_squares(x)), geo_mean for roots of products",
};

/// `sqrt x`, elementwise, x >= 0. Cone form: `x >= t^2`, a second-order cone of 3 rows.
#[track_caller]
pub fn sqrt(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&SQRT), &[x])
}

pub(super) static INV_POS: ElementwiseSpec = ElementwiseSpec {
    name: "inv_pos",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: |_| Monotonicity::Decreasing,
    domain: "x > 0",
    value: |v| if v > 0.0 { 1.0 / v } else { f64::NAN },
    derivative: |v| -1.0 / (v * v),
    graph: |graph, x| {
        let t = graph.variable(x.shape());
        let one = graph.filled(1.0, x.shape());
        geometric(graph, x, &t, &one, 0.5);
        t
    },
    log_log: ElementwiseLogLog::Power(-1.0),
    inverse: Some(Inverse { of: || Arc::new(Elementwise(&INV_POS)), sides: BOTH }),
    advice: "",
};

/// `1 / x`, elementwise, x > 0. Cone form: `t x >= 1`, a second-order cone of 3 rows.
#[track_caller]
pub fn inv_pos(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&INV_POS), &[x])
}

/// `x^p`, elementwise; p is none of 0, 1, 2, 1/2, -1, which have atoms of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Power {
    p: f64,
}

/// `x^p`, elementwise, with a number p.
///
/// | p | curvature | domain | cone form |
/// |---|---|---|---|
/// | even integer | convex, as abs | all x | `(t, 1, x)` in the power cone 1/p (for 2: [`square`](super::square)) |
/// | other p > 1 | convex, increasing | x >= 0 | the same, and x >= 0 |
/// | 0 < p < 1 | concave, increasing | x >= 0 | `(x, 1, t)` in the power cone p |
/// | p < 0 | convex, decreasing | x > 0 | `(t, x, 1)` in the power cone 1 / (1 - p) |
///
/// For p = 0 and 1 it is 1 and x. A power p > 1 that is no even integer counts as increasing in
/// an argument that is known to be nonnegative only, since `x^p` with its domain is not increasing
/// in others: write `power(pos(x), 3.0)`.
#[track_caller]
pub fn power(x: Expr<'_>, p: f64) -> Expr<'_> {
    if !p.is_finite() {
        return x.model.issue(format!("power: the exponent {p} is not finite"), x.shape());
    }
    if p == 0.0 {
        x.model.constant_of(vec![1.0; x.size()], x.shape())
    } else if p == 1.0 {
        x
    } else if p == 2.0 {
        x.model.atom(Square, &[x])
    } else if p == 0.5 {
        sqrt(x)
    } else if p == -1.0 {
        inv_pos(x)
    } else {
        x.model.atom(Power { p }, &[x])
    }
}

impl Power {
    /// From [`Atom::data`].
    pub(super) fn restore(data: &[f64]) -> Option<Self> {
        data.first().map(|p| Self { p: *p })
    }

    fn is_even(&self) -> bool {
        self.p > 0.0 && self.p % 2.0 == 0.0
    }

    fn is_concave(&self) -> bool {
        self.p > 0.0 && self.p < 1.0
    }
}

impl Atom for Power {
    fn name(&self) -> &str {
        "power"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args)
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        if self.is_concave() { Curvature::Concave } else { Curvature::Convex }
    }
    fn monotonicity(&self, _: usize, args: &[Info]) -> Monotonicity {
        let sign = args[0].sign;
        if self.p < 0.0 {
            Monotonicity::Decreasing
        } else if self.is_even() {
            Monotonicity::as_abs(sign)
        } else if self.is_concave() || sign.is_nonneg() {
            Monotonicity::Increasing
        } else {
            Monotonicity::None
        }
    }
    fn domain(&self) -> &str {
        if self.is_even() {
            ""
        } else if self.p > 0.0 {
            "x >= 0"
        } else {
            "x > 0"
        }
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let outside = |v: f64| !self.is_even() && (v < 0.0 || v == 0.0 && self.p < 0.0);
        map_values(args, out, |v| if outside(v) { f64::NAN } else { v.powf(self.p) });
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        map_gradient(args, cotangent, gradients, |v| self.p * v.powf(self.p - 1.0));
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let (p, x) = (self.p, &args[0]);
        let t = graph.variable(x.shape());
        let one = graph.filled(1.0, x.shape());
        if p > 1.0 {
            geometric(graph, &t, &one, x, 1.0 / p);
            if !self.is_even() {
                graph.nonneg(x.clone());
            }
        } else if p > 0.0 {
            geometric(graph, x, &one, &t, p);
        } else {
            geometric(graph, &t, x, &one, 1.0 / (1.0 - p));
        }
        t
    }
    fn data(&self) -> Vec<f64> {
        vec![self.p]
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        Some(LogLog::power(args[0].size(), self.p))
    }
    fn level_set(&self, _: Side, args: &[Info]) -> Option<LevelSet> {
        args[0].sign.is_nonneg().then(|| LevelSet::Inverse(Arc::new(Self { p: 1.0 / self.p })))
    }
    fn is_elementwise(&self) -> bool {
        true
    }
    fn vjp_tangent(
        &self,
        args: &[Argument<'_>],
        direction: &[&[f64]],
        cotangent: &[f64],
        gradients: &mut [Vec<f64>],
    ) {
        let p = self.p;
        for (k, (c, d)) in cotangent.iter().zip(direction[0]).enumerate() {
            if *c != 0.0 && *d != 0.0 {
                gradients[0][k] += c * d * p * (p - 1.0) * args[0].values[k].powf(p - 2.0);
            }
        }
    }
}
