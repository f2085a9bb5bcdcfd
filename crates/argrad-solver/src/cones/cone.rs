//! What the solver, the polish and the derivative need to know of one factor of K.
//!
//! **Interior point.** At a point (s, z) inside K x K* a scaling block H, positive definite with
//! H z = s, turns the linearized complementarity into `ds = -(H dz + c)`; the constant c depends on
//! the kind of step. A symmetric cone has the Nesterov-Todd block H = W'W; the others scale by
//! the barrier of the dual cone. The cone keeps what it computes at a point in its `scaling` data.
//!
//! **Projection.** With v = s - z, s = P(v), the derivative D of P is symmetric with eigenvalues d
//! in [0, 1]. The cone keeps an orthonormal basis U and the eigenvalues in its `projection` data,
//! and applies functions of D through them: see [`Function`]. With `mu > 0` the projection is that
//! of the central path: s - z = v and s = -mu grad f*(z), which for symmetric cones is s o z = mu
//! e.

use pulp::Simd;

use crate::lanes::{M, V};

/// A function of the derivative D of the projection, applied as U f(d) U'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// D.
    Derivative,
    /// I - D.
    Complement,
    /// (I - D)^(1/2).
    RootComplement,
    /// (I - D + delta)^-1, with the delta of [`FREE`] or [`STEEPEST`].
    InverseComplement,
    /// D (I - D + delta)^-1: the block H of the derivative's linear system.
    Block,
}

impl Function {
    /// The function at an eigenvalue d, with `complement` = 1 - d and `delta` as the cone chose it.
    #[inline(always)]
    pub(crate) fn at<S: Simd>(self, d: V<S>, complement: V<S>, delta: V<S>) -> V<S> {
        match self {
            Function::Derivative => d,
            Function::Complement => complement,
            Function::RootComplement => complement.sqrt(),
            Function::InverseComplement => d.like(1.0) / (complement + delta),
            Function::Block => d / (complement + delta),
        }
    }
}

/// Stands for an infinite entry of D (I - D)^-1 where H is diagonal: a direction with D = 1, in
/// which dz = 0. The data are of order one, so the pivot's share is below rounding error. Its delta
/// is the inverse.
pub(crate) const FREE: f64 = 1e30;

/// The same where H is dense: entries of H are sums over directions, and a larger one would drown
/// the others. The solves are refined with the true D. Its delta is the inverse.
pub(crate) const STEEPEST: f64 = 1e7;

/// What a block H belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A scaling of the interior point.
    Scaling,
    /// A derivative of the projection.
    Projection,
}

/// A point or a direction: its parts in s and in z.
pub(crate) type Pair<'a, S> = (&'a [V<S>], &'a [V<S>]);

/// The lower triangle of a dense block, row by row.
pub(super) fn dense_triangle(dim: usize) -> Vec<(usize, usize)> {
    (0..dim).flat_map(|i| (0..=i).map(move |j| (i, j))).collect()
}

/// The number of its entries.
pub(super) fn dense_triangle_len(dim: usize) -> usize {
    dim.saturating_mul(dim + 1) / 2
}

/// The operations of one cone on its own rows, one number per lane. Lanes never mix; a lane
/// whose iteration is done must keep its numbers bitwise while others go on. No allocation: memory
/// beyond the arguments comes from `scratch` ([`Self::scratch_len`] registers, contents arbitrary).
///
/// Functions are `#[inline(always)]`; `ConeProduct` compiles each once an instruction set.
pub(crate) trait LaneCone {
    /// Number of rows.
    fn dim(&self) -> usize;
    /// Degree of the barrier.
    fn degree(&self) -> usize;
    /// Whether a Nesterov-Todd scaling exists. The start of programs with other cones is `unit`.
    fn is_symmetric(&self) -> bool {
        true
    }
    /// Whether the cone is a polyhedron: the projection is piecewise linear.
    fn is_polyhedral(&self) -> bool {
        false
    }
    /// Whether rows may be scaled by different factors.
    fn rows_scale_freely(&self) -> bool {
        false
    }
    /// Signs (+1 or -1) of the pivots of the auxiliary nodes that expand a large block into a
    /// sparse one; they are numbered from `dim()` on.
    fn auxiliary(&self) -> Vec<f64> {
        Vec::new()
    }
    /// Entries of the block H, `(row, column)` with row >= column; the KKT matrix holds -H. By
    /// default the dense lower triangle, row by row. None where the rows are eliminated by the
    /// inverse of the block.
    fn h_entries(&self) -> Vec<(usize, usize)> {
        dense_triangle(self.dim())
    }
    /// Registers that a block takes: the number of its entries, or the parts of its inverse.
    fn h_len(&self) -> usize {
        dense_triangle_len(self.dim())
    }
    /// Registers of the scaling data.
    fn scaling_len(&self) -> usize;
    /// Registers of the projection data.
    fn projection_len(&self) -> usize;
    /// Registers of scratch that the functions below may use.
    fn scratch_len(&self) -> usize;

