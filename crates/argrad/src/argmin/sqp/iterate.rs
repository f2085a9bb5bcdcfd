//! What the solver remembers of one sample.

use super::super::dense::largest;
use super::super::kkt::{FLAT, KktSystem};
use super::super::point::{Point, Residual};
use super::super::problem::Dimensions;
use super::super::report::{ArgminStatus, NotANumber};
use super::super::scaling::Scaling;

/// One sample on its way.
pub(in super::super) struct Iterate {
    /// Its index in the batch.
    pub(in super::super) sample: usize,
    /// Where it is; rows are (h, g).
    pub(in super::super) point: Point,
    /// Units of the variables and the rows at `point`.
    pub(in super::super) scaling: Scaling,
    /// Largest absolute value that each variable had: its size, where it converges to zero.
    pub(in super::super) y_size: Vec<f64>,
    /// Largest of these after the first step: where the others are measured from.
    first_size: f64,
    /// Weight of each row in the merit function, in the units of its multiplier.
    pub(super) penalties: Vec<f64>,
    /// What is added to the Hessian, relative to its largest entry, after steps that were too long.
    pub(super) damping: f64,
    /// Residual at `point`.
    pub(super) residual: f64,
    /// The point with the least residual since the last saddle.
    pub(in super::super) best: Option<(Point, Residual)>,
    /// How often the elastic program found no way to reduce the violation.
    pub(super) elastic_rounds: u32,
    /// Steps near the solution that were taken without a search, and did not pay.
    pub(super) idle_steps: u32,
    /// Quadratic programs in a row without an answer.
    pub(super) unanswered: u32,
    pub(in super::super) iterations: u32,
    pub(in super::super) saddles_left: u32,
    /// Why it ended.
    pub(in super::super) status: Option<ArgminStatus>,
    pub(in super::super) not_a_number: Option<NotANumber>,
    /// The KKT system at `point`, where the sample has ended with it: see [`Self::system`].
    pub(in super::super) final_system: Option<(KktSystem, u32)>,
}

impl Iterate {
    pub(super) fn new(sample: usize, point: Point) -> Self {
        let rows = point.lambda.len();
        Self {
            sample,
            scaling: Scaling { y: vec![1.0; point.y.len()], rows: vec![1.0; rows] },
            y_size: point.y.iter().map(|v| v.abs()).collect(),
            first_size: 0.0,
            penalties: vec![0.0; rows],
            damping: 0.0,
            residual: f64::INFINITY,
            best: None,
            elastic_rounds: 0,
            idle_steps: 0,
            unanswered: 0,
            iterations: 0,
            saddles_left: 0,
            status: None,
            not_a_number: None,
            final_system: None,
            point,
        }
    }

    /// Ends this sample where a function is not finite.
    pub(super) fn end_not_finite(&mut self, size: &Dimensions, at_start: bool) {
        if let Some((function, derivative)) = self.point.not_finite(size) {
            self.not_a_number = Some(NotANumber { function, derivative, at_start });
            self.status = Some(ArgminStatus::NotANumber);
        }
    }

    /// The l1 merit function f + sum penalty |violation|.
    pub(super) fn merit(&self, objective: f64, c: &[f64], size: &Dimensions) -> f64 {
        let weighted = self.penalties.iter().zip(Point::violations(c, size)).map(|(w, v)| w * v);
        objective + weighted.sum::<f64>()
    }

    /// Rounding of the merit function: differences below it say nothing.
    pub(super) fn merit_rounding(&self, objective: f64, c: &[f64]) -> f64 {
        let terms = self.penalties.iter().zip(c).map(|(w, c)| w * c.abs()).sum::<f64>();
        8.0 * f64::EPSILON * (objective.abs() + terms)
    }

    /// Whether the variables have grown so much that where they started is below their rounding.
    pub(super) fn has_run_away(&self) -> bool {
        self.first_size > 0.0 && largest(&self.y_size) * f64::EPSILON > self.first_size
    }

    /// Whether the variables have grown by more than half of the digits, and are larger than ever.
    pub(super) fn is_running_away(&self) -> bool {
        let size = largest(&self.y_size);
        self.first_size > 0.0 && size * FLAT > self.first_size && largest(&self.point.y) == size
    }

    /// Moves to a point with these values; the derivatives follow.
    pub(super) fn move_to(&mut self, y: Vec<f64>, objective: f64, c: Vec<f64>) {
        for (size, y) in self.y_size.iter_mut().zip(&y) {
            *size = size.max(y.abs());
        }
        if self.first_size == 0.0 {
            self.first_size = largest(&self.y_size);
        }
        self.point.y = y;
        self.point.objective = objective;
        self.point.c = c;
    }
}
