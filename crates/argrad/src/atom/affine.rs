//! Affine expressions of variables and theta, as sparse rows.

use std::collections::HashMap;
use std::sync::Arc;

use crate::algebra::{LinearMap, Shape};

/// `coef * theta[t] * x[v]`, where index 0 stands for the number one and k for entry k - 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Term {
    pub variable: u32,
    pub theta: u32,
    pub coef: f64,
}

/// An array of expressions, each affine in the variables and affine in theta. Rows of terms, one
/// after the other; never a dense tensor.
///
/// Where sizes do not fit, the result is zeros that remember why: the [`Graph`](super::Graph) that
/// they are given to refuses the program, and compilation ends with
/// [`ModelError::Graph`](crate::error::ModelError::Graph).
#[derive(Clone, Debug)]
pub struct Affine {
    shape: Shape,
    ptr: Vec<u32>,
    terms: Vec<Term>,
    /// What did not fit.
    fault: Option<Arc<str>>,
}

impl Affine {
    /// Still without rows.
    pub(super) fn empty(shape: Shape) -> Self {
        let mut ptr = Vec::with_capacity(shape.size() + 1);
        ptr.push(0);
        Self { shape, ptr, terms: Vec::new(), fault: None }
    }

    /// All zero.
    pub fn zeros(shape: Shape) -> Self {
        Self { shape, ptr: vec![0; shape.size() + 1], terms: Vec::new(), fault: None }
    }

    /// Zeros in place of what cannot be made.
    pub(super) fn faulty(shape: Shape, message: String) -> Self {
        Self { fault: Some(message.into()), ..Self::zeros(shape) }
    }

