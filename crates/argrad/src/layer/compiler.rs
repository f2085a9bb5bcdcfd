//! From a problem to a layer.

use std::collections::{HashMap, HashSet};

use argrad_solver::KktLabel;

use super::Layer;
use super::data::{LayerData, Names, OutputSpec, ParameterSpec, Source};
use crate::algebra::LinearMap;
use crate::atom::Affine;
use crate::atom::Derivation;
use crate::canonical::{DualRows, Owned, Walk, assemble};
use crate::constraint::{Constraint, Output};
use crate::dcp::Analysis;
use crate::error::{Issue, ModelError};
use crate::expression::{
    Arena, Expr, Id, Leaf, Model, Op, parameter_name, reachable, render, variable_name,
};
use crate::problem::Problem;

/// A layer, and what its outputs are where the caller asked for all of them.
pub(crate) struct Compiled {
    pub layer: Layer,
    /// Variables (by index) in the order of the first outputs.
    pub variables: Vec<usize>,
}

/// The compilation of one problem.
pub(crate) struct Compiler;

impl Compiler {
    /// With these outputs.
    pub fn compile<'m>(
        problem: &Problem<'m>,
        parameters: &[Expr<'m>],
        outputs: &[Output<'m>],
    ) -> Result<Compiled, ModelError> {
        Self::build(problem, problem.analyse()?, parameters, outputs, false)
    }

    /// `unused`: whether parameters may be listed that do not occur in the problem.
    fn build<'m>(
        problem: &Problem<'m>,
        analysis: Analysis,
        parameters: &[Expr<'m>],
        outputs: &[Output<'m>],
        unused: bool,
    ) -> Result<Compiled, ModelError> {
        let arena = problem.model.arena();
        let issues = output_issues(problem, &analysis, &arena, outputs);
        if !issues.is_empty() {
            return Err(ModelError::Invalid(issues));
        }
        let parameters = Parameters::new(problem, &arena, outputs, parameters, unused)?;
        let mut derivation = Derivation::new(parameters.theta);
        let mut walk = Walk::new(&arena, &analysis, &mut derivation, parameters.offsets);
        let weight = if problem.maximize { -1.0 } else { 1.0 };
        let shape = arena.nodes[problem.objective.id].shape;
        walk.objective(problem.objective.id, &Affine::constant(shape, &[weight]));
        let mut duals: HashMap<usize, DualRows> = HashMap::new();
        for constraint in &problem.constraints {
            duals.entry(constraint.id).or_insert_with(|| walk.constraint(constraint.id));
        }
        let forms: Vec<Option<Affine>> = outputs
            .iter()
            .map(|output| match output {
                Output::Primal(expr) => Some(walk.output(expr.id)),
                Output::Dual(_) => None,
            })
            .collect();
        if !walk.faults.is_empty() {
            return Err(ModelError::Graph(walk.faults));
        }
        if !walk.refusals.is_empty() {
            return Err(ModelError::NotDpp(walk.refusals));
        }
        let (blocks, columns) =
            (std::mem::take(&mut walk.blocks), std::mem::take(&mut walk.columns));
        let graph = walk.finish();
        let sizes = graph.block_sizes();
        let (assembled, starts) = assemble(graph);
        let spec = |(output, form): (&Output<'m>, Option<Affine>)| match output {
            Output::Primal(expr) => {
                let form = form.unwrap_or_else(|| Affine::zeros(expr.shape()));
                primal_spec(&arena, *expr, &form, assembled.variables)
            }
            Output::Dual(constraint) => {
                let rows = &duals[&constraint.id];
                let of = rows.block..rows.block + rows.count;
                let at: Vec<usize> = of.flat_map(|k| starts[k]..starts[k] + sizes[k]).collect();
                dual_spec(&arena, *constraint, dual_map(rows, &at, assembled.rows))
            }
        };
        let outputs = outputs.iter().zip(forms).map(spec).collect();
        let data = LayerData {
            maximize: problem.maximize,
            program: derivation,
            assembled,
            parameters: parameters.specs,
            outputs,
            names: names(blocks, columns, &starts, &sizes),
            price: None,
        };
        let layer = Layer::new(data, problem.settings().clone())?;
        Ok(Compiled { layer, variables: Vec::new() })
    }

    /// With every variable of the problem and the dual of every constraint as outputs, in this
    /// order.
    pub fn compile_all<'m>(
        problem: &Problem<'m>,
        parameters: &[Expr<'m>],
    ) -> Result<Compiled, ModelError> {
        let analysis = problem.analyse()?;
        let variables = problem.variables();
        let mut outputs: Vec<Output<'m>> = variables.iter().copied().map(Output::Primal).collect();
        outputs.extend(problem.constraints.iter().map(|constraint| constraint.dual()));
        let compiled = Self::build(problem, analysis, parameters, &outputs, false)?;
        let arena = problem.model.arena();
        let index = |expr: &Expr<'_>| match arena.nodes[expr.id].op {
            Op::Variable(index) => Some(index),
            _ => None,
        };
        Ok(Compiled { variables: variables.iter().filter_map(index).collect(), ..compiled })
    }
}

impl<'m> Problem<'m> {
    /// Compiles the problem to a layer: a function of `parameters` (all that occur in the problem,
    /// in the order in which the layer will take them) that returns `outputs`, which are affine
    /// expressions, most often variables, and duals of constraints.
    ///
    /// # Errors
    /// As [`Self::check`]; also when a parameter is missing, and where a parameter stands in a
    /// place that takes constants only.
    pub fn compile<O: Into<Output<'m>>>(
        &self,
        parameters: impl IntoIterator<Item = Expr<'m>>,
        outputs: impl IntoIterator<Item = O>,
    ) -> Result<Layer, ModelError> {
        let parameters: Vec<Expr<'m>> = parameters.into_iter().collect();
        let outputs: Vec<Output<'m>> = outputs.into_iter().map(Into::into).collect();
        Ok(Compiler::compile(self, &parameters, &outputs)?.layer)
    }
}

