//! Sequential quadratic programming for batches, on argrad's quadratic programs.
//!
//! One iteration, for all samples that are not done (Nocedal and Wright 2006, chapter 18):
//!
//! 1. `mod`: residuals of the KKT conditions in relative terms; samples that are done leave the
//!    batch, those at a saddle point are moved off it (`escape`).
//! 2. `convexify`: the exact Hessian of the Lagrangian, made convex where it is not.
//! 3. `subproblem`: the quadratic programs, in lanes; elastic where linearized constraints
//!    contradict each other. `step` translates there and back.
//! 4. `search`: a line search with second-order corrections; near the solution, full Newton steps.

mod convexify;
mod escape;
mod iterate;
mod search;
mod step;
mod subproblem;

use rayon::prelude::*;

use super::error::ArgminError;
use super::evaluate::Evaluator;
use super::kkt::{FLAT, KktSystem, least_squares_multipliers};
use super::oracle::Oracle;
use super::point::{Point, Residual};
use super::problem::Dimensions;
use super::report::ArgminStatus;
use super::scaling::Scaling;
use super::settings::ArgminSettings;
pub(super) use iterate::Iterate;

/// Residual at which nothing more is to be gained.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// A Newton step near the solution pays if it leaves at most this part of the residual.
const PAYS: f64 = 0.5;
/// An inequality counts as active for the first multipliers where its slack is below this part of
/// its size.
const NEARLY_ACTIVE: f64 = 6.055_454_452_393_343e-6; // cube root of the rounding

/// Points with values and derivatives, with the given multipliers or least-squares ones. Samples
/// where something is not finite have ended.
pub(super) fn start<O: Oracle>(
    evaluator: &Evaluator<'_, O>,
    batch: usize,
    y: &[f64],
    lambda: Option<Vec<Vec<f64>>>,
) -> Result<Vec<Iterate>, ArgminError> {
    let size = evaluator.size;
    let samples: Vec<usize> = (0..batch).collect();
    let values = evaluator.values(&samples, y)?;
    let given = lambda.is_some();
    let mut lambda = lambda.unwrap_or_else(|| vec![vec![0.0; size.rows()]; batch]).into_iter();
    let mut iterates: Vec<Iterate> = values
        .into_iter()
        .enumerate()
        .map(|(k, values)| {
            let y = y[k * size.y..(k + 1) * size.y].to_vec();
            let lambda = lambda.next().unwrap_or_default();
            let (objective, c) = (values.objective, values.c);
            Iterate::new(k, Point { y, lambda, objective, c, ..Point::default() })
        })
        .collect();
    iterates.iter_mut().for_each(|it| it.end_not_finite(&size, true));
    differentiate(evaluator, &mut iterates, true)?;
    if !given && size.rows() > 0 {
        let running = iterates.par_iter_mut().filter(|it| it.status.is_none());
        running.for_each(|it| estimate_multipliers(it, &size));
        differentiate(evaluator, &mut iterates, true)?;
    }
    iterates.par_iter_mut().for_each(|it| {
        it.measure(&size);
    });
    Ok(iterates)
}

/// Evaluates the derivatives of all samples that run.
fn differentiate<O: Oracle>(
    evaluator: &Evaluator<'_, O>,
    iterates: &mut [Iterate],
    at_start: bool,
) -> Result<(), ArgminError> {
    let mut running: Vec<&mut Iterate> =
        iterates.iter_mut().filter(|it| it.status.is_none()).collect();
    let samples: Vec<usize> = running.iter().map(|it| it.sample).collect();
    let mut points: Vec<&mut Point> = running.iter_mut().map(|it| &mut it.point).collect();
    evaluator.derivatives(&samples, &mut points)?;
    running.into_iter().for_each(|it| it.end_not_finite(&evaluator.size, at_start));
    Ok(())
}

/// Least-squares multipliers on the equalities, and the inequalities that are violated or nearly
/// active.
fn estimate_multipliers(it: &mut Iterate, size: &Dimensions) {
    let scaling = Scaling::new(&it.point.hessian, &it.point.gradients, size.y);
    let sizes = it.point.sizes(&it.y_size, &scaling);
    let rows: Vec<usize> = (0..size.rows())
        .filter(|&k| k < size.equalities || it.point.c[k] >= -NEARLY_ACTIVE * sizes.row(k))
        .collect();
    let point = &mut it.point;
    point.lambda = least_squares_multipliers(&point.f_y, &point.gradients, size.equalities, rows);
}

impl Iterate {
    /// Units and residual of the point.
    fn measure(&mut self, size: &Dimensions) -> Residual {
        if self.status == Some(ArgminStatus::NotANumber) {
            return Residual { dual: f64::INFINITY, ..Residual::default() };
        }
        self.scaling = Scaling::new(&self.point.hessian, &self.point.gradients, size.y);
        let sizes = self.point.sizes(&self.y_size, &self.scaling);
        let residual = self.point.residual(size, &sizes, &self.scaling);
        if self.best.as_ref().is_none_or(|(_, best)| residual.largest() < best.largest()) {
            self.best = Some((self.point.clone(), residual));
        }
        residual
    }

