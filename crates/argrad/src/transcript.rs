//! Expressions copied into a model of their own, where they may be rewritten.

use std::collections::HashMap;

use crate::constraint::Constraint;
use crate::expression::{
    Arena, ConstraintData, Expr, Id, Model, Op, Relation, parameter_name, variable_name,
};

/// Copies of the expressions of one model in another. Variables and parameters keep their names and
/// attributes, and all expressions the place where they were written.
pub(crate) struct Transcript<'a, 'l> {
    pub arena: &'a Arena,
    pub model: &'l Model,
    known: HashMap<Id, Expr<'l>>,
}

impl<'a, 'l> Transcript<'a, 'l> {
    pub fn new(arena: &'a Arena, model: &'l Model) -> Self {
        Self { arena, model, known: HashMap::new() }
    }

    /// The copy of an expression.
    pub fn copy(&mut self, id: Id) -> Expr<'l> {
        let mut order = vec![(id, false)];
        while let Some((at, ready)) = order.pop() {
            if self.known.contains_key(&at) {
                continue;
            }
            if ready {
                let own = self.node(at);
                self.known.insert(at, own);
            } else {
                order.push((at, true));
                order.extend(self.arena.nodes[at].op.args().into_iter().map(|arg| (arg, false)));
            }
        }
        self.known[&id]
    }

    /// The copy of a node whose arguments are known.
    fn node(&self, id: Id) -> Expr<'l> {
        let node = &self.arena.nodes[id];
        let of = |arg: &Id| self.known[arg].id;
        let op = match &node.op {
            Op::Variable(index) => return self.variable(*index),
            Op::Parameter(index) => return self.parameter(*index),
            Op::Linear { form, map, args } => Op::Linear {
                form: form.clone(),
                map: map.clone(),
                args: args.iter().map(of).collect(),
            },
            Op::Product { kind, a, b } => Op::Product { kind: *kind, a: of(a), b: of(b) },
            Op::Atom { atom, args } => {
                Op::Atom { atom: atom.clone(), args: args.iter().map(of).collect() }
            }
            leaf @ (Op::Constant(_) | Op::Poison) => leaf.clone(),
        };
        Expr::new(self.model, self.model.push(op, node.shape, node.place))
    }

    fn variable(&self, index: usize) -> Expr<'l> {
        let leaf = &self.arena.variables[index];
        let own = self.model.variable(self.arena.nodes[leaf.node].shape);
        if let Op::Variable(at) = own.op() {
            let copy = &mut self.model.arena_mut().variables[at];
            (copy.attributes, copy.place) = (leaf.attributes.clone(), leaf.place);
            copy.name = Some(variable_name(self.arena, index));
        }
        own
    }

    fn parameter(&self, index: usize) -> Expr<'l> {
        let leaf = &self.arena.parameters[index];
        let own = self.model.parameter(self.arena.nodes[leaf.node].shape);
        if let Op::Parameter(at) = own.op() {
            let copy = &mut self.model.arena_mut().parameters[at];
            (copy.attributes, copy.place) = (leaf.attributes.clone(), leaf.place);
            copy.name = Some(parameter_name(self.arena, index));
        }
        own
    }

    /// The copy of a constraint as it stands.
    pub fn constraint(&mut self, id: usize) -> Constraint<'l> {
        let arena = self.arena;
        let mut of = |arg: Id| self.copy(arg).id;
        let relation = match arena.constraints[id].relation {
            Relation::Equal(e) => Relation::Equal(of(e)),
            Relation::LessEqual(e) => Relation::LessEqual(of(e)),
            Relation::Psd(e) => Relation::Psd(of(e)),
            Relation::SecondOrder(t, x) => Relation::SecondOrder(of(t), of(x)),
            Relation::Exponential(x, y, z) => Relation::Exponential(of(x), of(y), of(z)),
            Relation::Power(x, y, z, alpha) => Relation::Power(of(x), of(y), of(z), alpha),
        };
        let of = &arena.constraints[id];
        let (name, place, shape) = (of.name.clone(), of.place, of.shape);
        let mut own = self.model.arena_mut();
        own.constraints.push(ConstraintData { relation, name, place, shape });
        Constraint { model: self.model, id: own.constraints.len() - 1 }
    }
}
