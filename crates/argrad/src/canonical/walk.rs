//! The walk over the arena: each expression to its affine form, once.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::atom::{Affine, Derivation, Graph, Term, theta_affine};
use crate::dcp::Analysis;
use crate::error::Issue;
use crate::expression::{
    Arena, Id, Op, Relation, constant_value, constraint_text, render, variable_name,
};

/// One canonicalization.
pub(crate) struct Walk<'a> {
    pub(super) arena: &'a Arena,
    pub(super) analysis: &'a Analysis,
    pub graph: Graph<'a>,
    known: HashMap<Id, Rc<Affine>>,
    /// First entry of theta of each parameter of the problem.
    offsets: HashMap<usize, usize>,
    /// What cannot be stated.
    pub refusals: Vec<Issue>,
    /// What is not well formed in the graphs of atoms.
    pub faults: Vec<Issue>,
    /// Which blocks of rows are of what.
    pub blocks: Vec<Owned>,
    /// Which columns are of what.
    pub columns: Vec<Owned>,
}

/// What a part of the program is of: a constraint, a variable or the graph of an atom.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    /// How it reads.
    pub text: String,
    /// Blocks or columns.
    pub at: Range<usize>,
    /// Whether the graph of an atom made it, not the user.
    pub is_auxiliary: bool,
}

/// Where the dual of a constraint is found.
#[derive(Clone, Debug)]
pub(crate) struct DualRows {
    /// First block of rows.
    pub block: usize,
    /// Number of blocks.
    pub count: usize,
    /// Side of a positive semidefinite matrix.
    pub psd: Option<usize>,
}

