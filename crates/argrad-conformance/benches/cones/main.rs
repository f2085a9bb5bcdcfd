//! Every cone: are random programs solved, how exactly, and in how many iterations?
//!
//! `cargo bench -p argrad-conformance --bench cones -- [--count N] [--only NAME]`

mod families;

use std::process::ExitCode;

use argrad_solver::{Settings, Solver, Status};
use families::{Family, families};
use lexopt::ValueExt;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let (mut count, mut only) = (1000, String::new());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("count") => count = parser.value()?.parse()?,
            lexopt::Arg::Long("only") => only = parser.value()?.string()?,
            // Passed by cargo bench.
            lexopt::Arg::Long("bench") => {}
            other => return Err(other.unexpected().into()),
        }
    }
    for family in families(count).into_iter().filter(|family| family.name.contains(&only)) {
        row(&family)?;
    }
    Ok(())
}

fn row(family: &Family) -> Result<(), argrad_solver::Error> {
    let known = family.programs.known_solution();
    let engine = if std::env::var_os("SPARSE").is_some() {
        argrad_solver::Engine::Sparse
    } else {
        argrad_solver::Engine::Auto
    };
    let solver =
        Solver::new(known.batch.structure.clone(), Settings { engine, ..Settings::default() })?;
    let time = std::time::Instant::now();
    let solution = solver.solve(&known.batch.values())?;
    let time = time.elapsed().as_secs_f64();
    let reports = &solution.reports;
    let solved = reports.iter().filter(|r| r.status == Status::Solved).count();
    let mut residuals: Vec<f64> = reports.iter().map(|r| r.residual).collect();
    residuals.sort_by(f64::total_cmp);
    let mean = |f: &dyn Fn(&argrad_solver::Report) -> u32| {
        reports.iter().map(|r| f64::from(f(r))).sum::<f64>() / reports.len() as f64
    };
    let most = reports.iter().map(|r| r.iterations).max().unwrap_or(0);
    let mut statuses = std::collections::BTreeMap::new();
    for report in reports {
        *statuses.entry(report.status.to_string()).or_insert(0) += 1;
    }
    println!(
        "{:28} solved {solved}/{} iterations {:.1} max {most} polish {:.1} factor {:.1} residual median {:.1e} max {:.1e} flagged {} {:.1} us each {statuses:?}",
        family.name,
        reports.len(),
        mean(&|r| r.iterations),
        mean(&|r| r.polish_steps),
        mean(&|r| r.factorizations),
        residuals[residuals.len() / 2],
        residuals[residuals.len() - 1],
        reports.iter().filter(|r| r.is_degenerate()).count(),
        time / reports.len() as f64 * 1e6,
    );
    Ok(())
}
