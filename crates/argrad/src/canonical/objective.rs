//! The objective: quadratic parts to P, the rest to q.

use super::affine::Affine;
use super::graph::Graph;
use super::walk::Walk;
use crate::atoms::Bilinear;
use crate::model::Shape;
use crate::model::arena::{Id, Op};

impl Walk<'_> {
    /// Adds `sum_j weights_j e_j` to the objective. The weights, one an element, are free of variables;
    /// those of what is not affine have the sign that makes the term convex.
    pub fn objective(&mut self, id: Id, weights: &Affine) {
        if !self.holds_quadratic(id) {
            let form = self.affine(id);
            let value = self.graph.dot(weights, &form);
            self.graph.add_linear(&value);
            return;
        }
        let arena = self.arena;
        match &arena.nodes[id].op {
            Op::Linear { map, args, .. } => {
                let inputs = Shape::vector(map.inputs());
                let all = Affine::linear(&map.transpose(), &[weights], inputs);
                let mut start = 0;
                for arg in args {
                    let shape = arena.nodes[*arg].shape;
                    let part = all.pick(start..start + shape.size(), shape);
                    start += shape.size();
                    self.objective(*arg, &part);
                }
            }
            Op::Product { kind, a, b } => {
                let (factor, rest, swapped) =
                    if arena.nodes[*a].has_variables { (*b, *a, true) } else { (*a, *b, false) };
                let factor = self.affine(factor);
                let pushed = match kind {
                    Bilinear::Scale { .. } if swapped => self.graph.dot(weights, &factor),
                    _ => self.graph.multiply(weights, &factor),
                };
                let shape = arena.nodes[rest].shape;
                let pushed =
                    if pushed.size() == shape.size() { pushed.reshape(shape) } else { pushed };
                self.objective(rest, &pushed);
            }
            Op::Atom { atom, args } => {
                let forms: Vec<Affine> =
                    args.iter().map(|arg| (*self.affine(*arg)).clone()).collect();
                atom.quadratic(&mut self.graph, &forms, weights);
                self.collect_refusals(id);
            }
            Op::Variable(_) | Op::Parameter(_) | Op::Constant(_) | Op::Poison => {}
        }
    }

    /// Whether weights can be carried to a quadratic atom somewhere below.
    fn holds_quadratic(&self, id: Id) -> bool {
        let node = &self.arena.nodes[id];
        if !node.has_variables {
            return false;
        }
        match &node.op {
            Op::Linear { args, .. } => args.iter().any(|arg| self.holds_quadratic(*arg)),
            Op::Product { kind, a, b } => {
                let carries = match kind {
                    Bilinear::Scale { .. } | Bilinear::Elementwise { .. } => true,
                    Bilinear::MatMul { rows, cols, .. } => *rows == 1 && *cols == 1,
                    _ => false,
                };
                carries && (self.holds_quadratic(*a) || self.holds_quadratic(*b))
            }
            Op::Atom { atom, args } => {
                let infos = self.analysis.infos(self.arena, &**atom, args);
                atom.is_quadratic(&infos)
                    && args[..1].iter().all(|arg| self.analysis.info(*arg).curvature.is_affine())
            }
            _ => false,
        }
    }
}

impl Graph<'_> {
    /// The sum of the products of elements; one side free of variables.
    pub(super) fn dot(&mut self, a: &Affine, b: &Affine) -> Affine {
        let kind = Bilinear::MatMul { rows: 1, inner: a.size(), cols: 1 };
        self.product(kind, a, b, Shape::SCALAR)
    }
}
