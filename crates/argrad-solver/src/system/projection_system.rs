//! Solves of the system of polish and derivative with the true derivative of the projection.
//!
//! ```text
//! Px + A'z = r1,   (I - D)(Ax - r2) - D z = e
//! ```
//! The factor is that of a nearby matrix: regularized, with steep directions capped, perhaps at a
//! slightly different point. It preconditions [`gcr`].

use pulp::Simd;

use crate::cones::Function;
use crate::lanes::{Kernel, M, V, call};
use crate::system::gcr::{Ending, Norm, Operator, dot, gcr, largest};
use crate::system::group_system::GroupSystem;
use crate::system::memory::SystemWork;

/// Restarts; what must be gained until the next; relative residual at which a solve ends; the share
/// of a direction that its image must be.
const ENDING: Ending =
    Ending { cycles: 40, gain: 0.9, tolerance: 1e-14, is_relative: true, rounding: 1e-14 };

/// How well a solution solves a system.
#[derive(Clone, Copy)]
pub(crate) struct Accuracy<S: Simd> {
    /// The residual relative to the right-hand side: of the order of the rounding times the
    /// condition number where the solution is as large as it can be.
    pub(crate) residual: V<S>,
    /// The residual relative to right-hand side and solution, of the order of the rounding however
    /// large the condition number is (the matrix has entries near one): the solution is that of a
    /// system so close.
    pub(crate) backward: V<S>,
}

/// The system at a point, with the factor of one nearby.
pub(crate) struct ProjectionSystem<'a, S: Simd> {
    pub(crate) group: GroupSystem<'a, S>,
    pub(crate) projection: &'a [V<S>],
    /// Lanes in which the system is singular: the solution sought is that of least norm.
    pub(crate) singular: M<S>,
}

impl<S: Simd> ProjectionSystem<'_, S> {
    /// Solves the system for the right-hand side `(r1, r2)`, with e = 0 or `extra`, in the lanes in
    /// `lanes`; leaves the others alone. What it returns is infinite in the other lanes.
    #[inline(always)]
    pub(crate) fn solve(
        &self,
        simd: S,
        rhs: (&[V<S>], &[V<S>]),
        extra: Option<&[V<S>]>,
        solution: (&mut [V<S>], &mut [V<S>]),
        (work, krylov): (&mut SystemWork<'_, S>, &mut [V<S>]),
        lanes: M<S>,
    ) -> Accuracy<S> {
        call(simd, Solve { simd, system: self, rhs, extra, solution, work, krylov, lanes })
    }
}

struct Solve<'a, 'w, S: Simd> {
    simd: S,
    system: &'a ProjectionSystem<'a, S>,
    rhs: (&'a [V<S>], &'a [V<S>]),
    extra: Option<&'a [V<S>]>,
    solution: (&'a mut [V<S>], &'a mut [V<S>]),
    work: &'a mut SystemWork<'w, S>,
    krylov: &'a mut [V<S>],
    lanes: M<S>,
}

impl<S: Simd> Kernel for Solve<'_, '_, S> {
    type Output = Accuracy<S>;

    #[inline(always)]
    fn run(self) -> Accuracy<S> {
        let Self { simd, system, rhs, extra, solution: (x, z), work, krylov, lanes } = self;
        let zero = V::splat(simd, 0.0);
        for value in x.iter_mut().chain(z.iter_mut()) {
            *value = lanes.select(zero, *value);
        }
        let extra = extra.unwrap_or_default();
        let mut operator = WithProjection { simd, system, rhs, extra, work, is_at_zero: true };
        let norm = LargestEntry(zero);
        let residual = gcr(simd, &mut operator, &norm, &ENDING, (x, z), krylov, lanes);
        // A right-hand side that is not finite has no solution; zero would hide that.
        let lost = lanes & residual.is_nan();
        for value in x.iter_mut().chain(z.iter_mut()) {
            *value = lost.select(residual, *value);
        }
        let right_hand_side = largest(zero, rhs.0).max(largest(zero, rhs.1)).max(zero);
        let solution = largest(zero, x).max(largest(zero, z));
        // A solution smaller than the right-hand side does not lower what can be reached.
        let backward = residual / (solution / right_hand_side).max(zero.like(1.0));
        Accuracy { residual, backward }
    }
}

/// The system with D itself, preconditioned by the factor.
struct WithProjection<'a, 'w, S: Simd> {
    simd: S,
    system: &'a ProjectionSystem<'a, S>,
    rhs: (&'a [V<S>], &'a [V<S>]),
    extra: &'a [V<S>],
    work: &'a mut SystemWork<'w, S>,
    /// Whether the next residual is that of zero, which takes no products.
    is_at_zero: bool,
}

