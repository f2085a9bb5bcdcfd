//! Batches of dense quadratic programs, and of programs over curved cones, on a card: milliseconds
//! of each kernel, of a call with its copies, and of the CPU engine, and programs a second. `cargo
//! bench -p argrad-gpu --features cuda -- --sizes 10,100 --batches 128,4096 --no-cpu`.

use std::sync::Arc;
use std::time::Instant;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{self, Penalty, Size, normal_vector};
use argrad_gpu::cuda::Card;
use argrad_gpu::{Entry, Error, Solver};
use argrad_solver::{Cotangent, Differentiation, OnFailure, Settings};

/// Programs that are drawn; larger batches repeat them.
const DRAWN: usize = 128;
/// Runs of which the fastest counts.
const RUNS: usize = 3;
/// Most numbers of a batch, 4 GB.
const MOST_NUMBERS: usize = 500_000_000;

struct Options {
    sizes: Vec<usize>,
    batches: Vec<usize>,
    has_cpu: bool,
}

fn options() -> Result<Options, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        sizes: vec![10, 32, 50, 100, 200],
        batches: vec![128, 4096, 65_536],
        has_cpu: true,
    };
    let list = |text: String| -> Result<Vec<usize>, lexopt::Error> {
        text.split(',')
            .map(|number| number.parse::<usize>().map_err(|e| e.to_string().into()))
            .collect()
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("sizes") => options.sizes = list(parser.value()?.string()?)?,
            Long("batches") => options.batches = list(parser.value()?.string()?)?,
            Long("no-cpu") => options.has_cpu = false,
            Long("bench") => {} // cargo gives it
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

/// `count` programs, of which each is one of those in `drawn`.
fn repeated(drawn: &ProgramBatch, count: usize) -> ProgramBatch {
    let indices: Vec<usize> = (0..count).map(|i| i % drawn.batch).collect();
    drawn.select(&indices)
}

/// Milliseconds of a batch.
#[derive(Default)]
struct Times {
    solve: f64,
    adjoint: f64,
    gradient: f64,
    call: f64,
}

fn on_card(card: &Arc<Card>, batch: &ProgramBatch, of_x: &[f64]) -> Result<Times, Error> {
    let solver = Solver::new(batch.structure.clone(), Settings::default(), Arc::clone(card))?;
    let how = Differentiation { on_failure: OnFailure::Zero, ..Differentiation::default() };
    let cotangent = Cotangent { x: Some(of_x), ..Cotangent::default() };
    let mut best: Option<Times> = None;
    for _ in 0..RUNS {
        card.start_timing();
        let started = Instant::now();
        let (_, tape) = solver.forward(&batch.values())?;
        tape.vjp(&cotangent, &how)?;
        let mut times = Times { call: 1e3 * started.elapsed().as_secs_f64(), ..Times::default() };
        for (entry, ms) in card.take_timings()? {
            let kernel = match entry {
                Entry::Solve => &mut times.solve,
                Entry::Adjoint | Entry::Tangent | Entry::Smooth => &mut times.adjoint,
                Entry::Gradient => &mut times.gradient,
            };
            *kernel += f64::from(ms);
        }
        if best.as_ref().is_none_or(|best| times.call < best.call) {
            best = Some(times);
        }
    }
    Ok(best.unwrap_or_default())
}

/// Milliseconds of the CPU engine for forward and backward.
fn on_cpu(batch: &ProgramBatch, of_x: &[f64]) -> Result<f64, argrad_solver::Error> {
    let solver = argrad_solver::Solver::new(batch.structure.clone(), Settings::default())?;
    let how = Differentiation { on_failure: OnFailure::Zero, ..Differentiation::default() };
    let cotangent = Cotangent { x: Some(of_x), ..Cotangent::default() };
    let started = Instant::now();
    let (_, tape) = solver.forward(&batch.values())?;
    tape.vjp(&cotangent, &how)?;
    Ok(1e3 * started.elapsed().as_secs_f64())
}

fn row(card: &Arc<Card>, name: &str, batch: &ProgramBatch, has_cpu: bool) {
    let of_x = normal_vector(batch.batch * batch.variables(), 1, 1);
    match on_card(card, batch, &of_x) {
        Ok(times) => {
            let kernels = times.solve + times.adjoint + times.gradient;
            let cpu = match has_cpu.then(|| on_cpu(batch, &of_x)) {
                Some(Ok(ms)) => format!("{ms:.1}"),
                Some(Err(error)) => error.to_string(),
                None => "-".into(),
            };
            println!(
                "| {name} | {} | {:.3} | {:.3} | {:.3} | {kernels:.3} | {:.0} | {:.1} | {cpu} |",
                batch.batch,
                times.solve,
                times.adjoint,
                times.gradient,
                1e3 * batch.batch as f64 / kernels,
                times.call,
            );
        }
        Err(error) => println!("| {name} | {} | {error} |", batch.batch),
    }
}

fn main() {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    };
    let card = match Card::new(0) {
        Ok(card) => card,
        Err(error) => {
            println!("nothing is measured: {error}");
            return;
        }
    };
    println!("{}", card.name().unwrap_or_default());
    println!(
        "| program | batch | solve ms | adjoint ms | gradient ms | kernels ms | programs/s | call \
         ms | CPU ms |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for &n in &options.sizes {
        let size = Size { variables: n, inequalities: n, equalities: 0, batch: DRAWN };
        let drawn = generators::random_qp(size, 1);
        for &count in &options.batches {
            if count * n * n * 3 <= MOST_NUMBERS {
                row(&card, &format!("n = m = {n}"), &repeated(&drawn, count), options.has_cpu);
            }
        }
    }
    row(&card, "sudoku", &generators::sudoku_layer(150, 1), options.has_cpu);
    for (name, drawn) in curved() {
        for &count in &options.batches {
            let numbers = drawn.structure.a().nnz() + drawn.structure.p().nnz();
            if count * numbers * 3 <= MOST_NUMBERS {
                row(&card, name, &repeated(&drawn, count), options.has_cpu);
            }
        }
    }
}

/// Programs over curved cones, of the sizes that the CPU engine is raced with.
fn curved() -> Vec<(&'static str, ProgramBatch)> {
    vec![
        ("portfolio, 50 assets", generators::portfolio(50, 5, DRAWN, 1)),
        (
            "logistic, 50 samples, 10 features",
            generators::logistic_regression(50, 10, Penalty::Ridge(0.1), DRAWN, 1),
        ),
        ("softmax of 20", generators::entropy_softmax(20, DRAWN, 1).batch),
        ("nearest semidefinite matrix, 6 x 6", generators::psd_projection(6, DRAWN, 1)),
    ]
}
