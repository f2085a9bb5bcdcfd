//! Arithmetic: sums, products, quotients.

use super::recip::Recip;
use crate::algebra::{Bilinear, LinearMap, Shape};
use crate::expression::{Expr, Form, Op, Operand};

/// Both arguments broadcast to one shape.
#[track_caller]
fn broadcast_pair<'m>(name: &str, a: Expr<'m>, b: Expr<'m>) -> Result<[Expr<'m>; 2], Expr<'m>> {
    let (of_a, of_b) = (a.shape(), b.shape());
    match of_a.broadcast(&of_b) {
        Some(shape) => Ok([broadcast_to(a, shape), broadcast_to(b, shape)]),
        None => {
            let found = format!("{name}: shapes do not fit, {of_a} ({a}) and {of_b} ({b})");
            Err(a.model.issue(found, of_a))
        }
    }
}

/// Repeats a scalar, a row or a column until the shape is reached.
#[track_caller]
pub fn broadcast_to(x: Expr<'_>, shape: impl Into<Shape>) -> Expr<'_> {
    let (from, shape) = (x.shape(), shape.into());
    if from == shape {
        return x;
    }
    if from.broadcast(&shape) != Some(shape) {
        return x
            .model
            .issue(format!("broadcast_to: a {from} does not extend to a {shape}"), shape);
    }
    let source = from.broadcast_source(&shape);
    let map = LinearMap::gather(from.size(), (0..shape.size()).map(source), 1.0);
    x.model.linear(Form::Broadcast, map, &[x], shape)
}

#[track_caller]
pub(crate) fn add<'m>(a: Expr<'m>, b: Expr<'m>) -> Expr<'m> {
    combine("+", Form::Add, a, b, 1.0)
}

#[track_caller]
pub(crate) fn subtract<'m>(a: Expr<'m>, b: Expr<'m>) -> Expr<'m> {
    combine("-", Form::Sub, a, b, -1.0)
}

#[track_caller]
fn combine<'m>(name: &str, form: Form, a: Expr<'m>, b: Expr<'m>, sign: f64) -> Expr<'m> {
    match broadcast_pair(name, a, b) {
        Err(poisoned) => poisoned,
        Ok([a, b]) => {
            let n = a.size();
            let mut map = LinearMap::new(2 * n);
            (0..n).for_each(|k| map.push_row([(k, 1.0), (n + k, sign)]));
            a.model.linear(form, map, &[a, b], a.shape())
        }
    }
}

#[track_caller]
pub(crate) fn negate(x: Expr<'_>) -> Expr<'_> {
    let map = LinearMap::gather(x.size(), 0..x.size(), -1.0);
    x.model.linear(Form::Neg, map, &[x], x.shape())
}

#[track_caller]
pub(crate) fn multiply<'m>(a: Expr<'m>, b: Expr<'m>) -> Expr<'m> {
    let (of_a, of_b) = (a.shape(), b.shape());
    if of_a.is_scalar() {
        return a.model.product(Bilinear::Scale { len: b.size() }, a, b, of_b);
    }
    if of_b.is_scalar() {
        return a.model.product(Bilinear::Scale { len: a.size() }, b, a, of_a);
    }
    match broadcast_pair("*", a, b) {
        Err(poisoned) => poisoned,
        Ok([a, b]) => a.model.product(Bilinear::Elementwise { len: a.size() }, a, b, a.shape()),
    }
}

#[track_caller]
pub(crate) fn divide<'m>(a: Expr<'m>, b: Expr<'m>) -> Expr<'m> {
    if let Op::Constant(values) = b.op() {
        if values.contains(&0.0) {
            return a.model.issue(format!("{a} / {b}: division by zero"), a.shape());
        }
        let reciprocal = a.model.constant_of(values.iter().map(|v| 1.0 / v).collect(), b.shape());
        return multiply(reciprocal, a);
    }
    multiply(b.model.atom(Recip, &[b]), a)
}

/// The matrix product `a @ b`, where either may be an array: vectors are rows on the left and
/// columns on the right, and two vectors give the inner product.
#[track_caller]
pub fn matmul<'m>(a: impl Operand<'m>, b: Expr<'m>) -> Expr<'m> {
    matrix_product(a.into_expr(b.model), b)
}

#[track_caller]
fn matrix_product<'m>(a: Expr<'m>, b: Expr<'m>) -> Expr<'m> {
    let (of_a, of_b) = (a.shape(), b.shape());
    if of_a.is_scalar() || of_b.is_scalar() {
        let found =
            format!("matmul: expected vectors or matrices, found a {of_a} and a {of_b}; use *");
        return a.model.issue(found, Shape::SCALAR);
    }
    let (rows, inner) =
        if of_a.ndim() == 1 { (1, of_a.rows()) } else { (of_a.rows(), of_a.cols()) };
    let cols = of_b.cols();
    let shape = match (of_a.ndim(), of_b.ndim()) {
        (1, 1) => Shape::SCALAR,
        (1, _) => Shape::vector(cols),
        (_, 1) => Shape::vector(rows),
        _ => Shape::matrix(rows, cols),
    };
    if inner != of_b.rows() {
        let found = format!(
            "{a} @ {b}: shapes do not fit, {of_a} and {of_b}: {inner} against {}",
            of_b.rows()
        );
        return a.model.issue(found, shape);
    }
    a.model.product(Bilinear::MatMul { rows, inner, cols }, a, b, shape)
}

/// The Kronecker product of two matrices.
#[track_caller]
pub fn kron<'m>(a: impl Operand<'m>, b: Expr<'m>) -> Expr<'m> {
    let a = a.into_expr(b.model);
    let (of_a, of_b) = (a.shape(), b.shape());
    let (sa, sb) = ((of_a.rows(), of_a.cols()), (of_b.rows(), of_b.cols()));
    let shape = Shape::matrix(sa.0 * sb.0, sa.1 * sb.1);
    b.model.product(Bilinear::Kron { a: sa, b: sb }, a, b, shape)
}

/// The full convolution of two vectors.
#[track_caller]
pub fn conv<'m>(a: impl Operand<'m>, b: Expr<'m>) -> Expr<'m> {
    let a = a.into_expr(b.model);
    let (m, n) = (a.size(), b.size());
    if a.shape().ndim() == 2 || b.shape().ndim() == 2 || m == 0 || n == 0 {
        let found =
            format!("conv: expected two vectors, found a {} and a {}", a.shape(), b.shape());
        return b.model.issue(found, Shape::vector((m + n).saturating_sub(1)));
    }
    b.model.product(Bilinear::Conv { a: m, b: n }, a, b, Shape::vector(m + n - 1))
}

/// The outer product `a b'` of two vectors.
#[track_caller]
pub fn outer<'m>(a: impl Operand<'m>, b: Expr<'m>) -> Expr<'m> {
    let a = a.into_expr(b.model);
    let (m, n) = (a.size(), b.size());
    let shape = Shape::matrix(m, n);
    b.model.product(Bilinear::MatMul { rows: m, inner: 1, cols: n }, a, b, shape)
}

impl<'m> Expr<'m> {
    /// The matrix product `self @ other`; see [`matmul`].
    #[track_caller]
    pub fn matmul(self, other: impl Operand<'m>) -> Expr<'m> {
        matrix_product(self, other.into_expr(self.model))
    }

    /// The sum of the products of elements, for any two expressions of one shape.
    #[track_caller]
    pub fn dot(self, other: impl Operand<'m>) -> Expr<'m> {
        let other = other.into_expr(self.model);
        if self.shape() != other.shape() {
            let found = format!("dot: shapes do not fit, {} and {}", self.shape(), other.shape());
            return self.model.issue(found, Shape::SCALAR);
        }
        let kind = Bilinear::MatMul { rows: 1, inner: self.size(), cols: 1 };
        self.model.product(kind, self, other, Shape::SCALAR)
    }
}
