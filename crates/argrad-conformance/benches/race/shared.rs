//! Batches that share P and A: solved by one inverse, against the general way of the same solver.

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{self, Size, normal_vector};
use argrad_conformance::stopwatch::{Budget, medians, timed};
use argrad_solver::{Cotangent, Differentiation, Error, Settings, Solver};

use crate::arguments::Arguments;

/// Prints the table over the batch, over n, and of other layers, row by row.
///
/// # Errors
/// Of a solve.
pub fn print_table(arguments: &Arguments) -> Result<(), Error> {
    let largest = if arguments.quick { 1024 } else { 65_536 };
    let budget = Budget::new(arguments.quick);
    println!(
        "| program | n | inequalities | equalities | batch | forward us a sample | backward | \
         general forward | backward | ratio | by pivoting |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    );
    let size = |n: usize, equalities: usize, batch: usize| Size {
        variables: n,
        inequalities: n,
        equalities,
        batch,
    };
    let over_batch = [16, 256, 4096, 65_536].into_iter().filter(|&batch| batch <= largest);
    let middle = largest.min(4096);
    let over_n = [20, 50, 200].map(|n| size(n, 0, middle));
    let with_equalities = [20, 100].map(|n| size(n, n / 2, middle.min(1024)));
    let sizes = over_batch.map(|batch| size(100, 0, batch)).chain(over_n).chain(with_equalities);
    for size in sizes {
        let name = format!("random-n{}", size.variables);
        if arguments.wants(&name) {
            let batch = generators::shared_qp(size, arguments.seed);
            // A large batch takes long enough for two rounds to tell.
            let budget = if size.batch > MOST_IN_GENERAL { Budget::new(true) } else { budget };
            println!("{}", row(&name, &batch, budget)?);
        }
    }
    if arguments.wants("sudoku") {
        let batch = generators::sudoku_layer(150, arguments.seed);
        println!("{}", row("sudoku", &batch, budget)?);
    }
    Ok(())
}

/// Samples up to which the general way runs: at n = 100 its tape takes 185 KB for each.
const MOST_IN_GENERAL: usize = 10_000;

/// One row: both ways in turn, or the shared one alone for a very large batch.
fn row(name: &str, batch: &ProgramBatch, budget: Budget) -> Result<String, Error> {
    eprintln!("{name}, batch {} ...", batch.batch);
    let solver = |share_matrices: bool| {
        let settings = Settings { share_matrices, ..Settings::default() };
        Solver::new(batch.structure.clone(), settings)
    };
    let (shared, general) = (solver(true)?, solver(false)?);
    let (n, rows) = (batch.variables(), batch.rows());
    let gx = normal_vector(n, batch.batch, 101);
    let gz = normal_vector(rows, batch.batch, 102);
    let cotangent = Cotangent { x: Some(&gx), z: Some(&gz), s: None };
    let mut by_pivoting = 0;
    let mut run = |solver: &Solver, is_shared: bool| {
        let (forward, forward_time) = timed(|| solver.forward(&batch.values()));
        let (solution, tape) = forward?;
        let how = Differentiation::default();
        let (gradients, backward_time) = timed(|| tape.vjp(&cotangent, &how));
        gradients?;
        if is_shared {
            by_pivoting = solution.reports.iter().filter(|report| report.iterations == 0).count();
        }
        Ok::<_, Error>([forward_time, backward_time])
    };
    let both = batch.batch <= MOST_IN_GENERAL;
    let times = medians(budget, || {
        let [forward, backward] = run(&shared, true)?;
        let zero = std::time::Duration::ZERO;
        let [other_forward, other_backward] = if both { run(&general, false)? } else { [zero; 2] };
        Ok::<_, Error>([forward, backward, other_forward, other_backward])
    })?;
    let [forward, backward, of_forward, of_backward] =
        times.map(|milliseconds| milliseconds * 1e3 / batch.batch as f64);
    let ratio = (of_forward + of_backward) / (forward + backward);
    let general = if both {
        format!("{of_forward:.1} | {of_backward:.1} | {ratio:.1}")
    } else {
        "- | - | -".into()
    };
    Ok(format!(
        "| {name} | {n} | {} | {} | {} | {forward:.1} | {backward:.1} | {general} | {} % |",
        batch.inequalities(),
        batch.equalities(),
        batch.batch,
        100 * by_pivoting / batch.batch,
    ))
}
