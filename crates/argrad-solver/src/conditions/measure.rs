//! The residuals of one sample, entry by entry, and what of them each constraint gets.

use super::form::{KktCondition, KktConditions, KktMultipliers, is_worse};
use super::labels::{KktLabel, KktLabels};
use super::projection::{outside_dual, projected};
use super::sample::Sample;
use super::units::Units;
use crate::cones::ConeProduct;
use crate::program::{RowKind, Structure};

/// A residual in the caller's units, and relative to the size of its terms.
#[derive(Clone, Copy, Debug)]
struct Residual {
    absolute: f64,
    relative: f64,
}

impl Residual {
    /// `absolute` against the largest of `terms`, and at least one `unit` of the scaled program.
    fn new(absolute: f64, terms: f64, unit: f64) -> Self {
        Self { absolute, relative: absolute / unit.max(terms) }
    }
}

/// A point of which everything is known, and finite: s is zero in rows that are removed.
pub(super) struct WholePoint<'a> {
    pub(super) x: &'a [f64],
    pub(super) z: &'a [f64],
    pub(super) s: &'a [f64],
}

/// All residuals of one sample.
pub(super) struct Residuals {
    primal: Vec<Residual>,
    /// By row, as the next; nothing in rows of equalities, whose multipliers have either sign.
    dual: Vec<Option<Residual>>,
    /// `s_i z_i`; for a cone that is no polyhedron s'z, at its first row.
    complementarity: Vec<Option<Residual>>,
    stationarity: Vec<Residual>,
    /// Whether a row can be looked at alone: not in a cone that is no polyhedron.
    is_alone: Vec<bool>,
}

impl Residuals {
    /// Those of a point without a number: NaN.
    pub(super) fn unknown(structure: &Structure) -> Self {
        let nan = Residual { absolute: f64::NAN, relative: f64::NAN };
        let kinds = row_kinds(structure);
        let one_sided: Vec<Option<Residual>> =
            kinds.iter().map(|kind| (*kind != RowKind::Equality).then_some(nan)).collect();
        Self {
            primal: vec![nan; structure.rows()],
            dual: one_sided.clone(),
            complementarity: one_sided,
            stationarity: vec![nan; structure.variables()],
            is_alone: kinds.iter().map(|kind| *kind != RowKind::Together).collect(),
        }
    }

    /// Measures a point.
    pub(super) fn measure(
        structure: &Structure,
        cones: &ConeProduct,
        sample: &Sample<'_>,
        units: &Units,
        point: &WholePoint<'_>,
    ) -> Self {
        let kinds = row_kinds(structure);
        let (px, ax) = (sample.p_times(point.x), sample.a_times(point.x));
        let atz = sample.a_transpose_times(point.z);
        let stationarity = (0..point.x.len()).map(|j| {
            let residual = (px.value[j] + sample.q[j] + atz.value[j]).abs();
            let terms = px.terms[j] + sample.q[j].abs() + atz.terms[j];
            Residual::new(residual, terms, units.gradient(j))
        });
        let inside = projected(cones, units, point.s);
        let primal = (0..point.s.len()).map(|i| {
            if sample.is_removed(i) {
                return Residual { absolute: 0.0, relative: 0.0 };
            }
            let (b, s) = (sample.b[i], point.s[i]);
            let apart = (ax.value[i] + s - b).abs();
            let outside = (s - inside[i]).abs();
            Residual::new(larger(apart, outside), ax.terms[i] + b.abs(), units.s[i])
        });
        let outside = outside_dual(cones, units, point.z);
        let dual = (0..point.z.len()).map(|i| match kinds[i] {
            RowKind::Equality => None,
            // A row that is no constraint has no multiplier.
            _ if sample.is_removed(i) => {
                Some(Residual::new(point.z[i].abs(), point.z[i].abs(), units.z(i)))
            }
            _ => Some(Residual::new(outside[i].abs(), point.z[i].abs(), units.z(i))),
        });
        let (stationarity, primal) = (stationarity.collect(), primal.collect());
        let dual = dual.collect();
        let size = objective_size(sample, point, &px.value);
        let complementarity = products(structure, point)
            .into_iter()
            .map(|product| product.map(|p| Residual::new(p, size, units.cost)))
            .collect();
        let is_alone = kinds.iter().map(|kind| *kind != RowKind::Together).collect();
        Self { primal, dual, complementarity, stationarity, is_alone }
    }

