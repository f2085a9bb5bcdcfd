//! The entry point: a [`Solver`] for one structure.

use std::sync::{Arc, Mutex};

use crate::lanes::{Buffer, dispatch};
use crate::prepared::{Prepared, WorkGuard};
use crate::program::{
    Error, Report, Settings, Solution, Status, Stop, Structure, Values, check_values,
};
use crate::solve::group::{Origin, Rows, SolveGroup};
use crate::tape::Tape;
use crate::threads::for_each;

/// A solve reads its values about this many times.
const SOLVE_PASSES: usize = 200;

/// Solves batches of programs of one structure. Cheap to clone and safe to share between threads.
///
/// A sample's result is bitwise the same alone, in any batch, at any position and on any number of
/// threads. Work is spread over the current rayon thread pool.
///
/// ```
/// use argrad_solver::{Cone, Pattern, Settings, Slot, Solver, Structure, Values};
/// // minimize 1/2 x^2 + q x  subject to  x <= b, for two values of q.
/// let structure =
///     Structure::new(Pattern::diagonal(1), Pattern::dense(1, 1), vec![Cone::Nonnegative(1)])?;
/// let solver = Solver::new(structure, Settings::default())?;
/// let solution = solver.solve(&Values {
///     batch: 2,
///     p: Slot::Shared(&[1.0]),
///     q: Slot::Each(&[3.0, -3.0]),
///     a: Slot::Shared(&[1.0]),
///     b: Slot::Shared(&[2.0]),
/// })?;
/// assert!((solution.x[0] + 3.0).abs() < 1e-12 && (solution.x[1] - 2.0).abs() < 1e-12);
/// # Ok::<(), argrad_solver::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Solver {
    pub(crate) prepared: Arc<Prepared>,
}

impl Solver {
    /// Analyses `structure` once: ordering, supernodes and every index list.
    ///
    /// # Errors
    /// [`Error::Setting`] when a setting is out of its range.
    pub fn new(structure: Structure, settings: Settings) -> Result<Self, Error> {
        Ok(Self { prepared: Arc::new(Prepared::new(structure, settings)?) })
    }

    /// The structure this solver was made for.
    pub fn structure(&self) -> &Structure {
        &self.prepared.analysis.structure
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.prepared.settings
    }

    /// Number of instances that one vector instruction advances.
    pub fn lanes(&self) -> usize {
        self.prepared.lanes
    }

    /// Solves a batch from scratch.
    ///
    /// # Errors
    /// Malformed values: wrong lengths, NaN or infinity, a P that is not positive semidefinite. An
    /// instance without a solution is not an error but a [`crate::Status`].
    pub fn solve(&self, values: &Values<'_>) -> Result<Solution, Error> {
        self.run(values, Origin::Cold, None, self.prepared.settings.check_convexity)
    }

    /// Solves a batch, each instance from its point in `start` where the Newton steps from there
    /// reach a proven residual, from scratch otherwise.
    ///
    /// # Errors
    /// As [`Self::solve`]; also when `start` is not a solution of the same shape.
    pub fn solve_warm(&self, values: &Values<'_>, start: &Solution) -> Result<Solution, Error> {
        self.run(values, Origin::Warm(start), None, self.prepared.settings.check_convexity)
    }

    /// Solves a batch and keeps what its derivative needs.
    ///
    /// # Errors
    /// As [`Self::solve_warm`].
    pub fn forward(
        &self,
        values: &Values<'_>,
        start: Option<&Solution>,
    ) -> Result<(Solution, Tape), Error> {
        self.record(values, start.map_or(Origin::Cold, Origin::Warm))
    }

    /// [`Self::solve_warm`] of programs next to convex ones, which may be indefinite by the distance.
    pub(crate) fn solve_nearby(
        &self,
        values: &Values<'_>,
        start: &Solution,
    ) -> Result<Solution, Error> {
        self.run(values, Origin::Warm(start), None, false)
    }

    /// A tape at solutions found elsewhere, by another solver or an earlier run: nothing is solved, but
    /// `point` is measured, and reported as solved where its residual is below the tolerance of the
    /// settings. The derivative is that of the exact solution as far as `point` agrees with it.
    /// Whether it is unique is not examined.
    ///
    /// # Errors
    /// As [`Self::solve_warm`].
    pub fn tape_at(
        &self,
        values: &Values<'_>,
        point: &Solution,
    ) -> Result<(Solution, Tape), Error> {
        self.record(values, Origin::Given(point))
    }

