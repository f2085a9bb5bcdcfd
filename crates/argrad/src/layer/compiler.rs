//! From a problem to a layer.

use std::collections::{HashMap, HashSet};

use super::data::{LayerData, OutputSpec, ParameterSpec, Source};
use super::forward::Layer;
use crate::atoms::LinearMap;
use crate::canonical::{Affine, DualRows, Walk, assemble};
use crate::dcp::Analysis;
use crate::dpp::Program;
use crate::model::arena::{Arena, Id, Op};
use crate::model::text::{parameter_name, render, variable_name};
use crate::model::{Constraint, Expr, Issue, Model, ModelError, Output, Problem};

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
        Self::build(problem, problem.analyse()?, parameters, outputs)
    }

    fn build<'m>(
        problem: &Problem<'m>,
        analysis: Analysis,
        parameters: &[Expr<'m>],
        outputs: &[Output<'m>],
    ) -> Result<Compiled, ModelError> {
        let arena = problem.model.arena();
        let mut roots = vec![problem.objective.id];
        for constraint in &problem.constraints {
            roots.extend(arena.constraints[constraint.id].relation.args());
        }
        let mut issues = Vec::new();
        for output in outputs {
            match output {
                Output::Primal(expr) if !std::ptr::eq(expr.model, problem.model) => {
                    let text = format!("output {expr}: an expression of another model");
                    issues.push(Issue::new(text, expr.location()));
                }
                Output::Primal(expr) => {
                    if !analysis.info(expr.id).curvature.is_affine() {
                        let text = format!(
                            "output {expr}: outputs are affine expressions; put a variable in its place \
                             and bound it in a constraint"
                        );
                        issues.push(Issue::new(text, arena.nodes[expr.id].place));
                    }
                    roots.push(expr.id);
                }
                Output::Dual(constraint) => {
                    let is_same = |own: &Constraint<'_>| {
                        own.id == constraint.id && std::ptr::eq(own.model, constraint.model)
                    };
                    if !problem.constraints.iter().any(is_same) {
                        let place = constraint.model.arena().constraints[constraint.id].place;
                        let text =
                            "an output is the dual of a constraint that the problem does not have";
                        issues.push(Issue::new(text.into(), place));
                    }
                }
            }
        }
        if !issues.is_empty() {
            return Err(ModelError::Invalid(issues));
        }
        let (specs, offsets, theta) = parameter_specs(problem.model, &arena, &roots, parameters)?;
        let mut program = Program::new(theta);
        let mut walk = Walk::new(&arena, &analysis, &mut program, offsets);
        let weight = if problem.maximize { -1.0 } else { 1.0 };
        let shape = arena.nodes[problem.objective.id].shape;
        walk.objective(problem.objective.id, &Affine::constant(shape, &[weight]));
        let mut duals: HashMap<usize, DualRows> = HashMap::new();
        for constraint in &problem.constraints {
            duals.entry(constraint.id).or_insert_with(|| walk.constraint(constraint.id));
        }
        let primal: Vec<Option<Affine>> = outputs
            .iter()
            .map(|output| match output {
                Output::Primal(expr) => Some(walk.output(expr.id)),
                Output::Dual(_) => None,
            })
            .collect();
        if !walk.issues.is_empty() {
            return Err(ModelError::NotDpp(walk.issues));
        }
        let graph = walk.finish();
        let sizes = graph.block_sizes();
        let (assembled, starts) = assemble(graph);
        let outputs = outputs
            .iter()
            .zip(primal)
            .map(|(output, form)| match (output, form) {
                (Output::Primal(expr), Some(form)) => {
                    primal_spec(render(&arena, expr.id), &form, assembled.variables)
                }
                (Output::Dual(constraint), _) => {
                    let data = &arena.constraints[constraint.id];
                    let rows = &duals[&constraint.id];
                    let of = rows.block..rows.block + rows.count;
                    let rows_of: Vec<usize> =
                        of.flat_map(|at| starts[at]..starts[at] + sizes[at]).collect();
                    OutputSpec {
                        name: format!("dual of {}", data.name.as_deref().unwrap_or("a constraint")),
                        shape: data.shape,
                        source: Source::Dual,
                        map: dual_map(rows, &rows_of, assembled.rows),
                        constant: vec![0.0; data.shape.size()],
                    }
                }
                (Output::Primal(expr), None) => primal_spec(
                    render(&arena, expr.id),
                    &Affine::zeros(expr.shape()),
                    assembled.variables,
                ),
            })
            .collect();
        let data = LayerData {
            maximize: problem.maximize,
            program,
            assembled,
            parameters: specs,
            outputs,
        };
        let layer = Layer::new(data, problem.settings().clone())?;
        Ok(Compiled { layer, variables: Vec::new() })
    }

    /// With every variable of the problem and the dual of every constraint as outputs, in this order.
    pub fn compile_all<'m>(
        problem: &Problem<'m>,
        parameters: &[Expr<'m>],
    ) -> Result<Compiled, ModelError> {
        let analysis = problem.analyse()?;
        let variables = problem.variables();
        let mut outputs: Vec<Output<'m>> = variables.iter().copied().map(Output::Primal).collect();
        outputs.extend(problem.constraints.iter().map(|constraint| constraint.dual()));
        let compiled = Self::build(problem, analysis, parameters, &outputs)?;
        let arena = problem.model.arena();
        let index = |expr: &Expr<'_>| match arena.nodes[expr.id].op {
            Op::Variable(index) => Some(index),
            _ => None,
        };
        Ok(Compiled { variables: variables.iter().filter_map(index).collect(), ..compiled })
    }
}

