//! What is known about every expression of a model.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::algebra::{Bilinear, LinearMap, is_semidefinite};
use crate::atom::{Atom, Curvature, Info, Monotonicity, Sign};
use crate::expression::{Arena, Expr, Form, Id, Op, constant_value};

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

/// What is known about the arguments of an atom; whether matrices are semidefinite only where it
/// asks.
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

/// The composition rule: f(g) is convex where f is convex and each argument is affine, or convex
/// with f increasing in it, or concave with f decreasing; mirrored for concave.
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

/// How a linear map changes with each of its arguments.
pub(crate) fn monotonicities(map: &LinearMap, sizes: &[usize]) -> Vec<Monotonicity> {
    coefficient_signs(map, sizes).into_iter().map(monotonicity_of).collect()
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
        Op::Linear { form: Form::Call("transpose" | "symmetric_part"), args, .. } => {
            is_psd(arena, infos, args[0])
        }
        Op::Linear { form: Form::Call("assume_psd"), .. } => true,
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

impl Expr<'_> {
    /// Its curvature in the variables, parameters held fixed, by the rules of DCP.
    pub fn curvature(&self) -> Curvature {
        Analysis::new(&self.model.arena()).info(self.id).curvature
    }

    /// Its sign, as far as the rules tell.
    pub fn sign(&self) -> Sign {
        Analysis::new(&self.model.arena()).info(self.id).sign
    }
}