impl<S: Simd> Operator<S> for WithProjection<'_, '_, S> {
    #[inline(always)]
    fn residual(&mut self, (x, z): (&[V<S>], &[V<S>]), error: &mut [V<S>]) {
        let Self { simd, system, rhs, extra, work, is_at_zero } = self;
        let SystemWork { cones: scratch, px, ax, atz, rows, .. } = &mut **work;
        let (simd, data, cones) = (*simd, system.projection, &system.group.analysis.cones);
        if std::mem::take(is_at_zero) {
            let zero = V::splat(simd, 0.0);
            [&mut **px, ax, atz].into_iter().for_each(|products| products.fill(zero));
        } else {
            system.group.multiply(simd, (x, z), (px, ax, atz));
        }
        let (error_x, error_z) = error.split_at_mut(x.len());
        for (j, error) in error_x.iter_mut().enumerate() {
            *error = rhs.0[j] - (px[j] + atz[j]);
        }
        for (i, row) in rows.iter_mut().enumerate() {
            *row = rhs.1[i] - ax[i];
        }
        cones.apply(simd, data, Function::Complement, rows, error_z, scratch);
        cones.apply(simd, data, Function::Derivative, z, rows, scratch);
        for (error, &row) in error_z.iter_mut().zip(rows.iter()) {
            *error += row;
        }
        for (error, &extra) in error_z.iter_mut().zip(extra.iter()) {
            *error += extra;
        }
    }

    /// What the factor makes of a residual. Its rounding errors are largest in the null space of a
    /// singular system, where no residual shows them; what it makes of that, times the system, is
    /// as good and has nothing there.
    #[inline(always)]
    fn precondition(&mut self, error: &[V<S>], out: &mut [V<S>], scratch: &mut [V<S>]) {
        self.solve(error, out);
        let singular = self.system.singular;
        if singular.any() {
            self.solve(out, scratch);
            self.multiply_in(singular, scratch, out);
        }
    }

    #[inline(always)]
    fn multiply(&mut self, direction: &[V<S>], out: &mut [V<S>]) {
        self.multiply_in(M::splat(self.simd, true), direction, out);
    }
}

impl<S: Simd> WithProjection<'_, '_, S> {
    #[inline(always)]
    fn solve(&mut self, error: &[V<S>], out: &mut [V<S>]) {
        let Self { simd, system, work, .. } = self;
        let SystemWork { permuted, active, cones: scratch, rows, .. } = &mut **work;
        let (simd, analysis) = (*simd, system.group.analysis);
        let n = analysis.n();
        let (error_x, error_z) = error.split_at(n);
        let (out_x, out_z) = out.split_at_mut(n);
        // The factored rows are those above times (I - D)^-1.
        let inverse = Function::InverseComplement;
        analysis.cones.apply(simd, system.projection, inverse, error_z, rows, scratch);
        let scratch = (&mut **permuted, &mut **active);
        system.group.solve(simd, [(error_x, rows)], scratch, [(out_x, out_z)]);
    }

    /// `out = K direction` in the lanes in `lanes`.
    #[inline(always)]
    fn multiply_in(&mut self, lanes: M<S>, direction: &[V<S>], out: &mut [V<S>]) {
        let Self { simd, system, work, .. } = self;
        let SystemWork { cones: scratch, px, ax, atz, rows, .. } = &mut **work;
        let (simd, data, cones) = (*simd, system.projection, &system.group.analysis.cones);
        let n = system.group.analysis.n();
        let (x, z) = direction.split_at(n);
        let (out_x, out_z) = out.split_at_mut(n);
        system.group.multiply(simd, (x, z), (px, ax, atz));
        for (j, out) in out_x.iter_mut().enumerate() {
            *out = lanes.select(px[j] + atz[j], *out);
        }
        cones.apply(simd, data, Function::Complement, ax, rows, scratch);
        for (out, &row) in out_z.iter_mut().zip(rows.iter()) {
            *out = lanes.select(row, *out);
        }
        cones.apply(simd, data, Function::Derivative, z, rows, scratch);
        for (out, &row) in out_z.iter_mut().zip(rows.iter()) {
            *out = lanes.select(*out - row, *out);
        }
    }
}

/// The largest entry, and the Euclidean product. Holds a zero.
struct LargestEntry<S: Simd>(V<S>);

impl<S: Simd> Norm<S> for LargestEntry<S> {
    #[inline(always)]
    fn product(&self, a: &[V<S>], b: &[V<S>]) -> V<S> {
        dot(self.0, a, b)
    }

    #[inline(always)]
    fn size(&self, error: &[V<S>]) -> V<S> {
        largest(self.0, error)
    }
}
