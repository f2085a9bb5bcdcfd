//! Are these the numbers of the parameters?

use argrad_solver::Slot;
use rayon::prelude::*;

use super::data::ParameterSpec;
use crate::algebra::is_semidefinite;
use crate::error::ModelError;

/// Numbers that are worth a second thread.
const WORTH_THREADS: usize = 500_000;

/// Largest asymmetry, relative to the largest entry, that passes for rounding.
const ASYMMETRY: f64 = 1e-10;

/// Slices that a derivative of a layer over this one takes, one per number in `expected`: of that
/// length each, or empty for zero. `what` is one of them.
///
/// # Errors
/// [`ModelError::Argument`], which names the slice.
pub(crate) fn check_slices(
    what: &str,
    given: &[&[f64]],
    expected: &[usize],
) -> Result<(), ModelError> {
    let error = |argument: String, expected: String, found: String| {
        Err(ModelError::Argument { argument, expected, found })
    };
    if given.len() != expected.len() {
        let expected = format!("{} slices, empty ones for zero", expected.len());
        return error(format!("{what}s"), expected, given.len().to_string());
    }
    for (at, (given, expected)) in given.iter().zip(expected).enumerate() {
        if !given.is_empty() && given.len() != *expected {
            let found = format!("{} numbers", given.len());
            return error(format!("{what} {at}"), format!("{expected} numbers"), found);
        }
    }
    Ok(())
}

impl ParameterSpec {
    pub(super) fn error(
        &self,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> ModelError {
        ModelError::Value {
            parameter: self.name.clone(),
            location: self.location.clone(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Length and values.
    pub(super) fn check(&self, slot: Slot<'_>, batch: usize) -> Result<(), ModelError> {
        let copies = if slot.is_shared() { 1 } else { batch };
        let values = slot.as_slice();
        if values.len() != copies * self.len {
            let expected = format!("{copies} x {} numbers ({})", self.len, self.shape);
            return Err(self.error(expected, format!("{} numbers", values.len())));
        }
        let check = |at: usize| {
            let own = &values[at * self.len..(at + 1) * self.len];
            let sample = if slot.is_shared() { String::new() } else { format!(" of sample {at}") };
            self.check_sample(own, &sample)
        };
        let cost = if self.psd { self.len * self.shape.rows() } else { self.len };
        if copies * cost < WORTH_THREADS {
            (0..copies).try_for_each(check)
        } else {
            // The first error by position, whichever thread finds one first.
            (0..copies).into_par_iter().map(check).find_first(Result::is_err).unwrap_or(Ok(()))
        }
    }

    fn check_sample(&self, values: &[f64], sample: &str) -> Result<(), ModelError> {
        self.all(values, sample, "finite numbers", |_, v| v.is_finite())?;
        if self.nonneg {
            self.all(values, sample, "nonnegative numbers", |_, v| v >= 0.0)?;
        }
        if self.nonpos {
            self.all(values, sample, "nonpositive numbers", |_, v| v <= 0.0)?;
        }
        if let Some(lower) = &self.lower {
            self.all(values, sample, "numbers above the lower bound", |k, v| v >= lower[k])?;
        }
        if let Some(upper) = &self.upper {
            self.all(values, sample, "numbers below the upper bound", |k, v| v <= upper[k])?;
        }
        let n = self.shape.rows();
        if self.symmetric {
            let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for i in 0..n {
                for j in 0..i {
                    let (below, above) = (values[i * n + j], values[j * n + i]);
                    if (below - above).abs() > ASYMMETRY * largest {
                        let found =
                            format!("{above} at ({j}, {i}) and {below} at ({i}, {j}){sample}");
                        return Err(self.error("a symmetric matrix", found));
                    }
                }
            }
        }
        if self.psd && !is_semidefinite(values, n) {
            let found = format!("a negative eigenvalue{sample}");
            return Err(self.error("a positive semidefinite matrix", found));
        }
        Ok(())
    }

    fn all(
        &self,
        values: &[f64],
        sample: &str,
        expected: &str,
        holds: impl Fn(usize, f64) -> bool,
    ) -> Result<(), ModelError> {
        match values.iter().enumerate().position(|(k, v)| !holds(k, *v)) {
            Some(k) => Err(self.error(expected, format!("{} at entry {k}{sample}", values[k]))),
            None => Ok(()),
        }
    }

    /// The symmetric part, where the parameter is symmetric.
    pub(super) fn symmetrize(&self, values: &mut [f64]) {
        let n = self.shape.rows();
        if !self.symmetric || n == 0 {
            return;
        }
        for matrix in values.chunks_mut(n * n) {
            for i in 0..n {
                for j in 0..i {
                    let mean = 0.5 * (matrix[i * n + j] + matrix[j * n + i]);
                    (matrix[i * n + j], matrix[j * n + i]) = (mean, mean);
                }
            }
        }
    }
}
