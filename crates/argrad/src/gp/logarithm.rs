//! From a geometric program to the convex problem of its logarithms.

use std::collections::HashMap;

use super::layer::GpLayer;
use super::posynomial::LogSumExpRows;
use crate::atoms::{Atom, exp, hstack, log, maximum, minimum};
use crate::dcp::{Analysis, Curvature, Sign, constant_value};
use crate::layer::reachable;
use crate::model::arena::{Arena, Form, Id, Op, Place};
use crate::model::constraint::Relation;
use crate::model::text::render;
use crate::model::{Constraint, Expr, Issue, Model, ModelError, Output, Problem, Shape};

/// A problem in the logarithms of another's variables and parameters.
pub(super) struct LogProblem<'l> {
    /// The other's model.
    of: *const Model,
    problem: Problem<'l>,
    /// Logarithms of expressions, and their own parameters, by the other's id.
    logs: HashMap<Id, Expr<'l>>,
    parameters: HashMap<Id, Expr<'l>>,
    constraints: HashMap<usize, Constraint<'l>>,
}

impl<'l> LogProblem<'l> {
    /// Written into `model`, with logarithms of what `outputs` ask for.
    pub fn new(
        of: &Problem<'_>,
        outputs: &[Output<'_>],
        model: &'l Model,
    ) -> Result<Self, ModelError> {
        let arena = of.model.arena();
        if !arena.issues.is_empty() {
            return Err(ModelError::Invalid(arena.issues.clone()));
        }
        let objective = &arena.nodes[of.objective.id];
        if objective.shape.size() != 1 {
            let text = format!("the objective is a {}, expected a scalar", objective.shape);
            return Err(ModelError::Invalid(vec![Issue::new(text, objective.place)]));
        }
        let foreign = |output: &&Output<'_>| {
            let model = match output {
                Output::Primal(expr) => expr.model,
                Output::Dual(constraint) => constraint.model,
            };
            !std::ptr::eq(model, of.model)
        };
        if outputs.iter().any(|output| foreign(&output)) {
            let text = "an output of another model".into();
            return Err(ModelError::Invalid(vec![Issue::new(text, objective.place)]));
        }
        let mut issues = Vec::new();
        let (mut roots, mut sides) = (vec![of.objective.id], Vec::new());
        for constraint in &of.constraints {
            if !std::ptr::eq(constraint.model, of.model) {
                let place = constraint.model.arena().constraints[constraint.id].place;
                let text = "a constraint of another model".into();
                return Err(ModelError::Invalid(vec![Issue::new(text, place)]));
            }
            let data = &arena.constraints[constraint.id];
            match sides_of(&arena, &data.relation) {
                Some((greater, less)) => {
                    roots.extend([greater, less]);
                    sides.push((constraint.id, greater, less));
                }
                None => issues.push(Issue::new(
                    "a cone: constraints of a geometric program are leq, geq and equals".into(),
                    data.place,
                )),
            }
        }
        for output in outputs {
            if let Output::Primal(expr) = output {
                roots.push(expr.id);
            }
        }
        let mut walk = Walk { arena: &arena, model, logs: HashMap::new(), bounds: Vec::new() };
        let mut ids: Vec<Id> = reachable(&arena, &roots).into_iter().collect();
        ids.sort_unstable();
        let mut parameters = HashMap::new();
        for id in &ids {
            match walk.logarithm(*id) {
                Ok(Some(log)) => {
                    if let (Some(parameter), _) = log {
                        parameters.insert(*id, parameter);
                    }
                    walk.logs.insert(*id, log.1);
                }
                Ok(None) => {}
                Err(message) => {
                    let text = format!("{}: {message}", render(&arena, *id));
                    issues.push(Issue::new(text, arena.nodes[*id].place));
                }
            }
        }
        for id in &roots {
            // Constants are taken logarithms of where they are used.
            if !walk.logs.contains_key(id)
                && let Some(values) = walk.constant(*id)
            {
                match walk.log_of_constant(&values, arena.nodes[*id].shape) {
                    Ok(log) => drop(walk.logs.insert(*id, log)),
                    Err(message) => {
                        let text = format!("{}: {message}", render(&arena, *id));
                        issues.push(Issue::new(text, arena.nodes[*id].place));
                    }
                }
            }
        }
        let Walk { logs, bounds, .. } = walk;
        if issues.is_empty() {
            issues = curvature_issues(of, outputs, &arena, &sides, &ids, &logs, model);
        }
        if !issues.is_empty() {
            return Err(ModelError::NotDgp(issues));
        }
        let constraints: HashMap<usize, Constraint<'l>> = sides
            .iter()
            .map(|(id, greater, less)| {
                let (greater, less) = (logs[greater], logs[less]);
                let data = &arena.constraints[*id];
                let own = match data.relation {
                    Relation::Equal(_) => less.equals(greater),
                    _ => less.leq(greater),
                };
                (*id, data.name.iter().fold(own, |own, name| own.named(name.clone())))
            })
            .collect();
        let objective = logs[&of.objective.id];
        let problem =
            if of.maximize { Problem::maximize(objective) } else { Problem::minimize(objective) };
        let ordered: Vec<Constraint<'l>> = sides.iter().map(|side| constraints[&side.0]).collect();
        let problem =
            problem.subject_to(ordered).subject_to(bounds).with_settings(of.settings().clone());
        Ok(Self { of: of.model, problem, logs, parameters, constraints })
    }

