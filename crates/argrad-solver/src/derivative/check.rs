//! Checks of what a derivative is asked for.

use super::{Cotangent, Differentiation, Method, Mode, OnFailure, Tangent};
use crate::program::{Error, Report, Status, Structure, check_slot};
use crate::tape::Tape;

impl Cotangent<'_> {
    /// Checks the lengths, for a batch of programs of this structure.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn check(&self, structure: &Structure, batch: usize) -> Result<(), Error> {
        let (n, m) = (structure.variables(), structure.rows());
        check_length("cotangent.x", self.x, batch, n)?;
        check_length("cotangent.z", self.z, batch, m)?;
        check_length("cotangent.s", self.s, batch, m)
    }
}

impl Tangent<'_> {
    /// Checks the lengths, for a batch of programs of this structure.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn check(&self, structure: &Structure, batch: usize) -> Result<(), Error> {
        for (argument, slot, len) in [
            ("tangent.p", self.p, structure.p.nnz()),
            ("tangent.q", self.q, structure.variables()),
            ("tangent.a", self.a, structure.a.nnz()),
            ("tangent.b", self.b, structure.rows()),
        ] {
            if let Some(slot) = slot {
                check_slot(argument, slot, len, batch)?;
            }
        }
        Ok(())
    }
}

impl Tape {
    pub(super) fn check_cotangent(&self, cotangent: &Cotangent<'_>) -> Result<(), Error> {
        cotangent.check(&self.prepared.analysis.structure, self.batch())
    }

    pub(super) fn check_tangent(&self, tangent: &Tangent<'_>) -> Result<(), Error> {
        tangent.check(&self.prepared.analysis.structure, self.batch())
    }
}

impl Differentiation {
    /// Checks that every number is in its range, and that failed samples are allowed where there
    /// are any.
    ///
    /// # Errors
    /// [`Error::Setting`]; [`Error::Unsolved`] for samples without a solution, unless NaN or zero
    /// is asked for.
    pub fn check(&self, reports: &[Report]) -> Result<(), Error> {
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

impl Differentiation {
    /// For [`Mode::Lpgd`], which solves at both sides of the values too: the samples that have no
    /// solution at the values, whose `reports` are these, or at one of the sides, in order.
    ///
    /// # Errors
    /// [`Error::Unsolved`] for those that have none at a side only, unless NaN or zero is asked
    /// for; [`Self::check`] says it of the others.
    pub fn check_sides(
        &self,
        reports: &[Report],
        sides: [&[Report]; 2],
    ) -> Result<Vec<usize>, Error> {
        let (mut lost, mut failures) = (Vec::new(), Vec::new());
        for (index, report) in reports.iter().enumerate() {
            let there = sides.map(|side| side[index].status);
            let failed = there.into_iter().find(|status| !status.is_solved());
            if !report.is_solved() || failed.is_some() {
                lost.push(index);
            }
            if let Some(status) = failed.filter(|_| report.is_solved()) {
                failures.push((index, status));
            }
        }
        if self.on_failure == OnFailure::Error && !failures.is_empty() {
            return Err(Error::Unsolved { batch: reports.len(), failures });
        }
        Ok(lost)
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
