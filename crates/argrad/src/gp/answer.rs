//! The answer to a geometric program at given values of its parameters.

use argrad_solver::{Report, Status};

use super::layer::{GpLayer, GpTape};
use crate::constraint::Constraint;
use crate::error::ModelError;
use crate::expression::{Expr, Id, Model, Op, evaluate, reachable, render};
use crate::layer::Outputs;
use crate::problem::Problem;

/// The solution of a geometric program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GpAnswer<'m> {
    /// Why the solve ended. Unless this is [`Status::Solved`], the values of variables mean
    /// nothing.
    pub status: Status,
    /// The optimal value.
    pub value: f64,
    /// How the solve of the logarithms went.
    pub report: Report,
    model: &'m Model,
    variables: Vec<(Expr<'m>, Vec<f64>)>,
    parameters: Vec<(Expr<'m>, Vec<f64>)>,
    duals: Vec<(usize, Vec<f64>)>,
    sensitivities: Vec<Vec<f64>>,
}

impl<'m> GpAnswer<'m> {
    pub(super) fn new(
        problem: &Problem<'m>,
        variables: Vec<Expr<'m>>,
        parameters: &[(Expr<'m>, &[f64])],
        layer: &GpLayer,
        mut outputs: Outputs,
        tape: &GpTape,
    ) -> Result<Self, ModelError> {
        let report = outputs.reports[0];
        let sensitivities = if report.is_solved() {
            layer.value_gradient(tape, &[1.0])?
        } else {
            parameters.iter().map(|(_, values)| vec![f64::NAN; values.len()]).collect()
        };
        let infeasible = report.status == Status::PrimalInfeasible;
        let value = match report.status {
            Status::PrimalInfeasible | Status::DualInfeasible if infeasible == problem.maximize => {
                0.0
            }
            Status::PrimalInfeasible | Status::DualInfeasible => f64::INFINITY,
            _ => outputs.objective[0],
        };
        let duals = outputs.values.split_off(variables.len());
        Ok(Self {
            status: report.status,
            value,
            report,
            model: problem.model,
            variables: variables.into_iter().zip(outputs.values).collect(),
            parameters: parameters.iter().map(|(expr, values)| (*expr, values.to_vec())).collect(),
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
        let found = |node: Id| {
            let all = self.variables.iter().chain(&self.parameters);
            all.filter(|(own, _)| own.id == node).map(|(_, values)| values).next()
        };
        let is_unknown = |id: &Id| {
            matches!(arena.nodes[*id].op, Op::Variable(_) | Op::Parameter(_))
                && found(*id).is_none()
        };
        if let Some(id) = reachable(&arena, &[expr.id]).into_iter().filter(is_unknown).min() {
            let text = format!("{} does not occur in the problem", render(&arena, id));
            return Err(ModelError::Handle(text));
        }
        Ok(evaluate(&arena, expr.id, &|op| {
            let node = match op {
                Op::Variable(index) => arena.variables[*index].node,
                Op::Parameter(index) => arena.parameters[*index].node,
                _ => return Vec::new(),
            };
            found(node).cloned().unwrap_or_default()
        }))
    }

    /// The relative change of the optimal value (as minimized) per relative change of the
    /// constraint's right-hand side, with the signs of [`Constraint::dual`].
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
