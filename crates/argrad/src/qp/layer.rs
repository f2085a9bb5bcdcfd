//! The layer: user's values -> solver -> user's solution.

use std::sync::Arc;

use argrad_solver::{
    Cone, Device, Differentiation, Error, Explanation, Settings, Slot, Solution, Structure, Values,
};

use super::constraints::ConstraintMap;
use super::objective::ObjectiveMap;
use super::samples::Assembled;
use super::tape::{Maps, Sharing};
use super::{QpShape, QpSolution, QpTape, QpValues};
use crate::layer_solver::{LayerSolver, SolverTape};
use crate::zeros::{ZeroSolvers, Zeros};

/// A differentiable layer that solves batches of quadratic programs of one shape,
///
/// ```text
/// minimize    1/2 x'Px + q'x
/// subject to  Ax = b,  Gx <= h
/// ```
///
/// [`Self::solve`] solves; [`Self::forward`] also returns the tape that [`Self::backward`] and
/// [`Self::jvp`] take; `_from` starts either from an earlier solution.
///
/// An entry of h that is `+inf`, or 1e19 or more, is no constraint: its dual is 0, its slack
/// `+inf`, and its row of G does not matter. A bound below 1e19 is one; where it is too large for
/// its program, the solve ends in [`NumericalTrouble`](crate::Status::NumericalTrouble).
///
/// The analysis of the sparsity is done once, here; that of zeros in dense matrices that a batch
/// shares, when they are met first. So which arguments are shared may change the last bits of a
/// solution; the batch does not. Cheap to clone and safe to share between threads.
#[derive(Clone, Debug)]
pub struct QpLayer {
    pub(super) solver: LayerSolver,
    zero_solvers: ZeroSolvers,
    pub(super) maps: Arc<Maps>,
    symmetry_tolerance: f64,
    pub(super) how: Differentiation,
}

impl QpLayer {
    /// A layer in which P (n x n), A (`equalities` x n) and G (`inequalities` x n) are dense.
    ///
    /// # Errors
    /// As [`Self::new`], of which none is possible for dense matrices of a size that fits in
    /// memory.
    pub fn dense(n: usize, equalities: usize, inequalities: usize) -> Result<Self, Error> {
        Self::new(QpShape::dense(n, equalities, inequalities), Settings::default())
    }

    /// A layer for programs of this shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when the matrices do not fit together, [`Error::Pattern`] when a sparse P
    /// lacks the mirror image of an entry, [`Error::Setting`] when a setting is out of range.
    pub fn new(shape: QpShape, settings: Settings) -> Result<Self, Error> {
        shape.check()?;
        let objective = ObjectiveMap::new(&shape.p)?;
        let constraints = ConstraintMap::new(&shape)?;
        let [equalities, inequalities] = constraints.rows();
        let structure = Structure::new(
            objective.pattern().clone(),
            constraints.pattern().clone(),
            vec![Cone::Zero(equalities), Cone::Nonnegative(inequalities)],
        )?;
        Ok(Self {
            solver: LayerSolver::new(structure, settings)?,
            zero_solvers: ZeroSolvers::default(),
            maps: Arc::new(Maps { shape, objective, constraints }),
            symmetry_tolerance: 1e-12,
            how: Differentiation::default(),
        })
    }

    /// The same layer with this largest `|P_ij - P_ji|`, relative to the largest entry of P
    /// (1e-12 unless told). What is left of an asymmetry is averaged away.
    pub fn with_symmetry_tolerance(mut self, tolerance: f64) -> Self {
        self.symmetry_tolerance = tolerance;
        self
    }

    /// The same layer, whose batches are solved and differentiated on a device, as
    /// [`Layer::on`](crate::model::Layer::on) says.
    ///
    /// # Errors
    /// [`Error::Device`] for shapes and settings that are not served there, and for what the device
    /// reports.
    pub fn on(self, device: Arc<dyn Device>) -> Result<Self, Error> {
        Ok(Self { solver: self.solver.on(device)?, ..self })
    }

