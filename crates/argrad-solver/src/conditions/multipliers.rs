//! Multipliers for a point that comes without.
//!
//! With g = Px + q, and s the slack as its projection onto K, the program
//!
//! ```text
//! minimize    1/2 |d|^2 + g'd
//! subject to  Ad + s' = s,   s' in K
//! ```
//!
//! asks for the step d from x that gains most: a projected gradient step. Its multipliers minimize
//! `1/2 |g + A'z|^2 + s'z` over z in K* (its dual). That is the least-squares fit of stationarity
//! in which a constraint has a multiplier as far as it is active, without a threshold that says
//! which constraints are. Where x is optimal, d = 0, and z is a multiplier of the program. Norms
//! are in the units of the solve, so that z does not depend on those of the program.

use super::projection::projected;
use super::sample::Sample;
use super::units::Units;
use crate::prepared::Prepared;
use crate::program::{Error, Pattern, Settings, Slot, Structure, Values};
use crate::solver::Solver;

/// The multipliers of every sample, `batch * m`; `x` is finite where `is_number` says so, and the
/// multipliers of other samples are NaN.
///
/// # Errors
/// [`Error::Memory`].
pub(super) fn least_squares_multipliers(
    prepared: &Prepared,
    values: &Values<'_>,
    samples: &[Sample<'_>],
    units: &[Units],
    x: &[f64],
    is_number: &[bool],
) -> Result<Vec<f64>, Error> {
    let structure = &prepared.analysis.structure;
    let (n, m, batch) = (structure.variables(), structure.rows(), values.batch);
    let (mut metric, mut gradient, mut slack) = (Vec::new(), Vec::new(), Vec::new());
    for ((sample, units), (k, &is_number)) in
        samples.iter().zip(units).zip(is_number.iter().enumerate())
    {
        metric.extend(units.x.iter().map(|unit| units.cost / (unit * unit)));
        if !is_number {
            gradient.extend(std::iter::repeat_n(0.0, n));
            slack.extend(std::iter::repeat_n(0.0, m));
            continue;
        }
        let x = &x[k * n..(k + 1) * n];
        let px = sample.p_times(x).value;
        gradient.extend(px.iter().zip(sample.q).map(|(px, q)| px + q));
        let inside = projected(&prepared.analysis.cones, units, &sample.slack(x));
        let row = |(i, s): (usize, f64)| if sample.is_removed(i) { f64::INFINITY } else { s };
        slack.extend(inside.into_iter().enumerate().map(row));
    }
    let step =
        Structure::new(Pattern::diagonal(n), structure.a().clone(), structure.cones().into())?;
    let settings = Settings { check_convexity: false, ..Settings::default() };
    let program = Values {
        batch,
        p: Slot::Each(&metric),
        q: Slot::Each(&gradient),
        a: values.a,
        b: Slot::Each(&slack),
    };
    let mut z = Solver::new(step, settings)?.solve(&program)?.z;
    for (k, _) in is_number.iter().enumerate().filter(|(_, is_number)| !**is_number) {
        z[k * m..(k + 1) * m].fill(f64::NAN);
    }
    Ok(z)
}
