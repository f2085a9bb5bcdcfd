//! Where a tape is differentiated.

use super::smoothed::SmoothedPoints;
use crate::lanes::Buffer;
use crate::tape::Tape;

/// What is known of the points that are differentiated: those of a tape, or others nearby.
#[derive(Clone, Copy)]
pub(super) struct TapePoint<'a> {
    /// One for each lane group.
    pub(super) states: &'a [Buffer],
    /// In the caller's units, an instance a row.
    pub(super) x: &'a [f64],
    pub(super) z: &'a [f64],
}

impl Tape {
    /// The points of the central path where they are given, else the solutions.
    pub(super) fn point<'a>(&'a self, smoothed: Option<&'a SmoothedPoints<'_>>) -> TapePoint<'a> {
        match smoothed {
            Some(SmoothedPoints { states, x, z, .. }) => TapePoint { states, x, z },
            None => TapePoint { states: &self.states, x: &self.x, z: &self.z },
        }
    }
}
