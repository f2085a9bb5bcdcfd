//! An expression as Python describes it.

use argrad::atom::Shape;
use argrad::model::{Expr, Model};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// What an expression is made of: `(name, arguments, data...)`, where the arguments are positions
/// of expressions before it and the data what its function takes besides.
pub(super) struct Node<'a, 'm, 'py> {
    pub model: &'m Model,
    pub name: String,
    pub args: Vec<Expr<'m>>,
    data: &'a Bound<'py, PyTuple>,
}

impl<'a, 'm, 'py> Node<'a, 'm, 'py> {
    /// Reads the name and the arguments, which are among `before`.
    pub fn read(
        model: &'m Model,
        before: &[Expr<'m>],
        data: &'a Bound<'py, PyTuple>,
    ) -> PyResult<Self> {
        let at = before.len();
        let bad = |what: &str| PyValueError::new_err(format!("expression {at}: expected {what}"));
        if data.len() < 2 {
            return Err(bad("a name and a list of arguments"));
        }
        let name: String = data.get_item(0)?.extract().map_err(|_| bad("a name"))?;
        let positions: Vec<usize> = data.get_item(1)?.extract().map_err(|_| bad("positions"))?;
        let arg = |position: &usize| {
            before.get(*position).copied().ok_or_else(|| bad("arguments that stand before it"))
        };
        let args = positions.iter().map(arg).collect::<PyResult<_>>()?;
        Ok(Self { model, name, args, data })
    }

    pub fn error(&self, expected: &str) -> PyErr {
        PyValueError::new_err(format!("{}: expected {expected}", self.name))
    }

    /// The arguments, so many.
    pub fn take<const N: usize>(&self) -> PyResult<[Expr<'m>; N]> {
        let args: Option<[Expr<'m>; N]> = self.args.as_slice().try_into().ok();
        args.ok_or_else(|| self.error(&format!("{N} arguments, found {}", self.args.len())))
    }

    fn item(&self, at: usize) -> PyResult<Bound<'py, PyAny>> {
        self.data.get_item(2 + at).map_err(|_| self.error(&format!("datum {at}")))
    }

    pub fn number(&self, at: usize) -> PyResult<f64> {
        self.item(at)?.extract().map_err(|_| self.error(&format!("a number as datum {at}")))
    }

    pub fn text(&self, at: usize) -> PyResult<String> {
        self.item(at)?.extract().map_err(|_| self.error(&format!("a text as datum {at}")))
    }

    pub fn texts(&self, at: usize) -> PyResult<Vec<String>> {
        self.item(at)?.extract().map_err(|_| self.error(&format!("texts as datum {at}")))
    }

    pub fn pairs(&self, at: usize) -> PyResult<Vec<(usize, usize)>> {
        self.item(at)?.extract().map_err(|_| self.error(&format!("positions as datum {at}")))
    }

    pub fn shape(&self, at: usize) -> PyResult<Shape> {
        let axes: Vec<usize> =
            self.item(at)?.extract().map_err(|_| self.error(&format!("a shape as datum {at}")))?;
        match axes[..] {
            [] => Ok(Shape::SCALAR),
            [n] => Ok(Shape::vector(n)),
            [m, n] => Ok(Shape::matrix(m, n)),
            _ => Err(self.error("at most two axes")),
        }
    }

    pub fn reals(&self, at: usize) -> PyResult<PyReadonlyArray1<'py, f64>> {
        self.item(at)?.extract().map_err(|_| self.error(&format!("float64 as datum {at}")))
    }

    pub fn indices(&self, at: usize) -> PyResult<PyReadonlyArray1<'py, i64>> {
        self.item(at)?.extract().map_err(|_| self.error(&format!("int64 as datum {at}")))
    }
}
