//! The arena that owns expressions.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Attributes, ConstraintData, Id, Place};
use crate::algebra::{Bilinear, LinearMap, Shape};
use crate::atom::Atom;
use crate::error::Issue;

#[derive(Default)]
pub(crate) struct Arena {
    pub nodes: Vec<Node>,
    pub variables: Vec<Leaf>,
    pub parameters: Vec<Leaf>,
    pub constraints: Vec<ConstraintData>,
    pub issues: Vec<Issue>,
}

/// An expression. Arguments always come before.
pub(crate) struct Node {
    pub op: Op,
    pub shape: Shape,
    pub has_variables: bool,
    pub has_parameters: bool,
    /// Made from something that was wrong.
    pub poisoned: bool,
    pub place: Place,
}

/// A variable or a parameter.
pub(crate) struct Leaf {
    pub node: Id,
    pub attributes: Attributes,
    pub name: Option<String>,
    pub place: Place,
}

/// How an expression comes about.
#[derive(Clone)]
pub(crate) enum Op {
    Variable(usize),
    Parameter(usize),
    Constant(Arc<[f64]>),
    Linear { form: Form, map: Arc<LinearMap>, args: Vec<Id> },
    Product { kind: Bilinear, a: Id, b: Id },
    Atom { atom: Arc<dyn Atom>, args: Vec<Id> },
    Poison,
}

/// How a linear operation is written.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    Add,
    Sub,
    Neg,
    /// Not written at all.
    Broadcast,
    Call(&'static str),
    /// Indexing, with what stands between the brackets.
    Index(String),
}

impl Op {
    /// The arguments.
    pub(crate) fn args(&self) -> Vec<Id> {
        match self {
            Op::Variable(_) | Op::Parameter(_) | Op::Constant(_) | Op::Poison => vec![],
            Op::Linear { args, .. } | Op::Atom { args, .. } => args.clone(),
            Op::Product { a, b, .. } => vec![*a, *b],
        }
    }
}

impl Leaf {
    pub fn new(node: Id, place: Place) -> Self {
        Self { node, attributes: Attributes::default(), name: None, place }
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
