//! The step of one iteration: quadratic programs from the points, and their solutions back in the
//! caller's units.

use argrad_solver::Error;
use rayon::prelude::*;

use super::super::dense::{largest, product};
use super::super::point::Point;
use super::super::problem::Dimensions;
use super::super::report::ArgminStatus;
use super::convexify::Convexified;
use super::iterate::Iterate;
use super::subproblem::{Quadratic, QuadraticSolution, Subproblems};
use crate::algebra::dot;

/// Elastic programs that reduce the violation by less than this part of it find no way.
const REDUCTION: f64 = 0.1;
/// How often penalties are raised in vain, and by which factor, before the point is given up.
const ROUNDS: u32 = 8;
const RAISE: f64 = 10.0;
/// Largest multiplier, and penalty, relative to the gradient of the objective.
const MOST: f64 = 1e9;
/// Entries below this part of the largest change nothing but the units that the quadratic program
/// is equilibrated to: derivatives by variables that converge to zero become as small as 1e-40.
const NOTHING: f64 = f64::EPSILON / 1024.0;
/// A step below this part of the variables' size goes nowhere.
const NOWHERE: f64 = 1e-6;
/// Quadratic programs without an answer, one after the other, before a sample is given up.
const UNANSWERED: u32 = 8;
/// Damping when a program has no answer or a step was far too long, and its growth.
pub(super) const DAMPING: f64 = 1e-3;
pub(super) const DAMPING_GROWTH: f64 = 10.0;

/// A step in the caller's units.
pub(super) struct Step {
    /// Change of y.
    pub(super) p: Vec<f64>,
    /// New multipliers (nu, mu).
    pub(super) lambda: Vec<f64>,
    /// Directional derivative of the merit function along p, not positive.
    pub(super) slope: f64,
    /// The program in scaled units, for the second-order correction.
    program: Quadratic,
}

/// One sample's program with what is needed to read its solution.
struct Model {
    program: Quadratic,
    convex: Convexified,
    /// Rows whose gradients the correction of the Hessian took to be active.
    working: Vec<usize>,
}

impl Model {
    fn new(it: &Iterate, size: &Dimensions) -> Self {
        let (point, scaling, n) = (&it.point, &it.scaling, size.y);
        let mut hessian = scaling.hessian(&point.hessian);
        let mut gradients = scaling.rows(&point.gradients);
        let mut linear: Vec<f64> = point.f_y.iter().zip(&scaling.y).map(|(v, d)| v * d).collect();
        for part in [&mut hessian, &mut gradients, &mut linear] {
            let least = NOTHING * largest(part);
            part.iter_mut().filter(|v| v.abs() < least).for_each(|v| *v = 0.0);
        }
        let in_rows = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(&scaling.rows).map(|(v, e)| v * e).collect()
        };
        let in_duals = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(&scaling.rows).map(|(v, e)| v / e).collect()
        };
        let working: Vec<usize> =
            (0..size.rows()).filter(|&k| k < size.equalities || point.lambda[k] > 0.0).collect();
        let a: Vec<f64> =
            working.iter().flat_map(|&k| gradients[k * n..(k + 1) * n].iter().copied()).collect();
        let convex = Convexified::new(&hessian, n, &a, it.flat_curvature(&linear), it.damping);
        let program = Quadratic {
            hessian: convex.matrix.clone(),
            linear,
            gradients,
            c: in_rows(&point.c),
            lambda: in_duals(&point.lambda),
            penalties: in_duals(&it.penalties),
        };
        Self { program, convex, working }
    }

    /// The multipliers for the true Hessian, scaled.
    fn corrected(&self, solution: &QuadraticSolution, equalities: usize) -> Vec<f64> {
        let mut lambda = solution.lambda.clone();
        if let Some(delta) = self.convex.multiplier_correction(&solution.step) {
            for (&row, delta) in self.working.iter().zip(delta) {
                if row < equalities {
                    lambda[row] += delta;
                } else if lambda[row] > 0.0 {
                    lambda[row] = (lambda[row] + delta).max(0.0);
                }
            }
        }
        lambda
    }
}

