//! The outputs of a batch as one vector, which is what a node of an autodiff graph has.

use argrad_solver::{Differentiation, Error, Mode, OnFailure, Report, Status};

/// Checks early what the derivative will check: some frameworks have no way to return an error
/// from a backward pass.
///
/// # Errors
/// [`Error::Setting`] for a mode whose number is not positive and finite.
pub fn check_differentiation(how: &Differentiation) -> Result<(), Error> {
    let (setting, value) = match how.mode {
        Mode::Smoothed(mu) => ("Mode::Smoothed(mu)", mu),
        Mode::Lpgd(tau) => ("Mode::Lpgd(tau)", tau),
        _ => return Ok(()),
    };
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    let expected = "a positive finite number";
    Err(Error::Setting { setting, expected, found: value.to_string() })
}

/// Samples without a solution.
///
/// # Errors
/// [`Error::Unsolved`] where there are any and they are to be an error.
pub fn failures(reports: &[Report], how: &Differentiation) -> Result<Vec<usize>, Error> {
    let failures: Vec<(usize, Status)> = reports
        .iter()
        .map(|report| report.status)
        .enumerate()
        .filter(|&(_, status)| !status.is_solved())
        .collect();
    if how.on_failure == OnFailure::Error && !failures.is_empty() {
        return Err(Error::Unsolved { batch: reports.len(), failures });
    }
    Ok(failures.into_iter().map(|(at, _)| at).collect())
}

/// The outputs one after the other, each batch x its width, with the rows of `failed` samples
/// replaced by NaN or 0, as `how` says.
pub fn pack<'a>(
    outputs: impl IntoIterator<Item = &'a [f64]>,
    widths: &[usize],
    failed: &[usize],
    how: &Differentiation,
) -> Vec<f64> {
    let replacement = if how.on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
    let mut packed = Vec::new();
    for (output, width) in outputs.into_iter().zip(widths) {
        let first = packed.len();
        packed.extend_from_slice(output);
        for at in failed {
            packed[first + at * width..first + (at + 1) * width].fill(replacement);
        }
    }
    packed
}

/// Inverse of [`pack`], for a gradient of the packed outputs: parts of these lengths, which add up
/// to that of `packed`.
pub fn split<'a>(mut packed: &'a [f64], lens: &[usize]) -> Vec<&'a [f64]> {
    let part = |&len: &usize| {
        let (own, rest) = packed.split_at(len);
        packed = rest;
        own
    };
    lens.iter().map(part).collect()
}