    /// Row by row of the table.
    pub(super) fn by_label(
        &self,
        labels: &KktLabels,
        multipliers: KktMultipliers,
    ) -> KktConditions {
        use KktCondition::{DualFeasibility, PrimalFeasibility, Stationarity};
        let mut table = KktConditions::new(multipliers);
        for label in &labels.constraints {
            self.add(&mut table, PrimalFeasibility, label, |i| Some(self.primal[i]));
        }
        for label in &labels.constraints {
            self.add(&mut table, DualFeasibility, label, |i| self.dual[i]);
        }
        for label in &labels.constraints {
            self.add_sum(&mut table, label);
        }
        for label in &labels.variables {
            let entries = label.indices().map(|j| self.stationarity[j]).enumerate();
            if let Some((entry, worst)) = worst(entries) {
                let entry = (label.indices().count() > 1).then_some(entry);
                let (absolute, relative) = (worst.absolute, worst.relative);
                table.push(Stationarity, label.text.clone(), entry, absolute, relative);
            }
        }
        table
    }

    /// The worst entry of a constraint.
    fn add(
        &self,
        table: &mut KktConditions,
        condition: KktCondition,
        label: &KktLabel,
        residual: impl Fn(usize) -> Option<Residual>,
    ) {
        let entries = label.indices().enumerate();
        let entries = entries.filter_map(|(entry, i)| Some((entry, residual(i)?)));
        if let Some((entry, worst)) = worst(entries) {
            let entry = self.shown(label, entry);
            table.push(condition, label.text.clone(), entry, worst.absolute, worst.relative);
        }
    }

    /// The sum over a constraint of `s_i z_i`, and the entry where it is largest.
    fn add_sum(&self, table: &mut KktConditions, label: &KktLabel) {
        let entries = label.indices().enumerate();
        let entries: Vec<(usize, Residual)> =
            entries.filter_map(|(entry, i)| Some((entry, self.complementarity[i]?))).collect();
        let Some((entry, _)) = worst(entries.iter().copied()) else { return };
        let sum =
            entries.iter().fold(Residual { absolute: 0.0, relative: 0.0 }, |sum, (_, own)| {
                let absolute = sum.absolute + own.absolute;
                Residual { absolute, relative: sum.relative + own.relative }
            });
        let entry = self.shown(label, entry);
        let condition = KktCondition::Complementarity;
        table.push(condition, label.text.clone(), entry, sum.absolute, sum.relative);
    }

    /// An entry of a constraint, where it means something to a reader.
    fn shown(&self, label: &KktLabel, entry: usize) -> Option<usize> {
        let row = label.indices().nth(entry)?;
        (self.is_alone[row] && label.indices().count() > 1).then_some(entry)
    }
}

fn row_kinds(structure: &Structure) -> Vec<RowKind> {
    let kinds = structure.cones().iter();
    kinds.flat_map(|cone| std::iter::repeat_n(cone.rows(), cone.dim())).collect()
}

/// `|s_i z_i|` of inequalities; `|s'z|` of other cones, at their first row.
fn products(structure: &Structure, point: &WholePoint<'_>) -> Vec<Option<f64>> {
    let mut products = vec![None; structure.rows()];
    let mut start = 0;
    for cone in structure.cones() {
        let rows = start..start + cone.dim();
        start = rows.end;
        let own = rows.clone().map(|i| point.s[i] * point.z[i]);
        match cone.rows() {
            RowKind::Equality => {}
            RowKind::Inequality => {
                rows.zip(own).for_each(|(i, product)| products[i] = Some(product.abs()));
            }
            RowKind::Together if rows.is_empty() => {}
            RowKind::Together => products[rows.start] = Some(own.sum::<f64>().abs()),
        }
    }
    products
}

/// The largest of the terms of `x'Px + q'x + b'z`, without cancellation in the sums.
fn objective_size(sample: &Sample<'_>, point: &WholePoint<'_>, px: &[f64]) -> f64 {
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum::<f64>();
    let quadratic = point.x.iter().zip(px).map(|(x, px)| x * px).sum::<f64>().abs();
    let rows = (0..point.z.len()).filter(|&i| !sample.is_removed(i));
    let right: f64 = rows.map(|i| (sample.b[i] * point.z[i]).abs()).sum();
    quadratic.max(sum(sample.q, point.x)).max(right)
}

/// The entry with the largest relative residual, NaN above all.
fn worst(entries: impl Iterator<Item = (usize, Residual)>) -> Option<(usize, Residual)> {
    entries.reduce(
        |worst, next| {
            if is_worse(next.1.relative, worst.1.relative) { next } else { worst }
        },
    )
}

/// The larger, or NaN where either is: `f64::max` would drop it.
fn larger(left: f64, right: f64) -> f64 {
    if is_worse(right, left) { right } else { left }
}
