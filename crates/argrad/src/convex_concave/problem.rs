//! From a convex-concave problem to the layer of one step of its sequence.

use super::convexify::{Convexifier, Tangent};
use super::layer::{ConvexConcaveLayer, Parts, StartSpec};
use super::tangents::{Part, Tangents};
use super::want::Want;
use crate::constraint::{Constraint, Output};
use crate::dcp::Analysis;
use crate::error::{Issue, ModelError};
use crate::expression::{Arena, Attributes, Expr, Id, Model, Op, Relation, reachable};
use crate::function::Function;
use crate::problem::Problem;
use crate::transcript::Transcript;

/// The convex problem of one step, in a model of its own.
pub(super) struct StepProblem<'l> {
    problem: Problem<'l>,
    /// Weight of the slacks.
    penalty: Option<Expr<'l>>,
    slacks: Vec<Expr<'l>>,
    /// The differences (in the problem's model) of the constraints that have slacks.
    relaxed: Vec<Id>,
    /// What was replaced by its tangent, with its id in the problem's model.
    tangents: Vec<(Id, Tangent<'l>)>,
    parameters: Vec<Expr<'l>>,
    outputs: Vec<Expr<'l>>,
    variables: Vec<Expr<'l>>,
}

impl<'l> StepProblem<'l> {
    /// Written into `model`, with copies of `parameters` and `outputs`.
    pub fn new(
        of: &Problem<'_>,
        parameters: &[Expr<'_>],
        outputs: &[Output<'_>],
        model: &'l Model,
    ) -> Result<Self, ModelError> {
        of.well_formed()?;
        let arena = of.model.arena();
        let analysis = Analysis::new(&arena);
        let mut issues = output_issues(of, &analysis, outputs);
        if !issues.is_empty() {
            return Err(ModelError::Invalid(issues));
        }
        let mut walk = Convexifier::new(Transcript::new(&arena, model), &analysis);
        let want = if of.maximize { Want::Concave } else { Want::Convex };
        let objective = walk.expr(of.objective.id, want);
        let objective = objective.map_err(|found| issues.extend(found)).ok();
        let (mut constraints, mut slacks, mut relaxed) = (Vec::new(), Vec::new(), Vec::new());
        for constraint in &of.constraints {
            match relax(&mut walk, &arena, constraint.id, &mut slacks, &mut constraints) {
                Ok(None) => {}
                Ok(Some(id)) => relaxed.push(id),
                Err(found) => issues.extend(found),
            }
        }
        let Some((mut objective, _)) = objective.filter(|_| issues.is_empty()) else {
            return Err(ModelError::NotDccp(issues));
        };
        let penalty = (!slacks.is_empty()).then(|| model.parameter(()).nonneg().named("penalty"));
        if let Some(penalty) = penalty {
            let all = slacks.iter().map(|slack: &Expr<'l>| slack.sum()).reduce(|a, b| a + b);
            let cost = all.map(|all| penalty * all);
            let sign = if of.maximize { -1.0 } else { 1.0 };
            objective = cost.map_or(objective, |cost| objective + sign * cost);
        }
        let problem =
            if of.maximize { Problem::maximize(objective) } else { Problem::minimize(objective) };
        let problem = problem.subject_to(constraints).with_settings(of.settings().clone());
        problem.check().map_err(|error| match error {
            ModelError::NotDcp(issues) => ModelError::NotDccp(issues),
            other => other,
        })?;
        let tangents = std::mem::take(&mut walk.tangents).into_iter().collect();
        let mut copies = walk.copies;
        let mut own = Vec::with_capacity(parameters.len());
        for expr in parameters {
            if !std::ptr::eq(expr.model, of.model) {
                let text = format!("parameter {expr} is of another model");
                return Err(ModelError::Parameters(text));
            }
            own.push(copies.copy(expr.id));
        }
        let outputs = outputs.iter().filter_map(primal).map(|expr| copies.copy(expr.id)).collect();
        let variables = of.variables().into_iter().map(|expr| copies.copy(expr.id)).collect();
        Ok(Self {
            problem,
            penalty,
            slacks,
            relaxed,
            tangents,
            parameters: own,
            outputs,
            variables,
        })
    }

    /// Compiles it, with the handles of the other model.
    pub fn compile(
        self,
        of: &Problem<'_>,
        parameters: &[Expr<'_>],
        outputs: &[Output<'_>],
    ) -> Result<ConvexConcaveLayer, ModelError> {
        check_parameters(of, parameters)?;
        let arena = of.model.arena();
        let mut all = self.parameters.clone();
        for (_, tangent) in &self.tangents {
            all.push(tangent.constant);
            all.extend(tangent.parts.iter().map(|(_, slope, _)| *slope));
        }
        all.extend(self.penalty);
        let mut all_outputs = self.outputs.clone();
        let mut place = |expr: &Expr<'l>| {
            let known = all_outputs.iter().position(|output| output.id == expr.id);
            known.unwrap_or_else(|| {
                all_outputs.push(*expr);
                all_outputs.len() - 1
            })
        };
        let variables: Vec<usize> = self.variables.iter().map(&mut place).collect();
        let slacks: Vec<usize> = self.slacks.iter().map(&mut place).collect();
        // A parameter may occur in what has tangents only.
        let all_outputs: Vec<Output<'l>> = all_outputs.into_iter().map(Output::from).collect();
        let layer = self.problem.compile_with_unused(&all, &all_outputs)?;
        let layer = layer.known_as(
            parameters.iter().map(Expr::handle),
            outputs.iter().filter_map(primal).map(|expr| expr.handle()),
        );
        let own_variables: Vec<Expr<'_>> = of.variables();
        let indices = leaf_indices(&arena, &own_variables);
        let mut roots = vec![of.objective.id];
        roots.extend(&self.relaxed);
        roots.extend(self.tangents.iter().map(|(id, _)| *id));
        let function = Function::new(&arena, &roots, &indices, &leaf_indices(&arena, parameters));
        let sizes: Vec<usize> = own_variables.iter().map(Expr::size).collect();
        let first = |index: usize| -> usize {
            let at = indices.iter().position(|own| *own == index).unwrap_or(0);
            sizes[..at].iter().sum()
        };
        let tangents = self.tangents.iter().enumerate().map(|(at, (_, tangent))| {
            let part = |(index, _, columns): &(usize, Expr<'_>, Vec<Vec<usize>>)| {
                Part::new(first(*index), columns.clone())
            };
            (1 + self.relaxed.len() + at, tangent.parts.iter().map(part).collect())
        });
        let tangents = Tangents::new(tangents.collect(), sizes.iter().sum());
        let starts = own_variables.iter().zip(&indices).map(|(expr, index)| StartSpec {
            handle: expr.handle(),
            name: expr.to_string(),
            size: expr.size(),
            attributes: Attributes::clone(&arena.variables[*index].attributes),
        });
        let parts = Parts {
            outputs: outputs.len(),
            parameters: parameters.len(),
            function,
            relaxed: self.relaxed.len(),
            tangents,
            variables,
            slacks,
            starts: starts.collect(),
            sign: if of.maximize { -1.0 } else { 1.0 },
        };
        Ok(ConvexConcaveLayer::new(layer, parts))
    }
}

/// Adds a constraint with what has the wrong curvature replaced by its tangent, and with a slack if
/// there was anything to replace; then its difference is returned.
fn relax<'l>(
    walk: &mut Convexifier<'_, 'l>,
    arena: &Arena,
    id: usize,
    slacks: &mut Vec<Expr<'l>>,
    constraints: &mut Vec<Constraint<'l>>,
) -> Result<Option<Id>, Vec<Issue>> {
    let (difference, wants) = match arena.constraints[id].relation {
        Relation::LessEqual(difference) => (difference, &[Want::Concave][..]),
        Relation::Equal(difference) => (difference, &[Want::Concave, Want::Convex][..]),
        _ => {
            constraints.push(walk.copies.constraint(id));
            return Ok(None);
        }
    };
    let mut found = Vec::new();
    for want in wants {
        found.push((*want, walk.expr(difference, *want)?));
    }
    if !found.iter().any(|(_, (_, replaced))| *replaced) {
        constraints.push(walk.copies.constraint(id));
        return Ok(None);
    }
    for (want, (expr, _)) in found {
        let slack = walk.copies.model.variable(arena.nodes[difference].shape).nonneg();
        slacks.push(slack);
        let own =
            if want == Want::Concave { (expr + slack).geq(0.0) } else { (expr - slack).leq(0.0) };
        let name = arena.constraints[id].name.clone();
        constraints.push(name.into_iter().fold(own, |own, name| own.named(name)));
    }
    Ok(Some(difference))
}

/// Whether the list holds all parameters of the problem, and no others.
fn check_parameters(of: &Problem<'_>, listed: &[Expr<'_>]) -> Result<(), ModelError> {
    let own = of.parameters();
    if let Some(expr) = listed.iter().find(|expr| own.iter().all(|own| own.id != expr.id)) {
        let text = format!("{expr} is no parameter that occurs in the problem");
        return Err(ModelError::Parameters(text));
    }
    let missing = own.iter().filter(|own| listed.iter().all(|expr| expr.id != own.id));
    let missing: Vec<String> = missing.map(Expr::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ModelError::Parameters(format!("missing parameters: {}", missing.join(", "))))
}

fn primal<'o, 'm>(output: &'o Output<'m>) -> Option<&'o Expr<'m>> {
    match output {
        Output::Primal(expr) => Some(expr),
        Output::Dual(_) => None,
    }
}

/// Indices of variables and parameters; what is neither was refused by the compiler.
fn leaf_indices(arena: &Arena, leaves: &[Expr<'_>]) -> Vec<usize> {
    let index = |expr: &Expr<'_>| match arena.nodes[expr.id].op {
        Op::Variable(index) | Op::Parameter(index) => Some(index),
        _ => None,
    };
    leaves.iter().filter_map(index).collect()
}

/// What is wrong with the outputs that are asked for.
fn output_issues(of: &Problem<'_>, analysis: &Analysis, outputs: &[Output<'_>]) -> Vec<Issue> {
    let variables: Vec<Id> = of.variables().iter().map(|expr| expr.id).collect();
    let issue = |output: &Output<'_>| match output {
        Output::Dual(constraint) => {
            let place = constraint.model.arena().constraints[constraint.id].place;
            let text = "the dual of a constraint as an output of a convex-concave layer; outputs \
                        are affine expressions";
            Some(Issue::new(text.into(), place))
        }
        Output::Primal(expr) if !std::ptr::eq(expr.model, of.model) => {
            let text = format!("output {expr}: an expression of another model");
            Some(Issue::new(text, expr.location()))
        }
        Output::Primal(expr) if !analysis.info(expr.id).curvature.is_affine() => {
            let text = format!(
                "output {expr}: outputs are affine expressions; put a variable in its place and \
                 bound it in a constraint"
            );
            Some(Issue::new(text, expr.location()))
        }
        Output::Primal(expr) => {
            let arena = of.model.arena();
            let is_new =
                |id: &Id| matches!(arena.nodes[*id].op, Op::Variable(_)) && !variables.contains(id);
            reachable(&arena, &[expr.id]).iter().any(is_new).then(|| {
                let text = format!("output {expr}: a variable that the problem does not have");
                Issue::new(text, arena.nodes[expr.id].place)
            })
        }
    };
    outputs.iter().filter_map(issue).collect()
}
