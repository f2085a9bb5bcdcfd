//! Squares: quadratic in the objective, second-order cones in constraints.

use std::sync::Arc;

use super::cholesky::factor_times;
use super::spec::{
    Elementwise, ElementwiseLogLog, ElementwiseSpec, map_gradient, map_values, same_shape,
};
use crate::algebra::{LinearMap, Shape, pivoted_cholesky};
use crate::atom::{
    Affine, Argument, Atom, Curvature, Graph, Info, LevelSet, LogLog, Monotonicity, Side, Sign,
};
use crate::expression::{Expr, Operand};

/// The square root of a level, which has no graph: `sqrt` itself is made of what is in this file.
/// In files it has the name of `sqrt`, and is read as that.
static ROOT_OF_LEVEL: ElementwiseSpec = ElementwiseSpec {
    name: "sqrt",
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Unknown,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "x >= 0",
    value: f64::sqrt,
    derivative: |v| 0.5 / v.sqrt(),
    graph: |_, x| Affine::zeros(x.shape()),
    log_log: ElementwiseLogLog::None,
    inverse: None,
    advice: "",
};

/// `x^2`, elementwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Square;

/// `x^2`, elementwise.
#[track_caller]
pub fn square(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Square, &[x])
}

impl Atom for Square {
    fn name(&self) -> &str {
        "square"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args)
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    fn monotonicity(&self, _: usize, args: &[Info]) -> Monotonicity {
        Monotonicity::as_abs(args[0].sign)
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        map_values(args, out, |v| v * v);
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        map_gradient(args, cotangent, gradients, |v| 2.0 * v);
    }
    /// `t >= x^2` for each element.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(args[0].shape());
        let one = graph.filled(1.0, ());
        for k in 0..t.size() {
            above_square(graph, &t.pick([k], ()), &one, &args[0].pick([k], 1));
        }
        t
    }
    fn is_quadratic(&self, _: &[Info]) -> bool {
        true
    }
    fn quadratic(&self, graph: &mut Graph<'_>, args: &[Affine], weights: &Affine) {
        graph.minimize_squares(&args[0], weights);
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        Some(LogLog::power(args[0].size(), 2.0))
    }
    fn level_set(&self, _: Side, args: &[Info]) -> Option<LevelSet> {
        args[0].sign.is_nonneg().then(|| LevelSet::Inverse(Arc::new(Elementwise(&ROOT_OF_LEVEL))))
    }
    fn is_elementwise(&self) -> bool {
        true
    }
    fn vjp_tangent(
        &self,
        _: &[Argument<'_>],
        direction: &[&[f64]],
        cotangent: &[f64],
        gradients: &mut [Vec<f64>],
    ) {
        for ((g, c), d) in gradients[0].iter_mut().zip(cotangent).zip(direction[0]) {
            *g += 2.0 * c * d;
        }
    }
}

/// `t y >= |x|^2, t, y >= 0`: `|(2x, t - y)| <= t + y`.
pub(super) fn above_square(graph: &mut Graph<'_>, t: &Affine, y: &Affine, x: &Affine) {
    let (sum, difference) = (graph.add(t, y), graph.sub(t, y));
    graph.second_order(&sum, &Affine::concat(&[&x.scaled(2.0), &difference]));
}

/// `sum x_i^2`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SumSquares;

/// The sum of the squares of all elements.
#[track_caller]
pub fn sum_squares(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(SumSquares, &[x])
}

impl Atom for SumSquares {
    fn name(&self) -> &str {
        "sum_squares"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        same_shape(args).map(|_| Shape::SCALAR)
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    fn monotonicity(&self, _: usize, args: &[Info]) -> Monotonicity {
        Monotonicity::as_abs(args[0].sign)
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        out[0] = args[0].values.iter().map(|v| v * v).sum();
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        for (g, v) in gradients[0].iter_mut().zip(args[0].values) {
            *g += 2.0 * cotangent[0] * v;
        }
    }
    /// `t >= |x|^2`.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(());
        let one = graph.filled(1.0, ());
        above_square(graph, &t, &one, &args[0]);
        t
    }
    fn is_quadratic(&self, _: &[Info]) -> bool {
        true
    }
    fn quadratic(&self, graph: &mut Graph<'_>, args: &[Affine], weights: &Affine) {
        let weights = graph.broadcast(weights, args[0].shape());
        graph.minimize_squares(&args[0], &weights);
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        let terms = LinearMap::gather(args[0].size(), 0..args[0].size(), 2.0);
        (terms.rows() > 0).then_some(LogLog::PowerOfSum { terms, exponent: 1.0 })
    }
}

/// `sum x_i^2 / y`.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuadOverLin;

