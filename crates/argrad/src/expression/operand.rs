//! What may stand beside an expression: numbers and arrays.

use super::{Expr, Model};
use crate::algebra::Shape;

/// Something that an operator takes beside an expression: an expression, a number, a vector
/// (`[f64; N]`, `Vec<f64>`, `&[f64]`), a matrix by rows (`[[f64; N]; M]`, `Vec<Vec<f64>>`, and
/// ndarray's arrays with the feature `ndarray`).
pub trait Operand<'m> {
    /// As an expression of `model`.
    fn into_expr(self, model: &'m Model) -> Expr<'m>;
}

impl<'m> Operand<'m> for Expr<'m> {
    fn into_expr(self, _: &'m Model) -> Expr<'m> {
        self
    }
}

impl<'m> Operand<'m> for f64 {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        model.constant_of(vec![self], Shape::SCALAR)
    }
}

impl<'m> Operand<'m> for i32 {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        model.constant_of(vec![self.into()], Shape::SCALAR)
    }
}

impl<'m> Operand<'m> for &[f64] {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        model.constant_of(self.to_vec(), Shape::vector(self.len()))
    }
}

impl<'m> Operand<'m> for Vec<f64> {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        let shape = Shape::vector(self.len());
        model.constant_of(self, shape)
    }
}

impl<'m> Operand<'m> for &Vec<f64> {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        self.as_slice().into_expr(model)
    }
}

impl<'m, const N: usize> Operand<'m> for [f64; N] {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        self.as_slice().into_expr(model)
    }
}

impl<'m, const N: usize> Operand<'m> for &[f64; N] {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        self.as_slice().into_expr(model)
    }
}

impl<'m, const M: usize, const N: usize> Operand<'m> for [[f64; N]; M] {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        model.constant_of(self.concat(), Shape::matrix(M, N))
    }
}

impl<'m, const M: usize, const N: usize> Operand<'m> for &[[f64; N]; M] {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        model.constant_of(self.concat(), Shape::matrix(M, N))
    }
}

impl<'m> Operand<'m> for &Vec<Vec<f64>> {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        let cols = self.first().map_or(0, Vec::len);
        let shape = Shape::matrix(self.len(), cols);
        match self.iter().position(|row| row.len() != cols) {
            None => model.constant_of(self.concat(), shape),
            Some(i) => model.issue(
                format!("matrix: expected {cols} entries in row {i}, found {}", self[i].len()),
                shape,
            ),
        }
    }
}

impl<'m> Operand<'m> for Vec<Vec<f64>> {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        (&self).into_expr(model)
    }
}

/// A matrix given by its numbers, row by row: `dense(rows, cols, &numbers)`.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a> {
    shape: Shape,
    values: &'a [f64],
}

/// A constant matrix from its numbers in row-major order.
pub fn dense(rows: usize, cols: usize, values: &[f64]) -> Dense<'_> {
    Dense { shape: Shape::matrix(rows, cols), values }
}

impl<'m> Operand<'m> for Dense<'_> {
    #[track_caller]
    fn into_expr(self, model: &'m Model) -> Expr<'m> {
        if self.values.len() == self.shape.size() {
            return model.constant_of(self.values.to_vec(), self.shape);
        }
        let message =
            format!("dense: expected {} numbers, found {}", self.shape.size(), self.values.len());
        model.issue(message, self.shape)
    }
}

impl Model {
    /// A constant: a number, a vector or a matrix. Operators take numbers and arrays directly; this
    /// is for where an [`Expr`] is asked for.
    #[track_caller]
    pub fn constant<'m>(&'m self, value: impl Operand<'m>) -> Expr<'m> {
        value.into_expr(self)
    }
}

#[cfg(feature = "ndarray")]
mod arrays {
    use ndarray::{ArrayBase, Data, Ix1, Ix2};

    use super::{Expr, Model, Operand, Shape};

    impl<'m, S: Data<Elem = f64>> Operand<'m> for &ArrayBase<S, Ix1> {
        #[track_caller]
        fn into_expr(self, model: &'m Model) -> Expr<'m> {
            model.constant_of(self.iter().copied().collect(), Shape::vector(self.len()))
        }
    }

    impl<'m, S: Data<Elem = f64>> Operand<'m> for &ArrayBase<S, Ix2> {
        #[track_caller]
        fn into_expr(self, model: &'m Model) -> Expr<'m> {
            let shape = Shape::matrix(self.nrows(), self.ncols());
            model.constant_of(self.iter().copied().collect(), shape)
        }
    }
}
