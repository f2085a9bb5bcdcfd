//! One sample's point with all that is known there, and how far it is from the KKT conditions.

use super::dense::{largest, transposed_product};
use super::problem::Dimensions;
use super::report::Function;
use super::scaling::Scaling;

/// An inequality is weakly active where both its slack and its multiplier are below this, relative.
const WEAK: f64 = 9.536_743_164_062_5e-7; // 64 times half of the digits, 2^-20

/// A component of stationarity this far below the others is rounding of theirs, divided by the
/// tolerance that a residual can reach.
const FAR_BELOW: f64 = 7.629_394_531_25e-6; // 2^-17, a third of the digits

/// A point (y, lambda) with the values and derivatives there. Rows are those of h, then those of g.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    /// n numbers.
    pub(super) y: Vec<f64>,
    /// (nu, mu): m numbers.
    pub(super) lambda: Vec<f64>,
    /// f.
    pub(super) objective: f64,
    /// (h, g): m numbers.
    pub(super) c: Vec<f64>,
    /// n numbers.
    pub(super) f_y: Vec<f64>,
    /// (h_Y, g_Y): m x n.
    pub(super) gradients: Vec<f64>,
    /// L_YY: n x n.
    pub(super) hessian: Vec<f64>,
}

/// How far a point is from the KKT conditions; see [`super::ArgminReport`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Residual {
    pub(super) dual: f64,
    pub(super) primal: f64,
    pub(super) complementarity: f64,
}

impl Residual {
    pub(super) fn largest(&self) -> f64 {
        let most = self.dual.max(self.primal).max(self.complementarity);
        // `max` skips NaN.
        let sum = self.dual + self.primal + self.complementarity;
        if sum.is_nan() { f64::INFINITY } else { most }
    }
}

/// The sizes that make residuals relative: what a change of y by its own size changes.
pub(super) struct Sizes {
    /// Of each constraint, in its own units.
    rows: Vec<f64>,
    /// Of stationarity, in scaled units: of each component, and the largest.
    components: Vec<f64>,
    dual: f64,
    /// What a multiplier of each row is multiplied with to be in the units of `dual`.
    multipliers: Vec<f64>,
}

impl Sizes {
    /// What a change of y by its own size changes row k by.
    pub(super) fn row(&self, k: usize) -> f64 {
        self.rows[k]
    }
}

impl Point {
    /// Which function is not finite here: of the values, and of the derivatives when these are
    /// filled in; with the order of the derivative.
    pub(super) fn not_finite(&self, size: &Dimensions) -> Option<(Function, u8)> {
        let row = |k: usize| match k < size.equalities {
            true => Function::Equality(k),
            false => Function::Inequality(k - size.equalities),
        };
        let bad = |values: &[f64]| values.iter().position(|v| !v.is_finite());
        if !self.objective.is_finite() {
            return Some((Function::Objective, 0));
        }
        bad(&self.c)
            .map(|k| (row(k), 0))
            .or_else(|| bad(&self.f_y).map(|_| (Function::Objective, 1)))
            .or_else(|| bad(&self.gradients).map(|k| (row(k / size.y.max(1)), 1)))
            .or_else(|| bad(&self.hessian).map(|_| (Function::Objective, 2)))
    }

    /// The violation of each row, zero where it holds.
    pub(super) fn violations<'a>(
        c: &'a [f64],
        size: &'a Dimensions,
    ) -> impl Iterator<Item = f64> + 'a {
        c.iter().enumerate().map(|(k, &c)| if k < size.equalities { c.abs() } else { c.max(0.0) })
    }

    /// Sizes, where `y_size` are the largest absolute values that y had, and at least those of y.
    pub(super) fn sizes(&self, y_size: &[f64], scaling: &Scaling) -> Sizes {
        let n = self.y.len();
        // One size for all variables, in scaled units.
        let length = y_size.iter().zip(&scaling.y).fold(0.0_f64, |most, (y, d)| most.max(y / d));
        let reach: Vec<f64> = scaling.y.iter().map(|d| length * d).collect();
        let absolute =
            |row: &[f64]| -> f64 { row.iter().zip(&reach).map(|(a, r)| a.abs() * r).sum() };
        let rows: Vec<f64> = self.gradients.chunks(n.max(1)).map(absolute).collect();
        let multipliers: Vec<f64> = self
            .gradients
            .chunks(n.max(1))
            .map(|row| row.iter().zip(&scaling.y).fold(0.0, |m: f64, (a, d)| m.max(a.abs() * d)))
            .collect();
        let mut components = Vec::with_capacity(n);
        for (j, d) in scaling.y.iter().enumerate() {
            let curved = absolute(&self.hessian[j * n..(j + 1) * n]);
            let terms = self.lambda.iter().enumerate();
            let pull = terms.map(|(i, l)| (l * self.gradients[i * n + j]).abs());
            components.push(d * pull.fold(curved.max(self.f_y[j].abs()), f64::max));
        }
        let dual = largest(&components);
        // What is far below the others is compared with them: it may be rounding.
        components.iter_mut().for_each(|size| *size = size.max(FAR_BELOW * dual));
        Sizes { rows, components, dual, multipliers }
    }

    /// L_Y = f_Y + (h_Y, g_Y)'lambda.
    pub(super) fn stationarity(&self) -> Vec<f64> {
        let pull = transposed_product(&self.gradients, self.y.len(), &self.lambda);
        self.f_y.iter().zip(pull).map(|(f, c)| f + c).collect()
    }

    /// The residuals of the KKT conditions.
    pub(super) fn residual(&self, size: &Dimensions, sizes: &Sizes, scaling: &Scaling) -> Residual {
        let mut residual = Residual::default();
        let components = scaling.y.iter().zip(&sizes.components);
        for (v, (d, component)) in self.stationarity().iter().zip(components) {
            residual.dual = maximum(residual.dual, relative((v * d).abs(), *component));
        }
        for (violation, row) in Self::violations(&self.c, size).zip(&sizes.rows) {
            residual.primal = maximum(residual.primal, relative(violation, *row));
        }
        for k in size.equalities..size.rows() {
            let (slack, multiplier) = self.complementary(k, sizes);
            let off = if multiplier < 0.0 { -multiplier } else { slack.min(multiplier) };
            residual.complementarity = maximum(residual.complementarity, off);
        }
        residual
    }

    /// Slack and multiplier of row k, both relative.
    fn complementary(&self, k: usize, sizes: &Sizes) -> (f64, f64) {
        let slack = relative((-self.c[k]).max(0.0), sizes.rows[k]);
        (slack, relative(self.lambda[k] * sizes.multipliers[k], sizes.dual))
    }

    /// The active rows (all equalities, and inequalities whose multiplier is larger than their
    /// slack, both relative), and how many inequalities are weakly active.
    pub(super) fn active(&self, size: &Dimensions, sizes: &Sizes) -> (Vec<usize>, u32) {
        let mut rows: Vec<usize> = (0..size.equalities).collect();
        let mut weak = 0;
        for k in size.equalities..size.rows() {
            let (slack, multiplier) = self.complementary(k, sizes);
            if multiplier > slack {
                rows.push(k);
            }
            weak += u32::from(slack.max(multiplier) <= WEAK);
        }
        (rows, weak)
    }
}

fn relative(value: f64, size: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value / size }
}

/// The larger, where NaN is larger than everything.
fn maximum(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}