/// `sum x_i^2 / y` with a scalar y > 0. With a y free of variables this is `sum_squares(x) / y`.
#[track_caller]
pub fn quad_over_lin<'m>(x: Expr<'m>, y: impl Operand<'m>) -> Expr<'m> {
    let y = y.into_expr(x.model);
    if y.has_variables() { x.model.atom(QuadOverLin, &[x, y]) } else { sum_squares(x) / y }
}

impl Atom for QuadOverLin {
    fn name(&self) -> &str {
        "quad_over_lin"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [_, y] if y.size() == 1 => Ok(Shape::SCALAR),
            _ => Err("expected any shape and a scalar".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Nonneg
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    fn monotonicity(&self, arg: usize, args: &[Info]) -> Monotonicity {
        if arg == 0 { Monotonicity::as_abs(args[0].sign) } else { Monotonicity::Decreasing }
    }
    fn domain(&self) -> &str {
        "y > 0"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        out[0] = args[0].values.iter().map(|v| v * v).sum::<f64>() / args[1].values[0];
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let y = args[1].values[0];
        for (g, v) in gradients[0].iter_mut().zip(args[0].values) {
            *g += 2.0 * cotangent[0] * v / y;
        }
        let squares: f64 = args[0].values.iter().map(|v| v * v).sum();
        gradients[1][0] -= cotangent[0] * squares / (y * y);
    }
    /// `t y >= |x|^2`.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(());
        above_square(graph, &t, &args[1], &args[0]);
        t
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        let n = args[0].size();
        let mut terms = LinearMap::new(n + 1);
        (0..n).for_each(|k| terms.push_row([(k, 2.0), (n, -1.0)]));
        (n > 0).then_some(LogLog::PowerOfSum { terms, exponent: 1.0 })
    }
}

/// `x'Px`.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuadForm;

/// `x'Px` with P positive semidefinite: a constant, or a parameter with the attribute `psd`. In a
/// constraint a parameter must be positive definite: its Cholesky factor is computed for each
/// sample.
#[track_caller]
pub fn quad_form<'m>(x: Expr<'m>, p: impl Operand<'m>) -> Expr<'m> {
    x.model.atom(QuadForm, &[x, p.into_expr(x.model)])
}

impl Atom for QuadForm {
    fn name(&self) -> &str {
        "quad_form"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x, p] if p.is_square() && x.size() == p.rows() => Ok(Shape::SCALAR),
            _ => Err("expected a vector and a square matrix of its size".into()),
        }
    }
    fn sign(&self, args: &[Info]) -> Sign {
        if args[1].psd { Sign::Nonneg } else { Sign::Unknown }
    }
    fn curvature(&self, args: &[Info]) -> Curvature {
        match args[1] {
            Info { psd: true, curvature: Curvature::Constant, .. } => Curvature::Convex,
            _ => Curvature::Unknown,
        }
    }
    fn monotonicity(&self, arg: usize, args: &[Info]) -> Monotonicity {
        // x'Px rises with x where nothing is negative.
        if arg == 0 && args[0].sign.is_nonneg() && args[1].sign.is_nonneg() {
            Monotonicity::Increasing
        } else {
            Monotonicity::None
        }
    }
    fn domain(&self) -> &str {
        "P positive semidefinite"
    }
    fn needs_psd(&self, arg: usize) -> bool {
        arg == 1
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let (x, p) = (args[0].values, args[1].values);
        out[0] = (0..p.len()).map(|k| p[k] * x[k / x.len()] * x[k % x.len()]).sum();
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let (x, p, c) = (args[0].values, args[1].values, cotangent[0]);
        for (k, value) in p.iter().enumerate() {
            let (i, j) = (k / x.len(), k % x.len());
            gradients[0][i] += c * value * x[j];
            gradients[0][j] += c * value * x[i];
            gradients[1][k] += c * x[i] * x[j];
        }
    }
    /// `t >= |F x|^2` with `P = F'F`.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let t = graph.variable(());
        let one = graph.filled(1.0, ());
        let Some(p) = args[1].values() else {
            let fx = factor_times(graph, &args[1], &args[0]);
            above_square(graph, &t, &one, &fx);
            return t;
        };
        let n = args[1].shape().rows();
        let factor = pivoted_cholesky(&p, n).unwrap_or_default();
        let mut map = LinearMap::new(n);
        for row in factor.chunks(n.max(1)) {
            map.push_row((0..n).filter(|j| row[*j] != 0.0).map(|j| (j, row[j])));
        }
        let fx = Affine::linear(&map, &[&args[0]], Shape::vector(map.rows()));
        above_square(graph, &t, &one, &fx);
        t
    }
    fn is_quadratic(&self, _: &[Info]) -> bool {
        true
    }
    fn quadratic(&self, graph: &mut Graph<'_>, args: &[Affine], weights: &Affine) {
        graph.minimize_quadratic_form(&args[0], &args[1], weights);
    }
}
