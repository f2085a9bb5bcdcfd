//! What is measured.

use argrad_conformance::ProgramBatch;
use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{self, Penalty, Plant, Size, normal_vector};
use argrad_conformance::operation_count::{self, DenseSize};
use argrad_solver::{
    Cotangent, Differentiation, Error, Gradients, Report, Settings, Solver, Status,
};
use clarabel::solver::SolverStatus;

use crate::arguments::Arguments;
use crate::report::{Opponent, Row};
use argrad_conformance::stopwatch::{Budget, medians, timed};

/// Clarabel's own default.
const CLARABEL_TOLERANCE: f64 = 1e-8;

/// One row of the table.
pub struct Case {
    /// Its name, for `--only` and the table.
    pub name: String,
    what: What,
}

enum What {
    /// Forward and backward against Clarabel's forward.
    Dense(Size),
    /// The same on the Sudoku layer.
    Sudoku { batch: usize },
    /// Predictive controllers of one plant.
    Fleet { plant: Plant, batch: usize },
    /// A cone program, the same against Clarabel.
    Layer(fn(usize, u64) -> ProgramBatch, usize),
    /// Warm start after a change of the data by the share `change`, against a cold start.
    Warm { size: Size, change: f64 },
}

/// Every case, in the order of the table.
pub fn all(quick: bool) -> Vec<Case> {
    let batch = if quick { 16 } else { 128 };
    let mut cases = Vec::new();
    let mut add = |name: String, what: What| cases.push(Case { name, what });
    for with_equalities in [false, true] {
        for variables in [10, 20, 50, 100] {
            let equalities = if with_equalities { variables / 2 } else { 0 };
            let suffix = if with_equalities { "-eq" } else { "" };
            add(
                format!("dense-n{variables}{suffix}"),
                What::Dense(Size { variables, inequalities: variables, equalities, batch }),
            );
        }
    }
    for (suffix, equalities) in [("", 0), ("-eq", 25)] {
        let size = Size { variables: 50, inequalities: 50, equalities, batch };
        add(format!("warm-n50{suffix}"), What::Warm { size, change: 1e-3 });
    }
    add("sudoku".into(), What::Sudoku { batch: if quick { 16 } else { 150 } });
    add(
        "single-n10".into(),
        What::Dense(Size { variables: 10, inequalities: 10, equalities: 0, batch: 1 }),
    );
    let mut layer = |name: &str, programs: fn(usize, u64) -> ProgramBatch, batch: usize| {
        let batch = if quick { batch.min(8) } else { batch };
        cases.push(Case { name: name.into(), what: What::Layer(programs, batch) });
    };
    layer("portfolio", |batch, seed| generators::portfolio(50, 5, batch, seed), 64);
    layer(
        "logistic",
        |batch, seed| generators::logistic_regression(50, 10, Penalty::Ridge(0.1), batch, seed),
        16,
    );
    layer("softmax", |batch, seed| generators::entropy_softmax(20, batch, seed).batch, 128);
    layer("psd-projection", |batch, seed| generators::psd_projection(6, batch, seed), 32);
    layer("assignment-10", |batch, seed| generators::assignment(10, batch, seed), 32);
    layer("assignment-20", |batch, seed| generators::assignment(20, batch, seed), 32);
    for (variables, batch) in [(200, 16), (300, 8), (500, 4), (800, 2), (1500, 1)] {
        let (inequalities, equalities) = (variables / 2, variables / 10);
        let size = Size { variables, inequalities, equalities, batch };
        if !quick || variables <= 300 {
            cases.push(Case { name: format!("large-n{variables}"), what: What::Dense(size) });
        }
    }
    for (states, inputs, horizon, batch) in
        [(4, 2, 20, 128), (12, 4, 30, 64), (12, 4, 100, 32), (30, 10, 50, 16)]
    {
        let plant = Plant { states, inputs, horizon };
        let name = format!("fleet-{states}-{inputs}-{horizon}");
        let batch = if quick { 4 } else { batch };
        cases.push(Case { name, what: What::Fleet { plant, batch } });
    }
    cases
}

