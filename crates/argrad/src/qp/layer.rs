//! The layer: user's values -> solver -> user's solution, and its derivative back.

use std::sync::Arc;

use argrad_solver::{
    Cone, Cotangent, Gradients, Solution, Solver, Structure, Tangent, Tape, Values,
};

use super::constraints::ConstraintMap;
use super::instances::Assembled;
use super::objective::ObjectiveMap;
use super::solution::split_rows;
use super::zeros::{ZeroSolvers, Zeros};
use super::{
    QpCotangent, QpGradients, QpPoint, QpShape, QpSolution, QpTangent, QpTangentOut, QpValues,
    check_length,
};
use crate::{Differentiation, Error, OnFailure, Settings, Slot, Status};

/// A differentiable layer that solves batches of quadratic programs of one shape,
///
/// ```text
/// minimize    1/2 z'Qz + q'z
/// subject to  Az = b,  Gz <= h
/// ```
///
/// The analysis of the sparsity is done once, here; that of zeros in dense matrices that a batch shares,
/// when they are met first. So which arguments are shared may change the last bits of a solution; the batch
/// does not. Cheap to clone and safe to share between threads.
#[derive(Clone, Debug)]
pub struct QpLayer {
    solver: Solver,
    zero_solvers: ZeroSolvers,
    maps: Arc<Maps>,
    symmetry_tolerance: f64,
}

/// The fixed part: what goes where.
#[derive(Debug)]
pub(crate) struct Maps {
    shape: QpShape,
    objective: ObjectiveMap,
    constraints: ConstraintMap,
}

/// Which of the user's arguments were shared by the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    matrices: [bool; 2],
    rhs: [bool; 2],
}

impl QpLayer {
    /// A layer in which Q (n x n), A (`equalities` x n) and G (`inequalities` x n) are dense.
    ///
    /// # Errors
    /// None today; sizes are unconstrained.
    pub fn dense(n: usize, equalities: usize, inequalities: usize) -> Result<Self, Error> {
        Self::new(QpShape::dense(n, equalities, inequalities), Settings::default())
    }

    /// A layer for programs of this shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when the matrices do not fit together, [`Error::Pattern`] when a sparse Q
    /// lacks the mirror image of an entry, [`Error::Setting`] when a setting is out of range.
    pub fn new(shape: QpShape, settings: Settings) -> Result<Self, Error> {
        shape.check()?;
        let objective = ObjectiveMap::new(&shape.quadratic)?;
        let constraints = ConstraintMap::new(&shape)?;
        let [equalities, inequalities] = constraints.rows();
        let structure = Structure::new(
            objective.pattern().clone(),
            constraints.pattern().clone(),
            vec![Cone::Zero(equalities), Cone::Nonnegative(inequalities)],
        )?;
        let solver = Solver::new(structure, settings)?;
        let maps = Arc::new(Maps { shape, objective, constraints });
        let zero_solvers = ZeroSolvers::default();
        Ok(Self { solver, zero_solvers, maps, symmetry_tolerance: 1e-12 })
    }

    /// The same layer with this largest `|Q_ij - Q_ji|`, relative to the largest entry of Q
    /// (1e-12 unless told). What is left of an asymmetry is averaged away.
    pub fn with_symmetry_tolerance(mut self, tolerance: f64) -> Self {
        self.symmetry_tolerance = tolerance;
        self
    }

    /// Shapes of Q, A, G.
    pub fn shape(&self) -> &QpShape {
        &self.maps.shape
    }

    /// Settings of the solver.
    pub fn settings(&self) -> &Settings {
        self.solver.settings()
    }

