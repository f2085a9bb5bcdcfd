//! From a geometric program to the convex problem of its logarithms.

use std::collections::HashMap;

use super::layer::GpLayer;
use crate::algebra::{LinearMap, Shape};
use crate::atom::{Atom, Curvature, LogLog, Sign};
use crate::atoms::{LogSumExpRows, hstack, log};
use crate::constraint::{Constraint, Output};
use crate::dcp::Analysis;
use crate::error::{Issue, ModelError};
use crate::expression::{
    Arena, Expr, Form, Id, Model, Op, Place, Relation, constant_value, parameter_name, reachable,
    render,
};
use crate::problem::Problem;

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
        check(of, outputs, &arena)?;
        let (sides, mut issues) = all_sides(of, &arena);
        let mut roots = vec![of.objective.id];
        roots.extend(sides.iter().flat_map(|side| [side.greater, side.less]));
        roots.extend(outputs.iter().filter_map(|output| match output {
            Output::Primal(expr) => Some(expr.id),
            Output::Dual(_) => None,
        }));
        let mut ids: Vec<Id> = reachable(&arena, &roots).into_iter().collect();
        ids.sort_unstable();
        let mut walk = Walk::new(&arena, model);
        issues.extend(walk.logarithms(&ids));
        issues.extend(walk.constants(&roots));
        let Walk { logs, parameters, bounds, .. } = walk;
        if issues.is_empty() {
            issues = curvature_issues(of, outputs, &arena, &sides, &ids, &logs, model);
        }
        if !issues.is_empty() {
            return Err(ModelError::NotDgp(issues));
        }
        let mut constraints = HashMap::new();
        let made = |side: &Sides| {
            *constraints.entry(side.id).or_insert_with(|| side.constraint(&arena, &logs))
        };
        let ordered: Vec<Constraint<'l>> = sides.iter().map(made).collect();
        let objective = logs[&of.objective.id];
        let problem =
            if of.maximize { Problem::maximize(objective) } else { Problem::minimize(objective) };
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
        let layer = self.problem.compile(own, of)?;
        let layer = layer.known_as(
            parameters.iter().map(Expr::handle),
            outputs.iter().map(|output| match output {
                Output::Primal(expr) => expr.handle(),
                Output::Dual(constraint) => constraint.handle(),
            }),
        );
        Ok(GpLayer::new(layer, logarithmic))
    }
}

/// Whether expressions are well formed, and all of one model.
fn check(of: &Problem<'_>, outputs: &[Output<'_>], arena: &Arena) -> Result<(), ModelError> {
    if !arena.issues.is_empty() {
        return Err(ModelError::Invalid(arena.issues.clone()));
    }
    let invalid =
        |text: String, place: Place| Err(ModelError::Invalid(vec![Issue::new(text, place)]));
    let objective = &arena.nodes[of.objective.id];
    if objective.shape.size() != 1 {
        let text = format!("the objective is a {}, expected a scalar", objective.shape);
        return invalid(text, objective.place);
    }
    let is_foreign = |output: &Output<'_>| {
        let model = match output {
            Output::Primal(expr) => expr.model,
            Output::Dual(constraint) => constraint.model,
        };
        !std::ptr::eq(model, of.model)
    };
    if outputs.iter().any(is_foreign) {
        return invalid("an output of another model".into(), objective.place);
    }
    match of.constraints.iter().find(|constraint| !std::ptr::eq(constraint.model, of.model)) {
        None => Ok(()),
        Some(constraint) => {
            let place = constraint.model.arena().constraints[constraint.id].place;
            invalid("a constraint of another model".into(), place)
        }
    }
}

/// An inequality or equality.
struct Sides {
    /// The constraint.
    id: usize,
    greater: Id,
    less: Id,
}

impl Sides {
    /// Constraints keep the difference.
    fn of(arena: &Arena, id: usize) -> Option<Self> {
        let relation = &arena.constraints[id].relation;
        let (Relation::Equal(node) | Relation::LessEqual(node)) = relation else { return None };
        match &arena.nodes[*node].op {
            Op::Linear { form: Form::Sub, args, .. } if args.len() == 2 => {
                Some(Self { id, greater: args[0], less: args[1] })
            }
            _ => None,
        }
    }

    /// The same between the logarithms.
    fn constraint<'l>(&self, arena: &Arena, logs: &HashMap<Id, Expr<'l>>) -> Constraint<'l> {
        let (greater, less) = (logs[&self.greater], logs[&self.less]);
        let data = &arena.constraints[self.id];
        let own = match data.relation {
            Relation::Equal(_) => less.equals(greater),
            _ => less.leq(greater),
        };
        data.name.iter().fold(own, |own, name| own.named(name.clone()))
    }
}

