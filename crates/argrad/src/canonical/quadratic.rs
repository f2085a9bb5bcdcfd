//! Squares in the objective, as entries of P.

use std::borrow::Cow;

use super::affine::{Affine, Term};
use super::graph::Graph;
use crate::atoms::Bilinear;
use crate::model::Shape;

/// Most products of terms that are formed for a matrix P of constants.
const MOST_PRODUCTS: usize = 50_000_000;

impl Graph<'_> {
    /// Adds `sum_i weights_i e_i^2` to the objective. The weights are free of variables and nonnegative.
    ///
    /// Rows with at most one variable and no theta go to P directly, and so does a matrix of constants with
    /// more rows than columns; of the others a variable is made, equal to the row, with a diagonal entry of
    /// P.
    pub fn minimize_squares(&mut self, e: &Affine, weights: &Affine) {
        if e.is_parameter_free() && self.squares_of_tall_matrix(e, weights) {
            return;
        }
        let mut lifted = Vec::new();
        for r in 0..e.size() {
            match e.row(r) {
                [] => {}
                [t] if t.theta == 0 => self.add_square(Some(*t), None, weights.row(r)),
                [a, b] if a.theta == 0 && b.theta == 0 && (a.variable == 0 || b.variable == 0) => {
                    let (t, c) = if a.variable == 0 { (b, a) } else { (a, b) };
                    self.add_square(Some(*t), Some(*c), weights.row(r));
                }
                _ => lifted.push(r),
            }
        }
        let rest = if lifted.len() == e.size() {
            Cow::Borrowed(e)
        } else {
            Cow::Owned(e.pick(lifted.iter().copied(), lifted.len()))
        };
        let rest_weights = weights.pick(lifted.iter().copied(), lifted.len());
        if rest.is_variable_free() {
            // Constant in x: only the value of the objective sees it.
            let squares = self.multiply(&rest, &rest);
            let value = self.multiply(&rest_weights, &squares);
            self.add_linear(&self.sum(&value));
            return;
        }
        let y = self.lift(&rest);
        for (k, r) in lifted.iter().enumerate() {
            let variable = y.row(k)[0].variable - 1;
            self.add_product(variable, variable, weights.row(*r));
        }
    }

    /// `weight (t x + c)^2`.
    fn add_square(&mut self, t: Option<Term>, c: Option<Term>, weight: &[Term]) {
        let Some(t) = t else { return };
        let c = c.map_or(0.0, |c| c.coef);
        if t.variable == 0 {
            let square = (t.coef + c) * (t.coef + c);
            self.linear.extend(weight.iter().map(|w| Term { coef: w.coef * square, ..*w }));
            return;
        }
        let times = |factor: f64| {
            weight.iter().map(move |w| Term { coef: w.coef * factor, ..*w }).collect::<Vec<_>>()
        };
        self.add_product(t.variable - 1, t.variable - 1, &times(t.coef * t.coef));
        if c != 0.0 {
            let cross = times(2.0 * t.coef * c);
            self.linear.extend(cross.iter().map(|w| Term { variable: t.variable, ..*w }));
            self.linear.extend(times(c * c));
        }
    }

    /// Where the rows are many and share their weight, P is the sum of the outer products of rows.
    fn squares_of_tall_matrix(&mut self, e: &Affine, weights: &Affine) -> bool {
        let rows = e.size();
        let simple = (0..rows).all(|r| e.row(r).len() <= 2);
        if simple || (1..rows).any(|r| weights.row(r) != weights.row(0)) {
            return false;
        }
        let mut used: Vec<u32> = e.terms.iter().map(|t| t.variable).collect();
        used.sort_unstable();
        used.dedup();
        let n = used.len();
        let products: usize = (0..rows).map(|r| e.row(r).len().pow(2)).sum();
        if n * (n + 1) / 2 > e.terms.len() + rows || products > MOST_PRODUCTS {
            return false;
        }
        let mut gram = vec![0.0; n * n];
        for r in 0..rows {
            let row = e.row(r);
            let at: Vec<usize> =
                row.iter().map(|t| used.binary_search(&t.variable).unwrap_or(0)).collect();
            for (s, &i) in row.iter().zip(&at) {
                row.iter().zip(&at).for_each(|(t, &j)| gram[i * n + j] += s.coef * t.coef);
            }
        }
        let weight = weights.row(0).to_vec();
        for i in 0..n {
            for j in i..n {
                let factor = if i == j { gram[i * n + j] } else { 2.0 * gram[i * n + j] };
                if factor == 0.0 {
                    continue;
                }
                let scaled: Vec<Term> =
                    weight.iter().map(|w| Term { coef: w.coef * factor, ..*w }).collect();
                match (used[i], used[j]) {
                    (0, 0) => self.linear.extend(scaled),
                    (0, variable) => {
                        self.linear.extend(scaled.iter().map(|w| Term { variable, ..*w }));
                    }
                    (v, w) => self.add_product(v - 1, w - 1, &scaled),
                }
            }
        }
        true
    }

    /// Adds `weight x'Px` to the objective, P free of variables and positive semidefinite.
    pub fn minimize_quadratic_form(&mut self, x: &Affine, p: &Affine, weight: &Affine) {
        let n = x.size();
        let scale = Bilinear::Scale { len: n * n };
        let p = self.product(scale, weight, p, Shape::matrix(n, n));
        let variables = match x.plain_variables() {
            Some(variables) => variables,
            None => {
                let lifted = self.lift(x);
                lifted.plain_variables().unwrap_or_default()
            }
        };
        for i in 0..n {
            for j in 0..n {
                self.add_product(variables[i], variables[j], p.row(i * n + j));
            }
        }
    }
}
