//! Globalization: a line search on the l1 merit function, with second-order corrections.

use super::super::error::ArgminError;
use super::super::evaluate::{Evaluator, Values};
use super::super::oracle::Oracle;
use super::super::point::Point;
use super::super::report::ArgminStatus;
use super::iterate::Iterate;
use super::step::{DAMPING, DAMPING_GROWTH, Step, corrections};
use super::subproblem::Subproblems;

/// Part of the promised decrease that a step must bring (Armijo).
const SUFFICIENT: f64 = 1e-4;
/// Shortest step.
const SHORTEST: f64 = 9.094_947_017_729_282e-13; // 2^-40
/// Steps this short ask for more damping; a full one for less.
const SHORT: f64 = 0.125;
/// Residual below which a full step is taken without a search: Newton's method converges from
/// there, and the merit function only rounds.
pub(super) const NEAR: f64 = 1e-6;
/// How often that may not pay.
const IDLE: u32 = 4;

/// A sample whose step is being searched.
struct Trial<'a> {
    it: &'a mut Iterate,
    step: Step,
    length: f64,
    done: bool,
}

impl Trial<'_> {
    fn y(&self) -> Vec<f64> {
        self.it.point.y.iter().zip(&self.step.p).map(|(y, p)| y + self.length * p).collect()
    }

    /// Whether these values are a sufficient decrease.
    fn accepts(&self, values: &Values, size: &super::super::problem::Dimensions) -> bool {
        let point = &self.it.point;
        if !values.is_finite() {
            return false;
        }
        if self.is_near() {
            return true;
        }
        let before = self.it.merit(point.objective, &point.c, size);
        let after = self.it.merit(values.objective, &values.c, size);
        let rounding = self.it.merit_rounding(point.objective, &point.c);
        after <= before + SUFFICIENT * self.length * self.step.slope + rounding
    }

    fn is_near(&self) -> bool {
        self.length == 1.0 && self.it.residual <= NEAR && self.it.idle_steps < IDLE
    }

    /// Takes the step to `y`.
    fn take(&mut self, y: Vec<f64>, values: Values) {
        let length = self.length;
        for (old, new) in self.it.point.lambda.iter_mut().zip(&self.step.lambda) {
            *old += length * (new - *old);
        }
        self.it.damping = match length {
            1.0 if self.it.damping <= 1e-3 * DAMPING => 0.0,
            1.0 => self.it.damping / DAMPING_GROWTH,
            _ if length <= SHORT => (self.it.damping * DAMPING_GROWTH).max(DAMPING),
            _ => self.it.damping,
        };
        self.it.move_to(y, values.objective, values.c);
        self.done = true;
    }
}

/// Moves each sample along its step, and evaluates the derivatives there.
pub(super) fn search<O: Oracle>(
    evaluator: &Evaluator<'_, O>,
    subproblems: &Subproblems,
    iterates: Vec<(&mut Iterate, Step)>,
) -> Result<(), ArgminError> {
    let mut trials: Vec<Trial<'_>> = iterates
        .into_iter()
        .map(|(it, step)| Trial { it, step, length: 1.0, done: false })
        .collect();
    loop {
        let mut pending: Vec<&mut Trial<'_>> = trials.iter_mut().filter(|t| !t.done).collect();
        if pending.is_empty() {
            break;
        }
        let samples: Vec<usize> = pending.iter().map(|t| t.it.sample).collect();
        let points: Vec<Vec<f64>> = pending.iter().map(|t| t.y()).collect();
        let values = evaluator.values(&samples, &points.concat())?;
        let mut to_correct = Vec::new();
        for ((trial, y), values) in pending.iter_mut().zip(points).zip(values) {
            if trial.accepts(&values, &evaluator.size) {
                trial.take(y, values);
            } else if trial.length == 1.0 && is_violated_more(trial, &values, evaluator) {
                to_correct.push((&mut **trial, values.c));
            } else {
                shorten(trial, &values);
            }
        }
        correct(evaluator, subproblems, to_correct)?;
    }
    let mut moved: Vec<&mut Iterate> =
        trials.into_iter().map(|t| t.it).filter(|it| it.status.is_none()).collect();
    let samples: Vec<usize> = moved.iter().map(|it| it.sample).collect();
    let mut points: Vec<&mut Point> = moved.iter_mut().map(|it| &mut it.point).collect();
    evaluator.derivatives(&samples, &mut points)?;
    for it in moved {
        it.end_not_finite(&evaluator.size, false);
    }
    Ok(())
}

/// Whether the full step spoils the constraints: what a second-order correction is for.
fn is_violated_more<O>(trial: &Trial<'_>, values: &Values, evaluator: &Evaluator<'_, O>) -> bool {
    let total = |c: &[f64]| {
        let violations = Point::violations(c, &evaluator.size).zip(&trial.it.penalties);
        violations.map(|(v, w)| v * w).sum::<f64>()
    };
    values.is_finite() && total(&values.c) > total(&trial.it.point.c)
}

/// Halves the step; ends the sample where it has become too short.
fn shorten(trial: &mut Trial<'_>, values: &Values) {
    trial.length *= 0.5;
    if trial.length >= SHORTEST {
        return;
    }
    trial.done = true;
    let overflows = values.objective == f64::NEG_INFINITY;
    trial.it.status = Some(match (overflows, trial.it.elastic_rounds) {
        (true, _) => ArgminStatus::Unbounded,
        (_, 1..) => ArgminStatus::InfeasibleStationary,
        _ => ArgminStatus::Stalled,
    });
}

/// Tries second-order corrections; where one does not help, the step is shortened.
fn correct<O: Oracle>(
    evaluator: &Evaluator<'_, O>,
    subproblems: &Subproblems,
    mut trials: Vec<(&mut Trial<'_>, Vec<f64>)>,
) -> Result<(), ArgminError> {
    if trials.is_empty() {
        return Ok(());
    }
    let mut given: Vec<_> = trials
        .iter_mut()
        .map(|(trial, c)| (&*trial.it, &mut trial.step, std::mem::take(c)))
        .collect();
    let corrected = corrections(subproblems, &mut given, &evaluator.size)?;
    let mut tried = Vec::new();
    for ((trial, _), p) in trials.into_iter().zip(corrected) {
        match p {
            Some(p) => {
                let y: Vec<f64> = trial.it.point.y.iter().zip(&p).map(|(y, p)| y + p).collect();
                tried.push((trial, y));
            }
            None => trial.length *= 0.5,
        }
    }
    let samples: Vec<usize> = tried.iter().map(|(trial, _)| trial.it.sample).collect();
    let y: Vec<f64> = tried.iter().flat_map(|(_, y)| y.iter().copied()).collect();
    let values = evaluator.values(&samples, &y)?;
    for ((trial, y), values) in tried.into_iter().zip(values) {
        match trial.accepts(&values, &evaluator.size) {
            true => trial.take(y, values),
            false => trial.length *= 0.5,
        }
    }
    Ok(())
}
