//! From a difference of convex functions to a convex problem with parameters: what has the wrong
//! curvature becomes its tangent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::atom::Curvature;
use crate::dcp::{Analysis, culprits, monotonicities};
use crate::error::Issue;
use crate::expression::{Expr, Id, Op, reachable};
use crate::function::dependence;
use crate::transcript::Transcript;

use super::want::Want;

/// The rewriting of one model's expressions in another.
pub(super) struct Convexifier<'a, 'l> {
    pub copies: Transcript<'a, 'l>,
    analysis: &'a Analysis,
    /// What was replaced by its tangent, by id.
    pub tangents: BTreeMap<Id, Tangent<'l>>,
}

/// `sum_v J_v v + c` in place of an expression, with parameters J and c.
pub(super) struct Tangent<'l> {
    /// The expression, in the copies.
    pub expr: Expr<'l>,
    /// c.
    pub constant: Expr<'l>,
    /// For each variable (by index in the model): J_v, and the columns of each of its rows.
    pub parts: Vec<(usize, Expr<'l>, Vec<Vec<usize>>)>,
}

impl<'a, 'l> Convexifier<'a, 'l> {
    pub fn new(copies: Transcript<'a, 'l>, analysis: &'a Analysis) -> Self {
        Self { copies, analysis, tangents: BTreeMap::new() }
    }

    /// A copy of the expression with the curvature that is wanted, and whether any part of it was
    /// replaced by its tangent.
    pub fn expr(&mut self, root: Id, want: Want) -> Result<(Expr<'l>, bool), Vec<Issue>> {
        let arena = self.copies.arena;
        // What is wanted of which expression: arguments come before, so they are asked for after.
        let mut open = BTreeSet::from([(root, want)]);
        let mut asked = Vec::new();
        let mut issues = Vec::new();
        while let Some((id, want)) = open.pop_last() {
            asked.push((id, want));
            if self.is_leaf(id) {
                continue;
            }
            match &arena.nodes[id].op {
                Op::Linear { map, args, .. } => {
                    let sizes: Vec<usize> =
                        args.iter().map(|arg| arena.nodes[*arg].shape.size()).collect();
                    let along = monotonicities(map, &sizes);
                    open.extend(args.iter().zip(along).map(|(arg, m)| (*arg, want.along(m))));
                }
                Op::Product { a, b, .. }
                    if !arena.nodes[*a].has_variables || !arena.nodes[*b].has_variables =>
                {
                    let (factor, other) =
                        if arena.nodes[*a].has_variables { (*b, *a) } else { (*a, *b) };
                    let sign = self.analysis.info(factor).sign;
                    open.insert((other, want.times(sign)));
                }
                _ => issues.extend(self.refusal(id)),
            }
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        let mut known: HashMap<(Id, Want), Expr<'l>> = HashMap::new();
        let mut replaced = false;
        for (id, want) in asked.into_iter().rev() {
            let own = if self.is_leaf(id) {
                if want.fits(self.analysis.info(id).curvature) {
                    self.copies.copy(id)
                } else {
                    replaced = true;
                    self.tangent(id)
                }
            } else {
                self.node(id, want, &known)
            };
            known.insert((id, want), own);
        }
        Ok((known[&(root, want)], replaced))
    }

    /// Whether the expression is copied as it is, or replaced as a whole: it has a curvature.
    fn is_leaf(&self, id: Id) -> bool {
        self.analysis.info(id).curvature != Curvature::Unknown
    }

    /// A sum or product with other arguments.
    fn node(&mut self, id: Id, want: Want, known: &HashMap<(Id, Want), Expr<'l>>) -> Expr<'l> {
        let arena = self.copies.arena;
        let node = &arena.nodes[id];
        let op = match &node.op {
            Op::Linear { form, map, args } => {
                let sizes: Vec<usize> =
                    args.iter().map(|arg| arena.nodes[*arg].shape.size()).collect();
                let along = monotonicities(map, &sizes);
                let own = args.iter().zip(along).map(|(arg, m)| known[&(*arg, want.along(m))].id);
                Op::Linear { form: form.clone(), map: map.clone(), args: own.collect() }
            }
            Op::Product { kind, a, b } => {
                let mut side = |own: Id, other: Id| {
                    if arena.nodes[own].has_variables {
                        known[&(own, want.times(self.analysis.info(other).sign))].id
                    } else {
                        self.copies.copy(own).id
                    }
                };
                Op::Product { kind: *kind, a: side(*a, *b), b: side(*b, *a) }
            }
            other => other.clone(),
        };
        let model = self.copies.model;
        Expr::new(model, model.push(op, node.shape, node.place))
    }

    /// The tangent of an expression, which takes its place.
    fn tangent(&mut self, id: Id) -> Expr<'l> {
        if let Some(known) = self.tangents.get(&id) {
            return known.expr;
        }
        let (arena, model) = (self.copies.arena, self.copies.model);
        let shape = arena.nodes[id].shape;
        let rows = shape.size();
        let mut variables: Vec<(Id, usize)> = reachable(arena, &[id])
            .into_iter()
            .filter_map(|at| match arena.nodes[at].op {
                Op::Variable(index) => Some((at, index)),
                _ => None,
            })
            .collect();
        variables.sort_unstable();
        let number = self.tangents.len();
        let constant = model.parameter(rows).named(format!("constant of tangent {number}"));
        let (mut expr, mut parts) = (constant, Vec::new());
        for (node, index) in variables {
            let variable = self.copies.copy(node);
            let columns = dependence(arena, id, index);
            let pattern: Vec<(usize, usize)> = columns
                .iter()
                .enumerate()
                .flat_map(|(row, columns)| columns.iter().map(move |column| (row, *column)))
                .collect();
            let name = format!("slope {} of tangent {number}", parts.len());
            let slope = model.parameter((rows, variable.size())).named(name).sparse(&pattern);
            expr = expr + slope.matmul(variable.flatten());
            parts.push((index, slope, columns));
        }
        let expr = expr.reshape(shape);
        self.tangents.insert(id, Tangent { expr, constant, parts });
        expr
    }

    /// Why an expression has no curvature that could be used.
    fn refusal(&self, id: Id) -> Vec<Issue> {
        let arena = self.copies.arena;
        culprits(arena, self.analysis, id)
            .into_iter()
            .map(|mut issue| {
                issue.message.push_str(
                    "; a convex-concave problem is made of sums of terms that are convex or \
                     concave each: x * y is (square(x + y) - square(x - y)) / 4, a composition is \
                     bounded by a variable in a constraint of its own",
                );
                issue
            })
            .collect()
    }
}
