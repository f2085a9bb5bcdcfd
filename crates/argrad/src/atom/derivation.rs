//! Derived parameters: functions of the parameters, evaluated for each sample, with their
//! derivative.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::stored::StoredAtom;
use super::{Argument, Atom};
use crate::algebra::{Bilinear, Gram, LinearMap, Shape};

/// Multiplications of a product of matrices that take as long as an entry of a map.
const PRODUCTS_AN_ENTRY: usize = 8;

/// Consecutive entries of theta.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ThetaBlock {
    pub offset: usize,
    pub shape: Shape,
}

impl ThetaBlock {
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.shape.size()
    }
}

/// One block of derived parameters from entries of theta that come before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    /// `map theta + constant`.
    Affine {
        map: LinearMap,
        constant: Vec<f64>,
    },
    Product {
        kind: Bilinear,
        a: ThetaBlock,
        b: ThetaBlock,
    },
    /// Of a matrix, with weights of its rows where they are not all one.
    Gram {
        kind: Gram,
        matrix: ThetaBlock,
        weights: Option<ThetaBlock>,
    },
    Atom {
        atom: StoredAtom,
        args: Vec<ThetaBlock>,
    },
}

/// theta is the parameters' numbers, then the derived ones, in the order of the steps.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Derivation {
    /// Numbers of the parameters.
    inputs: usize,
    steps: Vec<(Step, ThetaBlock)>,
    len: usize,
}

impl Derivation {
    pub fn new(inputs: usize) -> Self {
        Self { inputs, steps: Vec::new(), len: inputs }
    }

    /// Numbers of the parameters.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How derived parameters are made, block after block, and where.
    pub fn steps(&self) -> impl Iterator<Item = &(Step, ThetaBlock)> {
        self.steps.iter()
    }

    /// Length of theta.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether theta is an affine function of the parameters.
    pub fn is_affine(&self) -> bool {
        self.steps.iter().all(|(step, _)| matches!(step, Step::Affine { .. }))
    }

    fn push(&mut self, step: Step, shape: Shape) -> ThetaBlock {
        let block = ThetaBlock { offset: self.len, shape };
        self.len += shape.size();
        self.steps.push((step, block));
        block
    }

    /// Rows of (theta index + 1, or 0 for the number one; coefficient).
    pub fn affine(
        &mut self,
        rows: impl Iterator<Item = impl Iterator<Item = (u32, f64)>>,
        shape: Shape,
    ) -> ThetaBlock {
        let mut map = LinearMap::new(self.len);
        let mut constant = Vec::with_capacity(shape.size());
        for row in rows {
            let mut sum = 0.0;
            map.push_row(row.filter_map(|(theta, coef)| match theta {
                0 => {
                    sum += coef;
                    None
                }
                _ => Some((theta as usize - 1, coef)),
            }));
            constant.push(sum);
        }
        self.push(Step::Affine { map, constant }, shape)
    }

    pub fn product(
        &mut self,
        kind: Bilinear,
        a: ThetaBlock,
        b: ThetaBlock,
        shape: Shape,
    ) -> ThetaBlock {
        self.push(Step::Product { kind, a, b }, shape)
    }

    /// The lower triangle of `A'WA`, see [`Gram`]; all weights are one where there are none.
    pub fn gram(
        &mut self,
        kind: Gram,
        matrix: ThetaBlock,
        weights: Option<ThetaBlock>,
    ) -> ThetaBlock {
        self.push(Step::Gram { kind, matrix, weights }, Shape::vector(kind.len()))
    }

    pub fn atom(&mut self, atom: Arc<dyn Atom>, args: Vec<ThetaBlock>, shape: Shape) -> ThetaBlock {
        self.push(Step::Atom { atom: StoredAtom(atom), args }, shape)
    }

    /// Which entries of theta follow from some of the parameters' numbers.
    pub fn spread(&self, mut marked: Vec<bool>) -> Vec<bool> {
        marked.resize(self.len, false);
        for (step, block) in &self.steps {
            let any = |block: &ThetaBlock| marked[block.range()].contains(&true);
            let depends = match step {
                Step::Affine { map, .. } => {
                    (0..map.rows()).any(|r| map.row(r).any(|(col, _)| marked[col]))
                }
                Step::Product { a, b, .. } => any(a) || any(b),
                Step::Gram { matrix, weights, .. } => {
                    any(matrix) || weights.as_ref().is_some_and(any)
                }
                Step::Atom { args, .. } => args.iter().any(any),
            };
            marked[block.range()].fill(depends);
        }
        marked
    }