impl Case {
    /// Measures this case.
    pub fn run(&self, arguments: &Arguments) -> Result<Row, Error> {
        let budget = Budget::new(arguments.quick);
        let name = self.name.clone();
        match self.what {
            What::Dense(size) => {
                let batch = generators::random_qp(size, arguments.seed);
                let mut row = against_clarabel(name, &batch, budget)?;
                row.operations = Some(
                    row.reports
                        .iter()
                        .map(|report| {
                            let size = DenseSize {
                                variables: size.variables,
                                equalities: size.equalities,
                                inequalities: size.inequalities,
                            };
                            operation_count::forward(size, report)
                        })
                        .sum(),
                );
                Ok(row)
            }
            What::Sudoku { batch } => {
                against_clarabel(name, &generators::sudoku_layer(batch, arguments.seed), budget)
            }
            What::Fleet { plant, batch } => {
                let programs = generators::linear_mpc(plant, batch, arguments.seed);
                against_clarabel(name, &programs, budget)
            }
            What::Layer(programs, batch) => {
                against_clarabel(name, &programs(batch, arguments.seed), budget)
            }
            What::Warm { size, change } => warm(name, size, change, arguments.seed, budget),
        }
    }
}

fn against_clarabel(name: String, batch: &ProgramBatch, budget: Budget) -> Result<Row, Error> {
    let solver = Solver::new(batch.structure.clone(), Settings::default())?;
    let clarabel = ClarabelBatch::new(batch, CLARABEL_TOLERANCE);
    let (n, rows) = (batch.variables(), batch.rows());
    let gx = normal_vector(n, batch.batch, 101);
    let gz = normal_vector(rows, batch.batch, 102);
    let gs = normal_vector(rows, batch.batch, 103);
    let cotangent = Cotangent { x: Some(&gx), z: Some(&gz), s: Some(&gs) };

    let mut reports: Vec<Report> = Vec::new();
    let mut clarabel_unsolved = 0;
    let mut gradients = Gradients::default();
    let [forward, backward, opponent] =
        medians(budget, || {
            let (forward, forward_time) = timed(|| solver.forward(&batch.values()));
            let (solution, tape) = forward?;
            let how = Differentiation::default();
            let (done, backward_time) = timed(|| tape.vjp_into(&cotangent, &how, &mut gradients));
            done?;
            // A batch of one gains nothing from the thread pool.
            let (solutions, clarabel_time) = timed(|| {
                if batch.batch == 1 { vec![clarabel.solve_sample(0)] } else { clarabel.solve() }
            });
            reports = solution.reports;
            clarabel_unsolved =
                solutions.iter().filter(|found| found.status != SolverStatus::Solved).count();
            Ok::<_, Error>([forward_time, backward_time, clarabel_time])
        })?;
    warn_of_failures(&name, &reports);
    if clarabel_unsolved > 0 {
        eprintln!("{name}: Clarabel left {clarabel_unsolved} samples unsolved");
    }
    Ok(Row {
        name,
        batch: batch.batch,
        forward,
        backward: Some(backward),
        opponent: Opponent::Clarabel,
        opponent_time: opponent,
        operations: None,
        reports,
    })
}

fn warm(name: String, size: Size, change: f64, seed: u64, budget: Budget) -> Result<Row, Error> {
    let before = generators::random_qp(size, seed);
    let after = generators::perturbed(&before, change, seed.wrapping_add(1));
    let solver = Solver::new(before.structure.clone(), Settings::default())?;
    let start = solver.solve(&before.values())?;
    let mut reports = Vec::new();
    let [warm, cold] = medians(budget, || {
        let (warm, warm_time) = timed(|| solver.solve_from(&after.values(), &start));
        let (cold, cold_time) = timed(|| solver.solve(&after.values()));
        reports = warm?.reports;
        cold?;
        Ok::<_, Error>([warm_time, cold_time])
    })?;
    warn_of_failures(&name, &reports);
    Ok(Row {
        name,
        batch: size.batch,
        forward: warm,
        backward: None,
        opponent: Opponent::ColdStart,
        opponent_time: cold,
        operations: None,
        reports,
    })
}

fn warn_of_failures(name: &str, reports: &[Report]) {
    let unsolved = reports.iter().filter(|report| report.status != Status::Solved).count();
    if unsolved > 0 {
        eprintln!("{name}: argrad left {unsolved} samples unsolved");
    }
}
