//! Smooth problems whose functions are Python's: an oracle of callbacks, for whole batches.

use std::sync::Mutex;

use argrad::Slot;
use argrad::argmin::{
    Argmin as Solver, ArgminCotangent, ArgminError, ArgminPoint, ArgminReport, ArgminSettings,
    ArgminSolution, ArgminStatus, Dimensions, Function, FunctionDerivatives, FunctionValues,
    KktVector, Multipliers, Oracle, Points, SecondOrder,
};
use argrad_solver::Interrupt;
use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arrays::{Numbers, matrix};
use crate::error::{SolverError, solver_error};
use crate::interruptible::interruptible;
use crate::options::on_failure;

/// Names of statuses, by code.
pub(crate) const ARGMIN_STATUS: [&str; 8] = [
    "solved",
    "saddle",
    "infeasible_stationary",
    "unbounded",
    "iteration_limit",
    "stalled",
    "not_a_number",
    "not_stationary",
];

fn code(status: ArgminStatus) -> i8 {
    match status {
        ArgminStatus::Solved => 0,
        ArgminStatus::Saddle => 1,
        ArgminStatus::InfeasibleStationary => 2,
        ArgminStatus::Unbounded => 3,
        ArgminStatus::IterationLimit => 4,
        ArgminStatus::Stalled => 5,
        ArgminStatus::NotANumber => 6,
        _ => 7,
    }
}

/// Functions of a problem as methods of a Python object; each takes and returns arrays of float64
/// in C order, for the samples named by its first argument.
struct Callbacks {
    object: Py<PyAny>,
    size: Dimensions,
    /// What a callback raised, until it can be raised again.
    raised: Mutex<Option<PyErr>>,
}

impl Callbacks {
    /// Calls a method at `points`, with further arguments: matrices of so many columns.
    fn call(
        &self,
        method: &'static str,
        points: &Points<'_>,
        further: &[(&[f64], usize)],
        lengths: &[usize],
    ) -> Result<Vec<Vec<f64>>, ArgminError> {
        let result = Python::attach(|py| -> PyResult<Vec<Vec<f64>>> {
            let count = points.count();
            let samples: Vec<i64> = points.samples.iter().map(|&k| k as i64).collect();
            let own = [(points.theta, self.size.theta), (points.y, self.size.y)];
            let mut arguments = vec![samples.into_pyarray(py).into_any().unbind()];
            arguments.extend(
                own.iter()
                    .chain(further)
                    .map(|&(numbers, columns)| matrix(py, numbers.to_vec(), count, columns)),
            );
            let found = self.object.bind(py).call_method1(method, PyTuple::new(py, arguments)?)?;
            let found: Vec<Bound<'_, PyArray1<f64>>> = found.extract()?;
            if found.len() != lengths.len() {
                let message =
                    format!("{method}: expected {} arrays, found {}", lengths.len(), found.len());
                return Err(PyValueError::new_err(message));
            }
            found.iter().map(|array| Ok(array.readonly().as_slice()?.to_vec())).collect()
        });
        result.map_err(|error| {
            let message = error.to_string();
            *self.raised.lock().unwrap_or_else(|e| e.into_inner()) = Some(error);
            ArgminError::Oracle(message)
        })
    }

    /// The error of Python for one of the solver.
    fn error(&self, error: ArgminError) -> PyErr {
        if let Some(raised) = self.raised.lock().unwrap_or_else(|e| e.into_inner()).take() {
            return raised;
        }
        match error {
            ArgminError::Solver(error) => solver_error(error),
            ArgminError::Unsolved { .. } => SolverError::new_err(error.to_string()),
            _ => PyValueError::new_err(error.to_string()),
        }
    }

    fn columns<'a>(&self, multipliers: &Multipliers<'a>) -> [(&'a [f64], usize); 2] {
        [
            (multipliers.equalities, self.size.equalities),
            (multipliers.inequalities, self.size.inequalities),
        ]
    }
}

/// As many arrays as a method was asked for.
fn parts<const N: usize>(arrays: Vec<Vec<f64>>) -> [Vec<f64>; N] {
    let mut arrays = arrays.into_iter();
    std::array::from_fn(|_| arrays.next().unwrap_or_default())
}