    /// Which of the marked entries derivatives of the steps read: arguments of products and atoms,
    /// and what these are made of, but not the results of the last ones.
    pub fn read_by_derivatives(&self, marked: &[bool]) -> Vec<bool> {
        let mut read = vec![false; self.len];
        for (step, block) in self.steps.iter().rev() {
            // A block is evaluated as a whole.
            let is_read = read[block.range()].contains(&true);
            read[block.range()].fill(is_read);
            match step {
                Step::Affine { map, .. } if is_read => {
                    map.entries().for_each(|(_, column, _)| read[column] = true);
                }
                Step::Affine { .. } => {}
                Step::Product { a, b, .. } => {
                    [a, b].into_iter().for_each(|arg| read[arg.range()].fill(true));
                }
                Step::Gram { matrix, weights, .. } => {
                    [Some(matrix), weights.as_ref()]
                        .into_iter()
                        .flatten()
                        .for_each(|arg| read[arg.range()].fill(true));
                }
                Step::Atom { args, .. } => args.iter().for_each(|arg| read[arg.range()].fill(true)),
            }
        }
        read.iter().zip(marked).map(|(read, marked)| *read && *marked).collect()
    }

    /// Cost of an evaluation, in entries of maps.
    pub fn cost(&self) -> usize {
        let of_step = |(step, block): &(Step, ThetaBlock)| match step {
            Step::Affine { map, .. } => map.nnz(),
            Step::Product { kind: Bilinear::MatMul { rows, inner, cols }, .. } => {
                rows * inner * cols / PRODUCTS_AN_ENTRY
            }
            Step::Gram { kind, .. } => kind.rows * kind.len() / PRODUCTS_AN_ENTRY,
            Step::Product { .. } | Step::Atom { .. } => block.shape.size(),
        };
        self.steps.iter().map(of_step).sum()
    }

    /// Whether blocks follow each other, and steps read what comes before them.
    pub fn is_consistent(&self) -> bool {
        let mut end = self.inputs;
        for (step, block) in &self.steps {
            let before = |arg: &ThetaBlock| {
                arg.offset.checked_add(arg.shape.size()).is_some_and(|last| last <= end)
            };
            let size = block.shape.size();
            let fits = match step {
                Step::Affine { map, constant } => {
                    map.is_consistent(size) && map.inputs() <= end && constant.len() == size
                }
                Step::Product { kind, a, b } => {
                    before(a)
                        && before(b)
                        && kind.len() == size
                        && kind.fits(a.shape.size(), b.shape.size())
                }
                Step::Gram { kind, matrix, weights } => {
                    before(matrix)
                        && matrix.shape.size() == kind.rows.saturating_mul(kind.cols)
                        && kind.len() == size
                        && weights.as_ref().is_none_or(|weights| {
                            before(weights) && weights.shape.size() == kind.rows
                        })
                }
                Step::Atom { atom, args } => {
                    let shapes: Vec<Shape> = args.iter().map(|arg| arg.shape).collect();
                    args.iter().all(before) && atom.0.shape(&shapes) == Ok(block.shape)
                }
            };
            if !fits || block.offset != end {
                return false;
            }
            let Some(next) = end.checked_add(size) else { return false };
            end = next;
        }
        end == self.len
    }

    /// Fills the derived part of theta where it is marked, as [`Self::spread`] does.
    pub fn evaluate_marked(&self, marked: &[bool], theta: &mut [f64]) {
        self.evaluate_where(|block| marked.get(block.offset) == Some(&true), theta);
    }

    /// Fills the derived part of theta where it is not marked.
    pub fn evaluate_unmarked(&self, marked: &[bool], theta: &mut [f64]) {
        self.evaluate_where(|block| marked.get(block.offset) != Some(&true), theta);
    }

    /// Fills the derived part of theta.
    pub fn evaluate(&self, theta: &mut [f64]) {
        self.evaluate_where(|_| true, theta);
    }

    fn evaluate_where(&self, wanted: impl Fn(&ThetaBlock) -> bool, theta: &mut [f64]) {
        for (step, block) in self.steps.iter().filter(|(_, block)| wanted(block)) {
            let (before, rest) = theta.split_at_mut(block.offset);
            let out = &mut rest[..block.shape.size()];
            match step {
                Step::Affine { map, constant } => {
                    map.apply(before, out);
                    out.iter_mut().zip(constant).for_each(|(out, c)| *out += c);
                }
                Step::Product { kind, a, b } => {
                    kind.apply(&before[a.range()], &before[b.range()], out);
                }
                Step::Gram { kind, matrix, weights } => {
                    let weights = weights.as_ref().map(|weights| &before[weights.range()]);
                    kind.apply(&before[matrix.range()], weights, out);
                }
                Step::Atom { atom, args } => atom.0.value(&arguments(args, before), out),
            }
        }
    }

