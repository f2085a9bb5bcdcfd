//! The objective: quadratic parts to P, the rest to q.

use std::collections::BTreeMap;

use super::Walk;
use crate::algebra::{Bilinear, Shape};
use crate::atom::Affine;
use crate::expression::{Id, Op};

impl Walk<'_> {
    /// Adds `weight e` to the objective. Weights, one an element and free of variables, are carried
    /// from an expression to its arguments, each expression once; those of what is not affine get
    /// the sign that makes their term convex.
    pub fn objective(&mut self, id: Id, weight: &Affine) {
        let arena = self.arena;
        let quadratic = self.quadratic_below(id);
        // Arguments come before, so the last expression has all its weights.
        let mut open = BTreeMap::from([(id, weight.clone())]);
        while let Some((id, weights)) = open.pop_last() {
            if !quadratic[id] {
                let form = self.affine(id);
                let value = self.graph.dot(&weights, &form);
                self.graph.add_linear(&value);
                continue;
            }
            match &arena.nodes[id].op {
                Op::Linear { map, args, .. } => {
                    let inputs = Shape::vector(map.inputs());
                    let all = Affine::linear(&map.transpose(), &[&weights], inputs);
                    let mut start = 0;
                    for arg in args {
                        let shape = arena.nodes[*arg].shape;
                        let part = all.pick(start..start + shape.size(), shape);
                        start += shape.size();
                        self.carry(&mut open, *arg, part);
                    }
                }
                Op::Product { kind, a, b } => {
                    let (factor, rest, swapped) = if arena.nodes[*a].has_variables {
                        (*b, *a, true)
                    } else {
                        (*a, *b, false)
                    };
                    let factor = self.affine(factor);
                    let carried = match kind {
                        Bilinear::Scale { .. } if swapped => self.graph.dot(&weights, &factor),
                        _ => self.graph.multiply(&weights, &factor),
                    };
                    let carried = carried.reshape(arena.nodes[rest].shape);
                    self.carry(&mut open, rest, carried);
                }
                Op::Atom { atom, args } => {
                    let forms: Vec<Affine> =
                        args.iter().map(|arg| (*self.affine(*arg)).clone()).collect();
                    atom.quadratic(&mut self.graph, &forms, &weights);
                    self.collect(id);
                }
                Op::Variable(_) | Op::Parameter(_) | Op::Constant(_) | Op::Poison => {}
            }
        }
    }

    fn carry(&self, open: &mut BTreeMap<Id, Affine>, id: Id, weights: Affine) {
        let sum = match open.get(&id) {
            Some(others) => self.graph.add(others, &weights),
            None => weights,
        };
        open.insert(id, sum);
    }

    /// For each expression up to this one, whether weights can be carried to a quadratic atom in
    /// it.
    fn quadratic_below(&self, root: Id) -> Vec<bool> {
        let mut quadratic = vec![false; root + 1];
        for id in 0..=root {
            let node = &self.arena.nodes[id];
            quadratic[id] = node.has_variables
                && match &node.op {
                    Op::Linear { args, .. } => args.iter().any(|arg| quadratic[*arg]),
                    Op::Product { kind, a, b } => {
                        let carries = match kind {
                            Bilinear::Scale { .. } | Bilinear::Elementwise { .. } => true,
                            Bilinear::MatMul { rows, cols, .. } => *rows == 1 && *cols == 1,
                            _ => false,
                        };
                        carries && (quadratic[*a] || quadratic[*b])
                    }
                    Op::Atom { atom, args } => {
                        let affine = |arg: &Id| self.analysis.info(*arg).curvature.is_affine();
                        args.iter().all(affine)
                            && atom.is_quadratic(&self.analysis.infos(self.arena, &**atom, args))
                    }
                    _ => false,
                };
        }
        quadratic
    }
}