impl Iterate {
    /// Curvature for directions in which nothing has any, scaled: a step there is as long as y is.
    fn flat_curvature(&self, linear: &[f64]) -> f64 {
        let length = self.scaled_length();
        let curvature = largest(linear) / if length > 0.0 { length } else { 1.0 };
        if curvature > 0.0 { curvature } else { 1.0 }
    }

    /// The largest variable, in scaled units.
    pub(super) fn scaled_length(&self) -> f64 {
        self.y_size.iter().zip(&self.scaling.y).fold(0.0, |most, (y, d)| (y / d).max(most))
    }

    /// Makes the penalty of each row larger than these scaled multipliers, in scaled units the same
    /// for all rows: one with multiplier zero must not be free to be violated. Powell's rule:
    /// penalties may fall, by half of what is too much, until the iterations are many; then they
    /// only grow.
    fn raise_penalties(&mut self, lambda: &[f64], also: &[f64], linear: &[f64]) {
        let may_fall = self.iterations < 40 && self.elastic_rounds == 0;
        let most = largest(lambda).max(largest(also));
        let needed = (1.1 * most).max(0.1 * largest(linear));
        for (w, e) in self.penalties.iter_mut().zip(&self.scaling.rows) {
            let needed = needed * e;
            let kept = if may_fall { 0.5 * (*w + needed) } else { *w };
            *w = needed.max(kept);
        }
    }
}

/// One step for each of these samples. `None` for those that get none in this iteration: they were
/// damped and try again, or have ended.
pub(super) fn steps(
    subproblems: &Subproblems,
    iterates: &mut [&mut Iterate],
    size: &Dimensions,
    warm: bool,
) -> Result<Vec<Option<Step>>, Error> {
    let mut models: Vec<Model> = iterates.par_iter().map(|it| Model::new(it, size)).collect();
    let is_finite: Vec<bool> = models.iter().map(|model| model.program.is_finite()).collect();
    for (model, _) in models.iter_mut().zip(&is_finite).filter(|(_, finite)| !**finite) {
        model.program = Quadratic::nothing(size.y, size.rows());
    }
    let programs: Vec<&Quadratic> = models.iter().map(|m| &m.program).collect();
    let mut solutions = subproblems.solve(&programs, warm)?;
    for (solution, program) in solutions.iter_mut().zip(&programs) {
        // Multipliers without bound: constraints that contradict each other but for rounding.
        let bound = MOST * price(program);
        solution.take_if(|solution| largest(&solution.lambda) > bound);
    }
    let mut models: Vec<Option<Model>> = models.into_iter().map(Some).collect();
    let failed: Vec<usize> = (0..solutions.len()).filter(|&k| solutions[k].is_none()).collect();
    let mut is_elastic = vec![false; solutions.len()];
    if !failed.is_empty() {
        for &k in &failed {
            is_elastic[k] = true;
            if let Some(model) = &mut models[k] {
                elastic_penalties(iterates[k], model);
            }
        }
        let programs: Vec<&Quadratic> =
            failed.iter().filter_map(|&k| models[k].as_ref().map(|m| &m.program)).collect();
        for (&k, solution) in failed.iter().zip(subproblems.solve_elastic(&programs)?) {
            solutions[k] = solution;
        }
    }
    let mut out = Vec::with_capacity(solutions.len());
    for (k, solution) in solutions.into_iter().enumerate() {
        let it = &mut *iterates[k];
        it.iterations += 1;
        let solution = if is_finite[k] { solution } else { None };
        out.push(match (solution, models[k].take()) {
            (Some(solution), Some(model)) => {
                it.unanswered = 0;
                it.read(model, &solution, size, is_elastic[k])
            }
            _ => {
                it.unanswered += 1;
                it.damping = (it.damping * DAMPING_GROWTH).max(DAMPING);
                if it.unanswered >= UNANSWERED {
                    it.status = Some(ArgminStatus::Stalled);
                }
                None
            }
        });
    }
    Ok(out)
}

