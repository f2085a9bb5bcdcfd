//! What is known about every expression of a model.

use std::cell::RefCell;
use std::collections::HashMap;

use super::cholesky::is_semidefinite;
use super::{Curvature, Info, Monotonicity, Sign};
use crate::atoms::{Argument, Atom, Bilinear, LinearMap};
use crate::model::arena::{Arena, Form, Id, Op};

/// Sign and curvature of every node.
pub(crate) struct Analysis {
    infos: Vec<Info>,
    /// Matrices that were looked into: positive semidefinite or not.
    psd: RefCell<HashMap<Id, bool>>,
}

impl Analysis {
    /// By one pass over the arena, where arguments come first.
    pub fn new(arena: &Arena) -> Self {
        let mut infos: Vec<Info> = Vec::with_capacity(arena.nodes.len());
        let psd = RefCell::default();
        for (id, node) in arena.nodes.iter().enumerate() {
            let (sign, curvature) = match &node.op {
                Op::Variable(index) => {
                    (arena.variables[*index].attributes.sign(), Curvature::Affine)
                }
                Op::Parameter(index) => {
                    (arena.parameters[*index].attributes.sign(), Curvature::Constant)
                }
                Op::Constant(values) => (Sign::of(values), Curvature::Constant),
                Op::Poison => (Sign::Unknown, Curvature::Constant),
                Op::Linear { map, args, .. } => linear(map, args, &infos),
                Op::Product { kind, a, b } => product(*kind, *a, *b, &infos),
                Op::Atom { atom, args } => {
                    let of = arguments(arena, &infos, &psd, &**atom, args);
                    let monotonicity = |at: usize| atom.monotonicity(at, &of);
                    (atom.sign(&of), compose(atom.curvature(&of), monotonicity, &of))
                }
            };
            let curvature = if node.has_variables { curvature } else { Curvature::Constant };
            let sign = match sign {
                Sign::Unknown if !node.has_variables && !node.has_parameters => {
                    fixed_sign(arena, id)
                }
                sign => sign,
            };
            infos.push(Info { shape: node.shape, sign, curvature, psd: false });
        }
        Self { infos, psd }
    }

    pub fn info(&self, id: Id) -> Info {
        self.infos[id]
    }

    /// What is known about the arguments of an atom.
    pub fn infos(&self, arena: &Arena, atom: &dyn Atom, args: &[Id]) -> Vec<Info> {
        arguments(arena, &self.infos, &self.psd, atom, args)
    }
}

/// What is known about the arguments of an atom; whether matrices are semidefinite only where it asks.
fn arguments(
    arena: &Arena,
    infos: &[Info],
    psd: &RefCell<HashMap<Id, bool>>,
    atom: &dyn Atom,
    args: &[Id],
) -> Vec<Info> {
    let looked_into = |arg: Id| {
        let known = psd.borrow().get(&arg).copied();
        known.unwrap_or_else(|| {
            let found = is_psd(arena, infos, arg);
            psd.borrow_mut().insert(arg, found);
            found
        })
    };
    let info = |(at, arg): (usize, &Id)| Info {
        psd: atom.needs_psd(at) && looked_into(*arg),
        ..infos[*arg]
    };
    args.iter().enumerate().map(info).collect()
}

/// The composition rule: f(g) is convex where f is convex and each argument is affine, or convex with f
/// increasing in it, or concave with f decreasing; mirrored for concave.
pub(crate) fn compose(
    outer: Curvature,
    monotonicity: impl Fn(usize) -> Monotonicity,
    args: &[Info],
) -> Curvature {
    let (mut convex, mut concave) = (outer.is_convex(), outer.is_concave());
    for (at, arg) in args.iter().enumerate() {
        if arg.curvature.is_affine() {
            continue;
        }
        let (up, down) = (arg.curvature.is_convex(), arg.curvature.is_concave());
        let (for_convex, for_concave) = match monotonicity(at) {
            Monotonicity::Increasing => (up, down),
            Monotonicity::Decreasing => (down, up),
            Monotonicity::None => (false, false),
        };
        convex &= for_convex;
        concave &= for_concave;
    }
    Curvature::from_parts(convex, concave)
}

