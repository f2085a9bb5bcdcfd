//! Expressions as functions of the numbers of their variables and parameters.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::atom::{Derivation, ThetaBlock};
use crate::expression::{Arena, Id, Op, reachable};

/// Some expressions as functions of numbers, without the model: all elements of some variables, one
/// after the other, then the numbers of some parameters, as a layer takes them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Function {
    steps: Derivation,
    roots: Vec<ThetaBlock>,
}

impl Function {
    /// The expressions `roots` of `variables` and `parameters` (by index in the model), in which
    /// every leaf of the roots is listed.
    pub fn new(arena: &Arena, roots: &[Id], variables: &[usize], parameters: &[usize]) -> Self {
        let mut offset = 0;
        let mut first = HashMap::new();
        for index in variables {
            let node = arena.variables[*index].node;
            first.insert(node, offset);
            offset += arena.nodes[node].shape.size();
        }
        for index in parameters {
            let leaf = &arena.parameters[*index];
            first.insert(leaf.node, offset);
            offset += leaf.attributes.places(arena.nodes[leaf.node].shape).1;
        }
        let mut steps = Derivation::new(offset);
        let mut known: HashMap<Id, ThetaBlock> = HashMap::new();
        // Arguments come before.
        let order: BTreeSet<Id> = reachable(arena, roots).into_iter().collect();
        for id in order {
            let block = step(arena, id, &first, &known, &mut steps);
            known.insert(id, block);
        }
        let roots = roots.iter().map(|root| known[root]).collect();
        Self { steps, roots }
    }

    /// How many numbers it is a function of.
    pub fn inputs(&self) -> usize {
        self.steps.inputs()
    }

    /// The numbers of all steps, from which [`Self::value`] and the derivatives are read.
    pub fn evaluate<'n>(&self, inputs: impl IntoIterator<Item = &'n [f64]>) -> Vec<f64> {
        let mut theta = inputs.into_iter().flatten().copied().collect::<Vec<f64>>();
        theta.resize(self.steps.len(), 0.0);
        self.steps.evaluate(&mut theta);
        theta
    }

    /// The value of one of the expressions.
    pub fn value<'t>(&self, theta: &'t [f64], root: usize) -> &'t [f64] {
        &theta[self.roots[root].range()]
    }

    /// The gradient of `cotangent . value` with respect to the inputs.
    pub fn gradient(&self, theta: &[f64], root: usize, cotangent: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; self.steps.len()];
        gradient[self.roots[root].range()].copy_from_slice(cotangent);
        self.steps.vjp(theta, &mut gradient);
        gradient.truncate(self.inputs());
        gradient
    }

    /// The derivative of the value along `direction` of the inputs.
    pub fn tangent(&self, theta: &[f64], root: usize, direction: &[f64]) -> Vec<f64> {
        self.moved(theta, direction)[self.roots[root].range()].to_vec()
    }

    /// The derivative of [`Self::gradient`] along `direction` of the inputs: the product of the
    /// second derivative with it.
    pub fn second(
        &self,
        theta: &[f64],
        root: usize,
        cotangent: &[f64],
        direction: &[f64],
    ) -> Vec<f64> {
        let moved = self.moved(theta, direction);
        let mut gradient = vec![0.0; self.steps.len()];
        gradient[self.roots[root].range()].copy_from_slice(cotangent);
        let mut gradient_moved = vec![0.0; self.steps.len()];
        self.steps.vjp_tangent(theta, &moved, &mut gradient, &mut gradient_moved);
        gradient_moved.truncate(self.inputs());
        gradient_moved
    }

    /// The tangent of all steps.
    fn moved(&self, theta: &[f64], direction: &[f64]) -> Vec<f64> {
        let mut moved = direction.to_vec();
        moved.resize(self.steps.len(), 0.0);
        self.steps.jvp(theta, &mut moved);
        moved
    }
}

/// The step that makes a node from those of its arguments.
fn step(
    arena: &Arena,
    id: Id,
    first: &HashMap<Id, usize>,
    known: &HashMap<Id, ThetaBlock>,
    steps: &mut Derivation,
) -> ThetaBlock {
    let node = &arena.nodes[id];
    let offset = first.get(&id).copied().unwrap_or(0);
    match &node.op {
        Op::Variable(_) => ThetaBlock { offset, shape: node.shape },
        Op::Parameter(index) => {
            let (places, count) = arena.parameters[*index].attributes.places(node.shape);
            if count == node.shape.size() {
                return ThetaBlock { offset, shape: node.shape };
            }
            let row = |place: Option<u32>| place.map(|at| (offset as u32 + at + 1, 1.0));
            steps.affine(places.into_iter().map(|place| row(place).into_iter()), node.shape)
        }
        Op::Constant(values) => {
            steps.affine(values.iter().map(|v| std::iter::once((0, *v))), node.shape)
        }
        Op::Poison => steps.affine((0..node.shape.size()).map(|_| std::iter::empty()), node.shape),
        Op::Linear { map, args, .. } => {
            // The entries of theta of all arguments, one after the other.
            let columns: Vec<u32> =
                args.iter().flat_map(|arg| known[arg].range()).map(|at| at as u32 + 1).collect();
            let row = |r: usize| {
                let columns = &columns;
                map.row(r).map(move |(col, coef)| (columns[col], coef))
            };
            steps.affine((0..map.rows()).map(row), node.shape)
        }
        Op::Product { kind, a, b } => steps.product(*kind, known[a], known[b], node.shape),
        Op::Atom { atom, args } => {
            let args = args.iter().map(|arg| known[arg]).collect();
            steps.atom(atom.clone(), args, node.shape)
        }
    }
}

/// For each element of an expression, the elements of one variable that it may depend on: ascending
/// positions.
pub(crate) fn dependence(arena: &Arena, root: Id, variable: usize) -> Vec<Vec<usize>> {
    let mut known: HashMap<Id, Vec<BTreeSet<usize>>> = HashMap::new();
    let order: BTreeSet<Id> = reachable(arena, &[root]).into_iter().collect();
    for id in order {
        let node = &arena.nodes[id];
        let mut own = vec![BTreeSet::new(); node.shape.size()];
        match &node.op {
            Op::Variable(index) if *index == variable => {
                own.iter_mut().enumerate().for_each(|(k, set)| set.extend([k]));
            }
            Op::Linear { map, args, .. } => {
                let inputs: Vec<&BTreeSet<usize>> =
                    args.iter().flat_map(|arg| &known[arg]).collect();
                for (row, set) in own.iter_mut().enumerate() {
                    map.row(row).for_each(|(col, _)| set.extend(inputs[col]));
                }
            }
            Op::Product { kind, a, b } => {
                for (row, set) in own.iter_mut().enumerate() {
                    kind.terms(row, |i, j| {
                        set.extend(&known[a][i]);
                        set.extend(&known[b][j]);
                    });
                }
            }
            Op::Atom { atom, args } if atom.is_elementwise() => {
                for (k, set) in own.iter_mut().enumerate() {
                    args.iter().for_each(|arg| set.extend(&known[arg][k]));
                }
            }
            Op::Atom { args, .. } => {
                let all: BTreeSet<usize> =
                    args.iter().flat_map(|arg| known[arg].iter().flatten().copied()).collect();
                own.iter_mut().for_each(|set| set.clone_from(&all));
            }
            Op::Variable(_) | Op::Parameter(_) | Op::Constant(_) | Op::Poison => {}
        }
        known.insert(id, own);
    }
    known[&root].iter().map(|set| set.iter().copied().collect()).collect()
}