    /// Says which derived parameter is not finite, and where its function is defined.
    pub fn not_finite(&self, theta: &[f64]) -> Option<String> {
        let (step, block) = self
            .steps
            .iter()
            .find(|(_, block)| theta[block.range()].iter().any(|v| !v.is_finite()))?;
        let found = theta[block.range()].iter().find(|v| !v.is_finite())?;
        Some(match step {
            Step::Atom { atom, args } => {
                let of: Vec<String> = args.iter().map(|a| summary(&theta[a.range()])).collect();
                let domain = match atom.0.domain() {
                    "" => String::new(),
                    domain => format!(" (it is defined for {domain})"),
                };
                format!("{}({}) is {found}{domain}", atom.0.name(), of.join(", "))
            }
            _ => format!("a product of parameters is {found}"),
        })
    }

    /// Moves the gradient of the derived part to the parameters; what is left in the derived part
    /// has no meaning.
    pub fn vjp(&self, theta: &[f64], gradient: &mut [f64]) {
        for (step, block) in self.steps.iter().rev() {
            let (before, rest) = gradient.split_at_mut(block.offset);
            let cotangent = &rest[..block.shape.size()];
            if cotangent.iter().all(|c| *c == 0.0) {
                continue;
            }
            match step {
                Step::Affine { map, .. } => map.apply_transpose(cotangent, before),
                Step::Product { kind, a, b } => {
                    let (mut da, mut db) = (vec![0.0; a.shape.size()], vec![0.0; b.shape.size()]);
                    kind.vjp(&theta[a.range()], &theta[b.range()], cotangent, &mut da, &mut db);
                    add_to(&mut before[a.range()], &da);
                    add_to(&mut before[b.range()], &db);
                }
                Step::Gram { kind, matrix, weights } => {
                    let own = weights.as_ref().map(|weights| &theta[weights.range()]);
                    let mut dw = vec![0.0; own.map_or(0, <[f64]>::len)];
                    let da = &mut before[matrix.range()];
                    kind.vjp(&theta[matrix.range()], own, cotangent, [da, &mut dw]);
                    if let Some(weights) = weights {
                        add_to(&mut before[weights.range()], &dw);
                    }
                }
                Step::Atom { atom, args } => {
                    let mut gradients: Vec<Vec<f64>> =
                        args.iter().map(|arg| vec![0.0; arg.shape.size()]).collect();
                    atom.0.vjp(&arguments(args, theta), cotangent, &mut gradients);
                    for (arg, gradient) in args.iter().zip(&gradients) {
                        add_to(&mut before[arg.range()], gradient);
                    }
                }
            }
        }
    }

