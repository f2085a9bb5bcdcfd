//! One program, by both solvers.

use argrad_conformance::clarabel::{ClarabelBatch, ClarabelSolution};
use argrad_conformance::generators::normal_vector;
use argrad_conformance::stopwatch::{Budget, medians, timed};
use argrad_conformance::{KktResidual, kkt_residual};
use argrad_solver::{
    Cotangent, Differentiation, Error, OnFailure, Report, Settings, Solution, Solver, Status,
};
use clarabel::solver::SolverStatus;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::judgement::{is_optimal, judge};
use crate::sets::Problem;

/// Rounds after the first go on for this long.
const BUDGET: Budget = Budget { rounds: 0, most_rounds: 50, time: Duration::from_millis(500) };

/// What came of one program. Times in milliseconds.
pub struct Row {
    pub set: String,
    pub name: String,
    pub variables: usize,
    pub rows: usize,
    /// Entries of P's upper triangle and of A.
    pub entries: usize,
    pub argrad: Result<ByArgrad, Error>,
    /// `None` where it was left out.
    pub clarabel: Option<ByClarabel>,
}

/// What argrad made of it.
pub struct ByArgrad {
    pub report: Report,
    /// Measured here.
    pub residual: KktResidual,
    /// Whether that is within the tolerance.
    pub is_optimal: bool,
    /// Relative residual of the adjoint system, as reported.
    pub adjoint_residual: f64,
    /// Making the solver: the symbolic analysis.
    pub analysis: f64,
    /// Solving.
    pub solve: f64,
    /// Gradients of a weighted sum of x with respect to all values.
    pub backward: f64,
}

/// What Clarabel made of it.
pub struct ByClarabel {
    pub solution: ClarabelSolution,
    /// Measured here.
    pub residual: KktResidual,
    /// Whether that is within the tolerance.
    pub is_optimal: bool,
    /// Setup and solve.
    pub time: f64,
}

impl ByArgrad {
    /// Solved, by its own word and as measured.
    pub fn is_solved(&self) -> bool {
        self.report.status == Status::Solved && self.is_optimal
    }

    /// Called solved, but not so.
    pub fn is_unsound(&self) -> bool {
        self.report.status == Status::Solved && !self.is_optimal
    }

    /// From structure to solution.
    pub fn total(&self) -> f64 {
        self.analysis + self.solve
    }
}

impl ByClarabel {
    /// Solved, by its own word.
    pub fn is_solved(&self) -> bool {
        self.solution.status == SolverStatus::Solved
    }
}

impl Row {
    /// Whether argrad solved it.
    pub fn solved_by_argrad(&self) -> bool {
        self.argrad.as_ref().is_ok_and(ByArgrad::is_solved)
    }

    /// Whether Clarabel did, by its own word.
    pub fn solved_by_clarabel(&self) -> bool {
        self.clarabel.as_ref().is_some_and(ByClarabel::is_solved)
    }

    /// Difference of the objectives, relative to Clarabel's or to one.
    pub fn objective_difference(&self) -> Option<f64> {
        let (argrad, clarabel) = (self.argrad.as_ref().ok()?, self.clarabel.as_ref()?);
        let (ours, theirs) = (argrad.residual.objective, clarabel.residual.objective);
        Some((ours - theirs) / theirs.abs().max(1.0))
    }
}

/// Solves and differentiates `problem` with argrad, solves it with Clarabel where that takes part,
/// taking turns.
pub fn contest(set: &str, problem: &Problem, arguments: &Arguments) -> Row {
    let program = &problem.program;
    let tolerance = arguments.tolerance;
    let settings = Settings { engine: arguments.engine, tolerance, ..Settings::default() };
    let weights = normal_vector(program.variables(), 1, arguments.seed);
    let takes_part = problem.suits_clarabel && !arguments.alone;
    let clarabel = takes_part.then(|| ClarabelBatch::new(program, tolerance));
    let budget = if arguments.quick { Budget { most_rounds: 0, ..BUDGET } } else { BUDGET };

    let mut argrad = None;
    let mut theirs = None;
    let times = medians(budget, || {
        let (solver, analysis) = timed(|| Solver::new(program.structure.clone(), settings.clone()));
        let (answer, ours) = match solver {
            Ok(solver) => {
                let (answer, solve, backward) = solve_and_differentiate(&solver, problem, &weights);
                (answer, [solve, backward])
            }
            Err(error) => (Err(error), [Duration::ZERO; 2]),
        };
        let (solution, time) = timed(|| clarabel.as_ref().map(|clarabel| clarabel.solve_sample(0)));
        argrad = Some(answer);
        theirs = solution;
        Ok::<_, std::convert::Infallible>([analysis, ours[0], ours[1], time])
    });
    let Ok([analysis, solve, backward, time]) = times;
    let Some(argrad) = argrad else { unreachable!("there is at least one round") };
    Row {
        set: set.into(),
        name: problem.name.clone(),
        variables: program.variables(),
        rows: program.rows(),
        entries: program.structure.p().nnz() + program.structure.a().nnz(),
        argrad: argrad.map(|(solution, adjoint_residual)| {
            let residual = judge(program, &solution);
            ByArgrad {
                report: solution.reports[0],
                is_optimal: is_optimal(&residual, tolerance),
                residual,
                adjoint_residual,
                analysis,
                solve,
                backward,
            }
        }),
        clarabel: theirs.map(|solution| {
            let residual = kkt_residual(program, 0, &solution.x, &solution.z, &solution.s);
            ByClarabel { is_optimal: is_optimal(&residual, tolerance), residual, solution, time }
        }),
    }
}

/// The solution and the adjoint residual, with the times of forward and backward.
fn solve_and_differentiate(
    solver: &Solver,
    problem: &Problem,
    weights: &[f64],
) -> (Result<(Solution, f64), Error>, Duration, Duration) {
    let (forward, solve) = timed(|| solver.forward(&problem.program.values()));
    let (solution, tape) = match forward {
        Ok(forward) => forward,
        Err(error) => return (Err(error), solve, Duration::ZERO),
    };
    let cotangent = Cotangent { x: Some(weights), ..Cotangent::default() };
    let how = Differentiation { on_failure: OnFailure::Nan, ..Differentiation::default() };
    let (gradients, backward) = timed(|| tape.vjp(&cotangent, &how));
    let result = gradients.map(|gradients| (solution, gradients.adjoint_residual[0]));
    (result, solve, backward)
}
