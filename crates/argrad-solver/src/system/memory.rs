//! Memory of a lane group: as many instances as a register has lanes.

use pulp::Simd;

use crate::lanes::{Arena, Buffer, V};
use crate::system::analysis::Analysis;
use crate::system::gcr;

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

/// Lengths of vectors, in registers.
#[derive(Clone, Copy)]
pub(crate) struct Lengths {
    /// Over x, and over z or s.
    x: usize,
    z: usize,
    /// Cone blocks.
    h: usize,
    /// Scaling data of the interior point.
    scaling: usize,
    /// P as the convexity check factors it.
    convexity: usize,
    /// Scratch of a factorization, of two permuted right-hand sides, of the cones, of a refined solve.
    factor: usize,
    permuted: usize,
    cones: usize,
    krylov: usize,
}

impl Lengths {
    fn new(analysis: &Analysis) -> Self {
        let (x, z) = (analysis.n(), analysis.m());
        Self {
            x,
            z,
            h: analysis.cones.h_len(),
            scaling: analysis.cones.scaling_len(),
            convexity: analysis.convexity.len(),
            factor: analysis.kkt.scratch_len().max(analysis.convexity.scratch_len()),
            permuted: 2 * analysis.kkt.order(),
            cones: analysis.cones.scratch_len(),
            krylov: gcr::krylov_len(x, z),
        }
    }
}

/// A struct of vectors, each with the name of its length in [`Lengths`], that is cut from one slice.
macro_rules! vectors {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $len:ident,)* }) => {
        $(#[$doc])*
        pub(crate) struct $name<'a, S: Simd> {
            $($(#[$field_doc])* pub(crate) $field: &'a mut [V<S>],)*
        }

        impl<'a, S: Simd> $name<'a, S> {
            /// Registers that the vectors take.
            fn len(lengths: &Lengths) -> usize {
                0 $(+ lengths.$len)*
            }

            /// Cuts the vectors from the start of `memory`; what they hold is arbitrary.
            #[inline(always)]
            pub(crate) fn new(lengths: &Lengths, memory: &'a mut [V<S>]) -> Self {
                let mut arena = Arena::of(memory);
                Self { $($field: arena.take(lengths.$len),)* }
            }
        }
    };
}

vectors! {
    /// What products, factorizations, solves and cones need besides their arguments.
    SystemWork {
        /// For factorizations.
        factor: factor,
        /// For solves: two right-hand sides in elimination order.
        permuted: permuted,
        /// For the cones.
        cones: cones,
        /// Products with P, A, A'.
        px: x,
        ax: z,
        atz: x,
        /// A vector over z for what takes two steps.
        rows: z,
    }
}

vectors! {
    /// The iterate of the interior point, which the polishes between its rounds leave alone.
    Iterate {
        x: x,
        z: z,
        s: z,
    }
}

vectors! {
    /// Norms of the columns and rows of the KKT matrix.
    EquilibrationVectors {
        column: x,
        row: z,
    }
}

vectors! {
    /// The convexity check.
    ConvexityVectors {
        matrix: convexity,
        inverse_pivots: x,
    }
}

vectors! {
    /// The starting point of the interior point.
    StartVectors {
        scaling: scaling,
        unit_s: z,
        unit_z: z,
        rhs_x: x,
        rhs_z: z,
        zero_x: x,
        zero_z: z,
        other_x: x,
        other_z: z,
    }
}

vectors! {
    /// One iteration of the interior point.
    InteriorPointVectors {
        scaling: scaling,
        /// For refined solves.
        krylov: krylov,
        /// P x.
        px: x,
        /// rx and rz.
        dual_residual: x,
        primal_residual: z,
        /// Solution for the constant column (-q, b).
        column_x: x,
        column_z: z,
        /// Right-hand side at hand.
        rhs_x: x,
        rhs_z: z,
        /// Direction.
        dx: x,
        dz: z,
        ds: z,
        /// c of ds = -(H dz + c).
        constant: z,
    }
}

vectors! {
    /// A polish.
    PolishVectors {
        /// Cone blocks under consideration.
        h: h,
        residual_x: x,
        residual_z: z,
        dx: x,
        dz: z,
        /// For refined solves.
        krylov: krylov,
        /// Vector of the condition estimate, and the next one.
        probe_x: x,
        probe_z: z,
        next_probe_x: x,
        next_probe_z: z,
        /// The point after a Newton step, before it is projected.
        newton_s: z,
        newton_z: z,
        projected_s: z,
        projected_z: z,
        /// Where v was factored.
        factored_v: z,
        /// Of steps that may be halved: where they start, and the whole step.
        old_x: x,
        old_v: z,
        step_v: z,
    }
}

vectors! {
    /// A derivative.
    DerivativeVectors {
        /// Right-hand side and solution of the linear system.
        rhs_x: x,
        rhs_z: z,
        solution_x: x,
        solution_z: z,
        krylov: krylov,
        /// Of the adjoint: the cotangent gs of s, D gs, and a zero.
        cotangent_s: z,
        through_s: z,
        zero_x: x,
        /// Of the tangent: r2, kept while the solve works on it, and the change of s and v.
        r2: z,
        ds: z,
        dv: z,
        /// Of LSQR: the vectors u, v, w of the paper, y, and products with E and D.
        u_x: x,
        u_z: z,
        v_x: x,
        v_z: z,
        w_x: x,
        w_z: z,
        y: z,
        ey: z,
        dy: z,
    }
}

/// Scratch of one thread: what lives as long as a solve, and memory for the vectors of one phase after
/// the other.
pub(crate) struct Work<'a, S: Simd> {
    pub(crate) lengths: Lengths,
    pub(crate) system: SystemWork<'a, S>,
    pub(crate) iterate: Iterate<'a, S>,
    /// Cone blocks of the factor with which each lane was solved.
    pub(crate) solved_h: &'a mut [V<S>],
    /// Room for the vectors of any one phase.
    pub(crate) phase: &'a mut [V<S>],
}

