//! The part of a program that varies: numbers for P, q, A, b, each shared or per sample.

use super::Structure;
use crate::program::Error;

/// Numbers of one argument for a whole batch, row-major.
///
/// A gradient with respect to a shared argument is the sum over the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot<'a> {
    /// One copy, used by every sample: length `k`.
    Shared(&'a [f64]),
    /// One copy per sample: length `batch * k`, sample by sample.
    Each(&'a [f64]),
}

impl<'a> Slot<'a> {
    /// The numbers of sample `index`, where one sample has `len` of them.
    #[inline]
    pub fn sample(&self, index: usize, len: usize) -> &'a [f64] {
        match *self {
            Slot::Shared(values) => values,
            Slot::Each(values) => &values[index * len..(index + 1) * len],
        }
    }

    /// All the numbers.
    pub fn as_slice(&self) -> &'a [f64] {
        match *self {
            Slot::Shared(values) | Slot::Each(values) => values,
        }
    }

    /// Whether the numbers are shared by the batch.
    pub fn is_shared(&self) -> bool {
        matches!(self, Slot::Shared(_))
    }
}

/// Numbers of a batch of programs of one [`Structure`].
///
/// `batch` is explicit, so that a batch in which everything is shared, and a batch of 0, have a
/// meaning.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// Number of samples.
    pub batch: usize,
    /// Upper triangle of P, in the order of its pattern.
    pub p: Slot<'a>,
    /// Linear objective q: n numbers.
    pub q: Slot<'a>,
    /// A, in the order of its pattern.
    pub a: Slot<'a>,
    /// Right-hand side b: m numbers. In a nonnegative row 1e19 and more, `+inf` among them, is no
    /// constraint: the row is removed, with z = 0, s = `+inf` and zero gradients. Below 1e19 a
    /// bound is a constraint, and in rows of other cones a number of 1e19 or more is one like any
    /// other. (To be exact, 1e19 rounded to single precision, which is less by 2e-9 of it.)
    pub b: Slot<'a>,
}

impl Values<'_> {
    /// Checks lengths and finiteness of all numbers, as a solve does.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::NotFinite`] where a number is NaN or infinite, but for `+inf` in
    /// the b of an inequality.
    pub fn check(&self, structure: &Structure) -> Result<(), Error> {
        check_values(structure, self)?;
        check_finite_samples(structure, self, 0, self.batch)
    }
}

/// Lengths and finiteness of all values.
pub(crate) fn check_values(structure: &Structure, values: &Values<'_>) -> Result<(), Error> {
    let (n, m) = (structure.variables(), structure.rows());
    check_slot("P", values.p, structure.p.nnz(), values.batch)?;
    check_slot("q", values.q, n, values.batch)?;
    check_slot("A", values.a, structure.a.nnz(), values.batch)?;
    check_slot("b", values.b, m, values.batch)?;
    // Per-sample matrices are checked where they are loaded, group by group.
    for (argument, slot, len) in
        [("P", values.p, structure.p.nnz()), ("A", values.a, structure.a.nnz())]
    {
        if slot.is_shared() {
            check_finite(argument, slot, len)?;
        }
    }
    check_finite("q", values.q, n)?;
    if all_finite(values.b.as_slice()) {
        return Ok(());
    }
    // Infinite entries are legal in one place only; look closer.
    let removable = structure.removable();
    for (k, &value) in values.b.as_slice().iter().enumerate() {
        let removes = value == f64::INFINITY && removable[k % m];
        if !(value.is_finite() || removes) {
            return Err(non_finite("b", values.b, m, k));
        }
    }
    Ok(())
}

pub(crate) fn check_slot(
    argument: &'static str,
    slot: Slot<'_>,
    len: usize,
    batch: usize,
) -> Result<(), Error> {
    let (expected, found) = match slot {
        Slot::Shared(values) => (len, values.len()),
        Slot::Each(values) => (batch * len, values.len()),
    };
    if expected == found {
        return Ok(());
    }
    Err(Error::Length {
        argument,
        expected,
        found,
        meaning: match slot {
            Slot::Shared(_) => format!("{len} numbers shared by the batch"),
            Slot::Each(_) => format!("batch {batch} x {len} numbers"),
        },
    })
}

/// Finiteness of the per-sample matrices of `count` samples from `first`.
#[inline(always)]
pub(crate) fn check_finite_samples(
    structure: &Structure,
    values: &Values<'_>,
    first: usize,
    count: usize,
) -> Result<(), Error> {
    for (argument, slot, len) in
        [("P", values.p, structure.p.nnz()), ("A", values.a, structure.a.nnz())]
    {
        if !slot.is_shared() && !all_finite(&slot.as_slice()[first * len..(first + count) * len]) {
            check_finite(argument, slot, len)?;
        }
    }
    Ok(())
}

fn check_finite(argument: &'static str, slot: Slot<'_>, len: usize) -> Result<(), Error> {
    let values = slot.as_slice();
    if all_finite(values) {
        return Ok(());
    }
    let at = values.iter().position(|v| !v.is_finite()).unwrap_or(0);
    Err(non_finite(argument, slot, len, at))
}

fn non_finite(argument: &'static str, slot: Slot<'_>, len: usize, at: usize) -> Error {
    Error::NotFinite {
        argument,
        sample: (!slot.is_shared()).then(|| at / len),
        entry: at % len,
        found: slot.as_slice()[at],
    }
}

/// Whether no entry is NaN or infinite: `0 v` is zero exactly for finite v, and sums vectorize.
#[inline(always)]
fn all_finite(values: &[f64]) -> bool {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for (sum, v) in sums.iter_mut().zip(chunk) {
            *sum += v * 0.0;
        }
    }
    sums.iter().all(|&sum| sum == 0.0) && rest.iter().all(|v| v.is_finite())
}
