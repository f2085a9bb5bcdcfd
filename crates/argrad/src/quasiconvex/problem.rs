//! From a quasiconvex problem to the convex problem of a level.

use super::layer::{Parts, QuasiconvexLayer};
use super::level::{Levels, Range, declared};
use crate::atom::Side;
use crate::constraint::{Constraint, Output};
use crate::dcp::Analysis;
use crate::error::{Issue, ModelError};
use crate::expression::{Arena, Expr, Form, Id, Model, Op, Relation, reachable, render};
use crate::function::Function;
use crate::problem::Problem;
use crate::transcript::Transcript;

/// The convex problem of a level, in a model of its own.
pub(super) struct LevelProblem<'l> {
    problem: Problem<'l>,
    level: Expr<'l>,
    parameters: Vec<Expr<'l>>,
    outputs: Vec<Expr<'l>>,
    /// Variables of the objective.
    variables: Vec<Expr<'l>>,
    ranges: Vec<Range<'l>>,
}

impl<'l> LevelProblem<'l> {
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
        let mut issues = output_issues(of, &analysis, &arena, outputs);
        if !issues.is_empty() {
            return Err(ModelError::Invalid(issues));
        }
        let mut levels = Levels::new(Transcript::new(&arena, model), &analysis);
        let objective = of.objective.id;
        let level = model.parameter(arena.nodes[objective].shape).named("the level");
        let level = declared(level, analysis.info(objective).sign);
        let side = if of.maximize { Side::Above } else { Side::Below };
        let residual = levels.residual(objective, side, level);
        let residual = residual.map_err(|issue| issues.push(issue)).ok();
        let mut constraints = Vec::new();
        for constraint in &of.constraints {
            match constraint_of(&mut levels, &analysis, &arena, constraint.id) {
                Ok(own) => constraints.push(own),
                Err(issue) => issues.push(issue),
            }
        }
        let Some(residual) = residual.filter(|_| issues.is_empty()) else {
            return Err(ModelError::NotDqcp(issues));
        };
        let problem = Problem::minimize(residual).subject_to(constraints);
        let problem = problem.with_settings(of.settings().clone());
        problem.check().map_err(|error| match error {
            ModelError::NotDcp(issues) => ModelError::NotDqcp(issues),
            other => other,
        })?;
        let ranges = std::mem::take(&mut levels.ranges);
        let mut copies = levels.copies;
        let mut own = Vec::with_capacity(parameters.len());
        for expr in parameters {
            if !std::ptr::eq(expr.model, of.model) {
                let text = format!("parameter {expr} is of another model");
                return Err(ModelError::Parameters(text));
            }
            own.push(copies.copy(expr.id));
        }
        let of_objective = reachable(&arena, &[objective]);
        let mut variables: Vec<Id> = of_objective
            .into_iter()
            .filter(|id| matches!(arena.nodes[*id].op, Op::Variable(_)))
            .collect();
        variables.sort_unstable();
        let outputs = outputs.iter().filter_map(|output| match output {
            Output::Primal(expr) => Some(expr.id),
            Output::Dual(_) => None,
        });
        let outputs = outputs.map(|id| copies.copy(id)).collect();
        let variables = variables.into_iter().map(|id| copies.copy(id)).collect();
        Ok(Self { problem, level, parameters: own, outputs, variables, ranges })
    }

    /// Compiles it, with the handles of the other model.
    pub fn compile(
        self,
        of: &Problem<'_>,
        parameters: &[Expr<'_>],
        outputs: &[Output<'_>],
    ) -> Result<QuasiconvexLayer, ModelError> {
        let own_parameters: Vec<Expr<'l>> =
            self.parameters.iter().copied().chain([self.level]).collect();
        let mut own_outputs = self.outputs.clone();
        let mut variables = Vec::with_capacity(self.variables.len());
        for variable in &self.variables {
            let known = self.outputs.iter().position(|output| output.id == variable.id);
            variables.push(known.unwrap_or(own_outputs.len()));
            if known.is_none() {
                own_outputs.push(*variable);
            }
        }
        let layer = self.problem.compile(own_parameters.iter().copied(), own_outputs)?;
        let layer = layer.known_as(
            parameters.iter().map(Expr::handle),
            outputs.iter().filter_map(|output| match output {
                Output::Primal(expr) => Some(expr.handle()),
                Output::Dual(_) => None,
            }),
        );
        let arena = of.model.arena();
        let of_variables: Vec<usize> = variable_indices(&arena, of.objective.id);
        let objective = Function::new(
            &arena,
            &[of.objective.id],
            &of_variables,
            &parameter_indices(&arena, parameters),
        );
        let model = self.problem.model;
        let own = model.arena();
        let roots: Vec<Id> =
            self.ranges.iter().flat_map(|range| [range.outer.id, range.level.id]).collect();
        let ranges = Function::new(&own, &roots, &[], &parameter_indices(&own, &own_parameters));
        let moves = |range: &Range<'_>| reachable(&own, &[range.level.id]).contains(&self.level.id);
        let range_sides = self.ranges.iter().map(|range| (range.side, moves(range))).collect();
        let sign = if of.maximize { -1.0 } else { 1.0 };
        let of_level = Analysis::new(&own).info(self.level.id).sign;
        let (below, above) = (of_level.is_nonneg(), of_level.is_nonpos());
        let (below, above) = if of.maximize { (above, below) } else { (below, above) };
        let parts = Parts {
            outputs: outputs.len(),
            objective,
            variables,
            ranges,
            range_sides,
            sign,
            floor: if below { 0.0 } else { f64::NEG_INFINITY },
            ceiling: if above { 0.0 } else { f64::INFINITY },
        };
        Ok(QuasiconvexLayer::new(layer, parts))
    }
}

/// The variables (by index) of an expression, in the order of their nodes.
fn variable_indices(arena: &Arena, root: Id) -> Vec<usize> {
    let mut nodes: Vec<(Id, usize)> = reachable(arena, &[root])
        .into_iter()
        .filter_map(|id| match arena.nodes[id].op {
            Op::Variable(index) => Some((id, index)),
            _ => None,
        })
        .collect();
    nodes.sort_unstable();
    nodes.into_iter().map(|(_, index)| index).collect()
}

/// Indices of parameters; what is none was refused by the compiler.
fn parameter_indices(arena: &Arena, parameters: &[Expr<'_>]) -> Vec<usize> {
    let index = |expr: &Expr<'_>| match arena.nodes[expr.id].op {
        Op::Parameter(index) => Some(index),
        _ => None,
    };
    parameters.iter().filter_map(index).collect()
}

/// A constraint as it stands where it is convex, else that its difference is on one side of what
/// has no variables.
fn constraint_of<'l>(
    levels: &mut Levels<'_, 'l>,
    analysis: &Analysis,
    arena: &Arena,
    id: usize,
) -> Result<Constraint<'l>, Issue> {
    let Relation::LessEqual(difference) = arena.constraints[id].relation else {
        return Ok(levels.copies.constraint(id));
    };
    if analysis.info(difference).curvature.is_concave() {
        return Ok(levels.copies.constraint(id));
    }
    let node = &arena.nodes[difference];
    let place = arena.constraints[id].place;
    let (greater, less) = match &node.op {
        Op::Linear { form: Form::Sub, args, .. } if args.len() == 2 => (args[0], args[1]),
        _ => {
            let text = format!("{}: expected two sides", render(arena, difference));
            return Err(Issue::new(text, place));
        }
    };
    let (side, expr, bound) =
        match (arena.nodes[greater].has_variables, arena.nodes[less].has_variables) {
            (false, true) => (Side::Below, less, greater),
            (true, false) => (Side::Above, greater, less),
            _ => {
                let text = format!(
                    "{} <= {}: one side of an inequality that is quasiconvex, not convex, must be \
                     free of variables; for p / q <= r write p <= r * q",
                    render(arena, less),
                    render(arena, greater)
                );
                return Err(Issue::new(text, place));
            }
        };
    let level = levels.copies.copy(bound);
    let residual = levels.residual(expr, side, level)?;
    let own = residual.leq(0.0);
    let name = arena.constraints[id].name.clone();
    Ok(name.into_iter().fold(own, |own, name| own.named(name)))
}

/// What is wrong with the outputs that are asked for.
fn output_issues(
    of: &Problem<'_>,
    analysis: &Analysis,
    arena: &Arena,
    outputs: &[Output<'_>],
) -> Vec<Issue> {
    let issue = |output: &Output<'_>| match output {
        Output::Dual(constraint) => {
            let place = constraint.model.arena().constraints[constraint.id].place;
            let text = "the dual of a constraint as an output of a quasiconvex layer; outputs are \
                        affine expressions, and sensitivities come from value_gradient";
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
            Some(Issue::new(text, arena.nodes[expr.id].place))
        }
        Output::Primal(_) => None,
    };
    outputs.iter().filter_map(issue).collect()
}
