//! Products, where theta must not meet theta: lifting and derived parameters.

use super::affine::{Accumulator, Term};
use super::derivation::ThetaBlock;
use super::{Affine, Graph};
use crate::algebra::{Bilinear, Shape};

impl Graph<'_> {
    /// The elementwise product; one side free of variables.
    pub fn multiply(&mut self, a: &Affine, b: &Affine) -> Affine {
        let len = a.size().max(b.size());
        if a.size() == 1 {
            self.product(Bilinear::Scale { len }, a, b, b.shape())
        } else if b.size() == 1 {
            self.product(Bilinear::Scale { len }, b, a, a.shape())
        } else {
            self.product(Bilinear::Elementwise { len }, a, b, a.shape())
        }
    }

    /// The sum of the products of elements; one side free of variables.
    pub(crate) fn dot(&mut self, a: &Affine, b: &Affine) -> Affine {
        let kind = Bilinear::MatMul { rows: 1, inner: a.size(), cols: 1 };
        self.product(kind, a, b, Shape::SCALAR)
    }

    /// A bilinear product; one side free of variables.
    ///
    /// Where both sides hold theta, the product would be quadratic in it. If one side holds
    /// variables, those of its elements that hold theta are replaced by variables equal to them
    /// (*lifting*). If neither does, the product becomes a block of *derived parameters*.
    pub fn product(&mut self, kind: Bilinear, a: &Affine, b: &Affine, shape: Shape) -> Affine {
        let (of_a, of_b) = (a.shape(), b.shape());
        if !kind.fits(a.size(), b.size()) || kind.len() != shape.size() {
            let message = format!("the product {kind:?} of a {of_a} and a {of_b} to a {shape}");
            return Affine::faulty(shape, message).made_from([a, b]);
        }
        if !a.is_variable_free() && !b.is_variable_free() {
            let message = format!("a product of a {of_a} and a {of_b} that both hold variables");
            return Affine::faulty(shape, message).made_from([a, b]);
        }
        if a.is_parameter_free() || b.is_parameter_free() {
            return direct(kind, a, b, shape);
        }
        match (a.is_variable_free(), b.is_variable_free()) {
            (true, true) => {
                let (a, b) = (self.theta_of(a), self.theta_of(b));
                let out = self.derivation.product(kind, a, b, shape);
                theta_affine(out.offset, shape)
            }
            (true, false) => {
                let b = self.lift_parametric(b);
                direct(kind, a, &b, shape)
            }
            _ => {
                let a = self.lift_parametric(a);
                direct(kind, &a, b, shape)
            }
        }
    }

    /// The elements that hold theta replaced by variables equal to them.
    fn lift_parametric(&mut self, e: &Affine) -> Affine {
        let holds_theta: Vec<usize> =
            (0..e.size()).filter(|r| e.row(*r).iter().any(|term| term.theta > 0)).collect();
        let parametric = e.pick(holds_theta.iter().copied(), holds_theta.len());
        let lifted = self.lift(&parametric);
        let mut out = Affine::empty(e.shape());
        let mut next = 0;
        for r in 0..e.size() {
            if holds_theta.get(next) == Some(&r) {
                out.extend(lifted.row(next).iter().copied());
                next += 1;
            } else {
                out.extend(e.row(r).iter().copied());
            }
            out.end_row();
        }
        out.made_from([e])
    }

    /// A block of theta with the values of an expression free of variables.
    pub(crate) fn theta_of(&mut self, e: &Affine) -> ThetaBlock {
        match e.theta_block() {
            Some(offset) => ThetaBlock { offset, shape: e.shape() },
            None => {
                let rows = (0..e.size()).map(|r| e.row(r).iter().map(|t| (t.theta, t.coef)));
                self.derivation.affine(rows, e.shape())
            }
        }
    }
}

/// Consecutive entries of theta.
pub(crate) fn theta_affine(offset: usize, shape: Shape) -> Affine {
    let term = |k: usize| Some(Term { variable: 0, theta: (offset + k + 1) as u32, coef: 1.0 });
    Affine::from_terms(shape, (0..shape.size()).map(term))
}

/// The product, where no pair of terms holds two thetas or two variables.
fn direct(kind: Bilinear, a: &Affine, b: &Affine, shape: Shape) -> Affine {
    let mut out = Affine::empty(shape);
    let mut accumulator = Accumulator::default();
    for r in 0..kind.len() {
        let (mut pairs, mut longest) = (0, 0);
        kind.terms(r, |i, j| {
            let (of_a, of_b) = (a.row(i), b.row(j));
            if of_a.is_empty() || of_b.is_empty() {
                return;
            }
            (pairs, longest) = (pairs + 1, longest.max(of_a.len()).max(of_b.len()));
            for s in of_a {
                out.extend(of_b.iter().map(|t| Term {
                    variable: s.variable.max(t.variable),
                    theta: s.theta.max(t.theta),
                    coef: s.coef * t.coef,
                }));
            }
        });
        // Columns of a plain variable meet once each; everything else may repeat.
        if pairs > 1 && (longest > 1 || !matches!(kind, Bilinear::MatMul { cols: 1, .. })) {
            out.merge_row(&mut accumulator);
        }
        out.end_row();
    }
    out.made_from([a, b])
}
