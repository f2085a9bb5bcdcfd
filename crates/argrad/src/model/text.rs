//! Expressions as text.

use super::arena::{Arena, Form, Id, Op};
use crate::atoms::Bilinear;

/// Longest text of a subexpression that is written out.
const LONGEST: usize = 120;

/// How the expression reads.
pub(crate) fn render(arena: &Arena, id: Id) -> String {
    let text = at_level(arena, id, 0);
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 3).chain("...".chars()).collect()
}

/// Name of a parameter.
pub(crate) fn parameter_name(arena: &Arena, index: usize) -> String {
    arena.parameters[index].name.clone().unwrap_or_else(|| format!("param{index}"))
}

/// Name of a variable.
pub(crate) fn variable_name(arena: &Arena, index: usize) -> String {
    arena.variables[index].name.clone().unwrap_or_else(|| format!("var{index}"))
}

/// Level 0 is a sum, 1 a product, 2 what needs no brackets.
fn at_level(arena: &Arena, id: Id, level: usize) -> String {
    let node = &arena.nodes[id];
    let bracket = |text: String, own: usize| if own < level { format!("({text})") } else { text };
    let list = |args: &[Id]| {
        args.iter().map(|arg| at_level(arena, *arg, 0)).collect::<Vec<_>>().join(", ")
    };
    match &node.op {
        Op::Variable(index) => variable_name(arena, *index),
        Op::Parameter(index) => parameter_name(arena, *index),
        Op::Constant(values) => match values.len() {
            1 => format!("{}", values[0]),
            _ => format!("constant[{}]", node.shape),
        },
        Op::Poison => "<invalid>".into(),
        Op::Atom { atom, args } => format!("{}({})", atom.name(), list(args)),
        Op::Product { kind, a, b } => match kind {
            Bilinear::Kron { .. } => format!("kron({})", list(&[*a, *b])),
            Bilinear::Conv { .. } => format!("conv({})", list(&[*a, *b])),
            _ => {
                let sign = if matches!(kind, Bilinear::MatMul { .. }) { "@" } else { "*" };
                let (a, b) = (at_level(arena, *a, 1), at_level(arena, *b, 2));
                bracket(format!("{a} {sign} {b}"), 1)
            }
        },
        Op::Linear { form, args, .. } => match form {
            Form::Add => {
                let parts: Vec<String> = args.iter().map(|arg| at_level(arena, *arg, 0)).collect();
                bracket(parts.join(" + "), 0)
            }
            Form::Sub => {
                let (a, b) = (at_level(arena, args[0], 0), at_level(arena, args[1], 1));
                bracket(format!("{a} - {b}"), 0)
            }
            Form::Neg => bracket(format!("-{}", at_level(arena, args[0], 2)), 1),
            Form::Broadcast => at_level(arena, args[0], level),
            Form::Call(name) => format!("{name}({})", list(args)),
            Form::Index(index) => format!("{}[{index}]", at_level(arena, args[0], 2)),
        },
    }
}
