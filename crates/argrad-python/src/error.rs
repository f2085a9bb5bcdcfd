//! From the errors of Rust to those of Python.

use argrad::model::ModelError;
use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};

create_exception!(
    argrad,
    SolverError,
    PyRuntimeError,
    "Some samples have no solution, or none was found, or have no second derivative; the message \
     names them."
);

create_exception!(
    argrad,
    MemoryLimitError,
    PyMemoryError,
    "What was asked for does not fit into memory; the message says what is large and what to do."
);

create_exception!(
    argrad,
    NotModelled,
    PyValueError,
    "A problem does not follow the rules of argrad's modelling language; the message says where."
);

create_exception!(
    argrad,
    DeviceError,
    PyRuntimeError,
    "A card, its driver or its compiler is absent or reports an error; the message says which and \
     what to do."
);

create_exception!(
    argrad,
    NotOnDevice,
    PyValueError,
    "A program has something that is not solved on a card; the message names it."
);

pub(crate) fn solver_error(error: argrad::Error) -> PyErr {
    match error {
        argrad::Error::Unsolved { .. } | argrad::Error::NotSmooth { .. } => {
            SolverError::new_err(error.to_string())
        }
        argrad::Error::Memory { .. } => MemoryLimitError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// What the derivative of a batch solved without one says.
pub(crate) fn no_tape() -> PyErr {
    PyValueError::new_err("solved with differentiable=False: solve again with True for derivatives")
}

pub(crate) fn model_error(error: ModelError) -> PyErr {
    match error {
        ModelError::Solver(error) => solver_error(error),
        _ => PyValueError::new_err(error.to_string()),
    }
}
