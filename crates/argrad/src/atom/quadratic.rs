//! Squares in the objective, as entries of P.

use std::borrow::Cow;

use super::affine::Term;
use super::{Affine, Graph};
use crate::algebra::{Bilinear, Gram, Shape};

/// Most products of terms that are formed for a matrix P of constants: one by one, or of a dense
/// matrix by registers.
const MOST_PRODUCTS: usize = 50_000_000;
const MOST_FAST_PRODUCTS: usize = 40 * MOST_PRODUCTS;

/// Rows with at most so many terms are squared term by term.
const FEW_TERMS: usize = 4;

impl Graph<'_> {
    /// Adds `sum_i weights_i e_i^2` to the objective. The weights are free of variables and
    /// nonnegative.
    ///
    /// Rows of a few terms without theta go to P directly, and so does a matrix with more rows than
    /// columns. If it holds theta, nothing must be added to it: `|Lx|^2` is `x'(L'L)x` however L is
    /// conditioned, but in `|Ax - b|^2` the product A'A has the square of A's condition. Of all
    /// other rows a variable is made, equal to the row, with a diagonal entry of P.
    pub fn minimize_squares(&mut self, e: &Affine, weights: &Affine) {
        if !self.admits_weights(e, weights) {
            return;
        }
        let is_squared = match e.is_parameter_free() {
            true => self.squares_of_tall_matrix(e, weights),
            false => self.squares_of_parameters(e, weights),
        };
        if is_squared {
            return;
        }
        let mut lifted = Vec::new();
        for r in 0..e.size() {
            let row = e.row(r);
            if row.len() <= FEW_TERMS && row.iter().all(|term| term.theta == 0) {
                self.add_square(row, weights.row(r));
            } else {
                lifted.push(r);
            }
        }
        if lifted.is_empty() {
            return;
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

    /// `weight row^2` of a few terms without theta.
    fn add_square(&mut self, row: &[Term], weight: &[Term]) {
        for (at, s) in row.iter().enumerate() {
            for t in &row[at..] {
                // Each pair once, the mixed ones twice.
                let factor = if std::ptr::eq(s, t) { 1.0 } else { 2.0 } * s.coef * t.coef;
                self.add_pair(s.variable, t.variable, factor, weight);
            }
        }
    }

    /// `weight factor x y` of two variables, where index 0 stands for the number one.
    fn add_pair(&mut self, x: u32, y: u32, factor: f64, weight: &[Term]) {
        let scaled = weight.iter().map(|w| Term { coef: w.coef * factor, ..*w });
        match (x, y) {
            (0, variable) | (variable, 0) => {
                self.linear.extend(scaled.map(|w| Term { variable, ..w }));
            }
            (x, y) => {
                let scaled: Vec<Term> = scaled.collect();
                self.add_product(x - 1, y - 1, &scaled);
            }
        }
    }

    /// Where the rows are many and share their weight, P is the sum of the outer products of rows.
    fn squares_of_tall_matrix(&mut self, e: &Affine, weights: &Affine) -> bool {
        if !has_one_row(weights) {
            return false;
        }
        let Some(used) = columns_of_tall_matrix(e) else { return false };
        let n = used.len();
        let is_dense = 2 * e.terms().len() >= e.size() * n;
        let products: usize = (0..e.size()).map(|r| e.row(r).len().pow(2)).sum();
        let gram = if is_dense && products <= MOST_FAST_PRODUCTS {
            dense_gram(e, &used)
        } else if products <= MOST_PRODUCTS {
            sparse_gram(e, &used)
        } else {
            return false;
        };
        let weight = weights.row(0).to_vec();
        for (k, (i, j)) in lower_triangle(n).enumerate() {
            let factor = if i == j { gram[k] } else { 2.0 * gram[k] };
            if factor != 0.0 {
                self.add_pair(used[j], used[i], factor, &weight);
            }
        }
        true
    }

    /// The same where the matrix holds theta: P is its product with itself, derived parameters.
    fn squares_of_parameters(&mut self, e: &Affine, weights: &Affine) -> bool {
        let rows = e.size();
        let Some(used) = columns_of_tall_matrix(e) else { return false };
        if used[0] == 0 {
            return false;
        }
        let kind = Gram { rows, cols: used.len() };
        let mut matrix = Affine::empty(Shape::matrix(rows, kind.cols));
        let mut row: Vec<Term> = Vec::new();
        for r in 0..rows {
            row.clear();
            row.extend(e.row(r));
            row.sort_by_key(|term| term.variable);
            let mut rest = row.as_slice();
            for column in &used {
                let (own, after) = rest.split_at(rest.partition_point(|t| t.variable == *column));
                matrix.extend(own.iter().map(|term| Term { variable: 0, ..*term }));
                matrix.end_row();
                rest = after;
            }
        }
        let matrix = self.theta_of(&matrix);
        // One number for all rows is a factor of P.
        let common = match weights.row(0) {
            [weight] if weight.theta == 0 && has_one_row(weights) => Some(*weight),
            _ => None,
        };
        let of_rows = match common {
            Some(_) => None,
            None => Some(self.theta_of(weights)),
        };
        let gram = self.derivation.gram(kind, matrix, of_rows);
        let factor = common.map_or(1.0, |weight| weight.coef);
        for (k, (i, j)) in lower_triangle(kind.cols).enumerate() {
            let theta = (gram.offset + k + 1) as u32;
            let entry = Term { variable: 0, theta, coef: factor };
            self.add_pair(used[j], used[i], if i == j { 1.0 } else { 2.0 }, &[entry]);
        }
        true
    }

    /// Adds `weight x'Px` to the objective, P free of variables and positive semidefinite.
    pub fn minimize_quadratic_form(&mut self, x: &Affine, p: &Affine, weight: &Affine) {
        let n = x.size();
        if p.size() != n * n || weight.size() != 1 {
            let (x, p, weight) = (x.shape(), p.shape(), weight.shape());
            return self
                .fault(format!("the quadratic form of a {x}, a {p} with weight a {weight}"));
        }
        if !self.admits(x) || !self.admits_weights(p, p) || !self.admits_weights(weight, weight) {
            return;
        }
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

/// Whether all rows are the same.
fn has_one_row(e: &Affine) -> bool {
    (1..e.size()).all(|r| e.row(r) == e.row(0))
}

/// The places of a lower triangle, row by row.
fn lower_triangle(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(|i| (0..=i).map(move |j| (i, j)))
}

/// The lower triangle of the product of a matrix, without theta, with itself, row by row.
fn dense_gram(e: &Affine, used: &[u32]) -> Vec<f64> {
    let kind = Gram { rows: e.size(), cols: used.len() };
    let mut matrix = vec![0.0; kind.rows * kind.cols];
    for (r, own) in matrix.chunks_exact_mut(kind.cols).enumerate() {
        for term in e.row(r) {
            own[used.binary_search(&term.variable).unwrap_or(0)] += term.coef;
        }
    }
    let mut out = vec![0.0; kind.len()];
    kind.apply(&matrix, None, &mut out);
    out
}

/// The same, product by product of its terms.
fn sparse_gram(e: &Affine, used: &[u32]) -> Vec<f64> {
    let mut out = vec![0.0; Gram { rows: e.size(), cols: used.len() }.len()];
    for r in 0..e.size() {
        let row = e.row(r);
        let at: Vec<usize> =
            row.iter().map(|t| used.binary_search(&t.variable).unwrap_or(0)).collect();
        for (s, &i) in row.iter().zip(&at) {
            for (t, &j) in row.iter().zip(&at).filter(|(_, j)| **j <= i) {
                out[i * (i + 1) / 2 + j] += s.coef * t.coef;
            }
        }
    }
    out
}

/// The variables of a matrix that is no larger when it is multiplied with itself, in ascending
/// order, where 0 stands for the number one.
fn columns_of_tall_matrix(e: &Affine) -> Option<Vec<u32>> {
    let rows = e.size();
    if (0..rows).all(|r| e.row(r).len() <= FEW_TERMS) {
        return None;
    }
    let mut used: Vec<u32> = e.terms().iter().map(|t| t.variable).collect();
    used.sort_unstable();
    used.dedup();
    let n = used.len();
    let is_smaller = n * (n + 1) / 2 <= e.terms().len() + rows;
    is_smaller.then_some(used)
}
