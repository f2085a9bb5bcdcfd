//! Checks of what a derivative is asked for.

use super::{Cotangent, Differentiation, Method, Mode, OnFailure, Tangent};
use crate::program::{Error, Report, Status, check_slot};
use crate::tape::Tape;

impl Tape {
    pub(super) fn check_cotangent(&self, cotangent: &Cotangent<'_>) -> Result<(), Error> {
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        check_length("cotangent.x", cotangent.x, batch, n)?;
        check_length("cotangent.z", cotangent.z, batch, m)?;
        check_length("cotangent.s", cotangent.s, batch, m)
    }

    pub(super) fn check_tangent(&self, tangent: &Tangent<'_>) -> Result<(), Error> {
        let structure = &self.prepared.analysis.structure;
        for (argument, slot, len) in [
            ("tangent.p", tangent.p, structure.p.nnz()),
            ("tangent.q", tangent.q, structure.variables()),
            ("tangent.a", tangent.a, structure.a.nnz()),
            ("tangent.b", tangent.b, structure.rows()),
        ] {
            if let Some(slot) = slot {
                check_slot(argument, slot, len, self.batch())?;
            }
        }
        Ok(())
    }
}

impl Differentiation {
    /// Checks that every number is in its range, and that failed samples are allowed where there
    /// are any.
    pub(super) fn check(&self, reports: &[Report]) -> Result<(), Error> {
        let positive = |setting: &'static str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::Setting {
                setting,
                expected: "a positive finite number",
                found: value.to_string(),
            }),
        };
        match self.mode {
            Mode::Exact => {}
            Mode::Smoothed(mu) => positive("Mode::Smoothed(mu)", mu)?,
            Mode::Lpgd(tau) => positive("Mode::Lpgd(tau)", tau)?,
        }
        if let Method::Lsqr { tolerance, .. } = self.method {
            positive("Method::Lsqr tolerance", tolerance)?;
        }
        let failures: Vec<(usize, Status)> = failures(reports).collect();
        if self.on_failure == OnFailure::Error && !failures.is_empty() {
            return Err(Error::Unsolved { batch: reports.len(), failures });
        }
        Ok(())
    }
}

/// The samples without a solution, and why.
pub(super) fn failures(reports: &[Report]) -> impl Iterator<Item = (usize, Status)> {
    reports.iter().enumerate().filter(|(_, r)| !r.is_solved()).map(|(i, r)| (i, r.status))
}

pub(super) fn check_length(
    argument: &'static str,
    values: Option<&[f64]>,
    batch: usize,
    len: usize,
) -> Result<(), Error> {
    match values {
        Some(values) if values.len() != batch * len => Err(Error::Length {
            argument,
            expected: batch * len,
            found: values.len(),
            meaning: format!("batch {batch} x {len} numbers"),
        }),
        _ => Ok(()),
    }
}
