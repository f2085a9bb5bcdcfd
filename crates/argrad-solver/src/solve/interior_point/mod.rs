//! Interior point on the homogeneous embedding of a quadratic objective.
//!
//! Unknowns x, z, s, tau, kappa (Goulart and Chen, "Clarabel", 2024, section 3):
//! ```text
//! rx   = -(Px + A'z + q tau)                 -> 0
//! rz   = Ax + s - b tau                      -> 0
//! rtau = q'x + b'z + kappa + x'Px / tau      -> 0
//! s o z = mu e,  tau kappa = mu              -> 0
//! ```
//! A solution has tau > 0 and is x / tau; kappa > 0 = tau is a certificate of infeasibility.
//! Steps are Mehrotra's predictor and corrector; each iteration has one factorization and three
//! solves, two of them at once.

mod certificate;
mod direction;
mod embedding;
mod residuals;
mod scaling_system;
mod start;
mod termination;

use pulp::Simd;

use crate::lanes::{Kernel, M, call};
use crate::program::Stop;
use crate::system::analysis::Analysis;
use crate::system::memory::{InteriorPointVectors, Iterate, State, SystemWork, Work};

pub(crate) use embedding::Embedding;
pub(crate) use start::start;
pub(crate) use termination::publish_point;

/// What one round aims at.
#[derive(Clone, Copy)]
pub(crate) struct Round<'a> {
    /// Relative residual of the scaled program at which a lane is done.
    pub(crate) residual: f64,
    /// Relative tolerance of certificates.
    pub(crate) infeasibility: f64,
    pub(crate) max_iterations: usize,
    pub(crate) stop: Stop<'a>,
}

/// Iterates the lanes in `live` until each is done, is infeasible or is stuck. The iterate is in
/// `work`; the point of each finished lane, divided by tau, goes to `state`. There the best point
/// so far is kept meanwhile, and it is what a stuck lane ends with.
#[inline(always)]
pub(crate) fn run<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    embedding: &mut Embedding<S>,
    live: M<S>,
    round: Round<'_>,
) {
    call(simd, Run { simd, analysis, state, work, embedding, live, round });
}

struct Run<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'s, S>,
    work: &'a mut Work<'w, S>,
    embedding: &'a mut Embedding<S>,
    live: M<S>,
    round: Round<'a>,
}

impl<S: Simd> Kernel for Run<'_, '_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, analysis, state, work, embedding, live, round } = self;
        let Work { lengths, system, iterate, phase, .. } = work;
        let vectors = InteriorPointVectors::new(lengths, phase);
        let mut iteration =
            Iteration { simd, analysis, round, state, system, iterate, vectors, embedding, live };
        loop {
            let residuals = iteration.residuals();
            iteration.check_termination(&residuals);
            if !iteration.live.any() {
                return;
            }
            let refinement = iteration.check_accuracy(&residuals);
            iteration.scale(&residuals);
            let column = iteration.solve_column_and_affine(&residuals, &refinement);
            let affine = iteration.affine_direction(&residuals, &column);
            let centering = iteration.centering(&residuals, &affine);
            let combined =
                iteration.combined_direction(&residuals, &column, &affine, &centering, &refinement);
            iteration.step(&residuals, &centering, &combined);
            if !iteration.live.any() {
                return;
            }
        }
    }
}

/// All that an iteration works on.
struct Iteration<'r, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'r Analysis,
    round: Round<'r>,
    /// The program, its factor, and the best point so far.
    state: &'r mut State<'s, S>,
    system: &'r mut SystemWork<'w, S>,
    iterate: &'r mut Iterate<'w, S>,
    vectors: InteriorPointVectors<'r, S>,
    embedding: &'r mut Embedding<S>,
    /// Lanes that still iterate.
    live: M<S>,
}
