//! Lengths and finiteness of arguments.

use argrad_solver::{Error, Slot};

/// The slot has `len` numbers, or `batch` times that.
pub(crate) fn check_length(
    argument: &'static str,
    slot: Slot<'_>,
    len: usize,
    batch: usize,
) -> Result<(), Error> {
    let (expected, meaning) = if slot.is_shared() {
        (len, format!("{len} numbers shared by the batch"))
    } else {
        (batch * len, format!("batch {batch} x {len} numbers"))
    };
    let found = slot.as_slice().len();
    if found == expected {
        return Ok(());
    }
    Err(Error::Length { argument, expected, found, meaning })
}

/// Every number is finite; `+inf` passes where it stands for "no constraint".
pub(crate) fn check_finite(
    argument: &'static str,
    slot: Slot<'_>,
    len: usize,
    allow_infinity: bool,
) -> Result<(), Error> {
    let values = slot.as_slice();
    if all_finite(values) {
        return Ok(());
    }
    let bad = |&v: &f64| !(v.is_finite() || allow_infinity && v == f64::INFINITY);
    let Some(at) = values.iter().position(bad) else { return Ok(()) };
    Err(Error::NotFinite {
        argument,
        sample: (!slot.is_shared()).then(|| at / len),
        entry: at % len,
        found: values[at],
    })
}

/// Zero times a number is 0 for a finite one and NaN otherwise, and its sum vectorizes.
pub(crate) fn all_finite(values: &[f64]) -> bool {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for chunk in chunks {
        for (sum, v) in sums.iter_mut().zip(chunk) {
            *sum += v * 0.0;
        }
    }
    sums.iter().all(|&sum| sum == 0.0) && rest.iter().all(|v| v.is_finite())
}
