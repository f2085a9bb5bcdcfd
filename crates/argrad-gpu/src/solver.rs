//! The solver: a structure, settings and a machine.

use std::sync::Arc;

use argrad_solver::{Settings, Solution, Structure, Values};

use crate::error::Error;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::tape::Tape;
use crate::transfer::{DeviceBatch, Origin};

/// Solves batches of programs of one structure on a machine.
pub struct Solver<M: Machine> {
    plan: Arc<Plan<M>>,
}

impl<M: Machine> Solver<M> {
    /// A solver for programs of this structure on `machine`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a cone that is not served, and for a time limit or an
    /// interrupt, since a launch cannot be ended; a setting that is out of its range;
    /// [`Error::Device`].
    pub fn new(structure: Structure, settings: Settings, machine: Arc<M>) -> Result<Self, Error> {
        Ok(Self { plan: Arc::new(Plan::new(structure, settings, machine)?) })
    }

    /// The structure.
    pub fn structure(&self) -> &Structure {
        self.plan.structure()
    }

    /// Bytes of the machine's memory that a batch takes: values, results and scratch, and what
    /// derivatives need where there is a tape.
    ///
    /// # Errors
    /// [`Error::Device`]: how many programs a card works on at once follows from the kernels, which
    /// are compiled first.
    pub fn memory(&self, batch: usize, has_tape: bool) -> Result<u64, Error> {
        self.plan.memory(batch, has_tape)
    }

    /// Solves a batch. Each sample has a report; one without a solution is not an error.
    ///
    /// # Errors
    /// Malformed values; a P that is not positive semidefinite; [`Error::Memory`];
    /// [`Error::Device`].
    pub fn solve(&self, values: &Values<'_>) -> Result<Solution, Error> {
        DeviceBatch::solve(&self.plan, values, Origin::Cold, false)?.download(&self.plan)
    }

    /// Solves a batch, each sample from its point in `start` where the Newton steps from there
    /// reach a proven residual, from scratch otherwise.
    ///
    /// # Errors
    /// As [`Self::solve`]; also when `start` is not a solution of the same shape.
    pub fn solve_from(&self, values: &Values<'_>, start: &Solution) -> Result<Solution, Error> {
        DeviceBatch::solve(&self.plan, values, Origin::From(start), false)?.download(&self.plan)
    }

    /// Solves a batch, and keeps on the machine what its derivatives need.
    ///
    /// # Errors
    /// As [`Self::solve`].
    pub fn forward(&self, values: &Values<'_>) -> Result<(Solution, Tape<M>), Error> {
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
    ) -> Result<(Solution, Tape<M>), Error> {
        self.record(values, Origin::From(start))
    }

    /// A tape at solutions found elsewhere: nothing is solved, but `point` is measured, and
    /// reported as solved where its residual is below the tolerance of the settings.
    ///
    /// # Errors
    /// As [`Self::solve_from`].
    pub fn tape_at(
        &self,
        values: &Values<'_>,
        point: &Solution,
    ) -> Result<(Solution, Tape<M>), Error> {
        self.record(values, Origin::At(point))
    }

    fn record(
        &self,
        values: &Values<'_>,
        origin: Origin<'_>,
    ) -> Result<(Solution, Tape<M>), Error> {
        let solved = DeviceBatch::solve(&self.plan, values, origin, true)?;
        let solution = solved.download(&self.plan)?;
        let tape = Tape::new(Arc::clone(&self.plan), solved, solution.reports.clone());
        Ok((solution, tape))
    }
}