    /// [`Self::vjp`] along with its derivative: `moved` is a tangent of theta with its derived part
    /// filled ([`Self::jvp`]), `gradient_moved` the tangent of `gradient`.
    pub fn vjp_tangent(
        &self,
        theta: &[f64],
        moved: &[f64],
        gradient: &mut [f64],
        gradient_moved: &mut [f64],
    ) {
        for (step, block) in self.steps.iter().rev() {
            let (before, rest) = gradient.split_at_mut(block.offset);
            let (before_moved, rest_moved) = gradient_moved.split_at_mut(block.offset);
            let c = &rest[..block.shape.size()];
            let c_moved = &rest_moved[..block.shape.size()];
            if c.iter().chain(c_moved).all(|c| *c == 0.0) {
                continue;
            }
            match step {
                Step::Affine { map, .. } => {
                    map.apply_transpose(c, before);
                    map.apply_transpose(c_moved, before_moved);
                }
                Step::Product { kind, a, b } => {
                    let mut out = [a, b, a, b].map(|arg| vec![0.0; arg.shape.size()]);
                    let [da, db, da_moved, db_moved] = &mut out;
                    let (of_a, of_b) = (&theta[a.range()], &theta[b.range()]);
                    kind.vjp(of_a, of_b, c, da, db);
                    kind.vjp(of_a, of_b, c_moved, da_moved, db_moved);
                    kind.vjp(&moved[a.range()], &moved[b.range()], c, da_moved, db_moved);
                    add_to(&mut before[a.range()], da);
                    add_to(&mut before[b.range()], db);
                    add_to(&mut before_moved[a.range()], da_moved);
                    add_to(&mut before_moved[b.range()], db_moved);
                }
                Step::Gram { kind, matrix, weights } => {
                    let at = matrix.range();
                    let own = weights.as_ref().map(|weights| weights.range());
                    let both = own.clone().map(|own| [&theta[own.clone()], &moved[own]]);
                    let of_a = [&theta[at.clone()], &moved[at.clone()]];
                    let mut dw = vec![0.0; both.map_or(0, |both| both[0].len())];
                    let mut dw_moved = dw.clone();
                    let weights = both.map(|both| both[0]);
                    kind.vjp(of_a[0], weights, c, [&mut before[at.clone()], &mut dw]);
                    let out = [&mut before_moved[at], &mut dw_moved[..]];
                    kind.vjp_tangent(of_a, both, [c, c_moved], out);
                    if let Some(own) = own {
                        add_to(&mut before[own.clone()], &dw);
                        add_to(&mut before_moved[own], &dw_moved);
                    }
                }
                Step::Atom { atom, args } => {
                    let zeros = || -> Vec<Vec<f64>> {
                        args.iter().map(|arg| vec![0.0; arg.shape.size()]).collect()
                    };
                    let (mut out, mut out_moved) = (zeros(), zeros());
                    let values = arguments(args, theta);
                    let direction: Vec<&[f64]> =
                        args.iter().map(|arg| &moved[arg.range()]).collect();
                    atom.0.vjp(&values, c, &mut out);
                    atom.0.vjp(&values, c_moved, &mut out_moved);
                    atom.0.vjp_tangent(&values, &direction, c, &mut out_moved);
                    for ((arg, out), out_moved) in args.iter().zip(&out).zip(&out_moved) {
                        add_to(&mut before[arg.range()], out);
                        add_to(&mut before_moved[arg.range()], out_moved);
                    }
                }
            }
        }
    }

    /// Fills the derived part of a tangent of theta.
    pub fn jvp(&self, theta: &[f64], tangent: &mut [f64]) {
        for (step, block) in &self.steps {
            let (before, rest) = tangent.split_at_mut(block.offset);
            let out = &mut rest[..block.shape.size()];
            match step {
                Step::Affine { map, .. } => map.apply(before, out),
                Step::Product { kind, a, b } => {
                    kind.apply(&theta[a.range()], &before[b.range()], out);
                    let mut other = vec![0.0; out.len()];
                    kind.apply(&before[a.range()], &theta[b.range()], &mut other);
                    add_to(out, &other);
                }
                Step::Gram { kind, matrix, weights } => {
                    let at = matrix.range();
                    let both = weights
                        .as_ref()
                        .map(|weights| [&theta[weights.range()], &before[weights.range()]]);
                    out.fill(0.0);
                    kind.add_tangent([&theta[at.clone()], &before[at]], both, out);
                }
                Step::Atom { atom, args } => atom_jvp(&*atom.0, args, theta, before, out),
            }
        }
    }
}

/// Tangent of an atom: one gradient for each element of its value.
fn atom_jvp(atom: &dyn Atom, args: &[ThetaBlock], theta: &[f64], tangent: &[f64], out: &mut [f64]) {
    let values = arguments(args, theta);
    let mut unit = vec![0.0; out.len()];
    let mut gradients: Vec<Vec<f64>> = args.iter().map(|arg| vec![0.0; arg.shape.size()]).collect();
    for (k, value) in out.iter_mut().enumerate() {
        unit[k] = 1.0;
        gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
        atom.vjp(&values, &unit, &mut gradients);
        unit[k] = 0.0;
        let along = |(arg, gradient): (&ThetaBlock, &Vec<f64>)| -> f64 {
            tangent[arg.range()].iter().zip(gradient).map(|(t, g)| t * g).sum()
        };
        *value = args.iter().zip(&gradients).map(along).sum();
    }
}

fn arguments<'a>(args: &[ThetaBlock], theta: &'a [f64]) -> Vec<Argument<'a>> {
    let argument = |arg: &ThetaBlock| Argument { shape: arg.shape, values: &theta[arg.range()] };
    args.iter().map(argument).collect()
}

/// A few numbers.
fn summary(values: &[f64]) -> String {
    match values {
        [value] => value.to_string(),
        [first, .., last] => format!("[{first}, ..., {last}]"),
        [] => "[]".into(),
    }
}

fn add_to(out: &mut [f64], values: &[f64]) {
    out.iter_mut().zip(values).for_each(|(out, v)| *out += v);
}