    /// The layer with these parameters and outputs of the other problem.
    pub fn compile(
        &self,
        parameters: &[Expr<'_>],
        outputs: &[Output<'_>],
    ) -> Result<GpLayer, ModelError> {
        let mut own = Vec::with_capacity(parameters.len());
        for expr in parameters {
            let found = self.parameters.get(&expr.id);
            own.push(*found.filter(|_| std::ptr::eq(expr.model, self.of)).ok_or_else(|| {
                ModelError::Parameters(format!(
                    "{expr} is not a parameter that occurs in the problem"
                ))
            })?);
        }
        let mut logarithmic = Vec::with_capacity(outputs.len());
        let mut of = Vec::with_capacity(outputs.len());
        for output in outputs {
            logarithmic.push(matches!(output, Output::Primal(_)));
            of.push(match output {
                Output::Primal(expr) => Output::Primal(self.logs[&expr.id]),
                Output::Dual(constraint) => match self.constraints.get(&constraint.id) {
                    Some(own) => own.dual(),
                    None => {
                        return Err(ModelError::Parameters(
                            "an output is the dual of a constraint that the problem does not have"
                                .into(),
                        ));
                    }
                },
            });
        }
        Ok(GpLayer::new(self.problem.compile(own, of)?, logarithmic))
    }
}

/// The sides of an inequality or equality: (greater, less). Constraints keep the difference.
fn sides_of(arena: &Arena, relation: &Relation) -> Option<(Id, Id)> {
    let (Relation::Equal(id) | Relation::LessEqual(id)) = relation else { return None };
    match &arena.nodes[*id].op {
        Op::Linear { form: Form::Sub, args, .. } if args.len() == 2 => Some((args[0], args[1])),
        _ => None,
    }
}

/// What is wrong with curvatures.
fn curvature_issues(
    of: &Problem<'_>,
    outputs: &[Output<'_>],
    arena: &Arena,
    sides: &[(usize, Id, Id)],
    ids: &[Id],
    logs: &HashMap<Id, Expr<'_>>,
    model: &Model,
) -> Vec<Issue> {
    let analysis = Analysis::new(&model.arena());
    let curvature =
        |id: &Id| logs.get(id).map_or(Curvature::Constant, |log| analysis.info(log.id).curvature);
    let mut issues = Vec::new();
    for id in ids {
        let args = arena.nodes[*id].op.args();
        if curvature(id) != Curvature::Unknown
            || args.iter().any(|arg| curvature(arg) == Curvature::Unknown)
        {
            continue;
        }
        let parts: Vec<String> = args
            .iter()
            .map(|arg| format!("{} is {}", render(arena, *arg), says(curvature(arg))))
            .collect();
        let text = format!(
            "{}: no log-log curvature, as {}; bound a part by a variable in a constraint of its own",
            render(arena, *id),
            parts.join(" and ")
        );
        issues.push(Issue::new(text, arena.nodes[*id].place));
    }
    let mut require = |id: Id, convex: bool, concave: bool, place: Place, what: &str| {
        let found = curvature(&id);
        let holds = (!convex || found.is_convex()) && (!concave || found.is_concave());
        if !holds && found != Curvature::Unknown {
            let text = format!("{what}: {} is {}", render(arena, id), says(found));
            issues.push(Issue::new(text, place));
        }
    };
    let objective = of.objective.id;
    let place = arena.nodes[objective].place;
    if of.maximize {
        let what = "what is maximized must be log-log concave, as monomials are";
        require(objective, false, true, place, what);
    } else {
        let what = "what is minimized must be log-log convex, as posynomials are";
        require(objective, true, false, place, what);
    }
    for (constraint, greater, less) in sides {
        let data = &arena.constraints[*constraint];
        if matches!(data.relation, Relation::Equal(_)) {
            let what = "both sides of an equality must be monomials";
            require(*greater, true, true, data.place, what);
            require(*less, true, true, data.place, what);
        } else {
            let what = "the greater side must be log-log concave, as monomials are";
            require(*greater, false, true, data.place, what);
            let what = "the lesser side must be log-log convex, as posynomials are";
            require(*less, true, false, data.place, what);
        }
    }
    for output in outputs {
        if let Output::Primal(expr) = output {
            let what = "outputs are monomials; put a variable in its place";
            require(expr.id, true, true, arena.nodes[expr.id].place, what);
        }
    }
    issues
}

fn says(curvature: Curvature) -> &'static str {
    match curvature {
        Curvature::Constant => "constant",
        Curvature::Affine => "log-log affine (a monomial)",
        Curvature::Convex => "log-log convex",
        Curvature::Concave => "log-log concave",
        Curvature::Unknown => "without log-log curvature",
    }
}

struct Walk<'a, 'l> {
    arena: &'a Arena,
    model: &'l Model,
    logs: HashMap<Id, Expr<'l>>,
    bounds: Vec<Constraint<'l>>,
}

/// A parameter of the new model, where it is one, and the logarithm.
type Logarithm<'l> = (Option<Expr<'l>>, Expr<'l>);

impl<'l> Walk<'_, 'l> {
    /// The logarithm of an expression, those of its arguments being known. None for constants, and where
    /// an argument has none.
    fn logarithm(&mut self, id: Id) -> Result<Option<Logarithm<'l>>, String> {
        let node = &self.arena.nodes[id];
        if !node.has_variables && !node.has_parameters {
            return Ok(None);
        }
        let args = node.op.args();
        let known = |arg: &Id| self.logs.contains_key(arg) || self.constant(*arg).is_some();
        if !args.iter().all(known) {
            return Ok(None);
        }
        let log = match &node.op {
            Op::Variable(index) => self.variable(*index, node.shape)?,
            Op::Parameter(index) => {
                let (own, log) = self.parameter(*index, node.shape)?;
                return Ok(Some((Some(own), log)));
            }
            Op::Linear { map, args, .. } => {
                let parts: Vec<Part<'l>> = args.iter().map(|arg| self.part(*arg)).collect();
                let (flat, numbers) = concatenate(&parts);
                let mut sum = Posynomial::default();
                for row in 0..map.rows() {
                    for (col, coef) in map.row(row) {
                        sum.add(coef * numbers.get(col), &[col])?;
                    }
                    sum.end_row()?;
                }
                sum.logarithm(&[flat], node.shape)
            }
            Op::Product { kind, a, b } => {
                let (a, b) = (self.part(*a), self.part(*b));
                let mut sum = Posynomial::default();
                for row in 0..kind.len() {
                    let mut result = Ok(());
                    kind.terms(row, |i, j| {
                        if result.is_ok() {
                            result = sum.add(a.numbers.get(i) * b.numbers.get(j), &[i, j]);
                        }
                    });
                    result?;
                    sum.end_row()?;
                }
                sum.logarithm(&[a.log, b.log], node.shape)
            }
            Op::Atom { atom, args } => self.atom(&**atom, args, node.shape)?,
            Op::Constant(_) | Op::Poison => return Ok(None),
        };
        Ok(Some((None, log)))
    }