impl Oracle for Callbacks {
    fn dimensions(&self) -> Dimensions {
        self.size
    }

    fn values(&self, at: &Points<'_>) -> Result<FunctionValues, ArgminError> {
        let found = self.call("values", at, &[], &[0; 3])?;
        let [objective, equalities, inequalities] = parts(found);
        Ok(FunctionValues { objective, equalities, inequalities })
    }

    fn derivatives(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<FunctionDerivatives, ArgminError> {
        let found = self.call("derivatives", at, &self.columns(multipliers), &[0; 4])?;
        let [objective, equalities, inequalities, hessian] = parts(found);
        Ok(FunctionDerivatives { objective, equalities, inequalities, hessian })
    }

    fn mixed_jvp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        theta_tangent: &[f64],
    ) -> Result<KktVector, ArgminError> {
        let [nu, mu] = self.columns(multipliers);
        let further = [nu, mu, (theta_tangent, self.size.theta)];
        let [y, equalities, inequalities] = parts(self.call("mixed_jvp", at, &further, &[0; 3])?);
        Ok(KktVector { y, equalities, inequalities })
    }

    fn mixed_vjp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        cotangent: &KktVector,
    ) -> Result<Vec<f64>, ArgminError> {
        let Dimensions { y, equalities, inequalities, .. } = self.size;
        let [nu, mu] = self.columns(multipliers);
        let further = [
            nu,
            mu,
            (&cotangent.y[..], y),
            (&cotangent.equalities, equalities),
            (&cotangent.inequalities, inequalities),
        ];
        let [gradient] = parts(self.call("mixed_vjp", at, &further, &[0])?);
        Ok(gradient)
    }

    fn lagrangian_gradient(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<Vec<f64>, ArgminError> {
        let columns = self.columns(multipliers);
        let [gradient] = parts(self.call("lagrangian_gradient", at, &columns, &[0])?);
        Ok(gradient)
    }
}

type Argument<'a, 'py> = Option<&'a Bound<'py, PyAny>>;
type Three = (Py<PyAny>, Py<PyAny>, Py<PyAny>);

/// Local minima of batches of smooth problems min f(theta, y) subject to h(theta, y) = 0,
/// g(theta, y) <= 0, with their derivatives by theta.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct Argmin {
    solver: Solver<Callbacks>,
}

