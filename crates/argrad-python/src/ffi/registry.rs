//! The programs that handlers find by their keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use argrad::{Differentiation, Report};
use numpy::IntoPyArray;
use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::frame::Failure;
use super::layer::LayerProgram;
use super::program::Program;
use super::qp::QpProgram;
use crate::device::{Batches, device_error, plan};
use crate::layer::Layer;
use crate::options::differentiation;
use crate::qp::Qp;
use crate::report;

/// A program with what Python knows of it.
pub(super) struct Registered {
    pub(super) program: Box<dyn Program>,
    /// How the program is differentiated.
    pub(super) how: Differentiation,
    /// Whether `prepare` has to see the values first.
    checks: bool,
    /// The program in Python: what raises and warns, in words of the front end.
    python: Py<PyAny>,
    /// How it is solved on the devices where it was solved already: by their numbers, none for the
    /// host in tests.
    plans: Mutex<HashMap<Option<usize>, Arc<dyn Batches>>>,
}

/// Programs live as long as compiled functions may: until the process ends.
static PROGRAMS: RwLock<Option<HashMap<i64, Arc<Registered>>>> = RwLock::new(None);

fn register(key: i64, registered: Registered) {
    let mut programs = PROGRAMS.write().unwrap_or_else(PoisonError::into_inner);
    programs.get_or_insert_default().insert(key, Arc::new(registered));
}

fn registered(key: i64) -> Option<Arc<Registered>> {
    let programs = PROGRAMS.read().unwrap_or_else(PoisonError::into_inner);
    programs.as_ref()?.get(&key).cloned()
}

/// The program of this key. Where this process has not met it, Python registers it from its
/// description, which an exported function carries.
pub(super) fn find(key: i64, description: Option<&[u8]>) -> Result<Arc<Registered>, Failure> {
    if let Some(found) = registered(key) {
        return Ok(found);
    }
    let unknown = || {
        Failure::bad(
            "argrad: this compiled function belongs to another process, and does not say what it \
             solves; compile it here, or export it by jax.export",
        )
    };
    let description = description.ok_or_else(unknown)?;
    with_python(|py| {
        let restore = py.import("argrad.jax._ffi")?.getattr("restore")?;
        restore.call1((key, PyBytes::new(py, description)))?;
        Ok(())
    })?;
    registered(key).ok_or_else(unknown)
}

/// Calls Python from a thread of XLA; what it raises becomes the failure.
pub(super) fn with_python<T>(work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T, Failure> {
    let failed = |py: Python<'_>, error: PyErr| {
        let failure = Failure::bad(text(py, &error));
        let raised = error.into_value(py);
        // Without the frames that it came through, which hold arrays.
        if raised.call_method1(py, "with_traceback", (py.None(),)).is_ok() {
            let raised = Raised { text: failure.message.clone(), raised };
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(raised);
        }
        failure
    };
    Python::try_attach(|py| work(py).map_err(|error| failed(py, error)))
        .unwrap_or_else(|| Err(Failure::bad("the Python interpreter is shutting down")))
}

/// An exception of which XLA has the text only.
struct Raised {
    text: String,
    raised: Py<PyBaseException>,
}

/// The one that was raised last.
static LAST: Mutex<Option<Raised>> = Mutex::new(None);

/// The exception behind an error of JAX with this text, once: if it was the last.
#[pyfunction]
pub(crate) fn ffi_take_exception(error: &str) -> Option<Py<PyBaseException>> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.take_if(|last| error.contains(&last.text)).map(|last| last.raised)
}

/// An exception as a failure.
pub(super) fn failure(error: PyErr) -> Failure {
    match with_python(|_| Err::<(), _>(error)) {
        Err(failure) => failure,
        Ok(()) => Failure::bad("an exception without text"),
    }
}

/// An exception as "SolverError: what it says".
fn text(py: Python<'_>, error: &PyErr) -> String {
    let name = error.get_type(py).name().map(|name| name.to_string()).unwrap_or_default();
    format!("{name}: {}", error.value(py))
}

impl Registered {
    fn new(
        program: Box<dyn Program>,
        how: Differentiation,
        checks: bool,
        python: Py<PyAny>,
    ) -> Self {
        Self { program, how, checks, python, plans: Mutex::default() }
    }

