//! The solver: a structure, settings and a machine.

use std::sync::Arc;

use argrad_solver::{Settings, Solution, Structure, Values};

use crate::error::Error;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::tape::Tape;
use crate::transfer::DeviceBatch;

/// Solves batches of quadratic programs of one structure on a machine.
pub struct Solver<M: Machine> {
    plan: Arc<Plan<M>>,
}

impl<M: Machine> Solver<M> {
    /// A solver for programs of this structure on `machine`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for cones other than zero and nonnegative, and for a time limit or an
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
        DeviceBatch::solve(&self.plan, values, false)?.download(&self.plan)
    }

    /// Solves a batch, and keeps on the machine what its derivatives need.
    ///
    /// # Errors
    /// As [`Self::solve`].
    pub fn forward(&self, values: &Values<'_>) -> Result<(Solution, Tape<M>), Error> {
        let solved = DeviceBatch::solve(&self.plan, values, true)?;
        let solution = solved.download(&self.plan)?;
        let tape = Tape::new(Arc::clone(&self.plan), solved, solution.reports.clone());
        Ok((solution, tape))
    }
}