    /// The point on the central path with mu = 1 (s = -grad f*(z)), at which iterations start.
    fn unit<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]);
    /// Moves s and z to the inside where they are not; the amount depends on how far out they are.
    /// For cones that are not symmetric: `unit`.
    fn shift_inside<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>], scratch: &mut [V<S>]);
    /// The scaling data at (s, z), with `mu` the mean complementarity of all of K.
    fn scaling<S: Simd>(
        &self,
        simd: S,
        point: Pair<'_, S>,
        mu: V<S>,
        data: &mut [V<S>],
        scratch: &mut [V<S>],
    );
    /// The entries of H at the scaling, in the order of [`Self::h_entries`].
    fn write_scaling_block<S: Simd>(&self, simd: S, data: &[V<S>], h: &mut [V<S>]);
    /// `y = H x` at the scaling.
    fn multiply_scaling<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        x: &[V<S>],
        y: &mut [V<S>],
        scratch: &mut [V<S>],
    );
    /// The constant of the affine step, which aims at s o z = 0: s itself.
    #[inline(always)]
    fn affine_constant<S: Simd>(&self, _simd: S, s: &[V<S>], c: &mut [V<S>]) {
        c.copy_from_slice(s);
    }
    /// The constant of the step that aims at the central path's point at `target`, with the
    /// second-order correction of the affine step (ds, dz).
    #[expect(clippy::too_many_arguments, reason = "all that the corrector depends on")]
    fn combined_constant<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        point: Pair<'_, S>,
        affine: Pair<'_, S>,
        target: V<S>,
        c: &mut [V<S>],
        scratch: &mut [V<S>],
    );
    /// The largest step, at most `limit`, that keeps s + a ds in K and z + a dz in K* (for cones
    /// that are not symmetric: a step of that kind, by backtracking). A lane whose direction is not
    /// finite gets 0 or NaN.
    fn step_length<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        point: Pair<'_, S>,
        direction: Pair<'_, S>,
        limit: V<S>,
        scratch: &mut [V<S>],
    ) -> V<S>;

    /// s = P(v) in the lanes with mu = 0, the central path's projection where mu > 0; and the
    /// projection data: basis and eigenvalues of its derivative.
    fn projection<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        mu: V<S>,
        s: &mut [V<S>],
        data: &mut [V<S>],
        scratch: &mut [V<S>],
    );
    /// z = s - v for s = P(v). Where mu > 0 a small z has digits that the difference has not.
    #[inline(always)]
    fn dual_point<S: Simd>(&self, _simd: S, v: &[V<S>], _mu: V<S>, s: &[V<S>], z: &mut [V<S>]) {
        for i in 0..z.len() {
            z[i] = s[i] - v[i];
        }
    }
    /// The entries of the block D (I - D + delta)^-1, in the order of [`Self::h_entries`].
    fn write_projection_block<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        h: &mut [V<S>],
        scratch: &mut [V<S>],
    );
    /// `y = f(D) x`.
    fn apply<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        f: Function,
        x: &[V<S>],
        y: &mut [V<S>],
        scratch: &mut [V<S>],
    );
    /// v after a Newton step with the block of `data` that led to (s, z). Where the projection is
    /// piecewise linear this drops the rounding error of the part that the step made zero.
    #[inline(always)]
    fn newton_point<S: Simd>(
        &self,
        _simd: S,
        _data: &[V<S>],
        (s, z): Pair<'_, S>,
        _mu: V<S>,
        v: &mut [V<S>],
    ) {
        for i in 0..v.len() {
            v[i] = s[i] - z[i];
        }
    }
    /// Number of directions at v in which D is not clearly 0 or 1 because v is within `margin` of a
    /// kink of the projection (not because the cone is curved there).
    fn weakly_active<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        data: &[V<S>],
        margin: V<S>,
        scratch: &mut [V<S>],
    ) -> V<S>;
    /// The lanes in which D at two points is so close that the factor of one serves to refine
    /// solves with the other. `old` and `new` are v and the block there.
    #[inline(always)]
    fn settled<S: Simd>(&self, simd: S, old: Pair<'_, S>, new: Pair<'_, S>) -> M<S> {
        // D depends on the direction of v only. Where H is steep, a turn of its eigenvectors
        // matters by its square times the steepness, which this keeps far below one.
        const CLOSE: f64 = 1e-7;
        let zero = V::splat(simd, 0.0);
        let (mut change, mut size) = (zero, zero);
        for (&old, &new) in old.0.iter().zip(new.0) {
            change = change.max_abs(new - old);
            size = size.max_abs(old);
        }
        change.le(V::splat(simd, CLOSE) * size)
    }
}
