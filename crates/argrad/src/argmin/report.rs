//! What is said of each sample.

/// How the solve of one sample ended, or what a given point is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgminStatus {
    /// The KKT conditions hold to the tolerance, and no direction along the active constraints has
    /// negative curvature. [`ArgminReport::second_order`] says whether it is proven to be a local
    /// minimum.
    Solved,
    /// The KKT conditions hold, but a direction along the active constraints has negative
    /// curvature, and the solver could not leave the point that way. Start elsewhere.
    Saddle,
    /// The constraints cannot be met near this point: it is a local minimum of their violation.
    /// Start elsewhere, or relax the constraints.
    InfeasibleStationary,
    /// The objective falls without bound, or the variables grow until they overflow. Bound the
    /// variables.
    Unbounded,
    /// The iterations ran out; the best point is returned. Start nearer, scale the functions, or
    /// allow more iterations.
    IterationLimit,
    /// No step makes progress, although the KKT conditions do not hold to the tolerance: functions
    /// that are not smooth or noisy, or a loss of digits. The best point is returned.
    Stalled,
    /// A function or a derivative of it is NaN or infinite: see [`ArgminReport::not_a_number`].
    NotANumber,
    /// The point was given, and does not satisfy the KKT conditions to the tolerance.
    #[default]
    NotStationary,
}

impl ArgminStatus {
    /// Whether there is a solution to differentiate.
    pub fn is_solved(self) -> bool {
        self == Self::Solved
    }
}

impl std::fmt::Display for ArgminStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Solved => "solved",
            Self::Saddle => "saddle point (negative curvature along the active constraints)",
            Self::InfeasibleStationary => "local minimum of the violation of the constraints",
            Self::Unbounded => "unbounded",
            Self::IterationLimit => "iteration limit",
            Self::Stalled => "stalled (no step makes progress)",
            Self::NotANumber => "a function or derivative is not a finite number",
            Self::NotStationary => "the given point does not satisfy the KKT conditions",
        })
    }
}

/// A function of the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The objective f.
    Objective,
    /// This entry of h.
    Equality(usize),
    /// This entry of g.
    Inequality(usize),
}

/// Where a number was not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotANumber {
    /// Of which function; for a second derivative, [`Function::Objective`] stands for the
    /// Lagrangian.
    pub function: Function,
    /// 0 for its value, 1 for its gradient, 2 for the Hessian of the Lagrangian.
    pub derivative: u8,
    /// Whether that was at the start (or the given point) already; else it was met on the way,
    /// where no shorter step avoided it.
    pub at_start: bool,
}

/// The second-order conditions, on the null space of the gradients of the active constraints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondOrder {
    /// The Hessian of the Lagrangian is positive definite there: a strict local minimum, with a
    /// derivative.
    Sufficient,
    /// It is singular as far as rounding lets it tell: the solution need not be unique, and the
    /// derivative is a least-norm one. Add a small strictly convex term.
    #[default]
    Singular,
    /// It has a negative eigenvalue: no minimum.
    NegativeCurvature,
}

/// What is known of one sample. Residuals are relative, and do not depend on the units of y, f and
/// the constraints.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ArgminReport {
    /// How it ended.
    pub status: ArgminStatus,
    /// Quadratic programs solved, those with second-order corrections not counted.
    pub iterations: u32,
    /// f(theta, y).
    pub objective: f64,
    /// Largest of the three residuals below.
    pub residual: f64,
    /// `|f_Y + h_Y'nu + g_Y'mu|`, relative to its largest term, where what changing y by its own
    /// size changes it by is one.
    pub dual_residual: f64,
    /// Largest violation of a constraint, relative to what changing y by its own size changes the
    /// constraint by.
    pub primal_residual: f64,
    /// Largest `min(mu_i, -g_i)`, both made relative like the other two; and of negative
    /// multipliers.
    pub complementarity: f64,
    /// Number of inequalities that are active with a multiplier of nearly zero: there the solution
    /// has a kink, and the derivative is that of one side (or nearly so).
    pub weakly_active: u32,
    /// Number of active constraints whose gradients depend on those of others (LICQ fails): their
    /// multipliers are not unique, and are taken to be fixed.
    pub dependent: u32,
    /// The second-order conditions.
    pub second_order: SecondOrder,
    /// Inertia of the KKT matrix of the active rows: positive, negative and zero eigenvalues. At a
    /// strict local minimum with independent constraints they are y, the number of active rows, 0.
    pub inertia: [u32; 3],
    /// Condition number of the Hessian on the null space of the active constraints, equilibrated;
    /// infinite where singular.
    pub condition: f64,
    /// Saddle points that the solver met and left.
    pub saddles_left: u32,
    /// What was not finite, for [`ArgminStatus::NotANumber`].
    pub not_a_number: Option<NotANumber>,
}

impl ArgminReport {
    /// Whether there is a solution, see [`ArgminStatus::is_solved`].
    pub fn is_solved(&self) -> bool {
        self.status.is_solved()
    }

    /// Whether the derivative should not be taken at face value.
    pub fn is_degenerate(&self) -> bool {
        !self.status.is_solved()
            || self.weakly_active > 0
            || self.dependent > 0
            || self.second_order != SecondOrder::Sufficient
    }
}
