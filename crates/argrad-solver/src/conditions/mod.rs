//! The KKT conditions at a point, whoever found it: each of the four, by constraint.
//!
//! Nothing here solves the program, and nothing of a solve is believed: residuals are sums over the
//! caller's numbers, in the caller's units. Relative ones are divided by the size of their terms,
//! or by the unit that a solve would choose where that is larger ([`mod@units`]); so they compare
//! across constraints whatever units those are in. Multipliers that are not given are fitted
//! ([`multipliers`]).

mod form;
mod table;

mod labels;

mod sample;
mod units;

mod projection;

mod measure;
mod multipliers;

use crate::program::{Error, Solution, Values, check_values};
use crate::solver::Solver;

use measure::{Residuals, WholePoint};
use multipliers::least_squares_multipliers;
use sample::Sample;
use units::units;

pub use form::{KktCondition, KktConditions, KktMultipliers, KktRow};
pub use labels::{KktLabel, KktLabels};

/// Points that may be solutions, one for each sample of a batch, row-major.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KktPoint<'a> {
    /// Primal points, `batch * n`.
    pub x: &'a [f64],
    /// Multipliers, `batch * m`; `None` where only x is known.
    pub z: Option<&'a [f64]>,
    /// Slacks, `batch * m`; `None` for b - Ax. In a row that b removes it does not matter.
    pub s: Option<&'a [f64]>,
}

impl<'a> From<&'a Solution> for KktPoint<'a> {
    fn from(solution: &'a Solution) -> Self {
        Self { x: &solution.x, z: Some(&solution.z), s: Some(&solution.s) }
    }
}

impl KktPoint<'_> {
    /// Lengths fit the program.
    fn check(&self, batch: usize, n: usize, m: usize) -> Result<(), Error> {
        for (argument, each, found) in [
            ("point.x", n, Some(self.x.len())),
            ("point.z", m, self.z.map(<[f64]>::len)),
            ("point.s", m, self.s.map(<[f64]>::len)),
        ] {
            if let Some(found) = found.filter(|&found| found != batch * each) {
                return Err(Error::Length {
                    argument,
                    expected: batch * each,
                    found,
                    meaning: format!("batch {batch} x {each} numbers"),
                });
            }
        }
        Ok(())
    }
}

impl Solver {
    /// The KKT conditions at `point`, sample by sample: primal feasibility, dual feasibility and
    /// complementarity of every cone, and stationarity (Theorem 1 of Katyal 2024; Boyd and
    /// Vandenberghe 2004, 5.5.3). The point may be of any solver, or a guess.
    ///
    /// Of a cone that is no polyhedron, residuals are the largest entry of what the point lacks of
    /// its projection. A relative residual is divided by the size of its terms or, where that is
    /// smaller than the unit that a solve would choose ([conventions], units), by that unit.
    ///
    /// ```
    /// use argrad_solver::{
    ///     Cone, KktPoint, KktCondition, Pattern, Settings, Slot, Solver, Structure, Values,
    /// };
    /// // minimize x1 + 2 x2  subject to  x1 + x2 = 1, x >= 0: which of two points is optimal?
    /// let a = Pattern::new(3, 2, vec![0, 2, 4], vec![0, 1, 0, 2])?;
    /// let cones = vec![Cone::Zero(1), Cone::Nonnegative(2)];
    /// let structure = Structure::new(Pattern::empty(2, 2), a, cones)?;
    /// let solver = Solver::new(structure, Settings::default())?;
    /// let values = Values {
    ///     batch: 2,
    ///     p: Slot::Shared(&[]),
    ///     q: Slot::Shared(&[1.0, 2.0]),
    ///     a: Slot::Shared(&[1.0, -1.0, 1.0, -1.0]),
    ///     b: Slot::Shared(&[1.0, 0.0, 0.0]),
    /// };
    /// let point = KktPoint { x: &[1.0, 0.0, 1.5, -0.5], ..Default::default() };
    /// let conditions = solver.conditions(&values, &point)?;
    /// assert!(conditions[0].is_optimal(1e-9));
    /// let worst = conditions[1].worst_of(KktCondition::PrimalFeasibility).unwrap();
    /// assert_eq!((worst.entry, worst.absolute), (Some(1), 0.5));
    /// assert!(conditions[1].verdict().starts_with("infeasible by 5.0e-1 in row 1"));
    /// println!("{}", conditions[1]); // the whole table
    /// # Ok::<(), argrad_solver::Error>(())
    /// ```
    ///
    /// # Errors
    /// Malformed values as in [`Self::solve`] (but P is not asked to be positive semidefinite, and
    /// where it is not, the conditions are necessary only); [`Error::Length`] for a point of
    /// another size; [`Error::Memory`]. A point that is not finite is no error: its residuals are
    /// NaN, and those of the other samples what they are without it.
    ///
    /// [conventions]: https://github.com/argrad/argrad/blob/main/docs/conventions.md
    pub fn conditions(
        &self,
        values: &Values<'_>,
        point: &KktPoint<'_>,
    ) -> Result<Vec<KktConditions>, Error> {
        self.conditions_by(values, point, &KktLabels::default())
    }