impl Argmin {
    fn point<'a>(
        &self,
        batch: usize,
        theta: &'a Numbers<'_>,
        y: &'a Numbers<'_>,
        multipliers: &'a [Option<Numbers<'_>>; 2],
    ) -> PyResult<ArgminPoint<'a>> {
        let size = self.solver.oracle().size;
        let [nu, mu] = multipliers;
        let (theta, y) = (theta.slot(batch, &[size.theta])?, y.slot(batch, &[size.y])?);
        let point = ArgminPoint::new(batch, theta, y);
        Ok(match (nu, mu) {
            (Some(nu), Some(mu)) => point.with_multipliers(
                nu.slot(batch, &[size.equalities])?,
                mu.slot(batch, &[size.inequalities])?,
            ),
            _ => point,
        })
    }

    fn run(
        slf: &Bound<'_, Self>,
        batch: usize,
        given: [&Bound<'_, PyAny>; 2],
        multipliers: [Argument<'_, '_>; 2],
        work: impl Fn(&Solver<Callbacks>, &ArgminPoint<'_>) -> Result<ArgminSolution, ArgminError>
        + Sync,
    ) -> PyResult<ArgminSolved> {
        let own = slf.get();
        let (theta, y) = (Numbers::new("theta", given[0])?, Numbers::new("y", given[1])?);
        let multipliers =
            [Numbers::optional("nu", multipliers[0])?, Numbers::optional("mu", multipliers[1])?];
        let point = own.point(batch, &theta, &y, &multipliers)?;
        let solution =
            interruptible(slf.py(), 0, &Interrupt::default(), || work(&own.solver, &point))?
                .map_err(|error| own.solver.oracle().error(error))?;
        Ok(ArgminSolved { argmin: slf.clone().unbind(), solution })
    }
}

#[pymethods]
impl Argmin {
    #[new]
    #[pyo3(signature = (
        callbacks, theta, y, equalities, inequalities,
        tolerance=None, max_iterations=None, on_failure=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        callbacks: Py<PyAny>,
        theta: usize,
        y: usize,
        equalities: usize,
        inequalities: usize,
        tolerance: Option<f64>,
        max_iterations: Option<usize>,
        on_failure: Option<&str>,
    ) -> PyResult<Self> {
        let size = Dimensions { theta, y, equalities, inequalities };
        let mut settings = ArgminSettings::default();
        settings.tolerance = tolerance.unwrap_or(settings.tolerance);
        settings.max_iterations = max_iterations.unwrap_or(settings.max_iterations);
        settings.on_failure = self::on_failure(on_failure)?;
        let oracle = Callbacks { object: callbacks, size, raised: Mutex::new(None) };
        let solver = Solver::with_oracle(oracle).with_settings(settings);
        let solver = solver.map_err(|error| match error {
            ArgminError::Solver(error) => solver_error(error),
            _ => PyValueError::new_err(error.to_string()),
        })?;
        Ok(Self { solver })
    }

    /// Local minima from y on; theta and y are those of one sample (shared), or have a batch
    /// dimension in front.
    #[pyo3(signature = (batch, theta, y, nu=None, mu=None))]
    fn solve(
        slf: &Bound<'_, Self>,
        batch: usize,
        theta: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
        nu: Argument<'_, '_>,
        mu: Argument<'_, '_>,
    ) -> PyResult<ArgminSolved> {
        Self::run(slf, batch, [theta, y], [nu, mu], |solver, point| solver.solve(point))
    }

    /// Solutions found elsewhere, measured and ready to be differentiated.
    #[pyo3(signature = (batch, theta, y, nu=None, mu=None))]
    fn at(
        slf: &Bound<'_, Self>,
        batch: usize,
        theta: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
        nu: Argument<'_, '_>,
        mu: Argument<'_, '_>,
    ) -> PyResult<ArgminSolved> {
        Self::run(slf, batch, [theta, y], [nu, mu], |solver, point| solver.at(point))
    }
}

/// Solutions of a batch, with what their derivatives need.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct ArgminSolved {
    argmin: Py<Argmin>,
    solution: ArgminSolution,
}

#[pymethods]
impl ArgminSolved {
    /// Minimizers, (batch, y).
    #[getter]
    fn y(&self, py: Python<'_>) -> Py<PyAny> {
        let size = self.argmin.get().solver.oracle().size;
        matrix(py, self.solution.y.clone(), self.solution.batch, size.y)
    }

    /// Multipliers of the equalities, (batch, equalities).
    #[getter]
    fn nu(&self, py: Python<'_>) -> Py<PyAny> {
        let size = self.argmin.get().solver.oracle().size;
        let multipliers = self.solution.equality_multipliers.clone();
        matrix(py, multipliers, self.solution.batch, size.equalities)
    }

    /// Multipliers of the inequalities, (batch, inequalities).
    #[getter]
    fn mu(&self, py: Python<'_>) -> Py<PyAny> {
        let size = self.argmin.get().solver.oracle().size;
        let multipliers = self.solution.inequality_multipliers.clone();
        matrix(py, multipliers, self.solution.batch, size.inequalities)
    }

    /// Whether every sample is solved.
    #[getter]
    fn all_solved(&self) -> bool {
        self.solution.reports.iter().all(ArgminReport::is_solved)
    }

