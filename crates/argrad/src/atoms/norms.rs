//! Norms of a vector, with an axis or without: `norm_inf`, `norm2_axis`, `pnorm`.

use super::elementwise::abs;
use super::norm::euclidean;
use super::quadratic::above_square;
use super::reductions::{MAX, largest};
use super::roots::geometric;
use super::spec::{Reduction, ReductionLogLog, ReductionSpec, any_length};
use crate::atom::{Affine, Curvature, Graph, LogLog, Monotonicity, Sign};
use crate::expression::Expr;

pub(super) static NORM_INF: ReductionSpec = ReductionSpec {
    name: "norm_inf",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: Monotonicity::as_abs,
    domain: "",
    check: any_length,
    value: |x, _| x[largest(x.iter().map(|v| v.abs()))].abs(),
    gradient: |x, _, out| {
        let at = largest(x.iter().map(|v| v.abs()));
        out[at] = if x[at] == 0.0 { 0.0 } else { x[at].signum() };
    },
    graph: |graph, x, _| {
        let t = graph.variable(());
        let all = graph.broadcast(&t, x.shape());
        graph.nonneg(graph.sub(&all, x));
        graph.nonneg(graph.add(&all, x));
        t
    },
    each: None,
    log_log: ReductionLogLog::Function(&MAX),
};

/// `max |x_i|` of all elements. Cone form: `t >= x_i, t >= -x_i`, 2n inequalities.
#[track_caller]
pub fn norm_inf(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Reduction::all(&NORM_INF, &[]), &[x])
}

/// The Euclidean norm with an axis.
pub(super) static NORM2_AXIS: ReductionSpec = ReductionSpec {
    name: "norm2_axis",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: Monotonicity::as_abs,
    domain: "",
    check: any_length,
    value: |x, _| euclidean(x),
    gradient: |x, _, out| {
        let norm = euclidean(x);
        out.iter_mut().zip(x).for_each(|(out, v)| *out = if norm > 0.0 { v / norm } else { 0.0 });
    },
    graph: |graph, x, _| {
        let t = graph.variable(());
        graph.second_order(&t, x);
        t
    },
    each: None,
    log_log: ReductionLogLog::None,
};

/// The Euclidean norm of each column (axis 0) or row (axis 1) of a matrix. Cone form: a
/// second-order cone each.
#[track_caller]
pub fn norm2_axis(x: Expr<'_>, axis: usize) -> Expr<'_> {
    x.model.atom(Reduction::along(&NORM2_AXIS, axis, &[]), &[x])
}

/// `sum |x_i|` of all elements: [`abs`].
#[track_caller]
pub fn norm1(x: Expr<'_>) -> Expr<'_> {
    abs(x).sum()
}

/// `pnorm` for p > 1.
pub(super) static PNORM: ReductionSpec = ReductionSpec {
    name: "pnorm",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: Monotonicity::as_abs,
    domain: "",
    check: any_length,
    value: |x, p| {
        let top = x.iter().fold(0.0f64, |m, v| v.abs().max(m));
        let sum: f64 = x.iter().map(|v| (v.abs() / top).powf(p[0])).sum();
        if x.iter().all(|v| *v == 0.0) { 0.0 } else { top * sum.powf(1.0 / p[0]) }
    },
    gradient: |x, p, out| {
        let norm = (PNORM.value)(x, p);
        for (out, v) in out.iter_mut().zip(x) {
            let size = if norm > 0.0 { (v.abs() / norm).powf(p[0] - 1.0) } else { 0.0 };
            *out = v.signum() * size;
        }
    },
    graph: |graph, x, p| {
        let (t, r) = norm_and_parts(graph, x);
        geometric(graph, &r, &graph.broadcast(&t, x.shape()), x, 1.0 / p[0]);
        t
    },
    each: None,
    log_log: ReductionLogLog::OfAll(|len, p| LogLog::p_norm(len, p[0])),
};

/// `pnorm` for p < 1.
pub(super) static PNORM_CONCAVE: ReductionSpec = ReductionSpec {
    name: "pnorm",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Concave,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "x >= 0",
    check: any_length,
    value: |x, p| {
        if x.iter().any(|v| *v < 0.0) {
            return f64::NAN;
        }
        let zero = p[0] < 0.0 && x.contains(&0.0);
        if zero { 0.0 } else { x.iter().map(|v| v.powf(p[0])).sum::<f64>().powf(1.0 / p[0]) }
    },
    gradient: |x, p, out| {
        let norm = (PNORM_CONCAVE.value)(x, p);
        out.iter_mut().zip(x).for_each(|(out, v)| *out = (norm / v).powf(1.0 - p[0]));
    },
    graph: |graph, x, p| {
        let (t, r) = norm_and_parts(graph, x);
        let all = graph.broadcast(&t, x.shape());
        if p[0] == -1.0 {
            for k in 0..x.size() {
                above_square(graph, &x.pick([k], ()), &r.pick([k], ()), &t.clone().reshape(1));
            }
        } else if p[0] < 0.0 {
            graph.power(x, &r, &all, -p[0] / (1.0 - p[0]));
        } else {
            geometric(graph, x, &all, &r, p[0]);
        }
        t
    },
    each: None,
    log_log: ReductionLogLog::OfAll(|len, p| LogLog::p_norm(len, p[0])),
};

/// Variables t and r with `sum r == t`.
fn norm_and_parts(graph: &mut Graph<'_>, x: &Affine) -> (Affine, Affine) {
    let (t, r) = (graph.variable(()), graph.variable(x.shape()));
    let rest = graph.sub(&graph.sum(&r), &t);
    graph.zero(rest);
    (t, r)
}

/// `(sum |x_i|^p)^(1/p)` of all elements for p >= 1 (infinity included), convex; for p < 1, not 0,
/// `(sum x_i^p)^(1/p)` with x >= 0, concave.
///
/// Cone form: n power cones and an equality; for p = 1, 2 and infinity that of [`norm1`],
/// [`norm2`](super::norm2) and [`norm_inf`].
#[track_caller]
pub fn pnorm(x: Expr<'_>, p: f64) -> Expr<'_> {
    if p == 1.0 {
        norm1(x)
    } else if p == 2.0 {
        super::norm2(x)
    } else if p == f64::INFINITY {
        norm_inf(x)
    } else {
        general(x, None, p)
    }
}

/// [`pnorm`] of each column (axis 0) or row (axis 1) of a matrix.
#[track_caller]
pub fn pnorm_axis(x: Expr<'_>, p: f64, axis: usize) -> Expr<'_> {
    if p == 1.0 {
        abs(x).sum_axis(axis)
    } else if p == 2.0 {
        norm2_axis(x, axis)
    } else if p == f64::INFINITY {
        x.model.atom(Reduction::along(&NORM_INF, axis, &[]), &[x])
    } else {
        general(x, Some(axis), p)
    }
}

#[track_caller]
fn general(x: Expr<'_>, axis: Option<usize>, p: f64) -> Expr<'_> {
    if !p.is_finite() || p == 0.0 {
        return x.model.issue(format!("pnorm: p must be a number and not 0, found {p}"), ().into());
    }
    let spec = pnorm_spec(p);
    let atom = match axis {
        None => Reduction::all(spec, &[p]),
        Some(axis) => Reduction::along(spec, axis, &[p]),
    };
    x.model.atom(atom, &[x])
}

/// The convex or the concave one.
pub(super) fn pnorm_spec(p: f64) -> &'static ReductionSpec {
    if p > 1.0 { &PNORM } else { &PNORM_CONCAVE }
}
