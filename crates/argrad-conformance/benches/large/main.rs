//! One large program: total-variation denoising of a long signal, forward and backward, against
//! Clarabel's forward alone in the same run; and the matrix-free derivative at the largest size.
//!
//! `cargo bench -p argrad-conformance --bench large -- [--sizes 10000,100000] [--no-clarabel]
//! [--no-lsqr] [--lsqr-iterations N]`

#[path = "../command_line/mod.rs"]
mod command_line;

use std::process::ExitCode;
use std::time::Instant;

use argrad_conformance::ProgramBatch;
use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::total_variation;
use argrad_solver::{Cotangent, Differentiation, Engine, Method, Settings, Solution, Solver};
use lexopt::ValueExt;

/// Weight of the total variation.
const WEIGHT: f64 = 2.0;
/// Tolerance at which the matrix-free solve stops.
const LSQR_TOLERANCE: f64 = 1e-8;

const USAGE: &str = "usage: cargo bench -p argrad-conformance --bench large -- \
                     [--sizes 10000,100000] [--no-clarabel] [--no-lsqr] [--lsqr-iterations N]";

struct Arguments {
    sizes: Vec<usize>,
    clarabel: bool,
    lsqr: bool,
    lsqr_iterations: usize,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, ExitCode> {
    let unsaid = Arguments {
        sizes: vec![10_000, 100_000, 1_000_000],
        clarabel: true,
        lsqr: true,
        lsqr_iterations: 2_000,
    };
    command_line::read(USAGE, unsaid, |arguments, name, value| {
        match name {
            "sizes" => arguments.sizes = value()?.parse_with(sizes)?,
            "no-clarabel" => arguments.clarabel = false,
            "no-lsqr" => arguments.lsqr = false,
            "lsqr-iterations" => arguments.lsqr_iterations = value()?.parse()?,
            _ => return Ok(false),
        }
        Ok(true)
    })
}

/// Numbers of points, with commas between them.
fn sizes(list: &str) -> Result<Vec<usize>, std::num::ParseIntError> {
    list.split(',').map(str::parse).collect()
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "| points | set-up s | forward s | iterations | backward s | residual \
         | adjoint residual | peak GB | Clarabel s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut last = None;
    for &samples in &arguments.sizes {
        let batch = total_variation(samples, WEIGHT, 1, 1);
        let solution = denoise(samples, &batch, arguments)?;
        last = Some((samples, batch, solution));
    }
    if let Some((samples, batch, solution)) = last.filter(|_| arguments.lsqr) {
        matrix_free(samples, &batch, &solution, arguments)?;
    }
    Ok(())
}

/// Seconds that `work` takes, and its result.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// Gradient of the sum of x: a plain scalar of the solution.
fn cotangent(solution: &Solution) -> Vec<f64> {
    (0..solution.x.len()).map(|j| (1.0 + j as f64).sin()).collect()
}

fn denoise(
    samples: usize,
    batch: &ProgramBatch,
    arguments: &Arguments,
) -> Result<Solution, Box<dyn std::error::Error>> {
    let structure = batch.structure.clone();
    let (set_up, solver) = timed(|| Solver::new(structure, Settings::default()));
    let solver = solver?;
    let (forward, result) = timed(|| solver.forward(&batch.values()));
    let (solution, tape) = result?;
    let gx = cotangent(&solution);
    let cotangent = Cotangent { x: Some(&gx), ..Cotangent::default() };
    let (backward, gradients) = timed(|| tape.vjp(&cotangent, &Differentiation::default()));
    let gradients = gradients?;
    let peak = peak_gigabytes();
    let clarabel = if arguments.clarabel {
        let program = ClarabelBatch::new(batch, 1e-8);
        format!("{:.2}", timed(|| program.solve_sample(0)).0)
    } else {
        "-".into()
    };
    let report = solution.reports[0];
    println!(
        "| {samples} | {set_up:.2} | {forward:.2} | {} + {} | {backward:.2} | {:.1e} | {:.1e} \
         | {peak:.2} | {clarabel} |",
        report.iterations, report.polish_steps, report.residual, gradients.adjoint_residual[0],
    );
    Ok(solution)
}

/// The derivative without a factor, at the solution found above.
fn matrix_free(
    samples: usize,
    batch: &ProgramBatch,
    solution: &Solution,
    arguments: &Arguments,
) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings { engine: Engine::MatrixFree, ..Settings::default() };
    let solver = Solver::new(batch.structure.clone(), settings)?;
    let (_, tape) = solver.tape_at(&batch.values(), solution)?;
    let gx = cotangent(solution);
    let cotangent = Cotangent { x: Some(&gx), ..Cotangent::default() };
    let method =
        Method::Lsqr { tolerance: LSQR_TOLERANCE, max_iterations: arguments.lsqr_iterations };
    let how = Differentiation { method, ..Differentiation::default() };
    let (time, gradients) = timed(|| tape.vjp(&cotangent, &how));
    let gradients = gradients?;
    println!(
        "\nLSQR, {samples} samples: {time:.1} s, {} iterations, relative residual {:.1e}, {}",
        gradients.iterations[0],
        gradients.adjoint_residual[0],
        if gradients.unfinished.is_empty() { "converged" } else { "stopped at its limit" },
    );
    Ok(())
}

/// Largest resident memory of this process so far; NaN where the system does not tell.
fn peak_gigabytes() -> f64 {
    let kilobytes = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    });
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1e6)
}