    /// [`Self::conditions`] by constraints and variables with names of their own, for layers around
    /// this solver: a constraint may be some rows of a cone, or several cones.
    ///
    /// # Errors
    /// As [`Self::conditions`]; [`Error::Shape`] for labels of rows that there are not.
    pub fn conditions_by(
        &self,
        values: &Values<'_>,
        point: &KktPoint<'_>,
        labels: &KktLabels,
    ) -> Result<Vec<KktConditions>, Error> {
        let prepared = &*self.prepared;
        let (structure, cones) = (self.structure(), &prepared.analysis.cones);
        let (n, m, batch) = (structure.variables(), structure.rows(), values.batch);
        check_values(structure, values)?;
        point.check(batch, n, m)?;
        let labels = labels.completed(structure)?;
        let removable = structure.removable();
        let units = units(prepared, values)?;
        let samples: Vec<Sample<'_>> =
            (0..batch).map(|k| Sample::new(structure, values, &removable, k)).collect();
        let is_number: Vec<bool> =
            samples.iter().enumerate().map(|(k, sample)| is_number(point, sample, k)).collect();
        let (fitted, multipliers) = match point.z {
            Some(_) => (Vec::new(), KktMultipliers::Given),
            None => {
                let x = point.x;
                let z =
                    least_squares_multipliers(prepared, values, &samples, &units, x, &is_number)?;
                (z, KktMultipliers::LeastSquares)
            }
        };
        let z = point.z.unwrap_or(&fitted);
        let measured = samples.iter().zip(&units).zip(is_number).enumerate();
        let tables = measured.map(|(k, ((sample, units), is_number))| {
            let (x, z) = (&point.x[k * n..(k + 1) * n], &z[k * m..(k + 1) * m]);
            if !is_number || !z.iter().all(|z| z.is_finite()) {
                return Residuals::unknown(structure).by_label(&labels, multipliers);
            }
            let s = match point.s {
                None => sample.slack(x),
                Some(s) => {
                    let own = s[k * m..(k + 1) * m].iter().enumerate();
                    own.map(|(i, &s)| if sample.is_removed(i) { 0.0 } else { s }).collect()
                }
            };
            let point = WholePoint { x, z, s: &s };
            Residuals::measure(structure, cones, sample, units, &point)
                .by_label(&labels, multipliers)
        });
        Ok(tables.collect())
    }
}

/// Whether everything that is given of a sample's point is finite, but slacks of removed rows.
fn is_number(point: &KktPoint<'_>, sample: &Sample<'_>, k: usize) -> bool {
    let (n, m) = (sample.q.len(), sample.b.len());
    let finite = |values: &[f64]| values.iter().all(|v| v.is_finite());
    finite(&point.x[k * n..(k + 1) * n])
        && point.z.is_none_or(|z| finite(&z[k * m..(k + 1) * m]))
        && point.s.is_none_or(|s| {
            let mut own = s[k * m..(k + 1) * m].iter().enumerate();
            own.all(|(i, s)| sample.is_removed(i) || s.is_finite())
        })
}
