//! `abs`, `exp`, `log`.

use std::sync::Arc;

use super::spec::{BOTH, Elementwise, ElementwiseLogLog, ElementwiseSpec, Inverse};
use crate::atom::{Curvature, Monotonicity, Sign};
use crate::expression::Expr;

pub(super) static ABS: ElementwiseSpec = ElementwiseSpec {
    name: "abs",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: Monotonicity::as_abs,
    domain: "",
    value: f64::abs,
    // Zero is a subgradient at zero.
    derivative: |v| if v == 0.0 { 0.0 } else { v.signum() },
    graph: |graph, x| {
        let t = graph.variable(x.shape());
        graph.nonneg(graph.sub(&t, x));
        graph.nonneg(graph.add(&t, x));
        t
    },
    log_log: ElementwiseLogLog::Power(1.0),
    inverse: None,
    advice: "",
};

/// `|x|`, elementwise. Cone form: `t >= x, t >= -x`.
#[track_caller]
pub fn abs(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&ABS), &[x])
}

pub(super) static EXP: ElementwiseSpec = ElementwiseSpec {
    name: "exp",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    value: f64::exp,
    derivative: f64::exp,
    graph: |graph, x| {
        let t = graph.variable(x.shape());
        let one = graph.filled(1.0, x.shape());
        graph.exponential(x, &one, &t);
        t
    },
    log_log: ElementwiseLogLog::Function(&EXP),
    inverse: Some(Inverse { of: || Arc::new(Elementwise(&LOG)), sides: BOTH }),
    advice: "",
};

/// `e^x`, elementwise. Cone form: `(x, 1, t)` in the exponential cone.
#[track_caller]
pub fn exp(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&EXP), &[x])
}

pub(super) static LOG: ElementwiseSpec = ElementwiseSpec {
    name: "log",
    sign: |_| Sign::Unknown,
    curvature: Curvature::Concave,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "x > 0",
    value: f64::ln,
    derivative: |v| 1.0 / v,
    graph: |graph, x| {
        let t = graph.variable(x.shape());
        let one = graph.filled(1.0, x.shape());
        graph.exponential(&t, &one, x);
        t
    },
    log_log: ElementwiseLogLog::Function(&LOG),
    inverse: Some(Inverse { of: || Arc::new(Elementwise(&EXP)), sides: BOTH }),
    advice: "write log_sum_exp(x) for log(sum(exp(x)))",
};

/// `log x`, elementwise, x > 0. Cone form: `(t, 1, x)` in the exponential cone.
#[track_caller]
pub fn log(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&LOG), &[x])
}
