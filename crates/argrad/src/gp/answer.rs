//! The answer to a geometric program at given values of its parameters.

use super::layer::{GpLayer, GpTape};
use crate::dcp::evaluate;
use crate::model::arena::Op;
use crate::model::{Constraint, Expr, ModelError, Outputs, Problem};
use crate::{Report, Status};

/// The solution of a geometric program.
#[derive(Clone, Debug)]
pub struct GpAnswer<'m> {
    /// The optimal value.
    pub value: f64,
    /// How the solve of the logarithms went.
    pub report: Report,
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
            value,
            report,
            variables: variables.into_iter().zip(outputs.values).collect(),
            parameters: parameters.iter().map(|(expr, values)| (*expr, values.to_vec())).collect(),
            duals: problem.constraints.iter().map(|c| c.id).zip(duals).collect(),
            sensitivities,
        })
    }

    /// Why the solve ended. Unless this is [`Status::Solved`], values mean nothing.
    pub fn status(&self) -> Status {
        self.report.status
    }

    /// The value of a variable, or of any expression of the problem's variables and parameters, at the
    /// solution. NaN for a variable that does not occur in the problem.
    pub fn get(&self, expr: Expr<'m>) -> Vec<f64> {
        let arena = expr.model.arena();
        let found = |node: usize| {
            let all = self.variables.iter().chain(&self.parameters);
            all.filter(|(own, _)| own.id == node).map(|(_, values)| values.clone()).next()
        };
        evaluate(&arena, expr.id, &|op| {
            let node = match op {
                Op::Variable(index) => arena.variables[*index].node,
                Op::Parameter(index) => arena.parameters[*index].node,
                _ => return Vec::new(),
            };
            found(node).unwrap_or_default()
        })
    }

    /// The relative change of the optimal value (as minimized) per relative change of the constraint's
    /// right-hand side, with the signs of [`Constraint::dual`]. Empty for a constraint of another problem.
    pub fn dual(&self, constraint: Constraint<'m>) -> &[f64] {
        let found = self.duals.iter().find(|dual| dual.0 == constraint.id);
        found.map_or(&[], |dual| &dual.1)
    }

    /// The gradient of the optimal value with respect to a parameter (NaN where there is no solution).
    /// Empty for a parameter that was not given.
    pub fn sensitivity(&self, parameter: Expr<'m>) -> &[f64] {
        let at = self.parameters.iter().position(|given| given.0.id == parameter.id);
        at.map_or(&[], |at| &self.sensitivities[at])
    }
}
