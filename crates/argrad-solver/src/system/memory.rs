//! Memory of a lane group: as many samples as a register has lanes.

use pulp::Simd;

use crate::lanes::{Arena, Single, V};
use crate::system::analysis::Analysis;
use crate::system::gcr;
use crate::system::group_system::GroupSystem;
use crate::system::shared::active;
use crate::system::shared::group::{SharedGroup, relative_cost};
use crate::system::shared::matrices::SharedMatrices;

/// What the derivative needs later: kept on the tape. All quantities are of the scaled program.
pub(crate) struct State<'a, S: Simd> {
    /// Factor, A and P; see [`crate::system::kkt::Kkt`]. Where the batch shares its matrices they
    /// are scratch, and written only for lanes that need the general way.
    pub(crate) values: &'a mut [V<S>],
    pub(crate) inverse_pivots: &'a mut [V<S>],
    /// The matrices that the batch shares, where they serve.
    pub(crate) shared: Option<&'a SharedMatrices>,
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
    /// One entry: the largest of P, which is at most about one.
    pub(crate) p_size: &'a mut [V<S>],
    /// One entry: one where the factor is that for a nearly singular P, else zero.
    pub(crate) close: &'a mut [V<S>],
    /// Two entries: by what z, and by what x and s, were multiplied after the program was scaled.
    pub(crate) balance: &'a mut [V<S>],
    pub(crate) x: &'a mut [V<S>],
    pub(crate) z: &'a mut [V<S>],
    pub(crate) s: &'a mut [V<S>],
    /// v = s - z, where the projection is taken.
    pub(crate) v: &'a mut [V<S>],
    /// The derivative of the projection at v, see [`crate::cones::LaneCone`].
    pub(crate) projection: &'a mut [V<S>],
    /// With shared matrices: one for each row, zero where `b = +inf` removes it. Else empty.
    pub(crate) kept: &'a mut [V<S>],
}

/// Registers of general values and pivots.
fn values_len(analysis: &Analysis) -> usize {
    analysis.kkt.values_len + analysis.kkt.pivots_len
}

impl<'a, S: Simd> State<'a, S> {
    /// Registers that a state takes, with matrices that the batch shares or its own.
    pub(crate) fn len(analysis: &Analysis, is_shared: bool) -> usize {
        let (n, m) = (analysis.n(), analysis.m());
        let matrices = if is_shared { m } else { values_len(analysis) };
        matrices + analysis.cones.h_len() + analysis.cones.projection_len() + 3 * n + 5 * m + 5
    }

    /// Cuts `buffer`; `spare` is that of a [`Work`], for the general values where there are shared
    /// ones.
    pub(crate) fn new(
        simd: S,
        analysis: &Analysis,
        shared: Option<&'a SharedMatrices>,
        buffer: &'a mut [f64],
        spare: &'a mut [V<S>],
    ) -> Self {
        let (n, m) = (analysis.n(), analysis.m());
        let mut arena = Arena::new(simd, buffer);
        let values = match shared {
            Some(_) => spare,
            None => arena.take(values_len(analysis)),
        };
        let (values, inverse_pivots) = values.split_at_mut(analysis.kkt.values_len);
        Self {
            values,
            inverse_pivots,
            shared,
            h: arena.take(analysis.cones.h_len()),
            q: arena.take(n),
            b: arena.take(m),
            x_scale: arena.take(n),
            row_scale: arena.take(m),
            cost_scale: arena.take(1),
            p_size: arena.take(1),
            close: arena.take(1),
            balance: arena.take(2),
            x: arena.take(n),
            z: arena.take(m),
            s: arena.take(m),
            v: arena.take(m),
            projection: arena.take(analysis.cones.projection_len()),
            kept: arena.take(if shared.is_some() { m } else { 0 }),
        }
    }

