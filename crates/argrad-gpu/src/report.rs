//! From numbers that kernels write to what is said of a sample.

use argrad_solver::{Report, Status};

use crate::error::Error;

/// Numbers of a report, in the order of `ReportField` in `kernels/arguments.h`.
pub(crate) const REPORT_LEN: usize = 15;
/// Numbers that say how a linear solve went.
pub(crate) const LINEAR_LEN: usize = 2;
/// Number of the status of a P that is not positive semidefinite, and its field.
const NOT_CONVEX: f64 = 6.0;
const CONVEXITY: usize = 13;
/// Growth of errors from which a point that was not polished to the end makes the derivative
/// doubtful, and the residual of such a point: those of `argrad_solver`.
const DELICATE: f64 = 1e4;
const UNPOLISHED: f64 = 1e-11;

/// Reports of a batch from their numbers.
///
/// # Errors
/// That of a P that is not positive semidefinite, which all samples have where `p_is_shared`.
pub(crate) fn reports(numbers: &[f64], p_is_shared: bool) -> Result<Vec<Report>, Error> {
    let samples: Vec<&[f64]> = numbers.chunks_exact(REPORT_LEN).collect();
    if let Some(sample) = samples.iter().position(|fields| fields[0] == NOT_CONVEX) {
        let pivot = samples[sample][CONVEXITY];
        let sample = (!p_is_shared).then_some(sample);
        return Err(argrad_solver::Error::NotConvex { argument: "P", sample, pivot }.into());
    }
    Ok(samples.into_iter().map(report).collect())
}

fn report(fields: &[f64]) -> Report {
    let mut report = Report::default();
    report.status = match fields[0] as u32 {
        0 => Status::Solved,
        1 => Status::AlmostSolved,
        2 => Status::PrimalInfeasible,
        3 => Status::DualInfeasible,
        4 => Status::IterationLimit,
        _ => Status::NumericalTrouble,
    };
    report.iterations = fields[1] as u32;
    report.polish_steps = fields[2] as u32;
    report.factorizations = fields[3] as u32;
    report.objective = fields[4];
    report.primal_residual = fields[5];
    report.dual_residual = fields[6];
    report.gap = fields[7];
    report.residual = fields[8];
    report.weakly_active = fields[9] as u32;
    report.condition = fields[10];
    report.unique_x = fields[11] > 0.0;
    report.unique_z = fields[12] > 0.0;
    report.warm_started = fields[14] > 0.0;
    report
}

/// How the linear solves of a derivative went, sample by sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearReports {
    /// Relative residuals; NaN for samples without a solution.
    pub residual: Vec<f64>,
    /// Estimated relative errors of the derivatives.
    pub accuracy: Vec<f64>,
    /// Iterations of least-norm solves.
    pub iterations: Vec<u32>,
    /// Samples whose least-norm solve ended at its limit of iterations.
    pub unfinished: Vec<usize>,
}

impl LinearReports {
    /// From what the kernels say of the linear solves, with the estimates of the errors that
    /// `argrad_solver` makes of it.
    pub(crate) fn new(numbers: &[f64], reports: &[Report]) -> Self {
        let mut out = Self::default();
        for (sample, (pair, report)) in numbers.chunks_exact(LINEAR_LEN).zip(reports).enumerate() {
            let residual = if report.is_solved() { pair[0] } else { f64::NAN };
            let is_doubtful = report.condition > DELICATE && report.residual > UNPOLISHED;
            let of_point = if is_doubtful { report.residual } else { 0.0 };
            let error = residual.max(of_point).max(f64::EPSILON);
            let accuracy = report.condition.max(1.0) * error;
            out.accuracy.push(if residual.is_nan() { f64::NAN } else { accuracy });
            out.residual.push(residual);
            out.iterations.push(pair[1].abs() as u32);
            if pair[1] < 0.0 {
                out.unfinished.push(sample);
            }
        }
        out
    }
}
