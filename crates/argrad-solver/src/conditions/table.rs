//! The conditions as a table that a person reads.

use std::fmt;

use super::form::{KktCondition, KktConditions, KktMultipliers, KktRow, is_worse};

/// The most rows that are printed.
const SHOWN: usize = 24;
/// The widest that the name of a constraint is printed.
const WIDEST: usize = 48;

impl KktConditions {
    /// What the point is, in one line: `optimal to 3.1e-10`, or the condition that fails by most
    /// and where, such as "infeasible by 2.5e-1 in row 3 of `budget`" with the residual in the
    /// caller's units.
    ///
    /// A point is called optimal where its relative residuals are at most the cube root of the
    /// rounding unit, 6e-6; ask [`Self::is_optimal`] for a tolerance of your own. A point outside a
    /// constraint is called infeasible before anything else is said.
    pub fn verdict(&self) -> String {
        let Some(worst) = self.worst() else { return "optimal: there is no condition".into() };
        if worst.relative <= f64::EPSILON.cbrt() {
            return format!("optimal to {}", rounded_up(worst.relative));
        }
        if worst.relative.is_nan() {
            return format!("no verdict: {} {}has no number", worst.condition, of(worst));
        }
        let infeasible = self
            .worst_of(KktCondition::PrimalFeasibility)
            .filter(|row| row.relative > f64::EPSILON.cbrt());
        let row = infeasible.unwrap_or(worst);
        let by = format!("by {:.1e} {}", row.absolute, of(row));
        let what = match row.condition {
            KktCondition::PrimalFeasibility => "infeasible",
            KktCondition::DualFeasibility => "multiplier outside its cone",
            KktCondition::Complementarity => "not complementary",
            KktCondition::Stationarity => "not stationary",
        };
        format!("{what} {}", by.trim_end())
    }
}

/// "in row 3 of `budget` ".
fn of(row: &KktRow) -> String {
    match (row.entry, row.condition) {
        (Some(entry), KktCondition::Stationarity) => {
            format!("in entry {entry} of `{}` ", row.constraint)
        }
        (Some(entry), _) => format!("in row {entry} of `{}` ", row.constraint),
        (None, _) => format!("in `{}` ", row.constraint),
    }
}

/// With two digits, so that "optimal to" is never too good; an exact zero is one.
fn rounded_up(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    format!("{:.1e}", (value / unit).ceil() * unit)
}

/// At most [`WIDEST`] characters of it.
fn shortened(name: &str) -> String {
    if name.chars().count() <= WIDEST {
        return name.into();
    }
    let mut short: String = name.chars().take(WIDEST - 3).collect();
    short.push_str("...");
    short
}

impl fmt::Display for KktConditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict())?;
        let mut rows: Vec<&KktRow> = self.rows.iter().collect();
        // Stable: rows that are equally good stay in the order of the program.
        rows.sort_by(|a, b| match (is_worse(a.relative, b.relative), a.relative == b.relative) {
            (true, _) => std::cmp::Ordering::Less,
            (false, true) => std::cmp::Ordering::Equal,
            (false, false) if a.relative.is_nan() && b.relative.is_nan() => {
                std::cmp::Ordering::Equal
            }
            (false, false) => std::cmp::Ordering::Greater,
        });
        let shown = &rows[..rows.len().min(SHOWN)];
        let names: Vec<String> = shown.iter().map(|row| shortened(&row.constraint)).collect();
        let lengths = names.iter().map(|name| name.chars().count());
        let width = lengths.max().unwrap_or(0).max("constraint".len());
        writeln!(
            f,
            "{:<18}  {:<width$}  {:>6}  {:>9}  {:>9}",
            "condition", "constraint", "row", "absolute", "relative"
        )?;
        for (row, name) in shown.iter().zip(&names) {
            let entry = row.entry.map_or_else(|| "-".into(), |entry| entry.to_string());
            writeln!(
                f,
                "{:<18}  {name:<width$}  {entry:>6}  {:>9.1e}  {:>9.1e}",
                row.condition, row.absolute, row.relative
            )?;
        }
        if let Some(next) = rows.get(SHOWN) {
            let (more, most) = (rows.len() - SHOWN, next.relative);
            writeln!(f, "and {more} rows more, of which none is above {}", rounded_up(most))?;
        }
        match self.multipliers {
            KktMultipliers::Given => write!(f, "multipliers: given"),
            KktMultipliers::LeastSquares => {
                write!(f, "multipliers: none given, so those that fit best by least squares")
            }
        }
    }
}
