//! Derivatives that are not accurate are said so, once in a process.

use pyo3::prelude::*;

/// Relative errors above this are worth a warning: a quarter of the digits of a double.
fn tolerated() -> f64 {
    f64::EPSILON.sqrt().sqrt()
}

/// Warns where LSQR stopped at its limit of iterations (`unfinished`), or where the estimated
/// relative error of a sample (`accuracy`) is large. Infinite estimates, of solutions that are not
/// unique, are said by the reports.
pub fn warn_of(py: Python<'_>, accuracy: &[f64], unfinished: &[usize]) -> PyResult<()> {
    let doubtful = |error: &f64| error.is_finite() && *error > tolerated();
    let worst = accuracy
        .iter()
        .enumerate()
        .filter(|(_, error)| doubtful(error))
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    if unfinished.is_empty() && worst.is_none() {
        return Ok(());
    }
    let count = accuracy.iter().filter(|error| doubtful(error)).count();
    let (sample, error) = worst.map_or((0, f64::NAN), |(sample, error)| (sample, *error));
    py.import("argrad._policy")?
        .call_method1("warn_of_derivative", (accuracy.len(), unfinished, count, sample, error))?;
    Ok(())
}
