//! Memory of a lane group: as many instances as a register has lanes.

use pulp::Simd;

use crate::lanes::{Arena, Buffer, V};
use crate::system::analysis::Analysis;
use crate::system::refined;

/// What the derivative needs later: kept on the tape. All quantities are of the scaled program.
pub(crate) struct State<'a, S: Simd> {
    /// Factor, A and P; see [`crate::system::kkt::Kkt`].
    pub(crate) values: &'a mut [V<S>],
    pub(crate) inverse_pivots: &'a mut [V<S>],
    /// Cone blocks of the factor.
    pub(crate) h: &'a mut [V<S>],
    pub(crate) q: &'a mut [V<S>],
    pub(crate) b: &'a mut [V<S>],
    /// x = x_scale * (scaled x).
    pub(crate) x_scale: &'a mut [V<S>],
    /// s = (scaled s) / row_scale, z = (scaled z) * row_scale / cost_scale.
    pub(crate) row_scale: &'a mut [V<S>],
    /// One entry.
    pub(crate) cost_scale: &'a mut [V<S>],
    pub(crate) x: &'a mut [V<S>],
    pub(crate) z: &'a mut [V<S>],
    pub(crate) s: &'a mut [V<S>],
    /// v = s - z, where the projection is taken.
    pub(crate) v: &'a mut [V<S>],
    /// The derivative of the projection at v, see [`crate::cones::LaneCone`].
    pub(crate) projection: &'a mut [V<S>],
}

impl<'a, S: Simd> State<'a, S> {
    /// Registers that a state takes.
    pub(crate) fn len(analysis: &Analysis) -> usize {
        let (n, m) = (analysis.n(), analysis.m());
        analysis.kkt.values_len
            + analysis.kkt.pivots_len
            + analysis.cones.h_len()
            + analysis.cones.projection_len()
            + 3 * n
            + 5 * m
            + 1
    }

    pub(crate) fn new(simd: S, analysis: &Analysis, buffer: &'a mut [f64]) -> Self {
        let (n, m) = (analysis.n(), analysis.m());
        let mut arena = Arena::new(simd, buffer);
        Self {
            values: arena.take(analysis.kkt.values_len),
            inverse_pivots: arena.take(analysis.kkt.pivots_len),
            h: arena.take(analysis.cones.h_len()),
            q: arena.take(n),
            b: arena.take(m),
            x_scale: arena.take(n),
            row_scale: arena.take(m),
            cost_scale: arena.take(1),
            x: arena.take(n),
            z: arena.take(m),
            s: arena.take(m),
            v: arena.take(m),
            projection: arena.take(analysis.cones.projection_len()),
        }
    }
}

/// A state that is only read.
pub(crate) struct View<'a, S: Simd> {
    pub(crate) values: &'a [V<S>],
    pub(crate) inverse_pivots: &'a [V<S>],
    pub(crate) q: &'a [V<S>],
    pub(crate) b: &'a [V<S>],
    pub(crate) x_scale: &'a [V<S>],
    pub(crate) row_scale: &'a [V<S>],
    pub(crate) cost_scale: V<S>,
    pub(crate) v: &'a [V<S>],
    pub(crate) projection: &'a [V<S>],
}

impl<'a, S: Simd> View<'a, S> {
    /// The state in `buffer`, cut as [`State::new`] cuts it.
    pub(crate) fn new(simd: S, analysis: &Analysis, buffer: &'a [f64]) -> Self {
        let (n, m) = (analysis.n(), analysis.m());
        let mut rest = V::slice(simd, buffer);
        let mut take = |len: usize| {
            let (head, tail) = rest.split_at(len);
            rest = tail;
            head
        };
        let values = take(analysis.kkt.values_len);
        let inverse_pivots = take(analysis.kkt.pivots_len);
        let (_h, q, b) = (take(analysis.cones.h_len()), take(n), take(m));
        let (x_scale, row_scale, cost_scale) = (take(n), take(m), take(1)[0]);
        let (_x, _z, _s, v) = (take(n), take(m), take(m), take(m));
        let projection = take(analysis.cones.projection_len());
        Self { values, inverse_pivots, q, b, x_scale, row_scale, cost_scale, v, projection }
    }
}