    /// The same layer, differentiated in another way. A tape of one is good for the other.
    pub fn with_differentiation(mut self, how: Differentiation) -> Self {
        self.how = how;
        self
    }

    /// Shapes of P, A, G.
    pub fn shape(&self) -> &QpShape {
        &self.maps.shape
    }

    /// The program that is solved: patterns and cones.
    pub fn structure(&self) -> &Structure {
        self.solver.here().structure()
    }

    /// Settings of the solver.
    pub fn settings(&self) -> &Settings {
        self.solver.here().settings()
    }

    /// How programs of this shape are solved: engine, order of elimination, memory; see
    /// [`Solver::explain`](argrad_solver::Solver::explain). Zeros in dense matrices that a batch
    /// shares are found in a call, so they are not known here.
    pub fn explain(&self) -> Explanation {
        self.solver.here().explain()
    }

    /// How it differentiates.
    pub fn differentiation(&self) -> &Differentiation {
        &self.how
    }

    /// Solves a batch. Keeps nothing for a derivative.
    ///
    /// # Errors
    /// Malformed input, by the name of the argument and the place of the entry: [`Error::Length`];
    /// [`Error::NotFinite`] for NaN and infinities, except `+inf` in h, which means no constraint
    /// as every number from 1e19 on does; [`Error::Asymmetric`], [`Error::NotConvex`];
    /// [`Error::Memory`] for a batch that would not fit. A sample without a solution is not an
    /// error: see [`QpSolution::reports`].
    pub fn solve(&self, values: &QpValues<'_>) -> Result<QpSolution, Error> {
        let assembled = self.assemble(values)?;
        let solver = self.solver_for(values, &assembled)?;
        let solution = solver.solve(&assembled.values(values.batch), None)?;
        Ok(QpSolution::from_solver(solution, self.maps.constraints.rows()))
    }

    /// As [`Self::solve`], each sample by a few Newton steps from `start` where that is proven
    /// to end at the solution, and from scratch otherwise.
    ///
    /// # Errors
    /// As [`Self::solve`]; also [`Error::Length`] or [`Error::Shape`] when `start` has another
    /// size.
    pub fn solve_from(
        &self,
        values: &QpValues<'_>,
        start: &QpSolution,
    ) -> Result<QpSolution, Error> {
        let start = self.start(values, start)?;
        let assembled = self.assemble(values)?;
        let solver = self.solver_for(values, &assembled)?;
        let solution = solver.solve(&assembled.values(values.batch), Some(&start))?;
        Ok(QpSolution::from_solver(solution, self.maps.constraints.rows()))
    }

    /// Solves a batch and keeps what its derivative needs.
    ///
    /// # Errors
    /// As [`Self::solve`].
    pub fn forward(&self, values: &QpValues<'_>) -> Result<(QpSolution, QpTape), Error> {
        self.record(values, None)
    }

    /// As [`Self::forward`], from `start` (see [`Self::solve_from`]).
    ///
    /// # Errors
    /// As [`Self::solve_from`].
    pub fn forward_from(
        &self,
        values: &QpValues<'_>,
        start: &QpSolution,
    ) -> Result<(QpSolution, QpTape), Error> {
        let start = self.start(values, start)?;
        self.record(values, Some(&start))
    }

    fn start(&self, values: &QpValues<'_>, start: &QpSolution) -> Result<Solution, Error> {
        if start.batch != values.batch {
            return Err(Error::Shape {
                argument: "start",
                expected: format!("{} samples", values.batch),
                found: format!("{}", start.batch),
            });
        }
        start.to_solver(self.maps.shape.variables(), self.maps.constraints.rows())
    }

    fn record(
        &self,
        values: &QpValues<'_>,
        start: Option<&Solution>,
    ) -> Result<(QpSolution, QpTape), Error> {
        let assembled = self.assemble(values)?;
        let solver = self.solver_for(values, &assembled)?;
        let numbers = assembled.values(values.batch);
        let (solution, tape) = solver.forward(&numbers, start)?;
        Ok(self.recorded(values, solution, tape))
    }

