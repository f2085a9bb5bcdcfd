//! What the caller may choose about a solve.

use std::time::Duration;

use super::Interrupt;
use crate::program::Error;

/// Which vector instructions to use. Every choice that has fused multiply-adds gives bitwise the
/// same results; the choice matters for speed only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instructions {
    /// The widest that this machine has: AVX-512 (8 lanes), AVX2 (4), NEON (2), scalar (1).
    #[default]
    Detect,
    /// One lane, no vector instructions.
    Scalar,
    /// AVX2 with FMA, 4 lanes; falls back to [`Self::Detect`] where absent.
    Avx2,
}

/// How linear systems are solved. The choice of [`Self::Auto`] depends on the structure alone,
/// never on the batch, so that results do not either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// [`Self::Lanes`] up to 1000 unknowns of the KKT system (variables, rows, auxiliary nodes of
    /// large second-order cones) where the factor of one sample stays in the cache (100,000
    /// entries), and up to 4000 where it has blocks, as that of a controller, and 40,000 entries;
    /// else [`Self::Sparse`].
    #[default]
    Auto,
    /// As many samples as a vector register has lanes at once.
    Lanes,
    /// One sample at a time, with a sparse factorization that uses threads itself.
    Sparse,
    /// No factorization at all: such a solver differentiates solutions found elsewhere
    /// ([`crate::Solver::tape_at`]), with [`crate::Method::Lsqr`].
    MatrixFree,
}

/// Settings of a solver.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Largest relative KKT residual of a solved sample, in the caller's units. Up to the default
    /// of 1e-9 it only judges: the Newton polish goes on as long as that pays, usually several
    /// digits below. A looser one also ends the polish early, which saves factorizations over
    /// curved cones; the solution, and the condition of [`crate::Report`], are then that much less
    /// accurate.
    pub tolerance: f64,
    /// A sample that comes no nearer to the tolerance is almost solved up to this residual
    /// ([`crate::Status::AlmostSolved`]). Where it is the tolerance, no sample is. With such a
    /// point at hand, a contradiction of rows by less is not called infeasible.
    pub reduced_tolerance: f64,
    /// Relative tolerance of infeasibility certificates.
    pub infeasibility_tolerance: f64,
    /// Relative rounding of the data: no certificate rests on less. For data that were rounded to
    /// single precision, that of `f32`.
    pub data_rounding: f64,
    /// Most interior-point iterations.
    pub max_iterations: usize,
    /// Time that one call may take. Samples not solved by then end with
    /// [`crate::Status::TimeLimit`] at their last point. Results then depend on the machine's
    /// speed.
    pub time_limit: Option<Duration>,
    /// Ends solves from outside.
    pub interrupt: Option<Interrupt>,
    /// Most Newton steps of one polish, and of one warm start.
    pub max_polish_steps: usize,
    /// Check that each P is positive semidefinite, at the cost of one factorization of P. Turn off
    /// where P is so by construction.
    pub check_convexity: bool,
    /// How far below zero a pivot of P may be in that check, relative to the largest entry of its
    /// row in absolute value. For a P rounded to single precision, 1e-5.
    pub convexity_tolerance: f64,
    /// Most bytes that one call may take for its factors, tapes and results: what would need more
    /// is refused ([`Error::Memory`]). `None` is the memory of the machine, or of the control group
    /// the process is in; not what is free of it, so that the answer does not depend on what else
    /// runs.
    pub memory_limit: Option<usize>,
    /// Whether batches of quadratic programs that share P and A, but not both q and b, are solved
    /// by the inverse of one matrix, which takes O(n^2) operations a sample beside a small factor,
    /// instead of a factorization each. For comparisons; last bits depend on it.
    pub share_matrices: bool,
    /// Whether the way to the solution leads through the cliques of large positive semidefinite
    /// matrices, where so many of their entries are zero, in A and in b, that it is shorter. For
    /// comparisons; last bits depend on it. Solves from a given start do not go that way.
    pub chordal_decomposition: bool,
    /// Vector instructions of the lanes.
    pub instructions: Instructions,
    /// How linear systems are solved.
    pub engine: Engine,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: 1e-9,
            reduced_tolerance: 1e-6,
            infeasibility_tolerance: 1e-8,
            data_rounding: f64::EPSILON,
            max_iterations: 100,
            time_limit: None,
            interrupt: None,
            max_polish_steps: 10,
            check_convexity: true,
            convexity_tolerance: 1e-10,
            memory_limit: None,
            share_matrices: true,
            chordal_decomposition: true,
            instructions: Instructions::Detect,
            engine: Engine::Auto,
        }
    }
}

impl Settings {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first that is not.
    pub fn check(&self) -> Result<(), Error> {
        let setting =
            |setting, expected, found: String| Err(Error::Setting { setting, expected, found });
        if !(self.tolerance >= 1e-14 && self.tolerance < 1.0) {
            return setting(
                "tolerance",
                "a number from 1e-14 to below 1",
                self.tolerance.to_string(),
            );
        }
        if !(self.infeasibility_tolerance >= 1e-14 && self.infeasibility_tolerance < 1.0) {
            return setting(
                "infeasibility_tolerance",
                "a number from 1e-14 to below 1",
                self.infeasibility_tolerance.to_string(),
            );
        }
        if !(self.reduced_tolerance >= 0.0 && self.reduced_tolerance < 1.0) {
            return setting(
                "reduced_tolerance",
                "a number from 0 to below 1",
                self.reduced_tolerance.to_string(),
            );
        }
        if !(self.data_rounding >= 0.0 && self.data_rounding < 1.0) {
            return setting(
                "data_rounding",
                "a number from 0 to below 1",
                self.data_rounding.to_string(),
            );
        }
        if !(self.convexity_tolerance >= 0.0 && self.convexity_tolerance < 1.0) {
            return setting(
                "convexity_tolerance",
                "a number from 0 to below 1",
                self.convexity_tolerance.to_string(),
            );
        }
        if self.max_iterations == 0 {
            return setting("max_iterations", "at least 1", "0".into());
        }
        Ok(())
    }
}