/// What the gradient of the objective can pay for, as a scaled multiplier.
fn price(program: &Quadratic) -> f64 {
    let gradient = largest(&program.linear);
    if gradient > 0.0 { gradient } else { largest(&program.hessian) }
}

/// Penalties of an elastic program: more than that.
fn elastic_penalties(it: &mut Iterate, model: &mut Model) {
    let program = &mut model.program;
    let price = price(program);
    let raised = 2.0 * price * RAISE.powi(it.elastic_rounds as i32);
    for (k, scaled) in program.penalties.iter_mut().enumerate() {
        *scaled = scaled.max(raised).min(MOST * price);
        it.penalties[k] = *scaled * it.scaling.rows[k];
    }
}

impl Iterate {
    /// The step of a solved program.
    fn read(
        &mut self,
        model: Model,
        solution: &QuadraticSolution,
        size: &Dimensions,
        is_elastic: bool,
    ) -> Option<Step> {
        let corrected = model.corrected(solution, size.equalities);
        let rows = &self.scaling.rows;
        let unscaled =
            |values: &[f64]| -> Vec<f64> { values.iter().zip(rows).map(|(v, e)| v * e).collect() };
        let lambda = unscaled(&corrected);
        let linearized: Vec<f64> = product(&model.program.gradients, size.y, &solution.step)
            .iter()
            .zip(&model.program.c)
            .map(|(a, c)| a + c)
            .collect();
        if is_elastic {
            let total = |c: &[f64]| Point::violations(c, size).sum::<f64>();
            let (before, after) = (total(&model.program.c), total(&linearized));
            if after > (1.0 - REDUCTION) * before {
                self.elastic_rounds += 1;
                let goes_nowhere = largest(&solution.step) <= NOWHERE * self.scaled_length();
                if self.elastic_rounds >= ROUNDS && goes_nowhere {
                    self.status = Some(ArgminStatus::InfeasibleStationary);
                    return None;
                }
                self.elastic_rounds = self.elastic_rounds.min(ROUNDS);
            }
        } else {
            self.elastic_rounds = 0;
            self.raise_penalties(&corrected, &solution.lambda, &model.program.linear);
        }
        let mut slope = dot(&model.program.linear, &solution.step);
        for (k, (before, after)) in Point::violations(&model.program.c, size)
            .zip(Point::violations(&linearized, size))
            .enumerate()
        {
            // What is left of a violation after a plain program is rounding.
            let after = if is_elastic { after } else { 0.0 };
            slope += self.penalties[k] / self.scaling.rows[k] * (after - before);
        }
        let p = solution.step.iter().zip(&self.scaling.y).map(|(v, d)| v * d).collect();
        Some(Step { p, lambda, slope: slope.min(0.0), program: model.program })
    }
}

/// Second-order corrections (Fletcher 1982): the same programs with the constraints as they are
/// after the step, c(y + p) - A p instead of c(y). `None` where there is none.
pub(super) fn corrections(
    subproblems: &Subproblems,
    steps: &mut [(&Iterate, &mut Step, Vec<f64>)],
    size: &Dimensions,
) -> Result<Vec<Option<Vec<f64>>>, Error> {
    for (it, step, c) in steps.iter_mut() {
        let scaled: Vec<f64> = step.p.iter().zip(&it.scaling.y).map(|(p, d)| p / d).collect();
        let moved = product(&step.program.gradients, size.y, &scaled);
        let rows = c.iter().zip(&it.scaling.rows).zip(moved);
        step.program.c = rows.map(|((c, e), moved)| c * e - moved).collect();
    }
    let programs: Vec<&Quadratic> = steps.iter().map(|(_, step, _)| &step.program).collect();
    let solutions = subproblems.solve(&programs, false)?;
    let unscale = |(solution, (it, _, _)): (Option<QuadraticSolution>, &(&Iterate, _, _))| {
        solution.map(|s| s.step.iter().zip(&it.scaling.y).map(|(v, d)| v * d).collect())
    };
    Ok(solutions.into_iter().zip(steps.iter()).map(unscale).collect())
}
