//! Which subexpression broke the rules, and what to write instead.

use super::analysis::{Analysis, coefficient_signs, monotonicity_of};
use super::{Curvature, Info, Monotonicity};
use crate::atoms::Bilinear;
use crate::model::arena::{Arena, Id, Op};
use crate::model::error::Issue;
use crate::model::text::render;

/// The subexpressions at which curvature is lost: their arguments have one, they have none.
pub(crate) fn culprits(arena: &Arena, analysis: &Analysis, root: Id) -> Vec<Issue> {
    let (mut found, mut seen, mut stack) =
        (Vec::new(), std::collections::HashSet::new(), vec![root]);
    while let Some(id) = stack.pop() {
        if analysis.info(id).curvature != Curvature::Unknown || !seen.insert(id) {
            continue;
        }
        let args = arena.nodes[id].op.args();
        let below: Vec<Id> = args
            .into_iter()
            .filter(|arg| analysis.info(*arg).curvature == Curvature::Unknown)
            .collect();
        if below.is_empty() {
            let text = format!("{}: {}", render(arena, id), reason(arena, analysis, id));
            found.push(Issue::new(text, arena.nodes[id].place));
        }
        stack.extend(below.into_iter().rev());
    }
    found
}

/// Why an expression has no curvature although its arguments do.
fn reason(arena: &Arena, analysis: &Analysis, id: Id) -> String {
    let node = &arena.nodes[id];
    match &node.op {
        Op::Product { kind, a, b } => {
            let (of_a, of_b) = (analysis.info(*a), analysis.info(*b));
            if of_a.curvature != Curvature::Constant && of_b.curvature != Curvature::Constant {
                let square = a == b;
                let rewrite = match kind {
                    _ if square => "write square(x) or sum_squares(x)",
                    Bilinear::MatMul { .. } => {
                        "write quad_form(x, P) for x'Px, or make one side constant"
                    }
                    _ => "make one side a constant or a parameter, or bound the product by a cone",
                };
                return format!("a product of two expressions with variables; {rewrite}");
            }
            let (factor, info, rest) = if of_a.curvature == Curvature::Constant {
                (*a, of_a, of_b)
            } else {
                (*b, of_b, of_a)
            };
            format!(
                "the factor {} has {} and the other side is {}; declare the sign (`.nonneg()` or \
                 `.nonpos()`), or square or exponentiate the factor",
                render(arena, factor),
                info.sign,
                rest.curvature
            )
        }
        Op::Linear { map, args, .. } => {
            let of: Vec<Info> = args.iter().map(|arg| analysis.info(*arg)).collect();
            let sizes: Vec<usize> = of.iter().map(|info| info.shape.size()).collect();
            let signs = coefficient_signs(map, &sizes);
            let effective = |at: usize| match (of[at].curvature, monotonicity_of(signs[at])) {
                (Curvature::Convex, Monotonicity::Decreasing) => Curvature::Concave,
                (Curvature::Concave, Monotonicity::Decreasing) => Curvature::Convex,
                (curvature, _) if curvature.is_affine() => curvature,
                (_, Monotonicity::None) => Curvature::Unknown,
                (curvature, _) => curvature,
            };
            let of_kind = |kind: Curvature| {
                (0..args.len()).find(|at| effective(*at) == kind).map(|at| render(arena, args[at]))
            };
            match (of_kind(Curvature::Convex), of_kind(Curvature::Concave)) {
                (Some(convex), Some(concave)) => format!(
                    "adds the convex term of {convex} and the concave term of {concave}; move one of \
                     them to a constraint with a variable that bounds it, or drop it"
                ),
                _ => "takes differences of an expression that is not affine".into(),
            }
        }
        Op::Atom { atom, args } => {
            let of = analysis.infos(arena, &**atom, args);
            let outer = atom.curvature(&of);
            let name = atom.name();
            if outer == Curvature::Unknown {
                if name == "recip" {
                    return "division by an expression with variables; write inv_pos(x) for 1 / x \
                            with x > 0, or quad_over_lin(y, x) for y^2 / x"
                        .into();
                }
                return format!("{name} has no curvature here; it asks for {}", atom.domain());
            }
            for (at, info) in of.iter().enumerate() {
                if info.curvature.is_affine() {
                    continue;
                }
                let along = match atom.monotonicity(at, &of) {
                    Monotonicity::Increasing => "increasing",
                    Monotonicity::Decreasing => "decreasing",
                    Monotonicity::None => "neither increasing nor decreasing",
                };
                return format!(
                    "{name} is {outer} and {along} in {}, which is {} ({}); {}",
                    render(arena, args[at]),
                    info.curvature,
                    info.sign,
                    rewrite(name, atom.monotonicity(at, &of))
                );
            }
            "the rules do not tell its curvature".into()
        }
        _ => "the rules do not tell its curvature".into(),
    }
}

/// What to write instead of a composition without curvature.
fn rewrite(outer: &str, monotonicity: Monotonicity) -> &'static str {
    match outer {
        "sqrt" => "write norm2(x) for sqrt(sum_squares(x)), geo_mean for roots of products",
        "log" => "write log_sum_exp(x) for log(sum(exp(x)))",
        "square" | "sum_squares" | "abs" | "norm2" if monotonicity == Monotonicity::None => {
            "its argument must be affine, or convex and nonnegative: wrap it in pos(..)"
        }
        _ => "put a variable in its place and bound the variable in a constraint",
    }
}

/// The tree of an expression with curvature and sign of every node.
pub(crate) fn tree(arena: &Arena, analysis: &Analysis, root: Id) -> String {
    /// Deepest level that is written out.
    const DEEPEST: usize = 12;
    let mut lines = Vec::new();
    let mut stack = vec![(root, 0)];
    while let Some((id, depth)) = stack.pop() {
        let info = analysis.info(id);
        let args = arena.nodes[id].op.args();
        let lost = info.curvature == Curvature::Unknown
            && args.iter().all(|arg| analysis.info(*arg).curvature != Curvature::Unknown);
        let mark = if lost { "   <-- breaks the rule" } else { "" };
        lines.push(format!(
            "{}{}: {}, {}{mark}",
            "  ".repeat(depth),
            render(arena, id),
            info.curvature,
            info.sign
        ));
        if lost {
            lines.push(format!("{}    {}", "  ".repeat(depth), reason(arena, analysis, id)));
        }
        if depth < DEEPEST && info.curvature != Curvature::Constant {
            stack.extend(args.into_iter().rev().map(|arg| (arg, depth + 1)));
        }
    }
    lines.join("\n")
}