/// The sides of all constraints, and what is wrong with those that have none.
fn all_sides(of: &Problem<'_>, arena: &Arena) -> (Vec<Sides>, Vec<Issue>) {
    let (mut sides, mut issues) = (Vec::new(), Vec::new());
    for constraint in &of.constraints {
        match Sides::of(arena, constraint.id) {
            Some(own) => sides.push(own),
            None => issues.push(Issue::new(
                "a cone: constraints of a geometric program are leq, geq and equals".into(),
                arena.constraints[constraint.id].place,
            )),
        }
    }
    (sides, issues)
}

/// What is wrong with curvatures.
fn curvature_issues(
    of: &Problem<'_>,
    outputs: &[Output<'_>],
    arena: &Arena,
    sides: &[Sides],
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
            "{}: no log-log curvature, as {}; bound a part by a variable in a constraint of its \
             own",
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
    for Sides { id, greater, less } in sides {
        let data = &arena.constraints[*id];
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
    parameters: HashMap<Id, Expr<'l>>,
    bounds: Vec<Constraint<'l>>,
}

/// A parameter of the new model, where it is one, and the logarithm.
type Logarithm<'l> = (Option<Expr<'l>>, Expr<'l>);

impl<'a, 'l> Walk<'a, 'l> {
    fn new(arena: &'a Arena, model: &'l Model) -> Self {
        let (logs, parameters) = (HashMap::new(), HashMap::new());
        Self { arena, model, logs, parameters, bounds: Vec::new() }
    }

    /// The logarithms of expressions, arguments first; what has none is an issue.
    fn logarithms(&mut self, ids: &[Id]) -> Vec<Issue> {
        let mut issues = Vec::new();
        for id in ids {
            match self.logarithm(*id) {
                Ok(Some((parameter, log))) => {
                    self.parameters.extend(parameter.map(|parameter| (*id, parameter)));
                    self.logs.insert(*id, log);
                }
                Ok(None) => {}
                Err(message) => issues.push(self.issue(*id, &message)),
            }
        }
        issues
    }

    /// The logarithms of those roots that are constants; others are taken logarithms of where they
    /// are used.
    fn constants(&mut self, roots: &[Id]) -> Vec<Issue> {
        let mut issues = Vec::new();
        for id in roots {
            if self.logs.contains_key(id) {
                continue;
            }
            let Some(values) = self.constant(*id) else { continue };
            match self.log_of_constant(&values, self.arena.nodes[*id].shape) {
                Ok(log) => drop(self.logs.insert(*id, log)),
                Err(message) => issues.push(self.issue(*id, &message)),
            }
        }
        issues
    }

    fn issue(&self, id: Id, message: &str) -> Issue {
        let text = format!("{}: {message}", render(self.arena, id));
        Issue::new(text, self.arena.nodes[id].place)
    }

    /// The logarithm of an expression, those of its arguments being known. None for constants, and
    /// where an argument has none.
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
            let at: Vec<usize> = (0..upper.len()).filter(|k| upper[*k].is_finite()).collect();
            let upper: Vec<f64> = at.iter().map(|k| upper[*k].ln()).collect();
            self.bounds.push(y.flatten().gather(&at).leq(upper));
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
            copy.name = Some(parameter_name(self.arena, index));
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
        let shapes: Vec<Shape> = of.iter().map(Expr::shape).collect();
        match atom.log_log(&shapes) {
            Some(log_log) => self.of_logarithms(log_log, &of, shape),
            None => Err(format!(
                "{} has no log-log curvature here; geometric programs are made of sums, products, \
                 quotients, powers, norms, maxima and minima",
                atom.name()
            )),
        }
    }

    /// What an atom says of its logarithm, for these logarithms of its arguments.
    fn of_logarithms(
        &self,
        log_log: LogLog,
        args: &[Expr<'l>],
        shape: Shape,
    ) -> Result<Expr<'l>, String> {
        let fits = |map: &LinearMap, rows: usize| {
            let inputs: usize = args.iter().map(Expr::size).sum();
            map.inputs() == inputs && map.rows() == rows && map.outside().is_none()
        };
        match log_log {
            LogLog::Monomial(map) if fits(&map, shape.size()) => {
                Ok(self.model.linear(Form::Call("log"), map, args, shape))
            }
            LogLog::PowerOfSum { terms, exponent } if shape.size() == 1 && exponent.is_finite() => {
                let count = terms.rows();
                if count == 0 || !fits(&terms, count) {
                    return Err("its logarithm is not one of its arguments".into());
                }
                let terms = self.model.linear(Form::Call("log"), terms, args, count.into());
                let sum = self.model.atom(LogSumExpRows { counts: vec![count] }, &[terms]);
                Ok((if exponent == 1.0 { sum } else { exponent * sum }).reshape(shape))
            }
            LogLog::Atom(atom) => Ok(self.model.atom_of(atom, args)),
            _ => Err("its logarithm is not one of its arguments".into()),
        }
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