/// Scratch of one thread.
pub(crate) struct Work<'a, S: Simd> {
    /// For factorizations.
    pub(crate) scratch: &'a mut [V<S>],
    /// For the convexity check.
    pub(crate) convexity: &'a mut [V<S>],
    /// For solves: two right-hand sides in elimination order.
    pub(crate) permuted: &'a mut [V<S>],
    /// For the cones.
    pub(crate) cones: &'a mut [V<S>],
    /// For refined solves.
    pub(crate) krylov: &'a mut [V<S>],
    /// Cone blocks under consideration.
    pub(crate) h: &'a mut [V<S>],
    /// Cone blocks of the factor with which each lane was solved.
    pub(crate) solved_h: &'a mut [V<S>],
    /// Scaling data of the interior point.
    pub(crate) scaling: &'a mut [V<S>],
    /// Products with P, A, A'.
    pub(crate) px: &'a mut [V<S>],
    pub(crate) ax: &'a mut [V<S>],
    pub(crate) atz: &'a mut [V<S>],
    /// Iterate of the interior point.
    pub(crate) x: &'a mut [V<S>],
    pub(crate) z: &'a mut [V<S>],
    pub(crate) s: &'a mut [V<S>],
    /// Vectors over x, z, and z again.
    pub(crate) over_x: [&'a mut [V<S>]; 8],
    pub(crate) over_z: [&'a mut [V<S>]; 9],
}

impl<'a, S: Simd> Work<'a, S> {
    /// Registers that the scratch takes.
    pub(crate) fn len(analysis: &Analysis) -> usize {
        let (n, m) = (analysis.n(), analysis.m());
        analysis.kkt.scratch_len().max(analysis.convexity.scratch_len())
            + analysis.convexity.len()
            + 2 * analysis.kkt.order()
            + analysis.cones.scratch_len()
            + refined::len(n, m)
            + 2 * analysis.cones.h_len()
            + analysis.cones.scaling_len()
            + (2 * n + m)
            + (n + 2 * m)
            + 8 * n
            + 9 * m
    }

    pub(crate) fn new(simd: S, analysis: &Analysis, buffer: &'a mut [f64]) -> Self {
        let (n, m) = (analysis.n(), analysis.m());
        let mut arena = Arena::new(simd, buffer);
        Self {
            scratch: arena.take(analysis.kkt.scratch_len().max(analysis.convexity.scratch_len())),
            convexity: arena.take(analysis.convexity.len()),
            permuted: arena.take(2 * analysis.kkt.order()),
            cones: arena.take(analysis.cones.scratch_len()),
            krylov: arena.take(refined::len(n, m)),
            h: arena.take(analysis.cones.h_len()),
            solved_h: arena.take(analysis.cones.h_len()),
            scaling: arena.take(analysis.cones.scaling_len()),
            px: arena.take(n),
            ax: arena.take(m),
            atz: arena.take(n),
            x: arena.take(n),
            z: arena.take(m),
            s: arena.take(m),
            over_x: std::array::from_fn(|_| arena.take(n)),
            over_z: std::array::from_fn(|_| arena.take(m)),
        }
    }
}

/// A buffer for a state, and one for scratch.
pub(crate) fn state_buffer(analysis: &Analysis, lanes: usize) -> Buffer {
    // The length in registers does not depend on the instruction set.
    Buffer::zeros(State::<pulp::Scalar>::len(analysis) * lanes)
}

pub(crate) fn work_buffer(analysis: &Analysis, lanes: usize) -> Buffer {
    Buffer::zeros(Work::<pulp::Scalar>::len(analysis) * lanes)
}
