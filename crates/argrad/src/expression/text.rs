//! Expressions as text.

use super::{Arena, Form, Id, Op, Relation};
use crate::algebra::Bilinear;

/// Longest text of a subexpression that is written out.
const LONGEST: usize = 120;

/// Deepest nesting that is written out.
const DEEPEST: usize = 40;

/// How the expression reads, cut off where it gets long.
pub(crate) fn render(arena: &Arena, id: Id) -> String {
    let mut text = String::new();
    write(arena, id, 0, DEEPEST, &mut text);
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 3).chain("...".chars()).collect()
}

/// The name of a constraint, or how it reads.
pub(crate) fn constraint_text(arena: &Arena, id: usize) -> String {
    let constraint = &arena.constraints[id];
    if let Some(name) = &constraint.name {
        return name.clone();
    }
    let args: Vec<String> =
        constraint.relation.args().into_iter().map(|arg| render(arena, arg)).collect();
    match constraint.relation {
        Relation::Equal(_) => format!("{} == 0", args[0]),
        Relation::LessEqual(_) => format!("{} >= 0", args[0]),
        Relation::Psd(_) => format!("{} positive semidefinite", args[0]),
        Relation::SecondOrder(..) => format!("second_order({})", args.join(", ")),
        Relation::Exponential(..) => format!("exponential_cone({})", args.join(", ")),
        Relation::Power(.., alpha) => format!("power_cone({}, {alpha})", args.join(", ")),
    }
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
fn write(arena: &Arena, id: Id, level: usize, depth: usize, text: &mut String) {
    if text.len() > LONGEST {
        return;
    }
    let Some(depth) = depth.checked_sub(1) else {
        text.push_str("...");
        return;
    };
    let node = &arena.nodes[id];
    match &node.op {
        Op::Variable(index) => text.push_str(&variable_name(arena, *index)),
        Op::Parameter(index) => text.push_str(&parameter_name(arena, *index)),
        Op::Constant(values) if values.len() == 1 => text.push_str(&values[0].to_string()),
        Op::Constant(_) => text.push_str(&format!("constant[{}]", node.shape)),
        Op::Poison => text.push_str("<invalid>"),
        Op::Atom { atom, args } => call(arena, atom.name(), args, depth, text),
        Op::Product { kind: Bilinear::Kron { .. }, a, b } => {
            call(arena, "kron", &[*a, *b], depth, text);
        }
        Op::Product { kind: Bilinear::Conv { .. }, a, b } => {
            call(arena, "conv", &[*a, *b], depth, text);
        }
        Op::Product { kind, a, b } => {
            let sign = if matches!(kind, Bilinear::MatMul { .. }) { " @ " } else { " * " };
            bracket(level > 1, text, |text| {
                write(arena, *a, 1, depth, text);
                text.push_str(sign);
                write(arena, *b, 2, depth, text);
            });
        }
        Op::Linear { form: Form::Add, args, .. } => bracket(level > 0, text, |text| {
            for (at, arg) in args.iter().enumerate() {
                text.push_str(if at > 0 { " + " } else { "" });
                write(arena, *arg, 0, depth, text);
            }
        }),
        Op::Linear { form: Form::Sub, args, .. } => bracket(level > 0, text, |text| {
            write(arena, args[0], 0, depth, text);
            text.push_str(" - ");
            write(arena, args[1], 1, depth, text);
        }),
        Op::Linear { form: Form::Neg, args, .. } => bracket(level > 1, text, |text| {
            text.push('-');
            write(arena, args[0], 2, depth, text);
        }),
        Op::Linear { form: Form::Broadcast, args, .. } => {
            write(arena, args[0], level, depth, text);
        }
        Op::Linear { form: Form::Call(name), args, .. } => call(arena, name, args, depth, text),
        Op::Linear { form: Form::Index(index), args, .. } => {
            write(arena, args[0], 2, depth, text);
            text.push_str(&format!("[{index}]"));
        }
    }
}

fn bracket(needed: bool, text: &mut String, inside: impl FnOnce(&mut String)) {
    text.push_str(if needed { "(" } else { "" });
    inside(text);
    text.push_str(if needed { ")" } else { "" });
}

fn call(arena: &Arena, name: &str, args: &[Id], depth: usize, text: &mut String) {
    text.push_str(name);
    text.push('(');
    for (at, arg) in args.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        write(arena, *arg, 0, depth, text);
    }
    text.push(')');
}
