//! The answer to a problem at given values of its parameters.

use super::arena::Op;
use super::{Constraint, Expr, Model, ModelError, Problem};
use crate::dcp::evaluate;
use crate::layer::Compiled;
use crate::{Report, Slot, Status};

/// The solution of a problem.
#[derive(Clone, Debug)]
pub struct Answer<'m> {
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
            value,
            report,
            variables: compiled.variables.into_iter().zip(outputs.values).collect(),
            parameters: parameters.iter().copied().zip(given).collect(),
            duals: problem.constraints.iter().map(|c| c.id).zip(duals).collect(),
            sensitivities,
        })
    }

    /// Why the solve ended. Unless this is [`Status::Solved`], values are those of a certificate or of the
    /// last point.
    pub fn status(&self) -> Status {
        self.report.status
    }

    /// The value of a variable, or of any expression of the problem's variables and parameters, at the
    /// solution. NaN for a variable that does not occur in the problem, and for another model.
    pub fn get(&self, expr: Expr<'m>) -> Vec<f64> {
        if !std::ptr::eq(expr.model, self.model) {
            return vec![f64::NAN; expr.size()];
        }
        let arena = expr.model.arena();
        evaluate(&arena, expr.id, &|op| match op {
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
        })
    }

    /// The dual of a constraint; see [`Constraint::dual`]. Empty for a constraint of another problem.
    pub fn dual(&self, constraint: Constraint<'m>) -> &[f64] {
        let same_model = std::ptr::eq(constraint.model, self.model);
        let found = self.duals.iter().find(|dual| same_model && dual.0 == constraint.id);
        found.map_or(&[], |dual| &dual.1)
    }

    /// The gradient of the optimal value with respect to a parameter (NaN where there is no solution).
    /// Empty for a parameter that was not given.
    pub fn sensitivity(&self, parameter: Expr<'m>) -> &[f64] {
        let is_it = |given: &(Expr<'_>, Vec<f64>)| {
            given.0.id == parameter.id && std::ptr::eq(given.0.model, parameter.model)
        };
        let at = self.parameters.iter().position(is_it);
        at.map_or(&[], |at| &self.sensitivities[at])
    }
}