    /// Solves a batch without keeping what a derivative needs.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn solve(&self, values: &QpValues<'_>) -> Result<QpPoint, Error> {
        let assembled = self.assemble(values)?;
        let solver = self.solver_for(values, &assembled)?;
        let solution = solver.solve(&assembled.values(values.batch)).map_err(in_user_terms)?;
        Ok(QpPoint::from_solver(solution, self.maps.constraints.rows()))
    }

    /// As [`Self::solve`], from `start` (see [`Self::forward_warm`]).
    ///
    /// # Errors
    /// As [`Self::forward_warm`].
    pub fn solve_warm(&self, values: &QpValues<'_>, start: &QpPoint) -> Result<QpPoint, Error> {
        let start = self.start(values, start)?;
        let assembled = self.assemble(values)?;
        let solver = self.solver_for(values, &assembled)?;
        let values = assembled.values(values.batch);
        let solution = solver.solve_warm(&values, &start).map_err(in_user_terms)?;
        Ok(QpPoint::from_solver(solution, self.maps.constraints.rows()))
    }

    /// Solves a batch and keeps what its derivative needs.
    ///
    /// # Errors
    /// Malformed input, by the name of the argument and the place of the entry:
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::Asymmetric`], [`Error::NotConvex`].
    /// An instance without a solution is none: see [`QpPoint::reports`].
    pub fn forward(&self, values: &QpValues<'_>) -> Result<QpSolution, Error> {
        self.run(values, None)
    }

    /// As [`Self::forward`], each instance by a few Newton steps from `start` where that is proven
    /// to end at the solution, and from scratch otherwise.
    ///
    /// # Errors
    /// As [`Self::forward`]; also [`Error::Length`] when `start` has another size.
    pub fn forward_warm(
        &self,
        values: &QpValues<'_>,
        start: &QpPoint,
    ) -> Result<QpSolution, Error> {
        let start = self.start(values, start)?;
        self.run(values, Some(&start))
    }

    fn start(&self, values: &QpValues<'_>, start: &QpPoint) -> Result<Solution, Error> {
        if start.batch != values.batch {
            return Err(Error::Shape {
                argument: "start",
                expected: format!("{} instances", values.batch),
                found: format!("{}", start.batch),
            });
        }
        start.to_solver(self.maps.shape.variables(), self.maps.constraints.rows())
    }

    fn run(&self, values: &QpValues<'_>, start: Option<&Solution>) -> Result<QpSolution, Error> {
        let assembled = self.assemble(values)?;
        let solver = self.solver_for(values, &assembled)?;
        let (solution, tape) =
            solver.forward(&assembled.values(values.batch), start).map_err(in_user_terms)?;
        Ok(QpSolution {
            point: QpPoint::from_solver(solution, self.maps.constraints.rows()),
            tape: Arc::new(tape),
            maps: Arc::clone(&self.maps),
            sharing: Sharing {
                matrices: [values.a.is_shared(), values.g.is_shared()],
                rhs: [values.b.is_shared(), values.h.is_shared()],
            },
        })
    }

    /// The solver for these values: one that knows the zeros of the dense matrices that are shared.
    fn solver_for(
        &self,
        values: &QpValues<'_>,
        assembled: &AssembledValues<'_>,
    ) -> Result<Solver, Error> {
        let Maps { shape, constraints, .. } = &*self.maps;
        let finds_p = shape.quadratic.is_dense() && values.quadratic.is_shared();
        let blocks = [(&shape.equalities, values.a), (&shape.inequalities, values.g)];
        let finds_a = blocks.map(|(shape, slot)| shape.is_dense() && slot.is_shared());
        if !finds_p && finds_a == [false; 2] {
            return Ok(self.solver.clone());
        }
        let structure = self.solver.structure();
        let p = match finds_p {
            true => assembled.p.slot().as_slice().iter().map(|&v| v == 0.0).collect(),
            false => vec![false; structure.p().nnz()],
        };
        let a = constraints.zeros([values.a, values.g], finds_a);
        let found = self.zero_solvers.find(structure, self.solver.settings(), Zeros { p, a });
        Ok(found.map_err(in_user_terms)?.unwrap_or_else(|| self.solver.clone()))
    }

    fn assemble<'a>(&self, values: &QpValues<'a>) -> Result<AssembledValues<'a>, Error> {
        values.check(&self.maps.shape)?;
        let Maps { objective, constraints, .. } = &*self.maps;
        let batch = values.batch;
        Ok(AssembledValues {
            p: objective.assemble(values.quadratic, batch, self.symmetry_tolerance)?,
            q: values.linear,
            a: constraints.assemble([values.a, values.g], batch, false)?,
            b: constraints.assemble_rhs([values.b, values.h], batch),
        })
    }

    /// Gradient with respect to the values of a scalar whose gradient with respect to the solution
    /// is `cotangent`. Takes triangular solves only.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::Unsolved`] when an instance is not solved and
    /// [`Differentiation::on_failure`] is [`OnFailure::Error`].
    pub fn backward(
        &self,
        solution: &QpSolution,
        cotangent: &QpCotangent<'_>,
        how: &Differentiation,
    ) -> Result<QpGradients, Error> {
        solution.backward(cotangent, how)
    }

    /// Directional derivative of the solution along a change of the values.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn jvp(
        &self,
        solution: &QpSolution,
        tangent: &QpTangent<'_>,
        how: &Differentiation,
    ) -> Result<QpTangentOut, Error> {
        solution.jvp(tangent, how)
    }

    /// Gradient with respect to the values of the weighted sum of optimal values
    /// 1/2 z'Qz + q'z (the envelope formula), one weight an instance.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn value_gradient(
        &self,
        solution: &QpSolution,
        weights: &[f64],
        how: &Differentiation,
    ) -> Result<QpGradients, Error> {
        check_length("weights", Slot::Each(weights), 1, solution.batch)?;
        let gradients = solution.tape.value_gradient(weights, how).map_err(in_user_terms)?;
        Ok(solution.in_user_order(gradients, how))
    }
}

struct AssembledValues<'a> {
    p: Assembled<'a>,
    q: Slot<'a>,
    a: Assembled<'a>,
    b: Assembled<'a>,
}

impl AssembledValues<'_> {
    fn values(&self, batch: usize) -> Values<'_> {
        Values { batch, p: self.p.slot(), q: self.q, a: self.a.slot(), b: self.b.slot() }
    }
}

