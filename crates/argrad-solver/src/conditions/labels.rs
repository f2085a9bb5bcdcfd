//! How the constraints and the variables of a program are called.

use std::ops::Range;

use crate::program::{Error, Structure};

/// A constraint that the caller knows by a name: a set of rows of A (or of variables). With the
/// feature `serde` it can be written and read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KktLabel {
    /// Its name.
    pub text: String,
    /// Its rows (or columns), in its own order.
    pub at: Vec<Range<usize>>,
}

impl KktLabel {
    /// With rows that follow each other.
    pub fn new(text: impl Into<String>, at: Range<usize>) -> Self {
        Self { text: text.into(), at: vec![at] }
    }

    /// The rows, one by one.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.at.iter().cloned().flatten()
    }
}

/// How constraints and variables are called; what has no name here is called by its cone, or x.
/// With the feature `serde` it can be written and read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KktLabels {
    /// Of rows of A. A cone that is no polyhedron should be in one label as a whole.
    pub constraints: Vec<KktLabel>,
    /// Of columns of A.
    pub variables: Vec<KktLabel>,
}

impl KktLabels {
    /// With names for what has none.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows and columns that the program does not have.
    pub(super) fn completed(&self, structure: &Structure) -> Result<Self, Error> {
        let (n, m) = (structure.variables(), structure.rows());
        let mut all = self.clone();
        let (mut row, mut index) = (0, 0);
        let unnamed = free("labels of constraints", &self.constraints, m)?;
        for cone in structure.cones() {
            let rows = row..row + cone.dim();
            let own: Vec<Range<usize>> = parts(&unnamed, rows.clone());
            if !own.is_empty() {
                let text = format!("{} (cone {index})", cone.name());
                all.constraints.push(KktLabel { text, at: own });
            }
            (row, index) = (rows.end, index + 1);
        }
        let rest = parts(&free("labels of variables", &self.variables, n)?, 0..n);
        if !rest.is_empty() {
            let text = if self.variables.is_empty() { "x" } else { "other variables" };
            all.variables.push(KktLabel { text: text.into(), at: rest });
        }
        Ok(all)
    }
}

/// Which of `len` places no label has.
fn free(argument: &'static str, labels: &[KktLabel], len: usize) -> Result<Vec<bool>, Error> {
    let mut free = vec![true; len];
    for label in labels {
        for range in &label.at {
            let Some(own) = free.get_mut(range.clone()) else {
                return Err(Error::Shape {
                    argument,
                    expected: format!("places from 0 to {len}"),
                    found: format!("{range:?} of `{}`", label.text),
                });
            };
            own.fill(false);
        }
    }
    Ok(free)
}

/// The runs of flagged places in `within`.
fn parts(flags: &[bool], within: Range<usize>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for at in within.filter(|&at| flags[at]) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}