    /// The factored KKT system at the point, and the number of weakly active rows.
    pub(super) fn system(&self, size: &Dimensions) -> (KktSystem, u32) {
        let sizes = self.point.sizes(&self.y_size, &self.scaling);
        let (active, weak) = self.point.active(size, &sizes);
        let point = &self.point;
        (KktSystem::new(&point.hessian, &point.gradients, size.y, active), weak)
    }

    /// Measures the point and decides whether the sample is done with steps. Returns its KKT system
    /// if it is at a saddle point.
    fn assess(&mut self, size: &Dimensions, settings: &ArgminSettings) -> Option<KktSystem> {
        let before = self.residual;
        let residual = self.measure(size).largest();
        self.residual = residual;
        let pays = residual <= PAYS * before;
        if !pays && before <= search::NEAR {
            self.idle_steps += 1;
        }
        let best = self.best.as_ref().map_or(f64::INFINITY, |(_, best)| best.largest());
        let is_solved = best <= settings.tolerance;
        let is_last = self.iterations as usize >= settings.max_iterations;
        if best <= ROUNDING || (is_solved && !pays) || (is_solved && is_last) {
            self.return_to_best(size);
            let (system, weakly_active) = self.system(size);
            if system.least_curvature() < -FLAT {
                return Some(system);
            }
            self.status = Some(ArgminStatus::Solved);
            self.final_system = Some((system, weakly_active));
        } else if self.has_run_away() {
            self.status = Some(ArgminStatus::Unbounded);
        } else if is_last {
            self.status = Some(match self.is_running_away() {
                true => ArgminStatus::Unbounded,
                false => ArgminStatus::IterationLimit,
            });
        }
        None
    }

    /// Back to the point with the least residual.
    fn return_to_best(&mut self, size: &Dimensions) {
        if let Some((point, _)) = self.best.clone() {
            self.point = point;
            self.scaling = Scaling::new(&self.point.hessian, &self.point.gradients, size.y);
        }
    }
}

/// Runs the samples of `iterates` that have not ended until they do.
pub(super) fn run<O: Oracle>(
    evaluator: &Evaluator<'_, O>,
    settings: &ArgminSettings,
    iterates: &mut [Iterate],
) -> Result<(), ArgminError> {
    let size = evaluator.size;
    let subproblems = subproblem::Subproblems::new(size)?;
    let mut warm = false;
    loop {
        let mut running: Vec<&mut Iterate> =
            iterates.iter_mut().filter(|it| it.status.is_none()).collect();
        if running.is_empty() {
            break;
        }
        let saddles: Vec<Option<KktSystem>> =
            running.par_iter_mut().map(|it| it.assess(&size, settings)).collect();
        leave_saddles(evaluator, settings, running, saddles)?;
        let mut running: Vec<&mut Iterate> =
            iterates.iter_mut().filter(|it| it.status.is_none()).collect();
        let steps = step::steps(&subproblems, &mut running, &size, warm)?;
        warm = true;
        let moving: Vec<_> = running
            .into_iter()
            .zip(steps)
            .filter_map(|(it, step)| step.map(|step| (it, step)))
            .collect();
        search::search(evaluator, &subproblems, moving)?;
    }
    for it in iterates.iter_mut() {
        finish(it, &size, settings);
    }
    Ok(())
}

/// Moves samples off their saddle points; those that cannot be moved have ended.
fn leave_saddles<O: Oracle>(
    evaluator: &Evaluator<'_, O>,
    settings: &ArgminSettings,
    running: Vec<&mut Iterate>,
    saddles: Vec<Option<KktSystem>>,
) -> Result<(), ArgminError> {
    let mut leaving = Vec::new();
    for (it, system) in running.into_iter().zip(saddles) {
        let Some(system) = system else { continue };
        let is_last = it.iterations as usize >= settings.max_iterations;
        match is_last || it.saddles_left >= escape::SADDLES {
            true => it.status = Some(ArgminStatus::Saddle),
            false => leaving.push((it, system)),
        }
    }
    if leaving.is_empty() {
        return Ok(());
    }
    let (mut its, systems): (Vec<_>, Vec<_>) = leaving.into_iter().unzip();
    let pairs = its.iter_mut().map(|it| &mut **it).zip(systems).collect();
    let moved = escape::escape(evaluator, pairs)?;
    for (it, moved) in its.into_iter().zip(moved) {
        match moved {
            true => {
                it.measure(&evaluator.size);
            }
            false => it.status = Some(ArgminStatus::Saddle),
        }
    }
    Ok(())
}

/// The best point of a sample that ended without a solution; one that is good enough is one.
fn finish(it: &mut Iterate, size: &Dimensions, settings: &ArgminSettings) {
    if !matches!(it.status, Some(ArgminStatus::Stalled | ArgminStatus::IterationLimit)) {
        return;
    }
    it.return_to_best(size);
    let residual = it.best.as_ref().map_or(f64::INFINITY, |(_, best)| best.largest());
    if residual <= settings.tolerance {
        let system = it.system(size);
        let is_saddle = system.0.least_curvature() < -FLAT;
        it.status = Some(if is_saddle { ArgminStatus::Saddle } else { ArgminStatus::Solved });
        it.final_system = Some(system);
    }
}
