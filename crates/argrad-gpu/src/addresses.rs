//! Where the numbers of a batch are in the memory of a machine: addresses, zero for none.

use argrad_solver::Slot;

/// The numbers of one value of a program, without the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// All samples have those at this address.
    Shared(u64),
    /// Sample after sample from this address on.
    Each(u64),
}

impl Place {
    /// As `slot`, whose numbers are at `address`.
    pub(crate) fn of(slot: Slot<'_>, address: u64) -> Self {
        if slot.is_shared() { Self::Shared(address) } else { Self::Each(address) }
    }

    /// Whether all samples have the same numbers.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Where they begin.
    pub fn address(self) -> u64 {
        match self {
            Self::Shared(address) | Self::Each(address) => address,
        }
    }
}

/// A point, or what belongs to one: a solution, its cotangent, its tangent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in argrad_solver")]
pub struct PointAddresses {
    pub x: u64,
    pub z: u64,
    pub s: u64,
}

/// Where a solve begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// From scratch.
    #[default]
    Cold,
    /// At these points, as far as Newton's method from there reaches a proven residual; else from
    /// scratch.
    From(PointAddresses),
    /// Nowhere: these points are the solutions.
    At(PointAddresses),
}

/// A solved batch, or one that is to be solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchAddresses {
    /// Samples.
    pub batch: usize,
    /// P, q, A, b.
    pub values: [Place; 4],
    /// Solutions.
    pub point: PointAddresses,
    /// Numbers of the reports.
    pub report: u64,
    /// What derivatives need later; zero where there are to be none.
    pub tape: u64,
}

/// What an adjoint reads and writes beside the solved batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdjointAddresses {
    /// Gradients with respect to the solutions; zero for none.
    pub cotangent: PointAddresses,
    /// The adjoints of the two blocks of equations, as many numbers as x and as z.
    pub adjoint: [u64; 2],
    /// How the linear solves went.
    pub linear: u64,
    /// Gradients of P, q, A, b; of a value that is shared, the sum over the batch.
    pub gradients: [u64; 4],
    /// Scratch of [`crate::Entry::Adjoint`].
    pub scratch: u64,
}

/// What a tangent reads and writes beside the solved batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TangentAddresses {
    /// Changes of P, q, A, b.
    pub change: [Option<Place>; 4],
    /// Changes of the solutions.
    pub tangent: PointAddresses,
    /// How the linear solves went.
    pub linear: u64,
    /// Scratch of [`crate::Entry::Tangent`].
    pub scratch: u64,
}

/// Where points of the central path go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CentralAddresses {
    /// The points; s is not needed.
    pub x: u64,
    /// Their multipliers.
    pub z: u64,
    /// Tapes there.
    pub tape: u64,
    /// A number for each sample: one where its point was reached, else zero.
    pub reached: u64,
    /// Scratch of [`crate::Entry::Smooth`].
    pub scratch: u64,
}

/// So many numbers each of these has in one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// P, q, A, b: stored entries of the patterns of P and A.
    pub values: [usize; 4],
    /// x.
    pub x: usize,
    /// z, and s.
    pub z: usize,
    /// The numbers of a report.
    pub report: usize,
    /// What derivatives need later.
    pub tape: usize,
    /// How a linear solve went.
    pub linear: usize,
}
