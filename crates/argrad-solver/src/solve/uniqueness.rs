//! What of a solution is unique, and how ill-conditioned the system of its derivative is.
//!
//! The symmetric form of that system, `[P, A'E; EA, -D]` with `E = (I - D)^(1/2)`, has the null
//! space N_x times N_z: directions of x with `Px = 0, EAx = 0`, and of z with `Dz = 0, A'z = 0`. A
//! right-hand side of the first equation alone has a solution where its share in N_x is zero. One
//! without any pattern has a share in everything, so x is unique where it has a solution; the same
//! for the second equation and z. Refinement with the factor finds it however ill-conditioned the
//! system is, down to the rounding: a system counts as singular where its own rounding hides
//! whether it is, not from any condition number on.

use pulp::Simd;

use crate::lanes::{Kernel, M, V, call};
use crate::system::analysis::Analysis;
use crate::system::gcr::largest;
use crate::system::memory::{LinearVectors, State, Work};
use crate::system::projection_system::ProjectionSystem;

/// Growth of the probe under the inverse of the regularized matrix from which the system is looked
/// at: far below what the regularization, and the cap on steep directions, allow, since a probe
/// that was multiplied once has a small share in a null space at times.
pub(super) const DOUBTFUL: f64 = 3e4;
/// A right-hand side of which more than this is left has no solution.
const LEFT: f64 = 1e-5;

/// Condition number from which a factor that is closer to the system spares many steps.
const ILL_CONDITIONED: f64 = 1e6;

/// What a look at the system found.
pub(super) struct Uniqueness<S: Simd> {
    /// Lanes whose x is unique.
    pub(super) x: M<S>,
    /// Lanes whose z is.
    pub(super) z: M<S>,
    /// How much a right-hand side grows under the inverse: an estimate of the condition number,
    /// infinite where the system is singular.
    pub(super) growth: V<S>,
    /// Lanes that are ill-conditioned in x: P, with what the rows add to it, is nearly singular.
    pub(super) in_x: M<S>,
}

/// Looks at the system that was factored last, in the lanes in `lanes`.
#[inline(always)]
pub(super) fn uniqueness<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &State<'_, S>,
    work: &mut Work<'_, S>,
    lanes: M<S>,
) -> Uniqueness<S> {
    call(simd, Look { simd, analysis, state, work, lanes })
}

struct Look<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a State<'s, S>,
    work: &'a mut Work<'w, S>,
    lanes: M<S>,
}

impl<S: Simd> Kernel for Look<'_, '_, '_, S> {
    type Output = Uniqueness<S>;

    #[inline(always)]
    fn run(self) -> Uniqueness<S> {
        let Self { simd, analysis, state, work, lanes } = self;
        let zero = V::splat(simd, 0.0);
        let n = analysis.n();
        let LinearVectors { r1, r2, x, z, krylov } = LinearVectors::new(&work.lengths, work.phase);
        let system = ProjectionSystem {
            group: state.system(simd, analysis),
            projection: state.projection,
            singular: M::splat(simd, false),
        };
        let mut has_solution = |probe_x: bool| {
            for (j, (r, &start)) in r1.iter_mut().zip(&analysis.probe).enumerate() {
                // That an auxiliary variable has a share in N_x is no matter.
                let is_zero = !probe_x || analysis.structure.is_auxiliary(j);
                *r = V::splat(simd, if is_zero { 0.0 } else { start });
            }
            for (r, &start) in r2.iter_mut().zip(&analysis.probe[n..]) {
                *r = V::splat(simd, if probe_x { 0.0 } else { start });
            }
            let scratch = (&mut work.system, &mut *krylov);
            let left = system.solve(simd, (r1, r2), None, (&mut *x, &mut *z), scratch, lanes);
            // Not a comparison that NaN fulfils.
            (left.residual.le(V::splat(simd, LEFT)), largest(zero, x), largest(zero, z))
        };
        let (is_x, xx, zx) = has_solution(true);
        let (is_z, xz, zz) = has_solution(false);
        let growth = xx.max(zx).max(xz).max(zz);
        let in_x = xx.ge(zz) & growth.ge(V::splat(simd, ILL_CONDITIONED));
        let growth = (is_x & is_z).select(growth, V::splat(simd, f64::INFINITY));
        Uniqueness { x: is_x, z: is_z, growth, in_x }
    }
}
