//! Eigenvalues and singular values: `lambda_max`, `lambda_sum_largest`, `sigma_max`, `norm_nuc`,
//! `log_det`, `tr_inv`, `matrix_frac`.

use super::eigen::{singular, spectral, symmetric_eigen};
use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, Monotonicity, Sign};
use crate::expression::Expr;

/// A function of a matrix, with numbers of its own.
#[derive(Debug)]
pub(super) struct MatrixSpec {
    pub name: &'static str,
    /// Of a symmetric matrix; what counts is the symmetric part.
    pub square: bool,
    pub sign: fn(Info) -> Sign,
    pub curvature: Curvature,
    pub domain: &'static str,
    pub value: fn(&Argument<'_>, f64) -> f64,
    pub gradient: fn(&Argument<'_>, f64) -> Vec<f64>,
    pub graph: fn(&mut Graph<'_>, &Affine, f64) -> Affine,
}

/// A function of a matrix; `number` is the count of [`lambda_sum_largest`], else 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct MatrixFunction {
    spec: &'static MatrixSpec,
    number: f64,
}

impl MatrixFunction {
    pub(super) fn new(spec: &'static MatrixSpec, number: f64) -> Self {
        Self { spec, number }
    }
}

impl Atom for MatrixFunction {
    fn name(&self) -> &str {
        self.spec.name
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x] if self.spec.square && !x.is_square() => Err("expected a square matrix".into()),
            [x] if x.ndim() != 2 || x.size() == 0 => Err("expected a matrix".into()),
            [x] if self.number == 0.0 || !(0.0..=x.rows() as f64).contains(&self.number) => {
                Err(format!("expected a count above 0 and up to {}", x.rows()))
            }
            [_] => Ok(Shape::SCALAR),
            _ => Err("expected one matrix".into()),
        }
    }
    fn sign(&self, args: &[Info]) -> Sign {
        (self.spec.sign)(args[0])
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        self.spec.curvature
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::None
    }
    fn domain(&self) -> &str {
        self.spec.domain
    }
    fn needs_psd(&self, _: usize) -> bool {
        self.spec.square
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        out[0] = (self.spec.value)(&args[0], self.number);
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let gradient = (self.spec.gradient)(&args[0], self.number);
        gradients[0].iter_mut().zip(gradient).for_each(|(out, g)| *out += cotangent[0] * g);
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        (self.spec.graph)(graph, &args[0], self.number)
    }
    fn data(&self) -> Vec<f64> {
        vec![self.number]
    }
}

/// A symmetric matrix of new variables.
fn symmetric_variable(graph: &mut Graph<'_>, n: usize) -> Affine {
    let triangle = graph.variable(n * (n + 1) / 2);
    let at = |k: usize| {
        let (i, j) = ((k / n).min(k % n), (k / n).max(k % n));
        j * (j + 1) / 2 + i
    };
    triangle.pick((0..n * n).map(at), (n, n))
}

fn trace(graph: &Graph<'_>, x: &Affine) -> Affine {
    let n = x.shape().rows();
    graph.sum(&x.pick((0..n).map(|i| i * (n + 1)), n))
}

/// `[a, b; b', d]` is positive semidefinite.
fn psd_blocks(graph: &mut Graph<'_>, a: &Affine, b: &Affine, d: &Affine) {
    let (m, n) = (a.shape().rows(), d.shape().rows());
    let side = m + n;
    let all = Affine::concat(&[a, b, d]);
    let at = |k: usize| match (k / side, k % side) {
        (i, j) if i < m && j < m => i * m + j,
        (i, j) if i < m => m * m + i * n + j - m,
        (i, j) if j < m => m * m + j * n + i - m,
        (i, j) => m * m + m * n + (i - m) * n + j - m,
    };
    graph.psd(&all.pick((0..side * side).map(at), (side, side)));
}

/// `t I`.
fn times_identity(graph: &Graph<'_>, t: &Affine, n: usize) -> Affine {
    let all = Affine::concat(&[t, &graph.filled(0.0, ())]);
    all.pick((0..n * n).map(|k| usize::from(k / n != k % n)), (n, n))
}

/// Weight of eigenvalue `rank` among the k largest.
fn among_largest(rank: usize, k: f64) -> f64 {
    (k - rank as f64).clamp(0.0, 1.0)
}