    fn variable(&mut self, index: usize, shape: Shape) -> Result<Expr<'l>, String> {
        let leaf = &self.arena.variables[index];
        let attributes = &leaf.attributes;
        if attributes.nonpos || attributes.psd || attributes.support.is_some() {
            return Err("variables of a geometric program are positive in every element".into());
        }
        let y = self.model.variable(shape);
        let y = leaf.name.iter().fold(y, |y, name| y.named(name.clone()));
        let y = if attributes.symmetric { y.symmetric() } else { y };
        if let Some(upper) = &attributes.upper {
            if upper.iter().any(|u| *u <= 0.0) {
                return Err("the upper bound of a variable that is positive is not".into());
            }
            let upper: Vec<f64> = upper.iter().map(|u| u.ln()).collect();
            self.bounds.push(y.flatten().leq(upper));
        }
        if let Some(lower) = &attributes.lower {
            let at: Vec<usize> = (0..lower.len()).filter(|k| lower[*k] > 0.0).collect();
            if !at.is_empty() {
                let lower: Vec<f64> = at.iter().map(|k| lower[*k].ln()).collect();
                self.bounds.push(y.flatten().gather(&at).geq(lower));
            }
        }
        Ok(y)
    }

    fn parameter(&mut self, index: usize, shape: Shape) -> Result<(Expr<'l>, Expr<'l>), String> {
        let leaf = &self.arena.parameters[index];
        if leaf.attributes.sign() == Sign::Nonpos || leaf.attributes.support.is_some() {
            return Err("parameters of a geometric program are positive in every element".into());
        }
        let own = self.model.parameter(shape);
        if let Op::Parameter(at) = own.op() {
            let mut arena = self.model.arena_mut();
            let copy = &mut arena.parameters[at];
            (copy.attributes, copy.place) = (leaf.attributes.clone(), leaf.place);
            copy.attributes.nonneg = true;
            copy.name = Some(crate::model::text::parameter_name(self.arena, index));
        }
        Ok((own, log(own)))
    }

    fn atom(&self, atom: &dyn Atom, args: &[Id], shape: Shape) -> Result<Expr<'l>, String> {
        let mut of = Vec::with_capacity(args.len());
        for arg in args {
            of.push(match self.logs.get(arg) {
                Some(log) => *log,
                None => {
                    let values = self.constant(*arg).unwrap_or_default();
                    self.log_of_constant(&values, self.arena.nodes[*arg].shape)?
                }
            });
        }
        let x = of[0];
        let log_sum = |x: Expr<'l>| {
            let counts = vec![x.size()];
            self.model.atom(LogSumExpRows { counts }, &[x.flatten()]).reshape(())
        };
        let extremum = |pick: fn(Expr<'l>, Expr<'l>) -> Expr<'l>| {
            let flat = x.flatten();
            (1..x.size()).fold(flat.index(0), |best, k| pick(best, flat.index(k)))
        };
        let whole = shape.is_scalar() && x.size() > 0;
        Ok(match atom.name() {
            "recip" | "inv_pos" => -x,
            "square" => 2.0 * x,
            "sqrt" => 0.5 * x,
            "abs" => x,
            "power" if !atom.data().is_empty() => atom.data()[0] * x,
            "exp" => exp(x),
            "log" => log(x),
            "maximum" => of[1..].iter().fold(x, |best, next| maximum(best, *next)),
            "minimum" => of[1..].iter().fold(x, |best, next| minimum(best, *next)),
            "max" | "norm_inf" if whole => extremum(|a, b| maximum(a, b)),
            "min" if whole => extremum(|a, b| minimum(a, b)),
            "norm1" if whole => log_sum(x),
            "norm2" if whole => 0.5 * log_sum(2.0 * x),
            "sum_squares" if whole => log_sum(2.0 * x),
            "pnorm" if whole && atom.data().len() == 2 => {
                let p = atom.data()[1];
                (1.0 / p) * log_sum(p * x)
            }
            "geo_mean" if whole => match atom.data().get(1..) {
                // With its weights, if it has any.
                Some(weights) if weights.len() == x.size() => {
                    let sum: f64 = weights.iter().sum();
                    let exponents: Vec<f64> = weights.iter().map(|w| w / sum).collect();
                    x.flatten().dot(exponents)
                }
                _ => x.mean(),
            },
            "quad_over_lin" if whole && of.len() == 2 => log_sum(2.0 * x) - of[1].reshape(()),
            name => {
                return Err(format!(
                    "{name} has no log-log curvature here; geometric programs are made of sums, \
                     products, quotients, powers, norms, maxima and minima"
                ));
            }
        })
    }

    /// The numbers of an expression without variables and parameters.
    fn constant(&self, id: Id) -> Option<Vec<f64>> {
        let node = &self.arena.nodes[id];
        (!node.has_variables && !node.has_parameters).then(|| constant_value(self.arena, id))
    }

    fn log_of_constant(&self, values: &[f64], shape: Shape) -> Result<Expr<'l>, String> {
        if let Some(bad) = values.iter().find(|v| **v <= 0.0) {
            return Err(format!(
                "expected positive numbers, found {bad}; variables of a geometric program are \
                 positive without a constraint that says so"
            ));
        }
        let logs: Vec<f64> = values.iter().map(|v| v.ln()).collect();
        Ok(self.model.constant(logs).reshape(shape))
    }

    /// An argument of a sum or product.
    fn part(&self, id: Id) -> Part<'l> {
        match self.logs.get(&id) {
            Some(log) => Part { log: log.flatten(), numbers: Numbers(Vec::new()) },
            None => {
                let values = self.constant(id).unwrap_or_default();
                let log = self.model.constant(vec![0.0; values.len()]);
                Part { log, numbers: Numbers(values) }
            }
        }
    }
}

