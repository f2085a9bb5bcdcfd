//! The entry point: a [`Solver`] for one structure.

use std::sync::Arc;

use crate::lanes::{Buffer, dispatch};
use crate::prepared::{Group, Prepared, Rows};
use crate::program::{
    Error, Explanation, Report, Settings, Solution, Status, Stop, Structure, Values, check_values,
};
use crate::solve::group::{GroupTask, Origin, SolveTeam};
use crate::solve::outcome::SolutionRows;
use crate::solve::share::share;
use crate::system::shared::matrices::SharedMatrices;
use crate::tape::Tape;

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
    /// [`Error::Setting`] when a setting is out of its range; [`Error::Memory`] when the system of
    /// one sample takes more than [`Settings::memory_limit`].
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

    /// Number of samples that one vector instruction advances.
    pub fn lanes(&self) -> usize {
        self.prepared.lanes
    }

    /// How programs of this structure are solved: the engine, the order of elimination, memory.
    /// All of it follows from the structure and the settings.
    ///
    /// ```
    /// # use argrad_solver::{Cone, Engine, Pattern, Settings, Solver, Structure};
    /// // minimize y_1 + ... + y_60  subject to  diag(y) - C positive semidefinite
    /// let side = 60;
    /// let diagonal = (0..side).map(|j| j * (j + 3) / 2).collect();
    /// let a = Pattern::new(side * (side + 1) / 2, side, (0..=side).collect(), diagonal)?;
    /// let cones = vec![Cone::PsdTriangle(side)];
    /// let structure = Structure::new(Pattern::empty(side, side), a, cones)?;
    /// let explanation = Solver::new(structure, Settings::default())?.explain();
    /// assert_eq!(explanation.engine, Engine::Sparse);
    /// // Not the 1830 rows and their dense block, but the 60 variables.
    /// assert_eq!(explanation.eliminated_cones, [(0, Cone::PsdTriangle(60))]);
    /// assert_eq!(explanation.elimination.len(), 60);
    /// println!("{explanation}");
    /// # Ok::<(), argrad_solver::Error>(())
    /// ```
    pub fn explain(&self) -> Explanation {
        self.prepared.explain()
    }

    /// Refuses a batch for which `what` would take more than [`Settings::memory_limit`], or more
    /// than the system gives: for the numbers that a layer around this solver makes of a batch.
    /// `each` is in bytes per sample.
    ///
    /// # Errors
    /// [`Error::Memory`], which says "`what` of a batch of so many samples".
    pub fn check_memory(&self, batch: usize, each: usize, what: &str) -> Result<(), Error> {
        self.prepared.check_memory(batch, each, what)
    }

    /// Solves a batch from scratch.
    ///
    /// # Errors
    /// Malformed values: wrong lengths, NaN or infinity, a P that is not positive semidefinite;
    /// [`Error::Memory`] for a batch that would not fit. A sample without a solution is not an
    /// error but a [`crate::Status`].
    pub fn solve(&self, values: &Values<'_>) -> Result<Solution, Error> {
        self.run(values, Origin::Cold, self.prepared.settings.check_convexity)
    }

    /// Solves a batch, each sample from its point in `start` where the Newton steps from there
    /// reach a proven residual, from scratch otherwise.
    ///
    /// # Errors
    /// As [`Self::solve`]; also when `start` is not a solution of the same shape.
    pub fn solve_from(&self, values: &Values<'_>, start: &Solution) -> Result<Solution, Error> {
        self.run(values, Origin::Warm(start), self.prepared.settings.check_convexity)
    }

    /// [`Self::solve`], and what derivatives of the solutions need.
    ///
    /// # Errors
    /// As [`Self::solve`].
    pub fn forward(&self, values: &Values<'_>) -> Result<(Solution, Tape), Error> {
        self.record(values, Origin::Cold)
    }

    /// [`Self::solve_from`], and what derivatives of the solutions need.
    ///
    /// # Errors
    /// As [`Self::solve_from`].
    pub fn forward_from(
        &self,
        values: &Values<'_>,
        start: &Solution,
    ) -> Result<(Solution, Tape), Error> {
        self.record(values, Origin::Warm(start))
    }

    /// [`Self::solve_from`] of programs next to convex ones, which may be indefinite by the
    /// distance.
    pub(crate) fn solve_nearby(
        &self,
        values: &Values<'_>,
        start: &Solution,
    ) -> Result<Solution, Error> {
        self.run(values, Origin::Warm(start), false)
    }

    /// A tape at solutions found elsewhere, by another solver or an earlier run: nothing is solved,
    /// but `point` is measured, and reported as solved where its residual is below the tolerance of
    /// the settings. The derivative is that of the exact solution as far as `point` agrees with it.
    /// Whether it is unique is not examined.
    ///
    /// # Errors
    /// As [`Self::solve_from`].
    pub fn tape_at(
        &self,
        values: &Values<'_>,
        point: &Solution,
    ) -> Result<(Solution, Tape), Error> {
        self.record(values, Origin::Given(point))
    }

    /// Solves and keeps the states.
    fn record(&self, values: &Values<'_>, origin: Origin<'_>) -> Result<(Solution, Tape), Error> {
        self.check(values, origin)?;
        let matrices = self.share(values)?;
        let mut states = self.prepared.take_states(values.batch, matrices.is_some())?;
        let kept = (matrices.as_ref(), Some(&mut *states));
        match self.solve_groups(values, origin, kept, self.prepared.settings.check_convexity) {
            Ok(solution) => {
                let tape = Tape::new(self.prepared.clone(), (states, matrices), values, &solution);
                Ok((solution, tape))
            }
            Err(error) => {
                states.into_iter().for_each(|state| self.prepared.return_state(state));
                Err(error)
            }
        }
    }

    /// Solves and keeps nothing.
    fn run(
        &self,
        values: &Values<'_>,
        origin: Origin<'_>,
        check_convexity: bool,
    ) -> Result<Solution, Error> {
        self.check(values, origin)?;
        let matrices = self.share(values)?;
        self.solve_groups(values, origin, (matrices.as_ref(), None), check_convexity)
    }

    /// The matrices that the batch shares, where they serve.
    fn share(&self, values: &Values<'_>) -> Result<Option<SharedMatrices>, Error> {
        let prepared = &*self.prepared;
        let is_shared = values.p.is_shared() && values.a.is_shared() && values.batch > 0;
        // One program, whatever the batch: there is nothing to share its matrices with.
        let varies = !values.q.is_shared() || !values.b.is_shared();
        if prepared.analysis.sharing.is_none() || !is_shared || !varies {
            return Ok(None);
        }
        let mut state = prepared.take_state(false)?;
        let mut work = prepared.take_work(0);
        let memory = (state.as_mut_slice(), work.as_mut_slice());
        let matrices = share(&prepared.analysis, prepared.width, values, memory);
        prepared.return_state(state);
        Ok(matrices)
    }

    fn solve_groups(
        &self,
        values: &Values<'_>,
        origin: Origin<'_>,
        (matrices, states): (Option<&SharedMatrices>, Option<&mut [Buffer]>),
        check_convexity: bool,
    ) -> Result<Solution, Error> {
        let prepared = &*self.prepared;
        let (analysis, settings) = (&prepared.analysis, &prepared.settings);
        let (n, m, batch) = (analysis.n(), analysis.m(), values.batch);
        let each = (n + 2 * m) * size_of::<f64>() + size_of::<Report>();
        self.check_memory(batch, each, "the solutions")?;
        let stop = Stop::new(settings);
        let mut solution = Solution {
            batch,
            x: vec![0.0; batch * n],
            z: vec![0.0; batch * m],
            s: vec![0.0; batch * m],
            reports: vec![Report::default(); batch],
        };
        let mut x = Rows::new(&mut solution.x, n);
        let mut z = Rows::new(&mut solution.z, m);
        let mut s = Rows::new(&mut solution.s, m);
        let mut reports = Rows::new(&mut solution.reports, 1);
        let mut kept = states.map(<[Buffer]>::iter_mut);
        let is_shared = matrices.is_some();
        let task = |samples: Group| {
            let mut kept_states: Vec<Option<&mut Buffer>> = Vec::new();
            let mut groups = Vec::new();
            for group in samples.parts(prepared.lanes) {
                let (x, z, s) = (x.next(group), z.next(group), s.next(group));
                let rows = SolutionRows { x, z, s, reports: reports.next(group) };
                groups.push((group.first, rows));
                kept_states.push(kept.as_mut().and_then(Iterator::next));
            }
            (groups, kept_states)
        };
        let solve = |groups: Vec<GroupTask<'_>>, work: &mut [f64]| {
            if stop.is_due() && !matches!(origin, Origin::Given(_)) {
                for GroupTask { rows, state, .. } in groups {
                    rows.leave(Status::TimeLimit);
                    state.fill(0.0);
                }
                return Ok(());
            }
            let team = SolveTeam {
                analysis,
                settings,
                matrices,
                check_convexity,
                values,
                origin,
                stop,
                groups,
                work,
            };
            dispatch(prepared.width, team)
        };
        let outcomes =
            prepared.for_teams(batch, SOLVE_PASSES, is_shared, task, |(groups, kept), work| {
                let mut taken = Vec::new();
                for _ in kept.iter().filter(|state| state.is_none()) {
                    taken.push(prepared.take_state(is_shared)?);
                }
                let mut others = taken.iter_mut();
                let states = kept.into_iter().map(|state| state.or_else(|| others.next()));
                let groups = groups.into_iter().zip(states.flatten());
                let groups = groups
                    .map(|((first, rows), state)| GroupTask {
                        first,
                        rows,
                        state: state.as_mut_slice(),
                    })
                    .collect();
                let outcome = solve(groups, work);
                taken.into_iter().for_each(|state| prepared.return_state(state));
                outcome
            });
        // The first error by position, whichever thread finds one first.
        outcomes.into_iter().collect::<Result<(), Error>>()?;
        Ok(solution)
    }

    /// Checks what a solve is given.
    fn check(&self, values: &Values<'_>, origin: Origin<'_>) -> Result<(), Error> {
        let analysis = &self.prepared.analysis;
        check_values(&analysis.structure, values)?;
        if let Origin::Warm(start) | Origin::Given(start) = origin {
            check_start(start, values.batch, analysis.n(), analysis.m())?;
        }
        if !analysis.kkt.has_factor() && !matches!(origin, Origin::Given(_)) {
            return Err(Error::Setting {
                setting: "engine",
                expected: "an engine that can solve (a matrix-free one only differentiates, see \
                           tape_at)",
                found: "MatrixFree".into(),
            });
        }
        Ok(())
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
