//! Arguments from, and results as, [`ndarray`] views (feature `ndarray`).
//!
//! ```
//! use argrad::{QpLayer, QpValues, Slot};
//! use ndarray::{Array2, array};
//! let q: Array2<f64> = array![[-1., 2.], [3., 4.], [5., 6.]];
//! let identity: Array2<f64> = Array2::eye(2);
//! let values = QpValues::new(
//!     3,
//!     argrad::ndarray::shared("P", &identity)?,
//!     argrad::ndarray::each("q", &q)?,
//! );
//! let layer = QpLayer::dense(2, 0, 0)?;
//! let solution = layer.solve(&values)?;
//! assert!((&solution.x_view() + &q).iter().all(|v| v.abs() < 1e-9));
//! # Ok::<(), argrad::Error>(())
//! ```

use ::ndarray::{ArrayBase, ArrayView2, ArrayView3, Data, Dimension};
use argrad_solver::{Error, Slot};

use crate::qp::QpSolution;

/// An argument shared by the batch: a vector, or a row-major matrix.
///
/// # Errors
/// [`Error::Shape`] when the array is not contiguous and row-major (`as_standard_layout` makes a
/// copy that is).
pub fn shared<'a, S: Data<Elem = f64>, D: Dimension>(
    argument: &'static str,
    array: &'a ArrayBase<S, D>,
) -> Result<Slot<'a>, Error> {
    contiguous(argument, array).map(Slot::Shared)
}

/// An argument per sample: the first axis is the batch.
///
/// # Errors
/// As [`shared`].
pub fn each<'a, S: Data<Elem = f64>, D: Dimension>(
    argument: &'static str,
    array: &'a ArrayBase<S, D>,
) -> Result<Slot<'a>, Error> {
    contiguous(argument, array).map(Slot::Each)
}

fn contiguous<'a, S: Data<Elem = f64>, D: Dimension>(
    argument: &'static str,
    array: &'a ArrayBase<S, D>,
) -> Result<&'a [f64], Error> {
    array.as_slice().ok_or_else(|| Error::Shape {
        argument,
        expected: "a contiguous row-major array (see as_standard_layout)".into(),
        found: format!("shape {:?} with strides {:?}", array.shape(), array.strides()),
    })
}

/// Row-major numbers as `batch` vectors; `None` when the length is no multiple of `batch`.
pub fn vectors(values: &[f64], batch: usize) -> Option<ArrayView2<'_, f64>> {
    let len = values.len().checked_div(batch).unwrap_or(0);
    ArrayView2::from_shape((batch, len), values).ok()
}

/// Row-major numbers of dense matrices (a gradient of P, A or G, say) with `rows` rows and `cols`
/// columns; `None` when the length does not fit.
pub fn matrices(values: &[f64], rows: usize, cols: usize) -> Option<ArrayView3<'_, f64>> {
    let batch = values.len().checked_div(rows * cols).unwrap_or(0);
    ArrayView3::from_shape((batch, rows, cols), values).ok()
}

impl QpSolution {
    /// Minimizers, batch x n.
    pub fn x_view(&self) -> ArrayView2<'_, f64> {
        self.view(&self.x)
    }

    /// Duals of the equalities, batch x equalities.
    pub fn equality_duals_view(&self) -> ArrayView2<'_, f64> {
        self.view(&self.equality_duals)
    }

    /// Duals of the inequalities, batch x inequalities.
    pub fn inequality_duals_view(&self) -> ArrayView2<'_, f64> {
        self.view(&self.inequality_duals)
    }

    /// Slacks h - Gx, batch x inequalities.
    pub fn slacks_view(&self) -> ArrayView2<'_, f64> {
        self.view(&self.slacks)
    }

    fn view<'a>(&self, values: &'a [f64]) -> ArrayView2<'a, f64> {
        let len = values.len().checked_div(self.batch).unwrap_or(0);
        let shape = (self.batch, len);
        ArrayView2::from_shape(shape, &values[..self.batch * len]).expect("batch * len numbers")
    }
}
