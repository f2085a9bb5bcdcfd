//! Refinement of the solves of one iteration, for the lanes that need it.

use pulp::Simd;

use super::advance;
use crate::analysis::Analysis;
use crate::lanes::{M, V};

/// Refinement steps of a solve.
const STEPS: usize = 3;

/// A factored system and its parts.
pub(super) struct System<'a, S: Simd> {
    pub(super) analysis: &'a Analysis,
    pub(super) values: &'a [V<S>],
    pub(super) inverse_pivots: &'a [V<S>],
    pub(super) scaling: &'a [V<S>],
}

/// Refines a solution against the system without regularization, in the lanes in `lanes`.
#[inline(always)]
pub(super) fn refine<S: Simd>(
    simd: S,
    system: &System<'_, S>,
    (rhs_x, rhs_z): (&[V<S>], &[V<S>]),
    (x, z): (&mut [V<S>], &mut [V<S>]),
    (spare_x, spare_z): (&mut [&mut [V<S>]], &mut [&mut [V<S>]]),
    (permuted, cones): (&mut [V<S>], &mut [V<S>]),
    lanes: M<S>,
) {
    let ([px, atz, error_x, step_x, ..], [ax, hz, error_z]) = (spare_x, spare_z) else {
        unreachable!("the workspace has spare vectors")
    };
    let analysis = system.analysis;
    for _ in 0..STEPS {
        analysis.kkt.products.multiply(simd, system.values, x, z, px, ax, atz);
        analysis.cones.multiply_scaling(simd, system.scaling, z, hz, cones);
        for j in 0..x.len() {
            error_x[j] = rhs_x[j] - (px[j] + atz[j]);
        }
        for i in 0..z.len() {
            error_z[i] = rhs_z[i] - (ax[i] - hz[i]);
        }
        let correction = (&mut **step_x, &mut **ax);
        let rhs = (&**error_x, &**error_z);
        analysis.kkt.solve::<S, 1>(
            simd,
            system.values,
            system.inverse_pivots,
            [rhs],
            permuted,
            [correction],
        );
        let one = V::splat(simd, 1.0);
        advance(x, step_x, one, lanes);
        advance(z, ax, one, lanes);
    }
}