    /// How it is solved on a device.
    pub(super) fn plan(&self, card: Option<usize>) -> Result<Arc<dyn Batches>, Failure> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = plans.get(&card) {
            return Ok(Arc::clone(known));
        }
        let made = plan(self.program.structure(), self.program.settings(), card);
        let made: Arc<dyn Batches> = made.map_err(|error| self.device_failure(error))?.into();
        plans.insert(card, Arc::clone(&made));
        Ok(made)
    }

    /// An error of a device, in words of the front end.
    pub(super) fn device_failure(&self, error: argrad_gpu::Error) -> Failure {
        failure(device_error(error, self.program.error()))
    }

    /// What this program says to values: those to be solved, where they have to be moved by a
    /// rounding, else none.
    pub(super) fn prepare(
        &self,
        values: &[impl AsRef<[f64]>],
        each: &[bool],
    ) -> Result<Option<Vec<Vec<f64>>>, Failure> {
        if !self.checks {
            return Ok(None);
        }
        with_python(|py| {
            let arrays = arrays(py, values)?;
            let found = self.python.bind(py).call_method1("prepare", (arrays, each.to_vec()))?;
            Ok(Some(found.extract()?))
        })
    }

    /// The error of malformed values, in words of the front end where it has some.
    pub(super) fn explain(
        &self,
        error: PyErr,
        values: &[impl AsRef<[f64]>],
        each: &[bool],
    ) -> Failure {
        let explained = with_python(|py| {
            if error.is_instance_of::<PyValueError>(py) {
                let arrays = arrays(py, values)?;
                self.python.bind(py).call_method1("explain", (arrays, each.to_vec()))?;
            }
            Err::<(), _>(error)
        });
        match explained {
            Err(failure) => failure,
            Ok(()) => Failure::bad("malformed values"),
        }
    }

    /// Raises or warns where samples are not solved.
    pub(super) fn check(&self, reports: &[Report]) -> Result<(), Failure> {
        if report::all_solved(reports) {
            return Ok(());
        }
        with_python(|py| {
            let reports = report::dict(py, reports)?;
            self.python.bind(py).getattr("policy")?.call_method1("check_reports", (reports,))?;
            Ok(())
        })
    }
}

fn arrays<'py>(py: Python<'py>, values: &[impl AsRef<[f64]>]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, values.iter().map(|value| value.as_ref().to_vec().into_pyarray(py)))
}

/// Registers a quadratic program for handlers under a key: with `outputs` of z, nu, lam, and the
/// options of its derivative.
#[pyfunction]
#[pyo3(signature = (key, qp, outputs, options, program))]
pub(crate) fn ffi_register_qp(
    key: i64,
    qp: &Qp,
    outputs: usize,
    options: (Bound<'_, PyAny>, String, Bound<'_, PyAny>),
    program: Py<PyAny>,
) -> PyResult<()> {
    let (mode, failure, method) = options;
    let how = differentiation(Some(&mode), Some(&failure), Some(&method))?;
    let (layer, interrupt, lens, mut sizes) = qp.parts();
    if !(1..=sizes.len()).contains(&outputs) {
        return Err(PyRuntimeError::new_err(format!("outputs: expected 1 to 3, found {outputs}")));
    }
    sizes.truncate(outputs);
    let own = QpProgram::new(layer.with_differentiation(how), interrupt, lens, sizes);
    register(key, Registered::new(Box::new(own), how, false, program));
    Ok(())
}

/// Registers a layer for handlers under a key. `vectors` are what the layer takes: parameters by
/// position, or their logarithms; `inputs` the lengths of the parameters; `exponentials` says of
/// each output whether the exponential is wanted; with `checks`, `program.prepare` sees the values
/// before a solve.
#[pyfunction]
#[pyo3(signature = (key, layer, vectors, inputs, exponentials, checks, options, program))]
#[expect(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn ffi_register_layer(
    key: i64,
    layer: &Layer,
    vectors: Vec<(usize, bool)>,
    inputs: Vec<usize>,
    exponentials: Vec<bool>,
    checks: bool,
    options: (Bound<'_, PyAny>, String, Bound<'_, PyAny>),
    program: Py<PyAny>,
) -> PyResult<()> {
    let (mode, failure, method) = options;
    let how = differentiation(Some(&mode), Some(&failure), Some(&method))?;
    let (own, interrupt, outputs) = layer.parts();
    let own = LayerProgram::new(
        own.with_differentiation(how),
        interrupt,
        vectors,
        (inputs, outputs),
        exponentials,
    );
    register(key, Registered::new(Box::new(own), how, checks, program));
    Ok(())
}
