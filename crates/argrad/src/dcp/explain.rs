//! Which subexpression broke the rules, and what to write instead.

use super::Analysis;
use super::analysis::{coefficient_signs, monotonicity_of};
use crate::algebra::{Bilinear, LinearMap};
use crate::atom::{Atom, Curvature, Info, Monotonicity, Sign};
use crate::error::Issue;
use crate::expression::{Arena, Id, Op, render};

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
    match &arena.nodes[id].op {
        Op::Product { kind, a, b } => of_product(arena, analysis, *kind, [*a, *b]),
        Op::Linear { map, args, .. } => of_linear(arena, analysis, map, args),
        Op::Atom { atom, args } => of_atom(arena, analysis, &**atom, args),
        _ => NOT_TOLD.into(),
    }
}

const NOT_TOLD: &str = "the rules do not tell its curvature";

fn of_product(arena: &Arena, analysis: &Analysis, kind: Bilinear, [a, b]: [Id; 2]) -> String {
    let (of_a, of_b) = (analysis.info(a), analysis.info(b));
    if of_a.curvature != Curvature::Constant && of_b.curvature != Curvature::Constant {
        let rewrite = match kind {
            _ if a == b => "write square(x) or sum_squares(x)",
            Bilinear::MatMul { .. } => "write quad_form(x, P) for x'Px, or make one side constant",
            _ => "make one side a constant or a parameter, or bound the product by a cone",
        };
        return format!("a product of two expressions with variables; {rewrite}");
    }
    let (factor, info, rest) =
        if of_a.curvature == Curvature::Constant { (a, of_a, of_b) } else { (b, of_b, of_a) };
    format!(
        "the factor {} has {} and the other side is {}; declare the sign (`.nonneg()` or \
         `.nonpos()`), or square or exponentiate the factor",
        render(arena, factor),
        info.sign,
        rest.curvature
    )
}

fn of_linear(arena: &Arena, analysis: &Analysis, map: &LinearMap, args: &[Id]) -> String {
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

fn of_atom(arena: &Arena, analysis: &Analysis, atom: &dyn Atom, args: &[Id]) -> String {
    let of = analysis.infos(arena, atom, args);
    let (name, outer, advice) = (atom.name(), atom.curvature(&of), atom.advice(&of));
    if outer == Curvature::Unknown {
        let domain = atom.domain();
        let also = if advice.is_empty() { String::new() } else { format!("; {advice}") };
        return format!("{name} has no curvature here; it asks for {domain}{also}");
    }
    let Some(at) = of.iter().position(|info| !info.curvature.is_affine()) else {
        return NOT_TOLD.into();
    };
    let along = match atom.monotonicity(at, &of) {
        Monotonicity::Increasing => "increasing",
        Monotonicity::Decreasing => "decreasing",
        Monotonicity::None => "neither increasing nor decreasing",
    };
    let advice = match advice {
        "" if wants_a_sign(atom, at, &of) => {
            "its argument must be affine, or convex and nonnegative: wrap it in pos(..)"
        }
        "" => "put a variable in its place and bound the variable in a constraint",
        advice => advice,
    };
    format!(
        "{name} is {outer} and {along} in {}, which is {} ({}); {advice}",
        render(arena, args[at]),
        of[at].curvature,
        of[at].sign
    )
}

/// Whether a convex atom that is not monotone in an argument would be increasing, were it
/// nonnegative.
fn wants_a_sign(atom: &dyn Atom, at: usize, args: &[Info]) -> bool {
    let mut nonneg = args.to_vec();
    nonneg[at].sign = Sign::Nonneg;
    atom.curvature(args) == Curvature::Convex
        && atom.monotonicity(at, args) == Monotonicity::None
        && atom.monotonicity(at, &nonneg) == Monotonicity::Increasing
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