/// Every node that some roots are made of.
pub(crate) fn reachable(arena: &Arena, roots: &[Id]) -> HashSet<Id> {
    let (mut seen, mut stack) = (HashSet::new(), roots.to_vec());
    while let Some(id) = stack.pop() {
        if seen.insert(id) {
            stack.extend(arena.nodes[id].op.args());
        }
    }
    seen
}

/// What each parameter of a layer must be, and the first entry of theta of each (by index).
type Specs = (Vec<ParameterSpec>, HashMap<usize, usize>, usize);

fn parameter_specs(
    model: &Model,
    arena: &Arena,
    roots: &[Id],
    parameters: &[Expr<'_>],
) -> Result<Specs, ModelError> {
    let used: HashSet<usize> = reachable(arena, roots)
        .into_iter()
        .filter_map(|id| match arena.nodes[id].op {
            Op::Parameter(index) => Some(index),
            _ => None,
        })
        .collect();
    let (mut specs, mut offsets, mut theta) = (Vec::new(), HashMap::new(), 0);
    for (position, expr) in parameters.iter().enumerate() {
        if !std::ptr::eq(expr.model, model) {
            return Err(ModelError::Parameters(format!(
                "parameter {position}: {expr} is of another model"
            )));
        }
        let index = match arena.nodes.get(expr.id).map(|node| &node.op) {
            Some(Op::Parameter(index)) => *index,
            Some(Op::Variable(index)) => {
                return Err(ModelError::Parameters(format!(
                    "parameter {position}: expected a parameter, found the variable {}",
                    variable_name(arena, *index)
                )));
            }
            _ => {
                return Err(ModelError::Parameters(format!(
                    "parameter {position}: expected a parameter, found the expression {expr}"
                )));
            }
        };
        let (name, leaf) = (parameter_name(arena, index), &arena.parameters[index]);
        let location = format!("{}:{}", leaf.place.file(), leaf.place.line());
        if offsets.insert(index, theta).is_some() {
            return Err(ModelError::Parameters(format!(
                "parameter {name} ({location}) is listed twice"
            )));
        }
        if !used.contains(&index) {
            return Err(ModelError::Parameters(format!(
                "parameter {name} (created at {location}) does not occur in the problem"
            )));
        }
        let (shape, attributes) = (arena.nodes[expr.id].shape, &leaf.attributes);
        let len = attributes.places(shape).1;
        specs.push(ParameterSpec {
            name,
            location,
            shape,
            offset: theta,
            len,
            nonneg: attributes.nonneg,
            nonpos: attributes.nonpos,
            symmetric: (attributes.symmetric || attributes.psd) && len == shape.size(),
            psd: attributes.psd && len == shape.size(),
            lower: attributes.lower.as_ref().map(|bound| bound[..len].to_vec()),
            upper: attributes.upper.as_ref().map(|bound| bound[..len].to_vec()),
        });
        theta += len;
    }
    let mut missing: Vec<usize> =
        used.into_iter().filter(|index| !offsets.contains_key(index)).collect();
    missing.sort_unstable();
    if missing.is_empty() {
        return Ok((specs, offsets, theta));
    }
    let names: Vec<String> = missing
        .iter()
        .map(|index| {
            let place = arena.parameters[*index].place;
            format!(
                "{} (created at {}:{})",
                parameter_name(arena, *index),
                place.file(),
                place.line()
            )
        })
        .collect();
    Err(ModelError::Parameters(format!("missing parameters: {}", names.join(", "))))
}

fn primal_spec(name: String, form: &Affine, variables: usize) -> OutputSpec {
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
    OutputSpec { name, shape: form.shape(), source: Source::Primal, map, constant }
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
