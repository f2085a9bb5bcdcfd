//! Where a tape is differentiated: all of it, and one lane group.

use pulp::Simd;

use super::smoothed::SmoothedPoints;
use crate::cones::Function;
use crate::lanes::{Buffer, V};
use crate::system::analysis::Analysis;
use crate::system::memory::{SystemWork, View};
use crate::system::shared::matrices::SharedMatrices;
use crate::tape::Tape;

/// What is known of the points that are differentiated: those of a tape, or others nearby.
#[derive(Clone, Copy)]
pub(super) struct TapePoint<'a> {
    /// One for each lane group.
    pub(super) states: &'a [Buffer],
    /// In the caller's units, one row per sample.
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

/// A lane group at the point that is differentiated.
pub(super) struct Point<'a, S: Simd> {
    pub(super) simd: S,
    pub(super) analysis: &'a Analysis,
    pub(super) view: View<'a, S>,
}

impl<'a, S: Simd> Point<'a, S> {
    #[inline(always)]
    pub(super) fn new(
        simd: S,
        analysis: &'a Analysis,
        matrices: Option<&'a SharedMatrices>,
        state: &'a [f64],
    ) -> Self {
        Self { simd, analysis, view: View::new(simd, analysis, matrices, state) }
    }

    #[inline(always)]
    pub(super) fn zero(&self) -> V<S> {
        V::splat(self.simd, 0.0)
    }

    /// A function of the derivative D of the projection, times `x`.
    #[inline(always)]
    pub(super) fn apply(
        &self,
        function: Function,
        x: &[V<S>],
        out: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        let Self { simd, analysis, view } = self;
        analysis.cones.apply(*simd, view.projection, function, x, out, scratch);
    }

    /// P x, A x and A'z, into the workspace.
    #[inline(always)]
    pub(super) fn multiply(&self, x: &[V<S>], z: &[V<S>], work: &mut SystemWork<'_, S>) {
        let SystemWork { px, ax, atz, .. } = work;
        let Self { simd, analysis, view } = self;
        view.system(*simd, analysis).multiply(*simd, (x, z), (px, ax, atz));
    }
}