    fn recorded(
        &self,
        values: &QpValues<'_>,
        solution: Solution,
        tape: SolverTape,
    ) -> (QpSolution, QpTape) {
        let tape = QpTape {
            tape,
            maps: Arc::clone(&self.maps),
            sharing: Sharing {
                matrices: [values.a.is_shared(), values.g.is_shared()],
                rhs: [values.b.is_shared(), values.h.is_shared()],
            },
            solved: solution.reports.iter().map(|report| report.is_solved()).collect(),
        };
        (QpSolution::from_solver(solution, self.maps.constraints.rows()), tape)
    }

    /// Numbers of one sample in a flat tape, see [`Self::tape_from_flat`].
    pub fn flat_tape_len(&self) -> usize {
        self.solver.here().flat_tape_len()
    }

    /// What [`Self::forward`] gave, from the tape that [`QpTape::write_flat`] wrote as `batch` rows
    /// of [`Self::flat_tape_len`] numbers, at the values that were solved: for frameworks that
    /// carry nothing but arrays from the forward pass to the backward pass. Its derivatives are the
    /// same to the last bit where the batch shares what it shared then.
    ///
    /// # Errors
    /// As [`Self::solve`]; those of
    /// [`Solver::tape_from_flat`](argrad_solver::Solver::tape_from_flat).
    pub fn tape_from_flat(
        &self,
        values: &QpValues<'_>,
        rows: &[f64],
    ) -> Result<(QpSolution, QpTape), Error> {
        let assembled = self.assemble(values)?;
        let solver = self.solver_for(values, &assembled)?;
        let (solution, tape) = solver.tape_from_flat(&assembled.values(values.batch), rows)?;
        Ok(self.recorded(values, solution, tape))
    }

    /// The solver for these values: one that knows the zeros of the dense matrices that are shared.
    fn solver_for(
        &self,
        values: &QpValues<'_>,
        assembled: &AssembledValues<'_>,
    ) -> Result<LayerSolver, Error> {
        let Maps { shape, constraints, .. } = &*self.maps;
        let finds_p = shape.p.is_dense() && values.p.is_shared();
        let blocks = [(&shape.a, values.a), (&shape.g, values.g)];
        let finds_a = blocks.map(|(shape, slot)| shape.is_dense() && slot.is_shared());
        if !self.solver.looks_at_zeros() || (!finds_p && finds_a == [false; 2]) {
            return Ok(self.solver.clone());
        }
        let structure = self.structure();
        let p = match finds_p {
            true => assembled.p.slot().as_slice().iter().map(|&v| v == 0.0).collect(),
            false => vec![false; structure.p().nnz()],
        };
        let a = constraints.zeros([values.a, values.g], finds_a);
        let found = self.zero_solvers.find(structure, self.settings(), Zeros { p, a })?;
        Ok(found.map_or_else(|| self.solver.clone(), LayerSolver::from))
    }

    pub(super) fn assemble<'a>(&self, values: &QpValues<'a>) -> Result<AssembledValues<'a>, Error> {
        values.check(&self.maps.shape)?;
        let Maps { objective, constraints, .. } = &*self.maps;
        let batch = values.batch;
        let matrices = [values.a, values.g];
        let rhs = [values.b, values.h];
        let copied = objective.copied(values.p) + constraints.copied(matrices, rhs);
        self.solver.here().check_memory(batch, copied * size_of::<f64>(), "the standard form")?;
        Ok(AssembledValues {
            p: objective.assemble(values.p, batch, self.symmetry_tolerance)?,
            q: values.q,
            a: constraints.assemble(matrices, batch, false)?,
            b: constraints.assemble_rhs(rhs, batch),
        })
    }
}

/// The values in the solver's standard form.
pub(super) struct AssembledValues<'a> {
    p: Assembled<'a>,
    q: Slot<'a>,
    a: Assembled<'a>,
    b: Assembled<'a>,
}

impl AssembledValues<'_> {
    pub(super) fn values(&self, batch: usize) -> Values<'_> {
        Values { batch, p: self.p.slot(), q: self.q, a: self.a.slot(), b: self.b.slot() }
    }
}

// Threads may share a layer.
const _: fn() = || {
    fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<QpLayer>();
};