impl<'a> Walk<'a> {
    pub fn new(
        arena: &'a Arena,
        analysis: &'a Analysis,
        program: &'a mut Derivation,
        offsets: HashMap<usize, usize>,
    ) -> Self {
        let graph = Graph::new(program);
        Self {
            arena,
            analysis,
            graph,
            known: HashMap::new(),
            offsets,
            refusals: Vec::new(),
            faults: Vec::new(),
            blocks: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// The affine form of an expression; its graph, where it has one, is added on the way.
    pub fn affine(&mut self, id: Id) -> Rc<Affine> {
        let mut order = vec![(id, false)];
        while let Some((at, ready)) = order.pop() {
            if self.known.contains_key(&at) {
                continue;
            }
            let args = self.arena.nodes[at].op.args();
            if ready && args.iter().all(|arg| self.known.contains_key(arg)) {
                let form = Rc::new(self.form(at));
                self.known.insert(at, form);
                // Made again where it is needed again: a large matrix of parameters costs memory.
                let is_parameter = |arg: &Id| matches!(self.arena.nodes[*arg].op, Op::Parameter(_));
                args.iter().filter(|arg| is_parameter(arg)).for_each(|arg| {
                    self.known.remove(arg);
                });
            } else {
                order.push((at, true));
                order.extend(args.into_iter().rev().map(|arg| (arg, false)));
            }
        }
        self.known[&id].clone()
    }

    /// The affine form, those of the arguments being known.
    fn form(&mut self, id: Id) -> Affine {
        let node = &self.arena.nodes[id];
        match &node.op {
            Op::Variable(index) => self.variable(*index, id),
            Op::Parameter(index) => {
                let (places, _) = self.arena.parameters[*index].attributes.places(node.shape);
                let offset = self.offsets[index] as u32;
                let term = |place: Option<u32>| {
                    place.map(|place| Term { variable: 0, theta: offset + place + 1, coef: 1.0 })
                };
                Affine::from_terms(node.shape, places.into_iter().map(term))
            }
            Op::Constant(values) => Affine::constant(node.shape, values),
            Op::Poison => Affine::zeros(node.shape),
            Op::Linear { map, args, .. } => {
                let args: Vec<Rc<Affine>> =
                    args.iter().map(|arg| self.known[arg].clone()).collect();
                let args: Vec<&Affine> = args.iter().map(|arg| &**arg).collect();
                Affine::linear(map, &args, node.shape)
            }
            Op::Product { kind, a, b } => {
                let (a, b) = (self.known[a].clone(), self.known[b].clone());
                self.graph.product(*kind, &a, &b, node.shape)
            }
            Op::Atom { atom, args } => {
                let of: Vec<Affine> = args.iter().map(|arg| (*self.known[arg]).clone()).collect();
                if node.has_variables {
                    let start = self.sizes();
                    let form = self.graph.graph_of(&**atom, &of);
                    let text = render(self.arena, id);
                    self.own(start, true, &format!("the graph of {text}"));
                    self.graph.admits(&form);
                    self.collect(id);
                    return form;
                }
                if !node.has_parameters {
                    let values = constant_value(self.arena, id);
                    return Affine::constant(node.shape, &values);
                }
                let blocks = of.iter().map(|arg| self.graph.theta_of(arg)).collect();
                let block = self.graph.derivation.atom(atom.clone(), blocks, node.shape);
                theta_affine(block.offset, node.shape)
            }
        }
    }

    /// Columns of a variable, and the constraints of its attributes.
    fn variable(&mut self, index: usize, id: Id) -> Affine {
        let shape = self.arena.nodes[id].shape;
        let attributes = &self.arena.variables[index].attributes;
        let (places, count) = attributes.columns(shape);
        let name = variable_name(self.arena, index);
        let start = self.sizes();
        let columns = self.graph.variable(count);
        let form = Affine::from_terms(
            shape,
            places.iter().map(|place| place.map(|place| columns.row(place as usize)[0])),
        );
        self.own(start, false, &name);
        let start = self.sizes();
        if attributes.nonneg {
            self.graph.nonneg(columns.clone());
        }
        if attributes.nonpos {
            self.graph.nonneg(columns.scaled(-1.0));
        }
        for (bounds, sign) in [(&attributes.lower, 1.0), (&attributes.upper, -1.0)] {
            let Some(bounds) = bounds else { continue };
            let finite: Vec<usize> = (0..bounds.len()).filter(|k| bounds[*k].is_finite()).collect();
            let values: Vec<f64> = finite.iter().map(|k| bounds[*k]).collect();
            let (count, bound) = (finite.len(), Affine::constant(finite.len().into(), &values));
            let distance = self.graph.sub(&form.pick(finite, count), &bound);
            self.graph.nonneg(distance.scaled(sign));
        }
        if attributes.psd {
            self.graph.psd(&form);
        }
        self.own(start, false, &format!("attributes of {name}"));
        form
    }

    /// The rows of a constraint.
    pub fn constraint(&mut self, id: usize) -> DualRows {
        let relation = &self.arena.constraints[id].relation;
        let forms: Vec<Rc<Affine>> = relation.args().iter().map(|arg| self.affine(*arg)).collect();
        let block = self.graph.blocks.len();
        let mut psd = None;
        match relation {
            Relation::Equal(_) => self.graph.zero((*forms[0]).clone()),
            Relation::LessEqual(_) => self.graph.nonneg((*forms[0]).clone()),
            Relation::Psd(_) => {
                self.graph.psd(&forms[0]);
                psd = Some(forms[0].shape().rows());
            }
            Relation::SecondOrder(..) => self.graph.second_order(&forms[0], &forms[1]),
            Relation::Exponential(..) => {
                self.graph.exponential(&forms[0], &forms[1], &forms[2]);
            }
            Relation::Power(.., alpha) => {
                self.graph.power(&forms[0], &forms[1], &forms[2], *alpha);
            }
        }
        let start = (block, self.graph.columns);
        self.own(start, false, &constraint_text(self.arena, id));
        DualRows { block, count: self.graph.blocks.len() - block, psd }
    }

    /// Numbers of blocks and of columns so far.
    fn sizes(&self) -> (usize, usize) {
        (self.graph.blocks.len(), self.graph.columns)
    }

    /// Says of what is there since `start` whose it is.
    fn own(&mut self, start: (usize, usize), is_auxiliary: bool, text: &str) {
        let now = self.sizes();
        let owned = |at: Range<usize>| Owned { text: text.into(), at, is_auxiliary };
        if now.0 > start.0 {
            self.blocks.push(owned(start.0..now.0));
        }
        if now.1 > start.1 {
            self.columns.push(owned(start.1..now.1));
        }
    }

    /// An expression as an output: free of theta.
    pub fn output(&mut self, id: Id) -> Affine {
        let form = self.affine(id);
        if form.is_parameter_free() { (*form).clone() } else { self.graph.lift(&form) }
    }

    /// What was built, without what is known of single expressions.
    pub fn finish(self) -> Graph<'a> {
        self.graph
    }

    /// What the graph of an atom met, with the place where the atom stands.
    pub(super) fn collect(&mut self, id: Id) {
        let place = self.arena.nodes[id].place;
        let issue = |message| Issue::new(format!("{}: {message}", render(self.arena, id)), place);
        self.refusals.extend(std::mem::take(&mut self.graph.refusals).into_iter().map(issue));
        self.faults.extend(std::mem::take(&mut self.graph.faults).into_iter().map(issue));
    }
}
