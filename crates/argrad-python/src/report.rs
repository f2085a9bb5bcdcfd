//! Reports as arrays.

use argrad::{Report, Status};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Names of statuses, by code.
pub(crate) const STATUS: [&str; 7] = [
    "solved",
    "primal_infeasible",
    "dual_infeasible",
    "iteration_limit",
    "time_limit",
    "numerical_trouble",
    "almost_solved",
];

/// Its position in [`STATUS`].
pub(crate) fn code(status: Status) -> i8 {
    match status {
        Status::Solved => 0,
        Status::PrimalInfeasible => 1,
        Status::DualInfeasible => 2,
        Status::IterationLimit => 3,
        Status::TimeLimit => 4,
        Status::AlmostSolved => 6,
        _ => 5,
    }
}

/// Whether every sample is solved, not almost.
pub(crate) fn all_solved(reports: &[Report]) -> bool {
    reports.iter().all(|report| report.status == Status::Solved)
}

/// One array a field.
pub(crate) fn dict<'py>(py: Python<'py>, reports: &[Report]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let counts = |of: fn(&Report) -> u32| {
        reports.iter().map(|r| i64::from(of(r))).collect::<Vec<_>>().into_pyarray(py)
    };
    let numbers =
        |of: fn(&Report) -> f64| reports.iter().map(of).collect::<Vec<_>>().into_pyarray(py);
    let flags =
        |of: fn(&Report) -> bool| reports.iter().map(of).collect::<Vec<_>>().into_pyarray(py);
    let status: Vec<i8> = reports.iter().map(|report| code(report.status)).collect();
    dict.set_item("status", status.into_pyarray(py))?;
    dict.set_item("iterations", counts(|r| r.iterations))?;
    dict.set_item("polish_steps", counts(|r| r.polish_steps))?;
    dict.set_item("factorizations", counts(|r| r.factorizations))?;
    dict.set_item("warm_started", flags(|r| r.warm_started))?;
    dict.set_item("objective", numbers(|r| r.objective))?;
    dict.set_item("residual", numbers(|r| r.residual))?;
    dict.set_item("primal_residual", numbers(|r| r.primal_residual))?;
    dict.set_item("dual_residual", numbers(|r| r.dual_residual))?;
    dict.set_item("gap", numbers(|r| r.gap))?;
    dict.set_item("weakly_active", counts(|r| r.weakly_active))?;
    dict.set_item("condition", numbers(|r| r.condition))?;
    dict.set_item("unique", flags(Report::is_unique))?;
    dict.set_item("unique_x", flags(|r| r.unique_x))?;
    dict.set_item("unique_z", flags(|r| r.unique_z))?;
    Ok(dict)
}