    /// What did not fit where this was made.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// With what is wrong with the parts that it was made from.
    pub(super) fn made_from<'a>(mut self, parts: impl IntoIterator<Item = &'a Self>) -> Self {
        if self.fault.is_none() {
            self.fault = parts.into_iter().find_map(|part| part.fault.clone());
        }
        self
    }

    /// Numbers, as many as the shape has elements.
    pub fn constant(shape: Shape, values: &[f64]) -> Self {
        if values.len() != shape.size() {
            let found = values.len();
            let message = format!("constant: expected the numbers of a {shape}, found {found}");
            return Self::faulty(shape, message);
        }
        let mut out = Self::empty(shape);
        for &coef in values {
            if coef != 0.0 {
                out.terms.push(Term { variable: 0, theta: 0, coef });
            }
            out.end_row();
        }
        out
    }

    /// One term a row.
    pub(crate) fn from_terms(shape: Shape, terms: impl IntoIterator<Item = Option<Term>>) -> Self {
        let mut out = Self::empty(shape);
        for term in terms {
            out.terms.extend(term);
            out.end_row();
        }
        out
    }

    pub(super) fn end_row(&mut self) {
        self.ptr.push(self.terms.len() as u32);
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.ptr.len() - 1
    }

    /// The same elements in another shape of the same size.
    pub fn reshape(mut self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        if shape.size() != self.size() {
            let message = format!("reshape: a {} has no shape of a {shape}", self.shape);
            return Self::faulty(shape, message).made_from([&self]);
        }
        self.shape = shape;
        self
    }

    /// All terms, row by row.
    pub(crate) fn terms(&self) -> &[Term] {
        &self.terms
    }

    pub(super) fn terms_mut(&mut self) -> &mut [Term] {
        &mut self.terms
    }

    /// Appends terms to the row that is open.
    pub(super) fn extend(&mut self, terms: impl IntoIterator<Item = Term>) {
        self.terms.extend(terms);
    }

    /// Adds up terms of the open row that have the same variable and theta.
    pub(super) fn merge_row(&mut self, accumulator: &mut Accumulator) {
        let start = self.ptr[self.ptr.len() - 1] as usize;
        accumulator.merge(&mut self.terms, start);
    }

    pub(crate) fn row(&self, row: usize) -> &[Term] {
        &self.terms[self.ptr[row] as usize..self.ptr[row + 1] as usize]
    }

    /// Whether no parameter occurs.
    pub fn is_parameter_free(&self) -> bool {
        self.terms.iter().all(|term| term.theta == 0)
    }

    /// Whether no variable occurs.
    pub fn is_variable_free(&self) -> bool {
        self.terms.iter().all(|term| term.variable == 0)
    }

    /// The numbers, where neither variables nor parameters occur.
    pub fn values(&self) -> Option<Vec<f64>> {
        let fixed = self.is_parameter_free() && self.is_variable_free();
        fixed.then(|| (0..self.size()).map(|r| self.row(r).iter().map(|t| t.coef).sum()).collect())
    }

    /// Where the elements are consecutive entries of theta and nothing else: the first entry.
    pub(super) fn theta_block(&self) -> Option<usize> {
        let first = self.terms.first()?.theta.checked_sub(1)?;
        let consecutive = |(k, term): (usize, &Term)| {
            self.ptr[k + 1] as usize == k + 1
                && *term == Term { variable: 0, theta: first + k as u32 + 1, coef: 1.0 }
        };
        let is_block =
            self.terms.len() == self.size() && self.terms.iter().enumerate().all(consecutive);
        is_block.then_some(first as usize)
    }

    /// Where each element is one variable and nothing else: their indices.
    pub(super) fn plain_variables(&self) -> Option<Vec<u32>> {
        (0..self.size())
            .map(|r| match self.row(r) {
                [Term { variable, theta: 0, coef }] if *variable > 0 && *coef == 1.0 => {
                    Some(variable - 1)
                }
                _ => None,
            })
            .collect()
    }

    /// A linear map of the elements of some arguments, one after the other.
    pub fn linear(map: &LinearMap, args: &[&Affine], shape: Shape) -> Self {
        let mut offsets = vec![0];
        for arg in args {
            offsets.push(offsets[offsets.len() - 1] + arg.size());
        }
        let (inputs, rows) = (offsets[args.len()], shape.size());
        if map.inputs() != inputs || map.rows() != rows || map.outside().is_some() {
            let message = format!(
                "linear: expected a map of {inputs} numbers to {rows}, found one of {} to {}{}",
                map.inputs(),
                map.rows(),
                map.outside().map_or(String::new(), |(row, col)| format!(
                    " with an entry at ({row}, {col})"
                ))
            );
            return Self::faulty(shape, message);
        }
        let mut out = Self::empty(shape);
        let mut accumulator = Accumulator::default();
        for r in 0..map.rows() {
            let (mut sources, mut longest) = (0, 0);
            for (col, coef) in map.row(r) {
                let which = if args.len() == 1 {
                    0
                } else {
                    offsets.partition_point(|offset| *offset <= col) - 1
                };
                let row = args[which].row(col - offsets[which]);
                (sources, longest) = (sources + 1, row.len().max(longest));
                out.terms.extend(row.iter().map(|t| Term { coef: coef * t.coef, ..*t }));
            }
            if sources > 1 && longest > 1 {
                out.merge_row(&mut accumulator);
            }
            out.end_row();
        }
        out.made_from(args.iter().copied())
    }

    /// Every element times a number.
    pub fn scaled(&self, factor: f64) -> Self {
        let mut out = self.clone();
        out.terms.iter_mut().for_each(|term| term.coef *= factor);
        out
    }

    /// Elements picked by position.
    pub fn pick(
        &self,
        positions: impl IntoIterator<Item = usize>,
        shape: impl Into<Shape>,
    ) -> Self {
        let shape = shape.into();
        let mut out = Self::empty(shape);
        for k in positions {
            if k >= self.size() {
                let message = format!("pick: element {k} of a {}", self.shape);
                return Self::faulty(shape, message).made_from([self]);
            }
            out.terms.extend_from_slice(self.row(k));
            out.end_row();
        }
        if out.size() != shape.size() {
            let message = format!("pick: expected the elements of a {shape}, found {}", out.size());
            return Self::faulty(shape, message).made_from([self]);
        }
        out.made_from([self])
    }

    /// One after the other, as a vector.
    pub fn concat(parts: &[&Affine]) -> Self {
        let mut out = Self::empty(Shape::vector(parts.iter().map(|part| part.size()).sum()));
        for part in parts {
            for r in 0..part.size() {
                out.terms.extend_from_slice(part.row(r));
                out.end_row();
            }
        }
        out.made_from(parts.iter().copied())
    }
}

/// Adds up terms of one row that have the same variable and theta, in time linear in their number.
#[derive(Default)]
pub(super) struct Accumulator {
    /// Position in the row, by variable, of the term without theta; valid where `stamp` is current.
    at: Vec<u32>,
    stamp: Vec<u32>,
    current: u32,
    with_theta: HashMap<(u32, u32), u32>,
}

impl Accumulator {
    /// Merges the terms from `start` on, in order of first appearance.
    pub fn merge(&mut self, terms: &mut Vec<Term>, start: usize) {
        self.current += 1;
        self.with_theta.clear();
        let mut end = start;
        for k in start..terms.len() {
            let term = terms[k];
            let found = if term.theta == 0 {
                let v = term.variable as usize;
                if v >= self.at.len() {
                    self.at.resize(v + 1, 0);
                    self.stamp.resize(v + 1, 0);
                }
                let found = (self.stamp[v] == self.current).then_some(self.at[v]);
                (self.stamp[v], self.at[v]) = (self.current, found.unwrap_or(end as u32));
                found
            } else {
                let key = (term.variable, term.theta);
                let at = *self.with_theta.entry(key).or_insert(end as u32);
                (at != end as u32).then_some(at)
            };
            match found {
                Some(at) => terms[at as usize].coef += term.coef,
                None => {
                    terms[end] = term;
                    end += 1;
                }
            }
        }
        terms.truncate(end);
    }
}
