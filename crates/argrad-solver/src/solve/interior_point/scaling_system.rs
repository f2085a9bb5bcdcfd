//! Refinement of the solves of one iteration, for the lanes that need it.
//!
//! The factor is that of the regularized system; it preconditions [`gcr`], as in
//! [`crate::system::projection_system`], but here the cone blocks are those of the interior point,
//! and a solve is good enough when its error is small against the residual that the step is to
//! remove.

use pulp::Simd;

use crate::lanes::{Kernel, M, V, call};
use crate::system::analysis::Analysis;
use crate::system::gcr::{Ending, Norm, Operator, dot, gcr, largest};
use crate::system::memory::SystemWork;

/// Restarts; what must be gained until the next; a residual in units of the error that may be left.
const ENDING: Ending =
    Ending { cycles: 2, gain: 0.5, tolerance: 1.0, is_relative: false, rounding: 0.0 };

/// The system at the scaling point, with the factor of its regularized form.
pub(super) struct ScalingSystem<'a, S: Simd> {
    pub(super) analysis: &'a Analysis,
    pub(super) values: &'a [V<S>],
    pub(super) inverse_pivots: &'a [V<S>],
    pub(super) scaling: &'a [V<S>],
}

impl<S: Simd> ScalingSystem<'_, S> {
    /// Refines a solution against the system without regularization, in the lanes in `lanes`, until
    /// the errors in the first and second equation are below `errors`, or nothing is gained.
    #[inline(always)]
    pub(super) fn refine(
        &self,
        simd: S,
        rhs: (&[V<S>], &[V<S>]),
        solution: (&mut [V<S>], &mut [V<S>]),
        errors: (V<S>, V<S>),
        (work, krylov): (&mut SystemWork<'_, S>, &mut [V<S>]),
        lanes: M<S>,
    ) {
        call(simd, Refine { simd, system: self, rhs, solution, errors, work, krylov, lanes });
    }
}

struct Refine<'a, 'w, S: Simd> {
    simd: S,
    system: &'a ScalingSystem<'a, S>,
    rhs: (&'a [V<S>], &'a [V<S>]),
    solution: (&'a mut [V<S>], &'a mut [V<S>]),
    errors: (V<S>, V<S>),
    work: &'a mut SystemWork<'w, S>,
    krylov: &'a mut [V<S>],
    lanes: M<S>,
}

impl<S: Simd> Kernel for Refine<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, system, rhs, solution, errors, work, krylov, lanes } = self;
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let n = system.analysis.n();
        let norm = Weighted { zero, n, x: one / errors.0, z: one / errors.1 };
        let mut operator = WithScaling { simd, system, rhs, work };
        gcr(simd, &mut operator, &norm, &ENDING, solution, krylov, lanes);
    }
}

/// The system with H itself, preconditioned by the factor.
struct WithScaling<'a, 'w, S: Simd> {
    simd: S,
    system: &'a ScalingSystem<'a, S>,
    rhs: (&'a [V<S>], &'a [V<S>]),
    work: &'a mut SystemWork<'w, S>,
}

impl<S: Simd> Operator<S> for WithScaling<'_, '_, S> {
    #[inline(always)]
    fn residual(&mut self, (x, z): (&[V<S>], &[V<S>]), error: &mut [V<S>]) {
        let Self { simd, system, rhs, work } = self;
        let SystemWork { cones, px, ax, atz, rows: hz, .. } = &mut **work;
        let (simd, analysis) = (*simd, system.analysis);
        analysis.kkt.products.multiply(simd, system.values, x, z, px, ax, atz);
        analysis.cones.multiply_scaling(simd, system.scaling, z, hz, cones);
        let (error_x, error_z) = error.split_at_mut(x.len());
        for (j, error) in error_x.iter_mut().enumerate() {
            *error = rhs.0[j] - (px[j] + atz[j]);
        }
        for (i, error) in error_z.iter_mut().enumerate() {
            *error = rhs.1[i] - (ax[i] - hz[i]);
        }
    }

    #[inline(always)]
    fn precondition(&mut self, error: &[V<S>], out: &mut [V<S>], _scratch: &mut [V<S>]) {
        let Self { simd, system, work, .. } = self;
        let n = system.analysis.n();
        system.analysis.kkt.solve::<S, 1>(
            *simd,
            system.values,
            system.inverse_pivots,
            [error.split_at(n)],
            work.permuted,
            [out.split_at_mut(n)],
        );
    }

    #[inline(always)]
    fn multiply(&mut self, direction: &[V<S>], out: &mut [V<S>]) {
        let Self { simd, system, work, .. } = self;
        let SystemWork { cones, px, ax, atz, rows: hz, .. } = &mut **work;
        let (simd, analysis) = (*simd, system.analysis);
        let (x, z) = direction.split_at(analysis.n());
        let (out_x, out_z) = out.split_at_mut(analysis.n());
        analysis.kkt.products.multiply(simd, system.values, x, z, px, ax, atz);
        analysis.cones.multiply_scaling(simd, system.scaling, z, hz, cones);
        for (j, out) in out_x.iter_mut().enumerate() {
            *out = px[j] + atz[j];
        }
        for (i, out) in out_z.iter_mut().enumerate() {
            *out = ax[i] - hz[i];
        }
    }
}

/// Entries in units of the errors that may be left in either equation.
struct Weighted<S: Simd> {
    zero: V<S>,
    n: usize,
    /// Inverse of the unit of the first and the second equation.
    x: V<S>,
    z: V<S>,
}

impl<S: Simd> Norm<S> for Weighted<S> {
    #[inline(always)]
    fn product(&self, a: &[V<S>], b: &[V<S>]) -> V<S> {
        let (a, b) = (a.split_at(self.n), b.split_at(self.n));
        let x = dot(self.zero, a.0, b.0) * (self.x * self.x);
        dot(self.zero, a.1, b.1).fma(self.z * self.z, x)
    }

    #[inline(always)]
    fn size(&self, error: &[V<S>]) -> V<S> {
        let (x, z) = error.split_at(self.n);
        (largest(self.zero, x) * self.x).max_abs(largest(self.zero, z) * self.z)
    }
}
