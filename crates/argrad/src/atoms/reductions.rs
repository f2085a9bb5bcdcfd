//! Functions of a vector: largest elements, `log_sum_exp`, means and norms.

use super::norm::euclidean;
use super::quadratic::above_square;
use super::roots::geometric;
use super::spec::{Reduction, ReductionSpec, any_length};
use crate::canonical::{Affine, Graph};
use crate::dcp::{Curvature, Monotonicity, Sign};
use crate::model::Expr;

/// `t` with `sign (t - x_i) >= 0`.
fn bound(graph: &mut Graph<'_>, x: &Affine, sign: f64) -> Affine {
    let t = graph.variable(());
    let above = graph.sub(&graph.broadcast(&t, x.shape()), x).scaled(sign);
    graph.nonneg(above);
    t
}

/// Position of the first of the largest elements.
fn largest(x: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    x.enumerate().for_each(|(k, v)| {
        if v > best.1 {
            best = (k, v);
        }
    });
    best.0
}

pub(super) static MAX: ReductionSpec = ReductionSpec {
    name: "max",
    sign: |sign| sign,
    curvature: Curvature::Convex,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    check: any_length,
    value: |x, _| x.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    gradient: |x, _, out| out[largest(x.iter().copied())] = 1.0,
    graph: |graph, x, _| bound(graph, x, 1.0),
};

pub(super) static MIN: ReductionSpec = ReductionSpec {
    name: "min",
    sign: |sign| sign,
    curvature: Curvature::Concave,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    check: any_length,
    value: |x, _| x.iter().copied().fold(f64::INFINITY, f64::min),
    gradient: |x, _, out| out[largest(x.iter().map(|v| -v))] = 1.0,
    graph: |graph, x, _| bound(graph, x, -1.0),
};

/// The largest of all elements. Cone form: `t >= x_i`, n inequalities.
#[track_caller]
pub fn max(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Reduction::all(&MAX, &[]), &[x])
}

/// The largest element of each column (axis 0) or row (axis 1) of a matrix.
#[track_caller]
pub fn max_axis(x: Expr<'_>, axis: usize) -> Expr<'_> {
    x.model.atom(Reduction::along(&MAX, axis, &[]), &[x])
}

/// The smallest of all elements. Cone form: `t <= x_i`, n inequalities.
#[track_caller]
pub fn min(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Reduction::all(&MIN, &[]), &[x])
}

/// The smallest element of each column (axis 0) or row (axis 1) of a matrix.
#[track_caller]
pub fn min_axis(x: Expr<'_>, axis: usize) -> Expr<'_> {
    x.model.atom(Reduction::along(&MIN, axis, &[]), &[x])
}

/// Weights of the elements in the sum of the k largest.
fn weights_of_largest(x: &[f64], k: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|a, b| x[*b].total_cmp(&x[*a]));
    let mut weights = vec![0.0; x.len()];
    for (rank, at) in order.into_iter().enumerate() {
        weights[at] = (k - rank as f64).clamp(0.0, 1.0);
    }
    weights
}

pub(super) static SUM_LARGEST: ReductionSpec = ReductionSpec {
    name: "sum_largest",
    sign: |sign| sign,
    curvature: Curvature::Convex,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    check: |len, k| {
        if k[0] > 0.0 && k[0] <= len as f64 {
            Ok(())
        } else {
            Err(format!("expected a count above 0 and up to {len}, found {}", k[0]))
        }
    },
    value: |x, k| weights_of_largest(x, k[0]).iter().zip(x).map(|(w, v)| w * v).sum(),
    gradient: |x, k, out| out.copy_from_slice(&weights_of_largest(x, k[0])),
    graph: |graph, x, k| {
        let (q, t) = (graph.variable(()), graph.variable(x.shape()));
        let above = graph.sub(&graph.add(&t, &graph.broadcast(&q, x.shape())), x);
        graph.nonneg(above);
        graph.nonneg(t.clone());
        graph.add(&graph.sum(&t), &q.scaled(k[0]))
    },
};

/// The sum of the k largest elements; of a k between two integers, the last of them counts in part.
/// Cone form: `sum t + k q` with `t >= x - q, t >= 0`, 2n inequalities.
#[track_caller]
pub fn sum_largest(x: Expr<'_>, k: f64) -> Expr<'_> {
    x.model.atom(Reduction::all(&SUM_LARGEST, &[k]), &[x])
}

pub(super) static LOG_SUM_EXP: ReductionSpec = ReductionSpec {
    name: "log_sum_exp",
    sign: |sign| if sign.is_nonneg() { Sign::Nonneg } else { Sign::Unknown },
    curvature: Curvature::Convex,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    check: any_length,
    value: |x, _| {
        let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        top + x.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
    },
    gradient: |x, _, out| {
        let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = x.iter().map(|v| (v - top).exp()).sum();
        out.iter_mut().zip(x).for_each(|(out, v)| *out = (v - top).exp() / sum);
    },
    graph: |graph, x, _| {
        let (t, u) = (graph.variable(()), graph.variable(x.shape()));
        let one = graph.filled(1.0, x.shape());
        let difference = graph.sub(x, &graph.broadcast(&t, x.shape()));
        graph.exponential(&difference, &one, &u);
        let rest = graph.sub(&graph.filled(1.0, ()), &graph.sum(&u));
        graph.nonneg(rest);
        t
    },
};

/// `log sum e^x_i` of all elements. Cone form: `sum e^(x_i - t) <= 1`, n exponential cones and an
/// inequality.
#[track_caller]
pub fn log_sum_exp(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Reduction::all(&LOG_SUM_EXP, &[]), &[x])
}