/// A flat argument: `numbers * exp(log)`.
struct Part<'l> {
    log: Expr<'l>,
    numbers: Numbers,
}

/// Factors of elements; empty for ones.
struct Numbers(Vec<f64>);

impl Numbers {
    fn get(&self, at: usize) -> f64 {
        self.0.get(at).copied().unwrap_or(1.0)
    }
}

/// Arguments end to end.
fn concatenate<'l>(parts: &[Part<'l>]) -> (Expr<'l>, Numbers) {
    let logs: Vec<Expr<'l>> = parts.iter().map(|part| part.log).collect();
    let numbers = parts.iter().flat_map(|part| (0..part.log.size()).map(|k| part.numbers.get(k)));
    let numbers = Numbers(numbers.collect());
    (if let [log] = logs[..] { log } else { hstack(&logs) }, numbers)
}

/// Rows of sums of `coef * product of elements`.
#[derive(Default)]
struct Posynomial {
    counts: Vec<usize>,
    count: usize,
    coefs: Vec<f64>,
    /// For each term the element of each factor.
    elements: Vec<Vec<usize>>,
}

impl Posynomial {
    fn add(&mut self, coef: f64, elements: &[usize]) -> Result<(), String> {
        if coef < 0.0 {
            return Err(
                "a term is negative, and geometric programs have no differences; write a + b \
                        <= c for a <= c - b"
                    .into(),
            );
        }
        if coef > 0.0 {
            self.count += 1;
            self.coefs.push(coef.ln());
            self.elements.push(elements.to_vec());
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), String> {
        self.counts.push(self.count);
        if std::mem::take(&mut self.count) > 0 {
            return Ok(());
        }
        Err(format!("element {} is zero, which has no logarithm", self.counts.len() - 1))
    }

    /// With the logarithms of the factors, flat.
    fn logarithm<'l>(self, factors: &[Expr<'l>], shape: Shape) -> Expr<'l> {
        let gather = |(at, factor): (usize, &Expr<'l>)| {
            let of: Vec<usize> = self.elements.iter().map(|elements| elements[at]).collect();
            factor.gather(&of)
        };
        let products = factors.iter().enumerate().map(gather);
        let mut sum = products.reduce(|a, b| a + b).unwrap_or(factors[0]);
        if self.coefs.iter().any(|c| *c != 0.0) {
            sum = sum + self.coefs;
        }
        if self.counts.iter().any(|count| *count > 1) {
            sum = sum.model.atom(LogSumExpRows { counts: self.counts }, &[sum]);
        }
        sum.reshape(shape)
    }
}
