//! Patterns and cones.

use argrad::Pattern;
use argrad_solver::Cone;
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error::solver_error;

/// `(indptr, indices)` of a matrix in compressed columns.
pub(crate) type Columns<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);

pub(crate) fn pattern(
    name: &str,
    rows: usize,
    cols: usize,
    columns: &Columns<'_>,
) -> PyResult<Pattern> {
    let indices = |array: &PyReadonlyArray1<'_, i64>| {
        let convert = |index: &i64| {
            usize::try_from(*index).map_err(|_| {
                PyValueError::new_err(format!("{name}: expected indices from 0, found {index}"))
            })
        };
        array.as_slice()?.iter().map(convert).collect::<PyResult<Vec<usize>>>()
    };
    let (colptr, rowval) = (indices(&columns.0)?, indices(&columns.1)?);
    Pattern::new(rows, cols, colptr, rowval)
        .map_err(|error| PyValueError::new_err(format!("{name}: {}", solver_error(error))))
}

/// Cones in the order of the rows, from tuples of a name and its numbers.
pub(crate) fn cones(given: &Bound<'_, PyList>) -> PyResult<Vec<Cone>> {
    let mut cones = Vec::with_capacity(given.len());
    for (index, item) in given.iter().enumerate() {
        let bad = || {
            let found = item.repr().map(|r| r.to_string()).unwrap_or_default();
            PyValueError::new_err(format!(
                "cones[{index}]: expected (\"zero\", rows), (\"nonnegative\", rows), \
                 (\"second_order\", rows), (\"psd_triangle\", side), (\"exponential\", count), \
                 (\"power\", exponent) or (\"generalized_power\", exponents, norm_rows), \
                 found {found}"
            ))
        };
        let tuple = item.cast::<PyTuple>().map_err(|_| bad())?;
        let name: String = tuple.get_item(0).and_then(|n| n.extract()).map_err(|_| bad())?;
        let argument = tuple.get_item(1).map_err(|_| bad())?;
        let count = || argument.extract::<usize>().map_err(|_| bad());
        match (name.as_str(), tuple.len()) {
            ("zero", 2) => cones.push(Cone::Zero(count()?)),
            ("nonnegative", 2) => cones.push(Cone::Nonnegative(count()?)),
            ("second_order", 2) => cones.push(Cone::SecondOrder(count()?)),
            ("psd_triangle", 2) => cones.push(Cone::PsdTriangle(count()?)),
            ("exponential", 2) => {
                cones.extend(std::iter::repeat_n(Cone::Exponential, count()?));
            }
            ("power", 2) => cones.push(Cone::Power(argument.extract().map_err(|_| bad())?)),
            ("generalized_power", 3) => {
                let norm_dim = tuple.get_item(2)?.extract().map_err(|_| bad())?;
                let alpha = argument.extract().map_err(|_| bad())?;
                cones.push(Cone::GeneralizedPower { alpha, norm_dim });
            }
            _ => return Err(bad()),
        }
    }
    Ok(cones)
}