pub(super) static LAMBDA_SUM_LARGEST: MatrixSpec = MatrixSpec {
    name: "lambda_sum_largest",
    square: true,
    sign: |x| if x.psd { Sign::Nonneg } else { Sign::Unknown },
    curvature: Curvature::Convex,
    domain: "",
    value: |x, k| {
        let values = symmetric_eigen(x.values, x.shape.rows()).0;
        values.iter().enumerate().map(|(rank, v)| among_largest(rank, k) * v).sum()
    },
    gradient: |x, k| spectral(x.values, x.shape.rows(), |rank, _| among_largest(rank, k)),
    graph: |graph, x, k| {
        let n = x.shape().rows();
        let s = graph.variable(());
        let shifted = graph.sub(&times_identity(graph, &s, n), x);
        let z = symmetric_variable(graph, n);
        graph.psd(&z);
        graph.psd(&graph.add(&shifted, &z));
        graph.add(&s.scaled(k), &trace(graph, &z))
    },
};

/// The sum of the k largest eigenvalues of the symmetric part of a matrix. Cone form: `k s + tr Z`
/// with Z and `Z + s I - X` positive semidefinite.
#[track_caller]
pub fn lambda_sum_largest(x: Expr<'_>, k: f64) -> Expr<'_> {
    x.model.atom(MatrixFunction::new(&LAMBDA_SUM_LARGEST, k), &[x])
}

pub(super) static LAMBDA_MAX: MatrixSpec = MatrixSpec {
    name: "lambda_max",
    graph: |graph, x, _| {
        let t = graph.variable(());
        let above = graph.sub(&times_identity(graph, &t, x.shape().rows()), x);
        graph.psd(&above);
        t
    },
    ..LAMBDA_SUM_LARGEST
};

/// The largest eigenvalue of the symmetric part of a matrix. Cone form: `t I - X` positive
/// semidefinite.
#[track_caller]
pub fn lambda_max(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(MatrixFunction::new(&LAMBDA_MAX, 1.0), &[x])
}

/// `2 u v'` for the singular vectors of length `1 / sqrt 2`.
fn add_outer(out: &mut [f64], pair: &[f64], m: usize, n: usize) {
    (0..m * n).for_each(|k| out[k] += 2.0 * pair[k / n] * pair[m + k % n]);
}

pub(super) static SIGMA_MAX: MatrixSpec = MatrixSpec {
    name: "sigma_max",
    square: false,
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    domain: "",
    value: |x, _| singular(x.values, x.shape.rows(), x.shape.cols())[0].0,
    gradient: |x, _| {
        let (m, n) = (x.shape.rows(), x.shape.cols());
        let (top, mut out) = (&singular(x.values, m, n)[0], vec![0.0; m * n]);
        if top.0 > 0.0 {
            add_outer(&mut out, &top.1, m, n);
        }
        out
    },
    graph: |graph, x, _| {
        let (m, n) = (x.shape().rows(), x.shape().cols());
        let t = graph.variable(());
        let (left, right) = (times_identity(graph, &t, m), times_identity(graph, &t, n));
        psd_blocks(graph, &left, x, &right);
        t
    },
};

/// The largest singular value of a matrix. Cone form: `[t I, X; X', t I]` positive semidefinite.
#[track_caller]
pub fn sigma_max(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(MatrixFunction::new(&SIGMA_MAX, 1.0), &[x])
}

pub(super) static NORM_NUC: MatrixSpec = MatrixSpec {
    name: "norm_nuc",
    value: |x, _| singular(x.values, x.shape.rows(), x.shape.cols()).iter().map(|s| s.0).sum(),
    gradient: |x, _| {
        let (m, n) = (x.shape.rows(), x.shape.cols());
        let mut out = vec![0.0; m * n];
        for (value, pair) in singular(x.values, m, n) {
            if value > 0.0 {
                add_outer(&mut out, &pair, m, n);
            }
        }
        out
    },
    graph: |graph, x, _| {
        let u = symmetric_variable(graph, x.shape().rows());
        let v = symmetric_variable(graph, x.shape().cols());
        psd_blocks(graph, &u, x, &v);
        graph.add(&trace(graph, &u), &trace(graph, &v)).scaled(0.5)
    },
    ..SIGMA_MAX
};

/// The sum of the singular values of a matrix. Cone form: `(tr U + tr V) / 2` with `[U, X; X', V]`
/// positive semidefinite.
#[track_caller]
pub fn norm_nuc(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(MatrixFunction::new(&NORM_NUC, 1.0), &[x])
}

pub(super) static LOG_DET: MatrixSpec = MatrixSpec {
    name: "log_det",
    square: true,
    sign: |_| Sign::Unknown,
    curvature: Curvature::Concave,
    domain: "X positive definite",
    value: |x, _| symmetric_eigen(x.values, x.shape.rows()).0.iter().map(|v| v.ln()).sum(),
    gradient: |x, _| spectral(x.values, x.shape.rows(), |_, v| 1.0 / v),
    graph: |graph, x, _| {
        let n = x.shape().rows();
        let entries = graph.variable(n * (n + 1) / 2);
        let all = Affine::concat(&[&entries, &graph.filled(0.0, ())]);
        let zero = entries.size();
        let at = |i: usize, j: usize| if i <= j { j * (j + 1) / 2 + i } else { zero };
        let z = all.pick((0..n * n).map(|k| at(k / n, k % n)), (n, n));
        let on_diagonal = |k: usize| if k / n == k % n { at(k / n, k / n) } else { zero };
        let d = all.pick((0..n * n).map(on_diagonal), (n, n));
        psd_blocks(graph, &d, &z, x);
        let (u, one) = (graph.variable(n), graph.filled(1.0, n));
        graph.exponential(&u, &one, &all.pick((0..n).map(|i| at(i, i)), n));
        graph.sum(&u)
    },
};

/// `log det` of the symmetric part of a matrix, positive definite. Cone form: `sum log Z_ii` with
/// an upper triangular Z and `[diag Z, Z; Z', X]` positive semidefinite, and n exponential cones.
#[track_caller]
pub fn log_det(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(MatrixFunction::new(&LOG_DET, 1.0), &[x])
}

pub(super) static TR_INV: MatrixSpec = MatrixSpec {
    name: "tr_inv",
    square: true,
    sign: |_| Sign::Nonneg,
    curvature: Curvature::Convex,
    domain: "X positive definite",
    value: |x, _| {
        let values = symmetric_eigen(x.values, x.shape.rows()).0;
        values.iter().map(|v| if *v > 0.0 { 1.0 / v } else { f64::NAN }).sum()
    },
    gradient: |x, _| spectral(x.values, x.shape.rows(), |_, v| -1.0 / (v * v)),
    graph: |graph, x, _| {
        let n = x.shape().rows();
        let identity = times_identity(graph, &graph.filled(1.0, ()), n);
        let t = symmetric_variable(graph, n);
        psd_blocks(graph, x, &identity, &t);
        trace(graph, &t)
    },
};

/// The trace of the inverse of the symmetric part of a matrix, positive definite. Cone form: `tr T`
/// with `[X, I; I, T]` positive semidefinite.
#[track_caller]
pub fn tr_inv(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(MatrixFunction::new(&TR_INV, 1.0), &[x])
}

/// `tr X'P^-1 X`.
#[derive(Clone, Copy, Debug)]
pub(super) struct MatrixFrac;

impl MatrixFrac {
    /// `P^-1 X`, with NaN outside of the domain.
    fn solved(args: &[Argument<'_>]) -> Vec<f64> {
        let (x, p, cols) = (args[0].values, args[1].values, args[0].shape.cols());
        let n = args[1].shape.rows();
        let inverse = spectral(p, n, |_, v| if v > 0.0 { 1.0 / v } else { f64::NAN });
        let entry = |k: usize| {
            let (i, j) = (k / cols, k % cols);
            (0..n).map(|l| inverse[i * n + l] * x[l * cols + j]).sum()
        };
        (0..n * cols).map(entry).collect()
    }
}

impl Atom for MatrixFrac {
    fn name(&self) -> &str {
        "matrix_frac"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x, p] if p.is_square() && x.ndim() > 0 && x.rows() == p.rows() && x.size() > 0 => {
                Ok(Shape::SCALAR)
            }
            _ => Err("expected a vector or matrix and a square matrix of as many rows".into()),
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
    fn domain(&self) -> &str {
        "P positive definite"
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        out[0] = Self::solved(args).iter().zip(args[0].values).map(|(y, x)| y * x).sum();
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let (y, n, cols) = (Self::solved(args), args[1].shape.rows(), args[0].shape.cols());
        let c = cotangent[0];
        gradients[0].iter_mut().zip(&y).for_each(|(g, y)| *g += 2.0 * c * y);
        for k in 0..n * n {
            let (row, col) = (&y[k / n * cols..][..cols], &y[k % n * cols..][..cols]);
            gradients[1][k] -= c * row.iter().zip(col).map(|(a, b)| a * b).sum::<f64>();
        }
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let cols = args[0].shape().cols();
        let t = symmetric_variable(graph, cols);
        psd_blocks(graph, &args[1], &args[0], &t);
        trace(graph, &t)
    }
}
