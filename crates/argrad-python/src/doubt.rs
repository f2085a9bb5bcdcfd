//! Derivatives that are not accurate are said so, once in a process.

use argrad::Report;
use pyo3::prelude::*;

/// Relative errors above this are worth a warning: half of the digits of a double are lost.
fn tolerated() -> f64 {
    f64::EPSILON.sqrt()
}

/// Whether [`warn_of`] has something to say.
pub fn is_doubtful(accuracy: &[f64], unfinished: &[usize]) -> bool {
    let is_large = |error: &f64| error.is_finite() && *error > tolerated();
    !unfinished.is_empty() || accuracy.iter().any(is_large)
}

/// Warns where LSQR stopped at its limit of iterations (`unfinished`), or where the estimated
/// relative error of a sample (`accuracy`) is large. Infinite estimates, of solutions that are not
/// unique, are said by the reports.
pub fn warn_of(py: Python<'_>, accuracy: &[f64], unfinished: &[usize]) -> PyResult<()> {
    // What is unfinished has a reason of its own.
    let doubtful = |(sample, error): &(usize, &f64)| {
        error.is_finite() && **error > tolerated() && !unfinished.contains(sample)
    };
    let inaccurate = accuracy.iter().enumerate().filter(doubtful);
    let (count, worst) = (
        inaccurate.clone().count(),
        inaccurate.max_by(|(_, one), (_, other)| one.total_cmp(other)),
    );
    if unfinished.is_empty() && worst.is_none() {
        return Ok(());
    }
    let (sample, error) = worst.map_or((0, f64::NAN), |(sample, error)| (sample, *error));
    py.import("argrad._policy")?
        .call_method1("warn_of_derivative", (accuracy.len(), unfinished, count, sample, error))?;
    Ok(())
}

/// Warns of solved samples that have no second derivative, which are those whose residual is NaN.
pub fn warn_of_kinks(py: Python<'_>, residual: &[f64], reports: &[Report]) -> PyResult<()> {
    let kinked = |at: &usize| residual[*at].is_nan() && reports[*at].is_solved();
    let samples: Vec<usize> = (0..residual.len()).filter(kinked).collect();
    if samples.is_empty() {
        return Ok(());
    }
    py.import("argrad._policy")?.call_method1("warn_of_kinks", (residual.len(), samples))?;
    Ok(())
}
