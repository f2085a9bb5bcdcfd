//! The entry point: [`Argmin`].

use argrad_solver::Slot;
use rayon::prelude::*;

use super::automatic::Automatic;
use super::check;
use super::error::ArgminError;
use super::evaluate::Evaluator;
use super::kkt::FLAT;
use super::oracle::Oracle;
use super::problem::{Dimensions, SmoothProblem};
use super::report::{ArgminReport, ArgminStatus, SecondOrder};
use super::settings::ArgminSettings;
use super::solution::{ArgminPoint, ArgminSolution};
use super::sqp::{self, Iterate};

/// The map theta -> argmin over y of f(theta, y) subject to h(theta, y) = 0, g(theta, y) <= 0, and
/// its derivative, for batches of parameters.
///
/// A sample's result does not depend on the batch or the number of threads, as long as the oracle's
/// answers do not either.
#[derive(Clone, Debug)]
pub struct Argmin<O> {
    pub(super) oracle: O,
    pub(super) settings: ArgminSettings,
}

impl<P: SmoothProblem + Sync> Argmin<Automatic<P>> {
    /// For a problem written in Rust, differentiated by dual numbers.
    pub fn new(problem: P) -> Self {
        Self::with_oracle(Automatic(problem))
    }
}

impl<O: Oracle> Argmin<O> {
    /// For a problem whose values and derivatives come from elsewhere.
    pub fn with_oracle(oracle: O) -> Self {
        Self { oracle, settings: ArgminSettings::default() }
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn with_settings(self, settings: ArgminSettings) -> Result<Self, ArgminError> {
        settings.check()?;
        Ok(Self { settings, ..self })
    }

    /// The oracle.
    pub fn oracle(&self) -> &O {
        &self.oracle
    }

    /// The settings.
    pub fn settings(&self) -> &ArgminSettings {
        &self.settings
    }

    /// Finds a local minimum for each sample, by sequential quadratic programming from the point
    /// given.
    ///
    /// # Errors
    /// Wrong lengths, parameters or variables that are not finite, functions that return the wrong
    /// number of entries, what the oracle reports. How the solve of a sample ends is no error, but
    /// its [`ArgminStatus`].
    pub fn solve(&self, start: &ArgminPoint<'_>) -> Result<ArgminSolution, ArgminError> {
        let evaluator = self.evaluator(start)?;
        let mut iterates = sqp::start(
            &evaluator,
            start.batch,
            &each_y(start, &evaluator.size),
            given(start, &evaluator.size),
        )?;
        sqp::run(&evaluator, &self.settings, &mut iterates)?;
        Ok(self.solution(start, &evaluator.size, iterates))
    }

    /// [`Self::solve`] for other parameters, from an earlier solution (of as many samples).
    ///
    /// # Errors
    /// As [`Self::solve`].
    pub fn solve_from(
        &self,
        theta: Slot<'_>,
        start: &ArgminSolution,
    ) -> Result<ArgminSolution, ArgminError> {
        let nu = Slot::Each(&start.equality_multipliers);
        let mu = Slot::Each(&start.inequality_multipliers);
        let point = ArgminPoint::new(start.batch, theta, Slot::Each(&start.y));
        self.solve(&point.with_multipliers(nu, mu))
    }

    /// Solutions found elsewhere, by another solver or an earlier run: nothing is solved, but the
    /// points are measured, and solved where the KKT residual is below the tolerance. Without
    /// multipliers, those are taken that make the residual of stationarity least over the
    /// constraints that are nearly active.
    ///
    /// Where every variable is zero, there is no size by which a residual could be relative, and
    /// only a residual of exactly zero counts as none.
    ///
    /// # Errors
    /// As [`Self::solve`].
    pub fn at(&self, point: &ArgminPoint<'_>) -> Result<ArgminSolution, ArgminError> {
        let evaluator = self.evaluator(point)?;
        let mut iterates = sqp::start(
            &evaluator,
            point.batch,
            &each_y(point, &evaluator.size),
            given(point, &evaluator.size),
        )?;
        for it in iterates.iter_mut().filter(|it| it.status.is_none()) {
            let residual = it.best.as_ref().map_or(f64::INFINITY, |(_, best)| best.largest());
            let system = it.system(&evaluator.size);
            let curvature = system.0.least_curvature();
            it.final_system = Some(system);
            it.status = Some(match residual <= self.settings.tolerance {
                false => ArgminStatus::NotStationary,
                true if curvature < -FLAT => ArgminStatus::Saddle,
                true => ArgminStatus::Solved,
            });
        }
        Ok(self.solution(point, &evaluator.size, iterates))
    }

    fn evaluator<'a>(&'a self, point: &ArgminPoint<'a>) -> Result<Evaluator<'a, O>, ArgminError> {
        let size = self.oracle.dimensions();
        check::slot("theta", point.theta, size.theta, point.batch)?;
        check::slot("y", point.y, size.y, point.batch)?;
        if let Some([nu, mu]) = point.multipliers {
            check::slot("equality multipliers", nu, size.equalities, point.batch)?;
            check::slot("inequality multipliers", mu, size.inequalities, point.batch)?;
        }
        Ok(Evaluator { oracle: &self.oracle, size, theta: point.theta })
    }

    /// Reports, and factors for the derivative.
    fn solution(
        &self,
        point: &ArgminPoint<'_>,
        size: &Dimensions,
        iterates: Vec<Iterate>,
    ) -> ArgminSolution {
        let ended: Vec<_> = iterates.into_par_iter().map(|it| ending(it, size)).collect();
        let mut solution = ArgminSolution {
            batch: point.batch,
            y: Vec::with_capacity(point.batch * size.y),
            equality_multipliers: Vec::with_capacity(point.batch * size.equalities),
            inequality_multipliers: Vec::with_capacity(point.batch * size.inequalities),
            reports: Vec::with_capacity(point.batch),
            size: *size,
            theta: point.theta.as_slice().to_vec(),
            theta_shared: point.theta.is_shared(),
            systems: Vec::with_capacity(point.batch),
        };
        for (it, report, system) in ended {
            let (nu, mu) = it.point.lambda.split_at(size.equalities);
            solution.y.extend(&it.point.y);
            solution.equality_multipliers.extend(nu);
            solution.inequality_multipliers.extend(mu);
            solution.reports.push(report);
            solution.systems.push(system);
        }
        solution
    }
}

/// What is said of a sample that has ended, and its KKT system where that is finite.
fn ending(
    mut it: Iterate,
    size: &Dimensions,
) -> (Iterate, ArgminReport, Option<super::kkt::KktSystem>) {
    let mut report = ArgminReport {
        status: it.status.unwrap_or_default(),
        iterations: it.iterations,
        objective: it.point.objective,
        residual: f64::INFINITY,
        saddles_left: it.saddles_left,
        not_a_number: it.not_a_number,
        condition: f64::INFINITY,
        ..ArgminReport::default()
    };
    if report.status == ArgminStatus::NotANumber {
        return (it, report, None);
    }
    let sizes = it.point.sizes(&it.y_size, &it.scaling);
    let residual = it.point.residual(size, &sizes, &it.scaling);
    report.residual = residual.largest();
    report.dual_residual = residual.dual;
    report.primal_residual = residual.primal;
    report.complementarity = residual.complementarity;
    let known = it.final_system.take();
    let (system, weakly_active) = known.unwrap_or_else(|| it.system(size));
    report.weakly_active = weakly_active;
    report.dependent = system.dependent() as u32;
    report.inertia = system.inertia();
    report.condition = system.condition();
    report.second_order = match system.least_curvature() {
        v if v > FLAT => SecondOrder::Sufficient,
        v if v < -FLAT => SecondOrder::NegativeCurvature,
        _ => SecondOrder::Singular,
    };
    (it, report, Some(system))
}

/// y of all samples.
fn each_y(point: &ArgminPoint<'_>, size: &Dimensions) -> Vec<f64> {
    (0..point.batch).flat_map(|k| point.y.sample(k, size.y).iter().copied()).collect()
}

/// (nu, mu) of each sample, where given.
fn given(point: &ArgminPoint<'_>, size: &Dimensions) -> Option<Vec<Vec<f64>>> {
    let [nu, mu] = point.multipliers?;
    let of = |k| [nu.sample(k, size.equalities), mu.sample(k, size.inequalities)].concat();
    Some((0..point.batch).map(of).collect())
}