impl<'a, S: Simd> Work<'a, S> {
    /// Registers that the scratch takes.
    pub(crate) fn len(analysis: &Analysis) -> usize {
        let lengths = &Lengths::new(analysis);
        SystemWork::<S>::len(lengths)
            + Iterate::<S>::len(lengths)
            + lengths.h
            + Self::phase_len(lengths)
    }

    /// Registers of the phase that takes most.
    fn phase_len(lengths: &Lengths) -> usize {
        EquilibrationVectors::<S>::len(lengths)
            .max(ConvexityVectors::<S>::len(lengths))
            .max(StartVectors::<S>::len(lengths))
            .max(InteriorPointVectors::<S>::len(lengths))
            .max(PolishVectors::<S>::len(lengths))
            .max(DerivativeVectors::<S>::len(lengths))
    }

    pub(crate) fn new(simd: S, analysis: &Analysis, buffer: &'a mut [f64]) -> Self {
        let lengths = Lengths::new(analysis);
        let mut arena = Arena::new(simd, buffer);
        Self {
            system: SystemWork::new(&lengths, arena.take(SystemWork::<S>::len(&lengths))),
            iterate: Iterate::new(&lengths, arena.take(Iterate::<S>::len(&lengths))),
            solved_h: arena.take(lengths.h),
            phase: arena.take(Self::phase_len(&lengths)),
            lengths,
        }
    }
}

/// Scratch of a derivative.
pub(crate) struct DerivativeWork<'a, S: Simd> {
    pub(crate) system: SystemWork<'a, S>,
    pub(crate) vectors: DerivativeVectors<'a, S>,
}

impl<'a, S: Simd> DerivativeWork<'a, S> {
    /// Cuts `buffer`, which has room for a [`Work`].
    pub(crate) fn new(simd: S, analysis: &Analysis, buffer: &'a mut [f64]) -> Self {
        let Work { lengths, system, phase, .. } = Work::new(simd, analysis, buffer);
        Self { system, vectors: DerivativeVectors::new(&lengths, phase) }
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
