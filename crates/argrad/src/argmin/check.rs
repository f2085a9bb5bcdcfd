//! Lengths and finiteness of what the caller gives.

use argrad_solver::{Error, Slot};

use super::error::ArgminError;

/// Length and finiteness of an argument with `len` numbers per sample.
pub(super) fn slot(
    argument: &'static str,
    slot: Slot<'_>,
    len: usize,
    batch: usize,
) -> Result<(), ArgminError> {
    length(argument, slot, len, batch)?;
    match slot.as_slice().iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(ArgminError::Solver(Error::NotFinite {
            argument,
            sample: (!slot.is_shared()).then(|| at / len),
            entry: at % len,
            found: slot.as_slice()[at],
        })),
    }
}

/// Length of an argument.
pub(super) fn length(
    argument: &'static str,
    slot: Slot<'_>,
    len: usize,
    batch: usize,
) -> Result<(), ArgminError> {
    let (expected, meaning) = match slot {
        Slot::Shared(_) => (len, format!("{len} numbers shared by the batch")),
        Slot::Each(_) => (batch * len, format!("batch {batch} x {len} numbers")),
    };
    let found = slot.as_slice().len();
    if expected == found {
        return Ok(());
    }
    Err(ArgminError::Solver(Error::Length { argument, expected, found, meaning }))
}

/// Length of what an oracle returns.
pub(super) fn answer(
    function: &'static str,
    values: &[f64],
    expected: usize,
) -> Result<(), ArgminError> {
    if values.len() == expected {
        return Ok(());
    }
    Err(ArgminError::Function { function, expected, found: values.len() })
}
