//! Which samples a lane group has.

use pulp::Simd;

use crate::lanes::{M, MOST_LANES, V};

/// The samples of a group, one per lane; lanes without a sample of their own repeat the first.
#[derive(Clone, Copy)]
pub(crate) struct Samples {
    of_lanes: [usize; MOST_LANES],
    count: usize,
}

impl Samples {
    /// Those of `samples`, at least one and at most as many as there are lanes.
    pub(crate) fn new(mut samples: impl ExactSizeIterator<Item = usize> + Clone) -> Self {
        let count = samples.len();
        let first = samples.clone().next().unwrap_or_default();
        Self { of_lanes: std::array::from_fn(|_| samples.next().unwrap_or(first)), count }
    }

    /// Those with a lane of their own.
    pub(crate) fn as_slice(&self) -> &[usize] {
        &self.of_lanes[..self.count]
    }

    /// One for each lane.
    pub(super) fn of_lanes<S: Simd>(&self) -> &[usize] {
        &self.of_lanes[..V::<S>::LANES]
    }
}

/// The samples of a group, and where they are.
pub(super) struct Place<S: Simd> {
    pub(super) samples: Samples,
    /// Lanes with a sample of their own.
    pub(super) all: M<S>,
}

impl<S: Simd> Place<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, samples: Samples) -> Self {
        Self { samples, all: M::first(simd, samples.count) }
    }
}
