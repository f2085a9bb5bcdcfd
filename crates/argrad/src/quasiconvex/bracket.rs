//! The interval around the optimal level of one sample, and the level that is tried next.

use argrad_solver::Status;

/// Interval, relative to the level, at which the search ends: below it Newton's last step, whose
/// error is of the second order, is exact to rounding.
const TOLERANCE: f64 = 1e-10;

/// A level this small, relative to the first one that was attained, is zero.
const ZERO: f64 = 1e-6;

/// Times that a search without a bound doubles its step, from which on the problem is unbounded.
const DOUBLINGS: u32 = 60;

/// Times from which on a solve that fails counts as one of these.
const FAR: u32 = 15;

/// Most levels that are tried for one sample.
const MOST_STEPS: u32 = 300;

/// Search of the least u for which a level set has a point. By bisection, with Newton's step on the
/// residual r(u), the minimum over x of a convex function that is at most zero on the level set,
/// wherever that stays inside of the interval and the interval shrinks. `u` is the level of what is
/// minimized, and minus that of what is maximized.
#[derive(Clone, Debug)]
pub(super) struct Bracket {
    /// Bounds that hold for every level.
    floor: f64,
    ceiling: f64,
    /// No level set below has a point.
    lower: f64,
    /// The level set has a point.
    upper: f64,
    /// The level to be tried next, and at the end the optimal one.
    pub trial: f64,
    /// Size of the first level that was attained, or of the first interval where that was zero.
    size: f64,
    /// Step of a search without a lower or upper bound, and how often it was doubled.
    step: f64,
    doublings: u32,
    /// Width of the interval some steps ago, for bisection where Newton does not shrink it.
    width: f64,
    /// Levels tried.
    pub steps: u32,
    pub state: State,
}

/// How a search stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Searching,
    /// `trial` is the optimal level.
    Found,
    Failed(Status),
}

/// What trying a level found out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// The convex problem was solved.
    Solved {
        /// The residual r.
        residual: f64,
        /// dr / du; not negative where r does not tell the levels apart.
        slope: f64,
        /// The value of what is minimized, in terms of u, at its solution; NaN where it has none.
        attained: f64,
    },
    /// The residual is unbounded below: the level set has points.
    Unbounded,
    /// The level is beneath what functions of it can be: the level set is empty.
    Empty,
    /// The level is above what functions of it can be: the level set is everything.
    Everything,
    /// Neither.
    Failed(Status),
}

impl Bracket {
    /// Levels between these bounds, each of them zero or infinite: what the sign of the objective
    /// gives. The first trial is zero.
    pub fn new(floor: f64, ceiling: f64) -> Self {
        Self {
            floor,
            ceiling,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
            trial: 0.0,
            size: 0.0,
            step: 0.0,
            doublings: 0,
            width: f64::INFINITY,
            steps: 0,
            state: State::Searching,
        }
    }

    /// A step of Newton's that is too small for another one.
    fn resolution(&self) -> f64 {
        TOLERANCE * self.trial.abs().max(ZERO * self.size)
    }

    /// Takes note of what was found at `trial`, and sets the next one.
    pub fn learn(&mut self, outcome: Outcome) {
        self.steps += 1;
        let mut newton = f64::NAN;
        match outcome {
            // So far down that the solver cannot follow, and still without a bound.
            Outcome::Failed(_) if self.lower.is_infinite() && self.doublings >= FAR => {
                return self.state = State::Failed(Status::DualInfeasible);
            }
            Outcome::Failed(status) => return self.state = State::Failed(status),
            Outcome::Empty => self.lower = self.lower.max(self.trial),
            Outcome::Unbounded | Outcome::Everything => self.upper = self.upper.min(self.trial),
            Outcome::Solved { residual, slope, attained } => {
                if attained.is_finite() {
                    self.size = if self.size > 0.0 { self.size } else { attained.abs() };
                    self.upper = self.upper.min(attained);
                }
                // Where attained says so the level set has a point, whatever the rounding of r.
                if residual <= 0.0 || attained <= self.trial {
                    self.upper = self.upper.min(self.trial);
                } else {
                    self.lower = self.lower.max(self.trial);
                }
                let next = self.trial - residual / slope;
                if slope < 0.0 && slope.is_finite() && next.is_finite() {
                    newton = next;
                    if (newton - self.trial).abs() <= self.resolution() {
                        self.trial = newton;
                        return self.state = State::Found;
                    }
                }
            }
        }
        let width = self.upper - self.lower.max(self.floor);
        if self.size == 0.0 && width.is_finite() {
            self.size = width;
        }
        if width.is_finite() && width <= TOLERANCE * self.upper.abs().max(ZERO * self.size) {
            self.trial = self.upper;
            return self.state = State::Found;
        }
        if self.steps >= MOST_STEPS {
            return self.state = State::Failed(Status::IterationLimit);
        }
        self.next(newton, self.upper - self.lower);
        self.trial = self.trial.clamp(self.floor, self.ceiling);
    }

    /// The next level.
    fn next(&mut self, newton: f64, width: f64) {
        let inside = newton > self.lower && newton <= self.upper;
        // Newton's step from beyond the bound goes to the bound.
        let newton = if newton > self.upper { self.upper } else { newton };
        let shrinks =
            width.is_infinite() || !self.steps.is_multiple_of(3) || width < 0.5 * self.width;
        if self.steps.is_multiple_of(3) {
            self.width = width;
        }
        if (inside || newton == self.upper) && shrinks && newton != self.trial {
            self.trial = newton;
        } else if width.is_finite() {
            self.trial = self.lower + 0.5 * width;
        } else {
            let start = [self.size, self.trial.abs(), 1.0].into_iter().find(|s| *s > 0.0);
            self.step = if self.step > 0.0 { 2.0 * self.step } else { start.unwrap_or(1.0) };
            self.doublings += 1;
            if self.doublings > DOUBLINGS {
                self.state = State::Failed(Status::DualInfeasible);
            } else if self.upper.is_finite() {
                self.trial = self.upper - self.step;
            } else {
                self.trial = self.lower.max(self.trial) + self.step;
            }
        }
    }
}
