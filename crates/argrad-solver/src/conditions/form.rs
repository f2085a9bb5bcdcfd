//! What is said of a point: named rows with residuals of four kinds.

/// The four conditions under which a point is optimal (Boyd and Vandenberghe 2004, 5.5.3).
///
/// With `min f(x) subject to g_i(x) <= 0, h_i(x) = 0`, and with `Ax + s = b, s in K, z in K*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KktCondition {
    /// The constraints hold: `g_i(x) <= 0`, `h_i(x) = 0`; `Ax + s = b`, s in K.
    PrimalFeasibility,
    /// Multipliers of inequalities have their sign: `z_i >= 0`; z in K*.
    DualFeasibility,
    /// A constraint that is not active has no multiplier: `z_i g_i(x) = 0`; `s'z = 0`.
    Complementarity,
    /// The gradient of the Lagrangian vanishes: `Px + q + A'z = 0`.
    Stationarity,
}

impl std::fmt::Display for KktCondition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            KktCondition::PrimalFeasibility => "primal feasibility",
            KktCondition::DualFeasibility => "dual feasibility",
            KktCondition::Complementarity => "complementarity",
            KktCondition::Stationarity => "stationarity",
        })
    }
}

/// Where the multipliers came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KktMultipliers {
    /// From the caller.
    #[default]
    Given,
    /// None were given: those that fit x best, by least squares, are taken.
    LeastSquares,
}

/// One condition, of one constraint (for stationarity: of one group of variables).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KktRow {
    /// The condition.
    pub condition: KktCondition,
    /// How the constraint, or the group of variables, is called.
    pub constraint: String,
    /// Where in it the residual is largest; `None` where it has one entry, or cannot be taken apart
    /// (a cone that is no polyhedron).
    pub entry: Option<usize>,
    /// The residual there, in the caller's units; NaN where the point has an entry that is NaN or
    /// infinite.
    pub absolute: f64,
    /// The residual there relative to the size of its terms: a number without a unit, by which
    /// entries and rows are compared.
    pub relative: f64,
}

/// How far a point is from optimal: the four conditions, each by constraint. Displayed as a table
/// with the worst rows first and a verdict above.
///
/// Made by [`Solver::conditions`] for programs in standard form; whoever knows the residuals of
/// another kind of problem fills one by [`Self::push`].
///
/// ```
/// use argrad_solver::{KktCondition, KktConditions, KktMultipliers};
/// let mut conditions = KktConditions::new(KktMultipliers::Given);
/// conditions.push(KktCondition::PrimalFeasibility, "budget", Some(3), 0.25, 0.1);
/// conditions.push(KktCondition::Stationarity, "x", None, 0.0, 0.0);
/// assert!(!conditions.is_optimal(1e-6));
/// assert_eq!(conditions.verdict(), "infeasible by 2.5e-1 in row 3 of `budget`");
/// println!("{conditions}");
/// ```
///
/// [`Solver::conditions`]: crate::Solver::conditions
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct KktConditions {
    /// Primal feasibility of every constraint, then dual feasibility, complementarity,
    /// stationarity; the constraints in the order of the program. An equality has a multiplier of
    /// either sign, so it has a row of the first kind only.
    pub rows: Vec<KktRow>,
    /// Where the multipliers came from.
    pub multipliers: KktMultipliers,
}

impl KktConditions {
    /// Without a row so far.
    pub fn new(multipliers: KktMultipliers) -> Self {
        Self { rows: Vec::new(), multipliers }
    }

    /// Adds a row; the fields of [`KktRow`] say what the arguments are.
    pub fn push(
        &mut self,
        condition: KktCondition,
        constraint: impl Into<String>,
        entry: Option<usize>,
        absolute: f64,
        relative: f64,
    ) {
        self.rows.push(KktRow {
            condition,
            constraint: constraint.into(),
            entry,
            absolute,
            relative,
        });
    }

    /// The row with the largest relative residual, NaN above all; `None` where there is no row.
    pub fn worst(&self) -> Option<&KktRow> {
        self.worst_where(|_| true)
    }

    /// The same among the rows of one condition.
    pub fn worst_of(&self, condition: KktCondition) -> Option<&KktRow> {
        self.worst_where(|row| row.condition == condition)
    }

    /// The largest relative residual: 0 without rows, NaN where one is.
    pub fn residual(&self) -> f64 {
        self.worst().map_or(0.0, |row| row.relative)
    }

    /// Whether every relative residual is at most `tolerance`.
    pub fn is_optimal(&self, tolerance: f64) -> bool {
        self.residual() <= tolerance
    }

    fn worst_where(&self, wanted: impl Fn(&KktRow) -> bool) -> Option<&KktRow> {
        let mut worst: Option<&KktRow> = None;
        for row in self.rows.iter().filter(|row| wanted(row)) {
            if worst.is_none_or(|worst| is_worse(row.relative, worst.relative)) {
                worst = Some(row);
            }
        }
        worst
    }
}

/// Whether a residual is worse than another: larger, or NaN where the other is a number.
pub(super) fn is_worse(residual: f64, than: f64) -> bool {
    residual > than || residual.is_nan() && !than.is_nan()
}