    /// Solves and keeps the states.
    fn record(&self, values: &Values<'_>, origin: Origin<'_>) -> Result<(Solution, Tape), Error> {
        let groups = values.batch.div_ceil(self.prepared.lanes);
        let mut states: Vec<Buffer> = (0..groups).map(|_| self.prepared.take_state()).collect();
        match self.run(values, origin, Some(&mut states), self.prepared.settings.check_convexity) {
            Ok(solution) => {
                let tape = Tape::new(self.prepared.clone(), states, values, &solution);
                Ok((solution, tape))
            }
            Err(error) => {
                states.into_iter().for_each(|state| self.prepared.return_state(state));
                Err(error)
            }
        }
    }

    fn run(
        &self,
        values: &Values<'_>,
        origin: Origin<'_>,
        mut states: Option<&mut Vec<Buffer>>,
        check_convexity: bool,
    ) -> Result<Solution, Error> {
        let prepared = &*self.prepared;
        let (n, m) = (prepared.analysis.n(), prepared.analysis.m());
        check_values(&prepared.analysis.structure, values)?;
        let is_given = matches!(origin, Origin::Given(_));
        if let Origin::Warm(start) | Origin::Given(start) = origin {
            check_start(start, values.batch, n, m)?;
        }
        if !prepared.analysis.kkt.has_factor() && !is_given {
            return Err(Error::Setting {
                setting: "engine",
                expected: "an engine that can solve (a matrix-free one only differentiates, see tape_at)",
                found: "MatrixFree".into(),
            });
        }
        let stop = Stop::new(&prepared.settings);
        let batch = values.batch;
        let mut solution = Solution {
            batch,
            x: vec![0.0; batch * n],
            z: vec![0.0; batch * m],
            s: vec![0.0; batch * m],
            reports: vec![Report::default(); batch],
        };
        let mut kept = states.as_mut().map(|states| states.iter_mut());
        let mut groups = Vec::with_capacity(batch.div_ceil(prepared.lanes));
        let mut rest = (&mut solution.x[..], &mut solution.z[..], &mut solution.s[..]);
        for (index, reports) in solution.reports.chunks_mut(prepared.lanes).enumerate() {
            let count = reports.len();
            let (x, z, s) = rest;
            let (x, x_rest) = x.split_at_mut(count * n);
            let (z, z_rest) = z.split_at_mut(count * m);
            let (s, s_rest) = s.split_at_mut(count * m);
            rest = (x_rest, z_rest, s_rest);
            let state = kept.as_mut().and_then(Iterator::next);
            groups.push((index * prepared.lanes, Rows { x, z, s, reports }, state));
        }
        let solve = |work: &mut [f64], first: usize, rows: Rows<'_>, state: &mut [f64]| {
            let (analysis, settings) = (&prepared.analysis, &prepared.settings);
            if stop.is_due() && !is_given {
                rows.leave(Status::TimeLimit);
                state.fill(0.0);
                return Ok(());
            }
            dispatch(
                prepared.width,
                SolveGroup {
                    analysis,
                    settings,
                    check_convexity,
                    values,
                    origin,
                    stop,
                    first,
                    rows,
                    state,
                    work,
                },
            )
        };
        let one_group =
            |work: &mut WorkGuard<'_>,
             (first, rows, state): (usize, Rows<'_>, Option<&mut Buffer>)| match state {
                Some(state) => solve(work.as_mut_slice(), first, rows, state.as_mut_slice()),
                None => {
                    let mut state = prepared.take_state();
                    let result = solve(work.as_mut_slice(), first, rows, state.as_mut_slice());
                    prepared.return_state(state);
                    result
                }
            };
        // The first error by position, whichever thread finds one first.
        let first_error: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        for_each(
            groups,
            SOLVE_PASSES * prepared.analysis.kkt.values_len,
            || prepared.take_work(),
            |work, group| {
                let position = group.0;
                if let Err(error) = one_group(work, group) {
                    let mut first = first_error.lock().unwrap_or_else(|e| e.into_inner());
                    if first.as_ref().is_none_or(|(earlier, _)| position < *earlier) {
                        *first = Some((position, error));
                    }
                }
            },
        );
        if let Some((_, error)) = first_error.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(error);
        }
        Ok(solution)
    }
}

fn check_start(start: &Solution, batch: usize, n: usize, m: usize) -> Result<(), Error> {
    for (argument, expected, found) in [
        ("start.x", batch * n, start.x.len()),
        ("start.z", batch * m, start.z.len()),
        ("start.s", batch * m, start.s.len()),
    ] {
        if expected != found {
            return Err(Error::Length {
                argument,
                expected,
                found,
                meaning: format!("a solution of a batch of {batch} with this structure"),
            });
        }
    }
    Ok(())
}
