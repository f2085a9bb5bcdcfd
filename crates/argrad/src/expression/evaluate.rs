//! Values of expressions.

use std::collections::HashMap;

use super::{Arena, Expr, Id, Op};
use crate::atom::Argument;

/// The value of an expression of constants.
pub(crate) fn constant_value(arena: &Arena, id: Id) -> Vec<f64> {
    evaluate(arena, id, &|_| Vec::new())
}

/// The value of an expression, given those of its variables and parameters.
pub(crate) fn evaluate(arena: &Arena, id: Id, leaf: &dyn Fn(&Op) -> Vec<f64>) -> Vec<f64> {
    let mut known: HashMap<Id, Vec<f64>> = HashMap::new();
    let mut order = vec![(id, false)];
    while let Some((id, ready)) = order.pop() {
        if known.contains_key(&id) {
            continue;
        }
        let node = &arena.nodes[id];
        if !ready {
            order.push((id, true));
            order.extend(node.op.args().into_iter().map(|arg| (arg, false)));
            continue;
        }
        let mut out = vec![0.0; node.shape.size()];
        match &node.op {
            Op::Constant(values) => out.copy_from_slice(values),
            Op::Variable(_) | Op::Parameter(_) => {
                out = leaf(&node.op);
                out.resize(node.shape.size(), f64::NAN);
            }
            Op::Poison => out.fill(f64::NAN),
            Op::Linear { map, args, .. } => {
                let input: Vec<f64> = args.iter().flat_map(|arg| known[arg].clone()).collect();
                map.apply(&input, &mut out);
            }
            Op::Product { kind, a, b } => kind.apply(&known[a], &known[b], &mut out),
            Op::Atom { atom, args } => {
                let argument =
                    |arg: &Id| Argument { shape: arena.nodes[*arg].shape, values: &known[arg] };
                let args: Vec<Argument<'_>> = args.iter().map(argument).collect();
                atom.value(&args, &mut out);
            }
        }
        known.insert(id, out);
    }
    known.remove(&id).unwrap_or_default()
}

impl Expr<'_> {
    /// Its numbers, row-major, where neither variables nor parameters occur in it: those of the
    /// functions, not a solve. NaN outside of the domain of a function, and for what is not well
    /// formed.
    pub fn value(&self) -> Option<Vec<f64>> {
        let is_constant = !self.has_variables() && !self.has_parameters();
        is_constant.then(|| constant_value(&self.model.arena(), self.id))
    }
}
