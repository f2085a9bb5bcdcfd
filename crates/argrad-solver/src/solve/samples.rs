//! Which samples a lane group has.

use pulp::Simd;

use crate::lanes::{M, MOST_GROUPS, MOST_LANES, V};

/// The samples of a group, one per lane; lanes without a sample of their own repeat the first.
#[derive(Clone, Copy)]
pub(crate) struct Samples {
    of_lanes: [usize; MOST_LANES],
    count: usize,
}

impl Samples {
    /// `count` samples, the first of which is `sample(0)`: at least one, and at most as many as
    /// there are lanes.
    pub(crate) fn new(count: usize, sample: impl Fn(usize) -> usize) -> Self {
        let of_lanes = std::array::from_fn(|lane| sample(if lane < count { lane } else { 0 }));
        Self { of_lanes, count }
    }

    /// Those with a lane of their own.
    pub(crate) fn as_slice(&self) -> &[usize] {
        &self.of_lanes[..self.count]
    }

    /// One for each lane.
    pub(crate) fn of_lanes<S: Simd>(&self) -> &[usize] {
        &self.of_lanes[..V::<S>::LANES]
    }
}

/// The samples that a team leaves to others.
pub(crate) struct Left {
    samples: [usize; MOST_GROUPS * MOST_LANES],
    count: usize,
}

impl Left {
    /// None.
    pub(crate) fn none() -> Self {
        Self { samples: [0; MOST_GROUPS * MOST_LANES], count: 0 }
    }

    /// Adds one.
    pub(super) fn push(&mut self, sample: usize) {
        self.samples[self.count] = sample;
        self.count += 1;
    }

    /// All of them.
    pub(crate) fn as_slice(&self) -> &[usize] {
        &self.samples[..self.count]
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