/// `log sum e^x_i` of each column (axis 0) or row (axis 1) of a matrix.
#[track_caller]
pub fn log_sum_exp_axis(x: Expr<'_>, axis: usize) -> Expr<'_> {
    x.model.atom(Reduction::along(&LOG_SUM_EXP, axis, &[]), &[x])
}

/// Exponents that add up to 1: equal ones where no weights are given.
fn exponents(len: usize, weights: &[f64]) -> Vec<f64> {
    if weights.is_empty() {
        return vec![1.0 / len as f64; len];
    }
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

pub(super) static GEO_MEAN: ReductionSpec = ReductionSpec {
    name: "geo_mean",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Concave,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "x >= 0",
    check: |len, weights| {
        let positive = weights.iter().all(|w| *w >= 0.0 && w.is_finite());
        let fits = weights.len() == len && positive && weights.iter().any(|w| *w > 0.0);
        if weights.is_empty() || fits {
            Ok(())
        } else {
            Err(format!("expected {len} nonnegative weights, found {weights:?}"))
        }
    },
    value: |x, weights| {
        let powers = x.iter().zip(exponents(x.len(), weights));
        powers.map(|(v, w)| if w > 0.0 { v.powf(w) } else { 1.0 }).product()
    },
    gradient: |x, weights, out| {
        let mean = (GEO_MEAN.value)(x, weights);
        for ((out, v), w) in out.iter_mut().zip(x).zip(exponents(x.len(), weights)) {
            *out = if w > 0.0 { w * mean / v } else { 0.0 };
        }
    },
    graph: |graph, x, weights| {
        let all = exponents(x.size(), weights);
        let used: Vec<usize> = (0..all.len()).filter(|k| all[*k] > 0.0).collect();
        let alpha: Vec<f64> = used.iter().map(|k| all[*k]).collect();
        let of = x.pick(used.iter().copied(), used.len());
        if let [_] = used[..] {
            graph.nonneg(of.clone());
            return of.reshape(());
        }
        let w = graph.variable(());
        if let [first, _] = alpha[..] {
            geometric(graph, &of.pick([0], ()), &of.pick([1], ()), &w, first);
        } else {
            graph.generalized_power(&of, &alpha, &w);
        }
        w
    },
};

/// The geometric mean `(prod x_i)^(1/n)` of all elements, x >= 0. Cone form: `(x, t)` in the generalized power
/// cone with equal exponents.
#[track_caller]
pub fn geo_mean(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Reduction::all(&GEO_MEAN, &[]), &[x])
}

/// The geometric mean `prod x_i^(w_i / sum w)` with nonnegative weights, one an element.
#[track_caller]
pub fn weighted_geo_mean<'m>(x: Expr<'m>, weights: &[f64]) -> Expr<'m> {
    if weights.is_empty() {
        return x.model.issue("weighted_geo_mean: expected weights, found none".into(), x.shape());
    }
    x.model.atom(Reduction::all(&GEO_MEAN, weights), &[x])
}

pub(super) static NORM_INF: ReductionSpec = ReductionSpec {
    name: "norm_inf",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    monotonicity: Monotonicity::as_abs,
    domain: "",
    check: any_length,
    value: |x, _| x.iter().fold(0.0, |m, v| v.abs().max(m)),
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
};

/// The Euclidean norm of each column (axis 0) or row (axis 1) of a matrix. Cone form: a second-order cone
/// each.
#[track_caller]
pub fn norm2_axis(x: Expr<'_>, axis: usize) -> Expr<'_> {
    x.model.atom(Reduction::along(&NORM2_AXIS, axis, &[]), &[x])
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
        if top == 0.0 { 0.0 } else { top * sum.powf(1.0 / p[0]) }
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
/// Cone form: n power cones and an equality; for p = 1, 2 and infinity that of [`norm1`](super::norm1),
/// [`norm2`](super::norm2) and [`norm_inf`].
#[track_caller]
pub fn pnorm(x: Expr<'_>, p: f64) -> Expr<'_> {
    if p == 1.0 {
        super::norm1(x)
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
        super::abs(x).sum_axis(axis)
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
