//! Sequences of nearby programs, from scratch and from the solution before.

use std::f64::consts::{SQRT_2, TAU};
use std::time::Duration;

use argrad_conformance::stopwatch::{Budget, medians, timed};
use argrad_conformance::{Numbers, ProgramBatch, relative_error};
use argrad_solver::{Error, Settings, Solution, Solver, Status};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::arguments::Arguments;
use crate::judgement::{is_optimal, judge};
use crate::sets::Problem;

/// Programs after the first.
const STEPS: usize = 20;
/// Root mean square of the relative change of an entry from one program to the next.
const CHANGES: [f64; 2] = [1e-3, 1e-2];
/// Radians a step of the sines that the entries follow: a period is 13 to 63 steps.
const SLOWEST: f64 = 0.1;
const FASTEST: f64 = 0.5;

const BUDGET: Budget = Budget { rounds: 5, most_rounds: 5, time: Duration::ZERO };

/// What came of one sequence.
pub struct Row {
    pub set: String,
    pub name: String,
    /// Relative change a step.
    pub change: f64,
    pub steps: usize,
    /// Warm starts that were accepted.
    pub accepted: usize,
    /// Programs solved from scratch and warm-started, as measured here.
    pub solved: [usize; 2],
    /// Programs called solved that are not.
    pub unsound: usize,
    /// Means of iterations from scratch and of polish steps of accepted warm starts.
    pub iterations: f64,
    pub polish_steps: f64,
    /// Times of the whole sequence in milliseconds, from scratch and warm-started.
    pub times: [f64; 2],
    /// Largest residual of the warm-started solutions, as measured here.
    pub worst: f64,
    /// Largest relative difference of the two x.
    pub difference: f64,
}

/// Follows the sequences of `problem`, one for each size of change.
pub fn follow(set: &str, problem: &Problem, arguments: &Arguments) -> Result<Vec<Row>, Error> {
    let settings = Settings { engine: arguments.engine, ..Settings::default() };
    let solver = Solver::new(problem.program.structure.clone(), settings)?;
    CHANGES
        .into_iter()
        .map(|change| {
            let mut row = Row {
                set: set.into(),
                name: problem.name.clone(),
                change,
                steps: STEPS,
                accepted: 0,
                solved: [0; 2],
                unsound: 0,
                iterations: 0.0,
                polish_steps: 0.0,
                times: [0.0; 2],
                worst: 0.0,
                difference: 0.0,
            };
            let path = Path::new(&problem.program, change, arguments.seed);
            let mut before = solver.solve(&problem.program.values())?;
            for step in 1..=STEPS {
                let program = path.at(step);
                before = row.step(&solver, &program, &before, arguments)?;
            }
            row.iterations /= STEPS as f64;
            row.polish_steps /= row.accepted.max(1) as f64;
            Ok(row)
        })
        .collect()
}

impl Row {
    /// Solves `program` both ways and returns the warm-started solution.
    fn step(
        &mut self,
        solver: &Solver,
        program: &ProgramBatch,
        before: &Solution,
        arguments: &Arguments,
    ) -> Result<Solution, Error> {
        let mut solutions = None;
        let budget =
            if arguments.quick { Budget { rounds: 0, most_rounds: 0, ..BUDGET } } else { BUDGET };
        let times = medians(budget, || {
            let (cold, cold_time) = timed(|| solver.solve(&program.values()));
            let (warm, warm_time) = timed(|| solver.solve_from(&program.values(), before));
            solutions = Some([cold?, warm?]);
            Ok([cold_time, warm_time])
        })?;
        let Some([cold, warm]) = solutions else { unreachable!("there is at least one round") };
        for (which, solution) in [&cold, &warm].into_iter().enumerate() {
            self.times[which] += times[which];
            let optimal = is_optimal(&judge(program, solution), arguments.tolerance);
            match (solution.reports[0].status, optimal) {
                (Status::Solved, true) => self.solved[which] += 1,
                (Status::Solved, false) => self.unsound += 1,
                _ => {}
            }
        }
        let (cold_report, report) = (&cold.reports[0], &warm.reports[0]);
        self.iterations += f64::from(cold_report.iterations);
        if report.warm_started {
            self.accepted += 1;
            self.polish_steps += f64::from(report.polish_steps);
        }
        self.worst = self.worst.max(judge(program, &warm).worst());
        self.difference = self.difference.max(relative_error(&warm.x, &cold.x));
        Ok(warm)
    }
}

/// A smooth path through q and b: each entry is multiplied by one plus a sine of its own.
struct Path<'a> {
    program: &'a ProgramBatch,
    q: Vec<Sine>,
    b: Vec<Sine>,
}

/// `amplitude (sin(phase + frequency t) - sin(phase))`: nothing at t = 0.
struct Sine {
    amplitude: f64,
    phase: f64,
    frequency: f64,
}

impl<'a> Path<'a> {
    fn new(program: &'a ProgramBatch, change: f64, seed: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut sines = |len: usize| {
            let mut sine = || {
                let frequency = SLOWEST * (FASTEST / SLOWEST).powf(generator.random());
                // The slope of a sine has the root mean square amplitude * frequency / sqrt 2.
                let amplitude = SQRT_2 * change / frequency;
                Sine { amplitude, phase: TAU * generator.random::<f64>(), frequency }
            };
            (0..len).map(|_| sine()).collect()
        };
        let (q, b) = (program.variables(), program.rows());
        Self { program, q: sines(q), b: sines(b) }
    }

    /// The program at time `step`; at zero the one it started from.
    fn at(&self, step: usize) -> ProgramBatch {
        let time = step as f64;
        let mut program = self.program.clone();
        let follow = |numbers: &mut Numbers, sines: &[Sine]| {
            for (number, sine) in numbers.as_mut_slice().iter_mut().zip(sines) {
                let Sine { amplitude, phase, frequency } = sine;
                *number *= 1.0 + amplitude * ((phase + frequency * time).sin() - phase.sin());
            }
        };
        follow(&mut program.q, &self.q);
        follow(&mut program.b, &self.b);
        program
    }
}
