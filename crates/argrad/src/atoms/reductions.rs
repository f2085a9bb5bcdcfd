//! Functions of a vector: largest elements, `log_sum_exp`, geometric means.

use super::roots::geometric;
use super::spec::{Reduction, ReductionLogLog, ReductionSpec, any_length};
use crate::algebra::LinearMap;
use crate::atom::{Affine, Curvature, Graph, LogLog, Monotonicity, Side, Sign};
use crate::expression::Expr;

/// `t` with `sign (t - x_i) >= 0`.
fn bound(graph: &mut Graph<'_>, x: &Affine, sign: f64) -> Affine {
    let t = graph.variable(());
    let above = graph.sub(&graph.broadcast(&t, x.shape()), x).scaled(sign);
    graph.nonneg(above);
    t
}

/// Position of the first of the largest elements, or of a NaN.
pub(super) fn largest(x: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (k, v) in x.enumerate() {
        if v > best.1 || v.is_nan() {
            best = (k, v);
        }
    }
    best.0
}

pub(super) static MAX: ReductionSpec = ReductionSpec {
    name: "max",
    sign: |sign| sign,
    curvature: Curvature::Convex,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    check: any_length,
    value: |x, _| x[largest(x.iter().copied())],
    gradient: |x, _, out| out[largest(x.iter().copied())] = 1.0,
    graph: |graph, x, _| bound(graph, x, 1.0),
    each: Some(Side::Below),
    log_log: ReductionLogLog::Function(&MAX),
};

pub(super) static MIN: ReductionSpec = ReductionSpec {
    name: "min",
    sign: |sign| sign,
    curvature: Curvature::Concave,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    check: any_length,
    value: |x, _| x[largest(x.iter().map(|v| -v))],
    gradient: |x, _, out| out[largest(x.iter().map(|v| -v))] = 1.0,
    graph: |graph, x, _| bound(graph, x, -1.0),
    each: Some(Side::Above),
    log_log: ReductionLogLog::Function(&MIN),
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
    check: |len, k| match k {
        [k] if *k > 0.0 && *k <= len as f64 => Ok(()),
        [k] => Err(format!("expected a count above 0 and up to {len}, found {k}")),
        _ => Err("expected one count".into()),
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
    each: None,
    log_log: ReductionLogLog::None,
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
    each: None,
    log_log: ReductionLogLog::None,
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
        let power = |(v, w): (&f64, f64)| match w {
            0.0 => 1.0,
            _ if *v < 0.0 => f64::NAN,
            _ => v.powf(w),
        };
        x.iter().zip(exponents(x.len(), weights)).map(power).product()
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
    each: None,
    log_log: ReductionLogLog::OfAll(|len, weights| {
        let mut mean = LinearMap::new(len);
        mean.push_row(exponents(len, weights).into_iter().enumerate());
        LogLog::Monomial(mean)
    }),
};

/// The geometric mean `(prod x_i)^(1/n)` of all elements, x >= 0. Cone form: `(x, t)` in the
/// generalized power cone with equal exponents.
#[track_caller]
pub fn geo_mean(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Reduction::all(&GEO_MEAN, &[]), &[x])
}

/// The geometric mean `prod x_i^(w_i / sum w)` with nonnegative weights, one an element.
#[track_caller]
pub fn weighted_geo_mean<'m>(x: Expr<'m>, weights: &[f64]) -> Expr<'m> {
    if weights.is_empty() {
        return x.model.issue("weighted_geo_mean: expected weights, found none".into(), ().into());
    }
    x.model.atom(Reduction::all(&GEO_MEAN, weights), &[x])
}