    /// The system of this group.
    #[inline(always)]
    pub(crate) fn system<'s>(&'s self, simd: S, analysis: &'s Analysis) -> GroupSystem<'s, S> {
        let (matrices, x_scale, cost) = (self.shared, &*self.x_scale, self.cost_scale[0]);
        GroupSystem {
            analysis,
            values: self.values,
            inverse_pivots: self.inverse_pivots,
            h: self.h,
            shared: shared_group(simd, analysis, matrices, (x_scale, cost, self.kept)),
        }
    }
}

/// How a group with these scales sees the matrices that the batch shares.
#[inline(always)]
fn shared_group<'s, S: Simd>(
    simd: S,
    analysis: &'s Analysis,
    matrices: Option<&'s SharedMatrices>,
    (x_scale, cost_scale, kept): (&[V<S>], V<S>, &'s [V<S>]),
) -> Option<SharedGroup<'s, S>> {
    let (matrices, sharing) = (matrices?, analysis.sharing.as_ref()?);
    let cost = relative_cost(matrices, x_scale, cost_scale);
    Some(SharedGroup { simd, sharing, matrices, cost, kept })
}

/// A state that is only read.
pub(crate) struct View<'a, S: Simd> {
    /// Empty where the batch shares its matrices.
    pub(crate) values: &'a [V<S>],
    pub(crate) inverse_pivots: &'a [V<S>],
    pub(crate) shared: Option<&'a SharedMatrices>,
    pub(crate) h: &'a [V<S>],
    pub(crate) q: &'a [V<S>],
    pub(crate) b: &'a [V<S>],
    pub(crate) x_scale: &'a [V<S>],
    pub(crate) row_scale: &'a [V<S>],
    pub(crate) cost_scale: V<S>,
    pub(crate) close: V<S>,
    pub(crate) balance: &'a [V<S>],
    pub(crate) v: &'a [V<S>],
    pub(crate) projection: &'a [V<S>],
    pub(crate) kept: &'a [V<S>],
}

impl<'a, S: Simd> View<'a, S> {
    /// The state in `buffer`, cut as [`State::new`] cuts it.
    pub(crate) fn new(
        simd: S,
        analysis: &Analysis,
        shared: Option<&'a SharedMatrices>,
        buffer: &'a [f64],
    ) -> Self {
        let (n, m) = (analysis.n(), analysis.m());
        let mut rest = V::slice(simd, buffer);
        let mut take = |len: usize| {
            let (head, tail) = rest.split_at(len);
            rest = tail;
            head
        };
        let own = |len: usize| if shared.is_some() { 0 } else { len };
        let values = take(own(analysis.kkt.values_len));
        let inverse_pivots = take(own(analysis.kkt.pivots_len));
        let (h, q, b) = (take(analysis.cones.h_len()), take(n), take(m));
        let (x_scale, row_scale, cost_scale) = (take(n), take(m), take(1)[0]);
        let (_p_size, close) = (take(1), take(1)[0]);
        let balance = take(2);
        let (_x, _z, _s, v) = (take(n), take(m), take(m), take(m));
        let projection = take(analysis.cones.projection_len());
        let kept = take(m - own(m));
        Self {
            values,
            inverse_pivots,
            shared,
            h,
            q,
            b,
            x_scale,
            row_scale,
            cost_scale,
            close,
            balance,
            v,
            projection,
            kept,
        }
    }

    /// The system of this group.
    #[inline(always)]
    pub(crate) fn system<'s>(&'s self, simd: S, analysis: &'s Analysis) -> GroupSystem<'s, S> {
        let scales = (self.x_scale, self.cost_scale, self.kept);
        GroupSystem {
            analysis,
            values: self.values,
            inverse_pivots: self.inverse_pivots,
            h: self.h,
            shared: shared_group(simd, analysis, self.shared, scales),
        }
    }
}