impl<'m> Problem<'m> {
    /// [`Self::compile`], where parameters may be listed that do not occur in the problem; nothing
    /// depends on them.
    pub(crate) fn compile_with_unused(
        &self,
        parameters: &[Expr<'m>],
        outputs: &[Output<'m>],
    ) -> Result<Layer, ModelError> {
        Ok(Compiler::build(self, self.analyse()?, parameters, outputs, true)?.layer)
    }
}

/// What is wrong with the outputs that are asked for.
fn output_issues(
    problem: &Problem<'_>,
    analysis: &Analysis,
    arena: &Arena,
    outputs: &[Output<'_>],
) -> Vec<Issue> {
    let issue = |output: &Output<'_>| match output {
        Output::Primal(expr) if !std::ptr::eq(expr.model, problem.model) => {
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
        Output::Dual(constraint) => {
            let is_same = |own: &Constraint<'_>| {
                own.id == constraint.id && std::ptr::eq(own.model, constraint.model)
            };
            if problem.constraints.iter().any(is_same) {
                return None;
            }
            let place = constraint.model.arena().constraints[constraint.id].place;
            let text = "an output is the dual of a constraint that the problem does not have";
            Some(Issue::new(text.into(), place))
        }
    };
    outputs.iter().filter_map(issue).collect()
}

/// The parameters of a layer.
struct Parameters {
    /// What each of them must be.
    specs: Vec<ParameterSpec>,
    /// The first entry of theta of each (by index in the model).
    offsets: HashMap<usize, usize>,
    /// How many numbers they have.
    theta: usize,
}

impl Parameters {
    /// Those of the list, which must be all that occur in the problem and its outputs.
    fn new(
        problem: &Problem<'_>,
        arena: &Arena,
        outputs: &[Output<'_>],
        parameters: &[Expr<'_>],
        unused: bool,
    ) -> Result<Self, ModelError> {
        let used = used_parameters(problem, arena, outputs);
        let mut own = Self { specs: Vec::new(), offsets: HashMap::new(), theta: 0 };
        for (position, expr) in parameters.iter().enumerate() {
            let index = match parameter_index(problem.model, arena, expr) {
                Ok(index) => index,
                Err(message) => {
                    return Err(ModelError::Parameters(format!("parameter {position}: {message}")));
                }
            };
            let leaf = &arena.parameters[index];
            let (name, created) = (parameter_name(arena, index), created(leaf));
            if own.offsets.insert(index, own.theta).is_some() {
                let text = format!("parameter {name} ({created}) is listed twice");
                return Err(ModelError::Parameters(text));
            }
            if !unused && !used.contains(&index) {
                let text = format!(
                    "parameter {name} (created at {created}) does not occur in the problem"
                );
                return Err(ModelError::Parameters(text));
            }
            let shape = arena.nodes[expr.id].shape;
            own.specs.push(ParameterSpec {
                location: created,
                handle: Some(expr.handle()),
                ..ParameterSpec::of(name, own.theta, shape, &leaf.attributes)
            });
            own.theta += leaf.attributes.places(shape).1;
        }
        let mut missing: Vec<usize> =
            used.into_iter().filter(|index| !own.offsets.contains_key(index)).collect();
        missing.sort_unstable();
        if missing.is_empty() {
            return Ok(own);
        }
        let name = |index: &usize| {
            let created = created(&arena.parameters[*index]);
            format!("{} (created at {created})", parameter_name(arena, *index))
        };
        let names: Vec<String> = missing.iter().map(name).collect();
        Err(ModelError::Parameters(format!("missing parameters: {}", names.join(", "))))
    }
}

/// Where it was created.
fn created(leaf: &Leaf) -> String {
    format!("{}:{}", leaf.place.file(), leaf.place.line())
}

/// Parameters (by index) that occur in a problem or its outputs.
fn used_parameters(problem: &Problem<'_>, arena: &Arena, outputs: &[Output<'_>]) -> HashSet<usize> {
    let mut roots = vec![problem.objective.id];
    for constraint in &problem.constraints {
        roots.extend(arena.constraints[constraint.id].relation.args());
    }
    roots.extend(outputs.iter().filter_map(|output| match output {
        Output::Primal(expr) => Some(expr.id),
        Output::Dual(_) => None,
    }));
    let index = |id: Id| match arena.nodes[id].op {
        Op::Parameter(index) => Some(index),
        _ => None,
    };
    reachable(arena, &roots).into_iter().filter_map(index).collect()
}

/// The index of a parameter, or what it is instead.
fn parameter_index(model: &Model, arena: &Arena, expr: &Expr<'_>) -> Result<usize, String> {
    if !std::ptr::eq(expr.model, model) {
        return Err(format!("{expr} is of another model"));
    }
    match arena.nodes.get(expr.id).map(|node| &node.op) {
        Some(Op::Parameter(index)) => Ok(*index),
        Some(Op::Variable(index)) => {
            let name = variable_name(arena, *index);
            Err(format!("expected a parameter, found the variable {name}"))
        }
        _ => Err(format!("expected a parameter, found the expression {expr}")),
    }
}

fn primal_spec(arena: &Arena, expr: Expr<'_>, form: &Affine, variables: usize) -> OutputSpec {
    let (mut map, mut constant) = (LinearMap::new(variables), Vec::new());
    for r in 0..form.size() {
        let mut fixed = 0.0;
        map.push_row(form.row(r).iter().filter_map(|term| match term.variable {
            0 => {
                fixed += term.coef;
                None
            }
            v => Some((v as usize - 1, term.coef)),
        }));
        constant.push(fixed);
    }
    OutputSpec {
        name: render(arena, expr.id),
        shape: form.shape(),
        source: Source::Primal,
        map,
        constant,
        handle: Some(expr.handle()),
    }
}

fn dual_spec(arena: &Arena, constraint: Constraint<'_>, map: LinearMap) -> OutputSpec {
    let data = &arena.constraints[constraint.id];
    OutputSpec {
        name: format!("dual of {}", data.name.as_deref().unwrap_or("a constraint")),
        shape: data.shape,
        source: Source::Dual,
        map,
        constant: vec![0.0; data.shape.size()],
        handle: Some(constraint.handle()),
    }
}

/// Whose each part of the program is, in rows and columns; `starts` and `sizes` are of the blocks.
fn names(blocks: Vec<Owned>, columns: Vec<Owned>, starts: &[usize], sizes: &[usize]) -> Names {
    let mut names = Names::default();
    for Owned { text, at, is_auxiliary } in blocks {
        let mut label = KktLabel { text, at: Vec::new() };
        for rows in at.map(|block| starts[block]..starts[block] + sizes[block]) {
            match label.at.last_mut() {
                Some(last) if last.end == rows.start => last.end = rows.end,
                _ => label.at.push(rows),
            }
        }
        let list = if is_auxiliary { &mut names.graphs } else { &mut names.constraints };
        list.push(label);
    }
    for Owned { text, at, is_auxiliary } in columns {
        let list = if is_auxiliary { &mut names.auxiliary } else { &mut names.variables };
        list.push(KktLabel::new(text, at));
    }
    names
}

/// The dual of a constraint from the rows of z.
fn dual_map(rows: &DualRows, at: &[usize], duals: usize) -> LinearMap {
    let Some(side) = rows.psd else {
        return LinearMap::gather(duals, at.iter().copied(), 1.0);
    };
    let mut map = LinearMap::new(duals);
    for k in 0..side * side {
        let (i, j) = ((k / side).min(k % side), (k / side).max(k % side));
        let coef = if i == j { 1.0 } else { std::f64::consts::FRAC_1_SQRT_2 };
        map.push_row([(at[j * (j + 1) / 2 + i], coef)]);
    }
    map
}
