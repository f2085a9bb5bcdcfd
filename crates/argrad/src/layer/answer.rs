//! The answer to a problem at given values of its parameters.

use argrad_solver::{Report, Slot, Status};

use super::compiler::{Compiled, Compiler};
use crate::constraint::Constraint;
use crate::error::ModelError;
use crate::expression::{Expr, Id, Model, Op, evaluate, reachable, render};
use crate::problem::Problem;

/// The solution of a problem.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer<'m> {
    /// Why the solve ended. Unless this is [`Status::Solved`], the values of variables are those of
    /// a certificate or of the last point.
    pub status: Status,
    /// The optimal value, with its sign as the problem states it.
    pub value: f64,
    /// How the solve went.
    pub report: Report,
    model: &'m Model,
    /// Values of variables, by index.
    variables: Vec<(usize, Vec<f64>)>,
    parameters: Vec<(Expr<'m>, Vec<f64>)>,
    duals: Vec<(usize, Vec<f64>)>,
    sensitivities: Vec<Vec<f64>>,
}

impl<'m> Answer<'m> {
    pub(crate) fn new(
        problem: &Problem<'m>,
        parameters: &[Expr<'m>],
        values: &[Slot<'_>],
        compiled: Compiled,
    ) -> Result<Self, ModelError> {
        let (mut outputs, tape) = compiled.layer.forward_slots(1, values, None)?;
        let report = outputs.reports[0];
        let sensitivities = if report.is_solved() {
            compiled.layer.value_gradient(&tape, &[1.0])?
        } else {
            values.iter().map(|slot| vec![f64::NAN; slot.as_slice().len()]).collect()
        };
        let duals = outputs.values.split_off(compiled.variables.len());
        let value = match report.status {
            Status::PrimalInfeasible if problem.maximize => f64::NEG_INFINITY,
            Status::PrimalInfeasible => f64::INFINITY,
            Status::DualInfeasible if problem.maximize => f64::INFINITY,
            Status::DualInfeasible => f64::NEG_INFINITY,
            _ => outputs.objective[0],
        };
        let given = values.iter().map(|slot| slot.as_slice().to_vec());
        Ok(Self {
            model: problem.model,
            status: report.status,
            value,
            report,
            variables: compiled.variables.into_iter().zip(outputs.values).collect(),
            parameters: parameters.iter().copied().zip(given).collect(),
            duals: problem.constraints.iter().map(|c| c.id).zip(duals).collect(),
            sensitivities,
        })
    }

    /// The value of a variable, or of any expression of the problem's variables and parameters, at
    /// the solution: row-major.
    ///
    /// # Errors
    /// [`ModelError::Handle`] for an expression of another model, and where a variable or parameter
    /// occurs in it that does not occur in the problem.
    pub fn get(&self, expr: Expr<'m>) -> Result<Vec<f64>, ModelError> {
        if !std::ptr::eq(expr.model, self.model) {
            return Err(ModelError::Handle(format!("{expr} is an expression of another model")));
        }
        let arena = expr.model.arena();
        let known = |id: Id| match &arena.nodes[id].op {
            Op::Variable(index) => self.variables.iter().any(|variable| variable.0 == *index),
            Op::Parameter(_) => self.parameters.iter().any(|parameter| parameter.0.id == id),
            _ => true,
        };
        if let Some(id) = reachable(&arena, &[expr.id]).into_iter().filter(|id| !known(*id)).min() {
            let text = format!("{} does not occur in the problem", render(&arena, id));
            return Err(ModelError::Handle(text));
        }
        Ok(evaluate(&arena, expr.id, &|op| match op {
            Op::Variable(index) => {
                let found = self.variables.iter().find(|variable| variable.0 == *index);
                found.map(|variable| variable.1.clone()).unwrap_or_default()
            }
            Op::Parameter(index) => {
                let leaf = &arena.parameters[*index];
                let found = self.parameters.iter().find(|parameter| parameter.0.id == leaf.node);
                let Some((_, values)) = found else { return Vec::new() };
                let places = leaf.attributes.places(arena.nodes[leaf.node].shape).0;
                places.iter().map(|place| place.map_or(0.0, |at| values[at as usize])).collect()
            }
            _ => Vec::new(),
        }))
    }

    /// The dual of a constraint, with the signs of [`Constraint::dual`].
    ///
    /// # Errors
    /// [`ModelError::Handle`] for a constraint that the problem does not have.
    pub fn dual(&self, constraint: Constraint<'m>) -> Result<&[f64], ModelError> {
        let same_model = std::ptr::eq(constraint.model, self.model);
        let found = self.duals.iter().find(|dual| same_model && dual.0 == constraint.id);
        match found {
            Some((_, dual)) => Ok(dual),
            None => Err(ModelError::Handle("the problem does not have this constraint".into())),
        }
    }

    /// The gradient of the optimal value with respect to a parameter, one number for each of its
    /// own (NaN where there is no solution).
    ///
    /// # Errors
    /// [`ModelError::Handle`] for what is no parameter of the problem.
    pub fn sensitivity(&self, parameter: Expr<'m>) -> Result<&[f64], ModelError> {
        let is_it = |given: &(Expr<'_>, Vec<f64>)| {
            given.0.id == parameter.id && std::ptr::eq(given.0.model, parameter.model)
        };
        match self.parameters.iter().position(is_it) {
            Some(at) => Ok(&self.sensitivities[at]),
            None => Err(ModelError::Handle(format!("{parameter} is no parameter of the problem"))),
        }
    }
}

impl<'m> Problem<'m> {
    /// Solves the problem for these values of its parameters.
    ///
    /// # Errors
    /// As [`Self::compile`], and for values that do not belong to their parameters. That a problem
    /// has no solution is not an error: see [`Answer::status`](Answer#structfield.status).
    pub fn solve(&self, parameters: &[(Expr<'m>, &[f64])]) -> Result<Answer<'m>, ModelError> {
        let exprs: Vec<Expr<'m>> = parameters.iter().map(|(expr, _)| *expr).collect();
        let compiled = Compiler::compile_all(self, &exprs)?;
        let values: Vec<Slot<'_>> =
            parameters.iter().map(|(_, values)| Slot::Shared(values)).collect();
        Answer::new(self, &exprs, &values, compiled)
    }
}
