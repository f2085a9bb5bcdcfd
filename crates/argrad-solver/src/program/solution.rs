//! The answer: points, and one report per sample.

/// Why a solve ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The KKT residual is below the tolerance.
    Solved,
    /// The KKT residual is below the reduced tolerance, and comes no nearer to the tolerance: the
    /// best point is returned. Or it is below the tolerance, while x goes on running away: then the
    /// optimum is not attained. It has a derivative as a solution has.
    AlmostSolved,
    /// No feasible point: `z` holds a certificate, `A'z = 0, z in K*, b'z = -1`.
    PrimalInfeasible,
    /// Unbounded below (if feasible): `x`, `s` hold a direction, `Px = 0, Ax + s = 0, q'x = -1`.
    DualInfeasible,
    /// The iterations ran out; the best point is returned.
    IterationLimit,
    /// The time limit was reached, or the solve was interrupted; the last point is returned.
    TimeLimit,
    /// The steps became too small or not finite; the best point is returned.
    #[default]
    NumericalTrouble,
}

impl Status {
    /// Whether there is a solution: [`Self::Solved`] or [`Self::AlmostSolved`].
    pub fn is_solved(self) -> bool {
        matches!(self, Status::Solved | Status::AlmostSolved)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Status::Solved => "solved",
            Status::AlmostSolved => "almost solved",
            Status::PrimalInfeasible => "primal infeasible",
            Status::DualInfeasible => "dual infeasible (unbounded)",
            Status::IterationLimit => "iteration limit",
            Status::TimeLimit => "time limit",
            Status::NumericalTrouble => "numerical trouble",
        })
    }
}

/// How the solve of one sample went, and what its derivative is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Why the solve ended.
    pub status: Status,
    /// Interior-point iterations: of the method that led to the solution, in single or double
    /// precision.
    pub iterations: u32,
    /// Newton steps on the projection residual.
    pub polish_steps: u32,
    /// Factorizations that its iterations and Newton steps needed together.
    pub factorizations: u32,
    /// Whether the warm start was accepted (then `iterations` is 0).
    pub warm_started: bool,
    /// Objective 1/2 x'Px + q'x.
    pub objective: f64,
    /// Largest of the three relative KKT residuals below.
    pub residual: f64,
    /// `|Ax + s - b|`, relative to the largest term.
    pub primal_residual: f64,
    /// `|Px + q + A'z|`, relative to the largest term.
    pub dual_residual: f64,
    /// `|x'Px + q'x + b'z|`, relative to the largest term.
    pub gap: f64,
    /// Number of directions in which the projection is not differentiable by margin: there s and
    /// z are both nearly zero, and the derivative is one-sided or nearly so.
    pub weakly_active: u32,
    /// Estimated condition number of the derivative's linear system, in the scaled variables;
    /// infinite where it is singular.
    pub condition: f64,
    /// Whether x, hence s, is unique as far as rounding lets the linear system tell; without the
    /// variables that the structure calls auxiliary. When false, the derivative is a least-norm
    /// one.
    pub unique_x: bool,
    /// Whether z is: the multipliers of redundant constraints are not, whatever x is. The
    /// derivative of x is then that of any choice of them.
    pub unique_z: bool,
}

impl Report {
    /// Whether there is a solution, see [`Status::is_solved`].
    pub fn is_solved(&self) -> bool {
        self.status.is_solved()
    }

    /// Whether the derivative at this sample should not be taken at face value: the sample is
    /// not, or almost, solved, weakly active, or not unique.
    pub fn is_degenerate(&self) -> bool {
        self.status != Status::Solved || self.weakly_active > 0 || !self.is_unique()
    }

    /// Whether x and z are unique.
    pub fn is_unique(&self) -> bool {
        self.unique_x && self.unique_z
    }
}

/// Solutions of a batch, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Solution {
    /// Number of samples.
    pub batch: usize,
    /// Primal points, `batch * n`.
    pub x: Vec<f64>,
    /// Dual points, `batch * m`.
    pub z: Vec<f64>,
    /// Slacks, `batch * m`; `+inf` in a row removed by a b from 1e19 on.
    pub s: Vec<f64>,
    /// One report per sample.
    pub reports: Vec<Report>,
}

impl Solution {
    /// Indices and statuses of the samples that are not solved.
    pub fn failures(&self) -> impl Iterator<Item = (usize, Status)> + '_ {
        self.reports
            .iter()
            .enumerate()
            .filter(|(_, report)| !report.is_solved())
            .map(|(index, report)| (index, report.status))
    }
}