/// Lengths of vectors, in registers.
#[derive(Clone, Copy)]
pub(crate) struct Lengths {
    /// Over x, and over z or s.
    x: usize,
    z: usize,
    x_and_z: usize,
    /// The derivative of a projection.
    projection: usize,
    /// Cone blocks.
    h: usize,
    /// Scaling data of the interior point.
    scaling: usize,
    /// P as the convexity check factors it.
    convexity: usize,
    /// Scratch of a factorization, of two permuted right-hand sides, of the cones, of a refined
    /// solve.
    factor: usize,
    permuted: usize,
    cones: usize,
    krylov: usize,
    /// The factor over the active rows, and vectors over the inequalities and over K0, where the
    /// matrices can be shared.
    active: usize,
    inequalities: usize,
    shared_order: usize,
    /// The program and its pivots in single precision, where it is approached in that.
    single_values: usize,
    single_pivots: usize,
}

impl Lengths {
    fn new(analysis: &Analysis) -> Self {
        let (x, z) = (analysis.n(), analysis.m());
        Self {
            x,
            z,
            x_and_z: x + z,
            projection: analysis.cones.projection_len(),
            h: analysis.cones.h_len(),
            scaling: analysis.cones.scaling_len(),
            convexity: analysis.convexity.len(),
            factor: analysis.kkt.scratch_len().max(analysis.convexity.scratch_len()),
            permuted: analysis.kkt.permuted_len(2),
            cones: analysis.cones.scratch_len(),
            krylov: gcr::krylov_len(x, z),
            active: analysis.sharing.as_ref().map_or(0, |sharing| active::len(sharing, x, z)),
            inequalities: analysis.sharing.as_ref().map_or(0, |sharing| sharing.inequalities.len()),
            shared_order: analysis.sharing.as_ref().map_or(0, |sharing| sharing.order(x)),
            single_values: analysis.approach.as_ref().map_or(0, |_| analysis.kkt.values_len),
            single_pivots: analysis.approach.as_ref().map_or(0, |_| analysis.kkt.pivots_len),
        }
    }
}

