//! numpy arrays as slices, and back.

use argrad::Slot;
use numpy::ndarray::{Array1, Array2, Array3};
use numpy::{IntoPyArray, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// A float64 array in row-major order, borrowed.
pub(crate) struct Numbers<'py> {
    name: &'static str,
    array: PyReadonlyArrayDyn<'py, f64>,
}

impl<'py> Numbers<'py> {
    pub(crate) fn new(name: &'static str, object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let array: PyReadonlyArrayDyn<'py, f64> = object.extract().map_err(|_| {
            let found = object.get_type().name().map(|n| n.to_string()).unwrap_or_default();
            let dtype = object.getattr("dtype").map(|d| format!(" of {d}")).unwrap_or_default();
            PyTypeError::new_err(format!(
                "{name}: expected a numpy array of float64, found {found}{dtype}"
            ))
        })?;
        if !array.is_c_contiguous() {
            return Err(PyValueError::new_err(format!(
                "{name}: expected an array in C order, found another layout; use \
                 numpy.ascontiguousarray"
            )));
        }
        Ok(Self { name, array })
    }

    /// `None` for Python's None.
    pub(crate) fn optional(
        name: &'static str,
        object: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Self>> {
        object.filter(|object| !object.is_none()).map(|object| Self::new(name, object)).transpose()
    }

    pub(crate) fn slice(&self) -> PyResult<&[f64]> {
        Ok(self.array.as_slice()?)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.array.shape()
    }

    /// Shared by the batch where its shape is `one`, one per sample where it is `(batch, *one)`.
    pub(crate) fn slot(&self, batch: usize, one: &[usize]) -> PyResult<Slot<'_>> {
        match self.shape() {
            shape if shape == one => Ok(Slot::Shared(self.slice()?)),
            [first, rest @ ..] if *first == batch && rest == one => Ok(Slot::Each(self.slice()?)),
            found => Err(self.mismatch(
                format!("shape {} or {}", tuple(one), tuple(&[&[batch], one].concat())),
                found,
            )),
        }
    }

    /// Of exactly this shape.
    pub(crate) fn exactly(&self, shape: &[usize]) -> PyResult<&[f64]> {
        if self.shape() == shape {
            return self.slice();
        }
        Err(self.mismatch(format!("shape {}", tuple(shape)), self.shape()))
    }

    fn mismatch(&self, expected: String, found: &[usize]) -> PyErr {
        let name = self.name;
        PyValueError::new_err(format!("{name}: expected {expected}, found {}", tuple(found)))
    }
}

/// As Python writes a shape.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => {
            let numbers: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("({})", numbers.join(", "))
        }
    }
}

/// `(rows, cols)`, without a copy.
pub(crate) fn matrix(py: Python<'_>, values: Vec<f64>, rows: usize, cols: usize) -> Py<PyAny> {
    match Array2::from_shape_vec((rows, cols), values) {
        Ok(array) => array.into_pyarray(py).into_any().unbind(),
        Err(error) => unreachable!("{rows} x {cols}: {error}"),
    }
}

/// A gradient in the shape of the value that it belongs to: `one`, or `(batch, *one)`.
pub(crate) fn like(
    py: Python<'_>,
    values: Vec<f64>,
    one: &[usize],
    each: Option<usize>,
) -> PyResult<Py<PyAny>> {
    let shape: Vec<usize> = each.into_iter().chain(one.iter().copied()).collect();
    let bad = |error| PyValueError::new_err(format!("{error}"));
    Ok(match shape[..] {
        [n] => Array1::from_shape_vec(n, values).map_err(bad)?.into_pyarray(py).into_any(),
        [a, b] => Array2::from_shape_vec((a, b), values).map_err(bad)?.into_pyarray(py).into_any(),
        [a, b, c] => {
            Array3::from_shape_vec((a, b, c), values).map_err(bad)?.into_pyarray(py).into_any()
        }
        _ => return Err(PyValueError::new_err("arrays have one to three dimensions")),
    }
    .unbind())
}