    /// Diagnostics, one array per name.
    #[getter]
    fn reports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        reports(py, &self.solution.reports)
    }

    /// Gradient by theta, (batch, theta), of a scalar, from its gradients by y and the
    /// multipliers.
    #[pyo3(signature = (dy=None, dnu=None, dmu=None))]
    fn vjp(
        &self,
        py: Python<'_>,
        dy: Argument<'_, '_>,
        dnu: Argument<'_, '_>,
        dmu: Argument<'_, '_>,
    ) -> PyResult<Py<PyAny>> {
        let (solver, batch) = (&self.argmin.get().solver, self.solution.batch);
        let size = solver.oracle().size;
        let given = [
            Numbers::optional("dy", dy)?,
            Numbers::optional("dnu", dnu)?,
            Numbers::optional("dmu", dmu)?,
        ];
        let part = |at: usize, len| {
            given[at].as_ref().map(|array| array.exactly(&[batch, len])).transpose()
        };
        let cotangent = ArgminCotangent {
            y: part(0, size.y)?,
            equality_multipliers: part(1, size.equalities)?,
            inequality_multipliers: part(2, size.inequalities)?,
        };
        let gradient = interruptible(py, 0, &Interrupt::default(), || {
            solver.backward(&self.solution, &cotangent)
        })?
        .map_err(|error| solver.oracle().error(error))?;
        let rows = gradient.len() / size.theta.max(1);
        Ok(matrix(py, gradient, rows, size.theta))
    }

    /// Changes of y and the multipliers along a change of theta.
    fn jvp(&self, py: Python<'_>, dtheta: &Bound<'_, PyAny>) -> PyResult<Three> {
        let (solver, batch) = (&self.argmin.get().solver, self.solution.batch);
        let size = solver.oracle().size;
        let dtheta = Numbers::new("dtheta", dtheta)?;
        let tangent: Slot<'_> = dtheta.slot(batch, &[size.theta])?;
        let found =
            interruptible(py, 0, &Interrupt::default(), || solver.jvp(&self.solution, tangent))?
                .map_err(|error| solver.oracle().error(error))?;
        Ok((
            matrix(py, found.y, batch, size.y),
            matrix(py, found.equality_multipliers, batch, size.equalities),
            matrix(py, found.inequality_multipliers, batch, size.inequalities),
        ))
    }
}

/// One array per field.
fn reports<'py>(py: Python<'py>, reports: &[ArgminReport]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let counts = |of: fn(&ArgminReport) -> u32| {
        reports.iter().map(|r| i64::from(of(r))).collect::<Vec<_>>().into_pyarray(py)
    };
    let numbers =
        |of: fn(&ArgminReport) -> f64| reports.iter().map(of).collect::<Vec<_>>().into_pyarray(py);
    let status: Vec<i8> = reports.iter().map(|report| code(report.status)).collect();
    dict.set_item("status", status.into_pyarray(py))?;
    dict.set_item("iterations", counts(|r| r.iterations))?;
    dict.set_item("objective", numbers(|r| r.objective))?;
    dict.set_item("residual", numbers(|r| r.residual))?;
    dict.set_item("primal_residual", numbers(|r| r.primal_residual))?;
    dict.set_item("dual_residual", numbers(|r| r.dual_residual))?;
    dict.set_item("complementarity", numbers(|r| r.complementarity))?;
    dict.set_item("weakly_active", counts(|r| r.weakly_active))?;
    dict.set_item("dependent", counts(|r| r.dependent))?;
    dict.set_item("condition", numbers(|r| r.condition))?;
    dict.set_item("saddles_left", counts(|r| r.saddles_left))?;
    let second_order: Vec<&str> = reports
        .iter()
        .map(|report| match report.second_order {
            SecondOrder::Sufficient => "sufficient",
            SecondOrder::Singular => "singular",
            SecondOrder::NegativeCurvature => "negative_curvature",
        })
        .collect();
    dict.set_item("second_order", second_order)?;
    let not_a_number: Vec<Option<String>> = reports
        .iter()
        .map(|report| {
            let found = report.not_a_number?;
            let function = match found.function {
                Function::Objective => "f".to_owned(),
                Function::Equality(i) => format!("h[{i}]"),
                Function::Inequality(i) => format!("g[{i}]"),
            };
            let what = ["", "the gradient of ", "the Hessian of "];
            let what = what.get(usize::from(found.derivative)).copied().unwrap_or_default();
            let place = if found.at_start { "at the start" } else { "on the way" };
            Some(format!("{what}{function} {place}"))
        })
        .collect();
    dict.set_item("not_a_number", not_a_number)?;
    Ok(dict)
}