impl QpSolution {
    /// As [`QpLayer::backward`].
    ///
    /// # Errors
    /// As [`QpLayer::backward`].
    pub fn backward(
        &self,
        cotangent: &QpCotangent<'_>,
        how: &Differentiation,
    ) -> Result<QpGradients, Error> {
        let Maps { shape, constraints, .. } = &*self.maps;
        let [equalities, inequalities] = constraints.rows();
        let parts = [
            ("cotangent.z", cotangent.z, shape.variables()),
            ("cotangent.equality_duals", cotangent.equality_duals, equalities),
            ("cotangent.inequality_duals", cotangent.inequality_duals, inequalities),
            ("cotangent.slacks", cotangent.slacks, inequalities),
        ];
        for (argument, part, len) in parts {
            if let Some(part) = part {
                check_length(argument, Slot::Each(part), len, self.batch)?;
            }
        }
        let duals = [cotangent.equality_duals, cotangent.inequality_duals];
        let z = constraints.stack(duals, self.batch);
        let s = constraints.stack([None, cotangent.slacks], self.batch);
        let cotangent = Cotangent { x: cotangent.z, z: z.as_deref(), s: s.as_deref() };
        let gradients = self.tape.vjp(&cotangent, how).map_err(in_user_terms)?;
        Ok(self.in_user_order(gradients, how))
    }

    fn in_user_order(&self, gradients: Gradients, how: &Differentiation) -> QpGradients {
        let Maps { objective, constraints, .. } = &*self.maps;
        let counts =
            |k: usize| how.on_failure != OnFailure::Nan || self.reports[k].status == Status::Solved;
        let [a, g] = constraints.gradient(gradients.a, self.sharing.matrices, counts);
        let [b, h] = constraints.gradient_rhs(gradients.b, self.sharing.rhs, counts);
        QpGradients {
            quadratic: objective.gradient(gradients.p),
            linear: gradients.q,
            a,
            b,
            g,
            h,
            adjoint_residual: gradients.adjoint_residual,
        }
    }

    /// As [`QpLayer::jvp`].
    ///
    /// # Errors
    /// As [`QpLayer::jvp`].
    pub fn jvp(
        &self,
        tangent: &QpTangent<'_>,
        how: &Differentiation,
    ) -> Result<QpTangentOut, Error> {
        let Maps { shape, objective, constraints } = &*self.maps;
        let rows = constraints.rows();
        let lens = [shape.equalities.len(), shape.inequalities.len()];
        let zeros = vec![0.0; lens.into_iter().chain(rows).max().unwrap_or(0)];
        let parts = [
            ("tangent of q", tangent.linear, shape.variables()),
            ("tangent of A", tangent.a, lens[0]),
            ("tangent of G", tangent.g, lens[1]),
            ("tangent of b", tangent.b, rows[0]),
            ("tangent of h", tangent.h, rows[1]),
        ];
        for (argument, slot, len) in parts {
            if let Some(slot) = slot {
                check_length(argument, slot, len, self.batch)?;
            }
        }
        let p = match tangent.quadratic {
            Some(slot) => Some(objective.assemble(slot, self.batch, f64::INFINITY)?),
            None => None,
        };
        let a = if tangent.a.is_some() || tangent.g.is_some() {
            let a = tangent.a.unwrap_or(Slot::Shared(&zeros[..lens[0]]));
            let g = tangent.g.unwrap_or(Slot::Shared(&zeros[..lens[1]]));
            Some(constraints.assemble([a, g], self.batch, true)?)
        } else {
            None
        };
        let b = (tangent.b.is_some() || tangent.h.is_some()).then(|| {
            let b = tangent.b.unwrap_or(Slot::Shared(&zeros[..rows[0]]));
            let h = tangent.h.unwrap_or(Slot::Shared(&zeros[..rows[1]]));
            constraints.assemble_rhs([b, h], self.batch)
        });
        let tangent = Tangent {
            p: p.as_ref().map(Assembled::slot),
            q: tangent.linear,
            a: a.as_ref().map(Assembled::slot),
            b: b.as_ref().map(Assembled::slot),
        };
        let out = self.tape.jvp(&tangent, how).map_err(in_user_terms)?;
        let [equality_duals, inequality_duals] = split_rows(out.z, self.batch, rows);
        let [_, slacks] = split_rows(out.s, self.batch, rows);
        Ok(QpTangentOut {
            z: out.x,
            equality_duals,
            inequality_duals,
            slacks,
            residual: out.residual,
        })
    }
}

/// The solver's P is the user's Q. Everything else that the solver could object to has been
/// checked before, in the user's order.
fn in_user_terms(error: Error) -> Error {
    match error {
        Error::NotConvex { argument: "P", instance, pivot } => {
            Error::NotConvex { argument: "Q", instance, pivot }
        }
        other => other,
    }
}

// A solution travels with an autodiff graph, whichever thread runs that.
const _: fn() = || {
    fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<Tape>();
    send_and_sync::<QpSolution>();
    send_and_sync::<QpLayer>();
};
