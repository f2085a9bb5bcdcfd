//! The entry point: a [`Solver`] for one structure.

use std::sync::Arc;

use crate::batch::solve_batch;
use crate::decomposition::Decompositions;
use crate::lanes::Buffer;
use crate::prepared::Prepared;
use crate::program::{
    Error, Explanation, Settings, Solution, Stop, Structure, Values, check_values,
};
use crate::solve::group::Origin;
use crate::solve::share::share;
use crate::system::shared::matrices::SharedMatrices;
use crate::tape::Tape;

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
    /// For batches of few samples.
    few: Arc<Prepared>,
    decompositions: Arc<Decompositions>,
}

impl Solver {
    /// Analyses `structure` once: ordering, supernodes and every index list.
    ///
    /// # Errors
    /// [`Error::Setting`] when a setting is out of its range; [`Error::Memory`] when the system of
    /// one sample takes more than [`Settings::memory_limit`].
    pub fn new(structure: Structure, settings: Settings) -> Result<Self, Error> {
        let prepared = Arc::new(Prepared::new(structure, settings)?);
        let decompositions = Arc::new(Decompositions::new(&prepared));
        let few = match prepared.lanes {
            1 => prepared.clone(),
            _ => Arc::new(prepared.one_at_a_time()),
        };
        Ok(Self { prepared, few, decompositions })
    }

    /// For solves next to solutions, which need no cliques.
    pub(crate) fn nearby(prepared: Arc<Prepared>) -> Self {
        Self { few: prepared.clone(), prepared, decompositions: Arc::default() }
    }

    /// What a batch is solved with. Results are the same bits either way.
    pub(crate) fn prepared_for(&self, batch: usize) -> &Arc<Prepared> {
        if self.prepared.are_few(batch) { &self.few } else { &self.prepared }
    }

    /// The structure this solver was made for.
    pub fn structure(&self) -> &Structure {
        &self.prepared.analysis.structure
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.prepared.settings
    }

    /// Number of samples that one vector instruction advances, in batches of more than a quarter of
    /// it; fewer samples are solved one by one.
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
        let structure = &self.prepared.analysis.structure;
        let named = |cone: usize| (cone, structure.cones[cone].clone());
        Explanation {
            sparse_cones: self.decompositions.candidates().map(named).collect(),
            ..self.prepared.explain()
        }
    }

    /// [`Self::explain`], with what follows from the zeros of a sample: into which cliques its
    /// sparse matrices are decomposed on the way to the solution.
    ///
    /// # Errors
    /// As [`Self::solve`]; [`Error::Shape`] when the batch has no sample of this index.
    pub fn explain_sample(&self, values: &Values<'_>, sample: usize) -> Result<Explanation, Error> {
        check_values(&self.prepared.analysis.structure, values)?;
        if sample >= values.batch {
            return Err(Error::Shape {
                argument: "sample",
                expected: format!("an index below the batch of {}", values.batch),
                found: sample.to_string(),
            });
        }
        let decomposed_cones = self.decompositions.describe(&self.prepared, values, sample);
        Ok(Explanation { decomposed_cones, ..self.explain() })
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
        let prepared = self.prepared_for(values.batch);
        let mut states = prepared.take_states(values.batch, matrices.is_some())?;
        let kept = (matrices.as_ref(), Some(&mut *states));
        match self.solve_groups(values, origin, kept, prepared.settings.check_convexity) {
            Ok(solution) => {
                let tape = Tape::new(prepared.clone(), (states, matrices), values, &solution);
                Ok((solution, tape))
            }
            Err(error) => {
                states.into_iter().for_each(|state| prepared.return_state(state));
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
    pub(crate) fn share(&self, values: &Values<'_>) -> Result<Option<SharedMatrices>, Error> {
        let prepared = &**self.prepared_for(values.batch);
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
        kept: (Option<&SharedMatrices>, Option<&mut [Buffer]>),
        check_convexity: bool,
    ) -> Result<Solution, Error> {
        let prepared = &**self.prepared_for(values.batch);
        let stop = Stop::new(&prepared.settings);
        let near = match origin {
            Origin::Cold => self.decompositions.approximate(prepared, values, stop),
            _ => None,
        };
        let origin = near.as_ref().map_or(origin, Origin::Near);
        solve_batch(prepared, values, (origin, stop), kept, check_convexity)
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