/// Sign of coefficients, for each argument: may they be (positive, negative)?
pub(crate) fn coefficient_signs(map: &LinearMap, sizes: &[usize]) -> Vec<(bool, bool)> {
    let mut ends = Vec::with_capacity(sizes.len());
    sizes.iter().for_each(|size| ends.push(ends.last().unwrap_or(&0) + size));
    let mut signs = vec![(false, false); sizes.len()];
    for row in 0..map.rows() {
        for (col, coef) in map.row(row) {
            let sign = &mut signs[ends.partition_point(|end| *end <= col)];
            sign.0 |= coef > 0.0;
            sign.1 |= coef < 0.0;
        }
    }
    signs
}

fn linear(map: &LinearMap, args: &[Id], infos: &[Info]) -> (Sign, Curvature) {
    let of: Vec<Info> = args.iter().map(|arg| infos[*arg]).collect();
    let sizes: Vec<usize> = of.iter().map(|info| info.shape.size()).collect();
    let coefs = coefficient_signs(map, &sizes);
    let sign = of.iter().zip(&coefs).fold(Sign::Zero, |sum, (info, coef)| {
        sum.plus(info.sign.times(Sign::from_parts(coef.0, coef.1)))
    });
    (sign, compose(Curvature::Affine, |at| monotonicity_of(coefs[at]), &of))
}

pub(crate) fn monotonicity_of((positive, negative): (bool, bool)) -> Monotonicity {
    match (positive, negative) {
        (_, false) => Monotonicity::Increasing,
        (false, true) => Monotonicity::Decreasing,
        (true, true) => Monotonicity::None,
    }
}

fn product(_kind: Bilinear, a: Id, b: Id, infos: &[Info]) -> (Sign, Curvature) {
    let (a, b) = (infos[a], infos[b]);
    let sign = a.sign.times(b.sign);
    let curvature = match (a.curvature, b.curvature) {
        (Curvature::Constant, _) => {
            compose(Curvature::Affine, |_| monotonicity_of(a.sign.parts()), &[b])
        }
        (_, Curvature::Constant) => {
            compose(Curvature::Affine, |_| monotonicity_of(b.sign.parts()), &[a])
        }
        _ => Curvature::Unknown,
    };
    (sign, curvature)
}

/// Sign of an expression of constants, from its values.
fn fixed_sign(arena: &Arena, id: Id) -> Sign {
    Sign::of(&constant_value(arena, id))
}

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

/// Whether an expression is known to be a positive semidefinite matrix.
fn is_psd(arena: &Arena, infos: &[Info], id: Id) -> bool {
    let node = &arena.nodes[id];
    if !node.shape.is_square() {
        return false;
    }
    if !node.has_variables && !node.has_parameters {
        let n = node.shape.rows();
        return is_semidefinite(&constant_value(arena, id), n);
    }
    match &node.op {
        Op::Variable(index) => arena.variables[*index].attributes.psd,
        Op::Parameter(index) => {
            let attributes = &arena.parameters[*index].attributes;
            let n = node.shape.rows();
            let is_diagonal =
                || attributes.support.as_ref().is_some_and(|s| s.iter().all(|k| k / n == k % n));
            attributes.psd || attributes.sign().is_nonneg() && is_diagonal()
        }
        Op::Linear { form: Form::Add, args, .. } => {
            args.iter().all(|arg| is_psd(arena, infos, *arg))
        }
        Op::Linear { form: Form::Call("diag"), args, .. } => infos[args[0]].sign.is_nonneg(),
        Op::Linear { form: Form::Call("transpose"), args, .. } => is_psd(arena, infos, args[0]),
        Op::Product { kind: Bilinear::Scale { .. }, a, b } => {
            infos[*a].sign.is_nonneg() && is_psd(arena, infos, *b)
        }
        Op::Atom { atom, args } => {
            let of: Vec<Info> = args.iter().map(|arg| infos[*arg]).collect();
            atom.is_psd(&of)
        }
        _ => false,
    }
}