/// A struct of vectors, each with the name of its length in [`Lengths`], that is cut from one
/// slice.
macro_rules! vectors {
    ($(#[$doc:meta])* $name:ident { $($fields:tt)* }) => {
        vectors! { $(#[$doc])* $name of V { $($fields)* } }
    };
    (
        $(#[$doc:meta])*
        $name:ident of $register:ident {
            $($(#[$field_doc:meta])* $field:ident: $len:ident,)*
        }
    ) => {
        $(#[$doc])*
        pub(crate) struct $name<'a, S: Simd> {
            $($(#[$field_doc])* pub(crate) $field: &'a mut [$register<S>],)*
        }

        impl<'a, S: Simd> $name<'a, S> {
            /// Registers that the vectors take.
            fn len(lengths: &Lengths) -> usize {
                0 $(+ lengths.$len)*
            }

            /// Cuts the vectors from the start of `memory`; what they hold is arbitrary.
            #[inline(always)]
            pub(crate) fn new(lengths: &Lengths, memory: &'a mut [$register<S>]) -> Self {
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
        /// For factor and solves with shared matrices.
        active: active,
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
    /// A point: the iterate of the interior point, which the polishes between its rounds leave
    /// alone.
    Iterate {
        x: x,
        z: z,
        s: z,
    }
}

vectors! {
    /// Norms of the columns and rows of the KKT matrix, or of A; and geometric means of the entries
    /// of A, and how many count.
    EquilibrationVectors {
        column: x,
        row: z,
        column_mean: x,
        row_mean: z,
        column_count: x,
        row_count: z,
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
    /// Pivoting on the shared matrices.
    PivotingVectors {
        /// A right-hand side and a solution of K0.
        rhs: shared_order,
        point: shared_order,
        /// A x.
        ax: z,
        /// The slack at z = 0, the slack, and z; one where a row is active, else zero.
        first_slack: inequalities,
        slack: inequalities,
        dual: inequalities,
        active: inequalities,
        /// Zero in active rows, [`crate::cones::FREE`] in the others.
        h: h,
    }
}

vectors! {
    /// The approach in single precision.
    ApproachVectors of Single {
        /// The program and the factor of its system.
        values: single_values,
        inverse_pivots: single_pivots,
        q: x,
        b: z,
        /// s / z.
        h: z,
        factor: factor,
        permuted: permuted,
        /// The iterate.
        x: x,
        z: z,
        s: z,
        /// Residuals, and the products that they are made of.
        rx: x,
        rz: z,
        px: x,
        ax: z,
        atz: x,
        /// Direction, with c of ds = -(H dz + c), and a copy.
        dx: x,
        dz: z,
        ds: z,
        constant: z,
        kept_dx: x,
        kept_dz: z,
        kept_ds: z,
        kept_constant: z,
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
        /// A point to go back to: where a step that may be halved starts, or the best so far.
        kept_x: x,
        kept_v: z,
        /// The whole of a step that may be halved.
        step_v: z,
    }
}

vectors! {
    /// The linear system of a derivative.
    LinearVectors {
        /// Right-hand side.
        r1: x,
        r2: z,
        /// Solution.
        x: x,
        z: z,
        /// For refined solves.
        krylov: krylov,
    }
}

vectors! {
    /// LSQR on that system.
    LsqrVectors {
        u: x_and_z,
        v: x_and_z,
        w: x_and_z,
        /// The solution (x, y) of the symmetric form.
        xy: x_and_z,
        /// E y and D y.
        ey: z,
        dy: z,
    }
}

vectors! {
    /// What the slack adds to an adjoint, and what it has in a tangent.
    SlackVectors {
        /// The cotangent of s, and D times it.
        gs: z,
        d_gs: z,
        /// The change of s and of v = s - z.
        ds: z,
        dv: z,
    }
}

vectors! {
    /// The directional derivative of an adjoint.
    SecondOrderVectors {
        /// The adjoint: l1, m and w = A l1 - r2 + m.
        l1: x,
        m: z,
        w: z,
        /// How the point moves.
        dx: x,
        dz: z,
        /// Change of D along dv, times w and gs.
        curved_w: z,
        curved_gs: z,
        /// D gs' + (change of D) gs.
        through_s: z,
        /// dP l1 + dA'm and dA l1, where dP and dA move the equations of the adjoint.
        moved_x: x,
        moved_z: z,
        /// A place on the line through v along dv, its projection, and the data of D there.
        v: z,
        s: z,
        projection: projection,
        /// D times a vector there; differences at this step and at the one before.
        product: z,
        now_w: z,
        now_gs: z,
        last_w: z,
        last_gs: z,
    }
}

/// Scratch of one thread: what lives as long as a solve, and memory for the vectors of one phase
/// after the other.
pub(crate) struct Work<'a, S: Simd> {
    pub(crate) lengths: Lengths,
    pub(crate) system: SystemWork<'a, S>,
    pub(crate) iterate: Iterate<'a, S>,
    /// The best points of lanes that are not solved yet.
    pub(crate) best: Iterate<'a, S>,
    /// Cone blocks of the factor with which each lane was solved.
    pub(crate) solved_h: &'a mut [V<S>],
    /// Room for the vectors of any one phase.
    pub(crate) phase: &'a mut [V<S>],
    /// Room for general values and pivots, where the matrices can be shared.
    pub(crate) spare: &'a mut [V<S>],
}

impl<'a, S: Simd> Work<'a, S> {
    /// Registers that the scratch takes.
    pub(crate) fn len(analysis: &Analysis) -> usize {
        let lengths = &Lengths::new(analysis);
        SystemWork::<S>::len(lengths)
            + 2 * Iterate::<S>::len(lengths)
            + lengths.h
            + Self::phase_len(lengths)
            + Self::spare_len(analysis)
    }

    fn spare_len(analysis: &Analysis) -> usize {
        if analysis.sharing.is_some() { values_len(analysis) } else { 0 }
    }

    /// Registers that the approach in single precision takes, where there is one.
    fn approach_len(lengths: &Lengths) -> usize {
        if lengths.single_values > 0 { ApproachVectors::<S>::len(lengths) } else { 0 }
    }

    /// Registers of the phase that takes most.
    fn phase_len(lengths: &Lengths) -> usize {
        EquilibrationVectors::<S>::len(lengths)
            .max(ConvexityVectors::<S>::len(lengths))
            .max(PivotingVectors::<S>::len(lengths))
            .max(Self::approach_len(lengths))
            .max(StartVectors::<S>::len(lengths))
            .max(InteriorPointVectors::<S>::len(lengths))
            .max(PolishVectors::<S>::len(lengths))
            .max(DerivativeWork::<S>::phase_len(lengths))
    }

    pub(crate) fn new(simd: S, analysis: &Analysis, buffer: &'a mut [f64]) -> Self {
        let lengths = Lengths::new(analysis);
        let mut arena = Arena::new(simd, buffer);
        Self {
            system: SystemWork::new(&lengths, arena.take(SystemWork::<S>::len(&lengths))),
            iterate: Iterate::new(&lengths, arena.take(Iterate::<S>::len(&lengths))),
            best: Iterate::new(&lengths, arena.take(Iterate::<S>::len(&lengths))),
            solved_h: arena.take(lengths.h),
            phase: arena.take(Self::phase_len(&lengths)),
            spare: arena.take(Self::spare_len(analysis)),
            lengths,
        }
    }
}

/// Scratch of a derivative.
pub(crate) struct DerivativeWork<'a, S: Simd> {
    pub(crate) system: SystemWork<'a, S>,
    pub(crate) linear: LinearVectors<'a, S>,
    pub(crate) lsqr: LsqrVectors<'a, S>,
    pub(crate) slack: SlackVectors<'a, S>,
}

impl<'a, S: Simd> DerivativeWork<'a, S> {
    fn phase_len(lengths: &Lengths) -> usize {
        LinearVectors::<S>::len(lengths)
            + LsqrVectors::<S>::len(lengths)
            + SlackVectors::<S>::len(lengths)
    }

    /// Cuts `buffer`, which has room for a [`Work`].
    pub(crate) fn new(simd: S, analysis: &Analysis, buffer: &'a mut [f64]) -> Self {
        let Work { lengths, system, phase, .. } = Work::new(simd, analysis, buffer);
        let mut arena = Arena::of(phase);
        Self {
            system,
            linear: LinearVectors::new(&lengths, arena.take(LinearVectors::<S>::len(&lengths))),
            lsqr: LsqrVectors::new(&lengths, arena.take(LsqrVectors::<S>::len(&lengths))),
            slack: SlackVectors::new(&lengths, arena.take(SlackVectors::<S>::len(&lengths))),
        }
    }
}

impl<'a, S: Simd> SecondOrderVectors<'a, S> {
    /// Registers that they take, besides a [`Work`].
    pub(crate) fn registers(analysis: &Analysis) -> usize {
        Self::len(&Lengths::new(analysis))
    }

    pub(crate) fn of(simd: S, analysis: &Analysis, buffer: &'a mut [f64]) -> Self {
        Self::new(&Lengths::new(analysis), V::slice_mut(simd, buffer))
    }
}

/// Length of a buffer for a state. The length in registers does not depend on the instruction set.
pub(crate) fn state_len(analysis: &Analysis, is_shared: bool, lanes: usize) -> usize {
    State::<pulp::Scalar>::len(analysis, is_shared) * lanes
}

/// Length of a buffer for scratch, with room for `registers` besides a [`Work`].
pub(crate) fn work_len(analysis: &Analysis, registers: usize, lanes: usize) -> usize {
    (Work::<pulp::Scalar>::len(analysis) + registers) * lanes
}
