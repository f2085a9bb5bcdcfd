//! Every cone: are random programs solved, how exactly, in how many iterations; are VJP and JVP
//! those of an exact linear system in double-double arithmetic; and do programs without a solution
//! end with a certificate that holds?
//!
//! `cargo bench -p argrad-conformance --bench cones -- [--count N] [--unsolvable N] [--only NAME]`

#[path = "../command_line/mod.rs"]
mod command_line;

mod certificates;
mod derivatives;
mod families;
mod quantiles;

use std::process::ExitCode;

use argrad_solver::{Report, Settings, Solver, Status};
use comfy_table::{Table, presets};
use families::{Family, families};
use indicatif::{ProgressBar, ProgressStyle};
use lexopt::ValueExt;
use quantiles::Quantiles;

/// What the residuals must reach after the polish: the median, and every one.
const RESIDUAL_MEDIAN: f64 = 1e-13;
const RESIDUAL_WORST: f64 = 1e-11;

const USAGE: &str = "usage: cargo bench -p argrad-conformance --bench cones -- \
                     [--count N] [--unsolvable N] [--only NAME]";

struct Arguments {
    count: usize,
    unsolvable: usize,
    only: String,
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
    let unsaid = Arguments { count: 1000, unsolvable: 500, only: String::new() };
    command_line::read(USAGE, unsaid, |arguments, name, value| {
        match name {
            "count" => arguments.count = value()?.parse()?,
            "unsolvable" => arguments.unsolvable = value()?.parse()?,
            "only" => arguments.only = value()?.string()?,
            _ => return Ok(false),
        }
        Ok(true)
    })
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let wanted = |family: &Family| family.name.contains(&arguments.only);
    let (mut solves, mut derivatives, mut unsolvable) = (
        table(&["family", "solved", "iterations", "most", "polish", "residual", "worst", "met"]),
        table(&derivatives::HEADER),
        table(&certificates::HEADER),
    );
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {msg}")
            .expect("a valid template"),
    );
    let families: Vec<Family> = families(arguments.count).into_iter().filter(wanted).collect();
    bar.set_length(2 * families.len() as u64);
    for family in families {
        bar.set_message(family.name);
        let batch = family.programs.known_solution().batch;
        let solver = Solver::new(batch.structure.clone(), Settings::default())?;
        let (solution, tape) = solver.forward(&batch.values())?;
        solves.add_row(solve_row(family.name, &solution.reports));
        derivatives.add_row(derivatives::row(family.name, &batch, &solution, &tape)?);
        bar.inc(1);
        for row in certificates::rows(&family, arguments.unsolvable)? {
            unsolvable.add_row(row);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("{solves}\n\n{derivatives}\n\n{unsolvable}");
    Ok(())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header.to_vec());
    table
}

fn solve_row(name: &str, reports: &[Report]) -> Vec<String> {
    let solved = reports.iter().filter(|r| r.status == Status::Solved).count();
    let residuals = Quantiles::new(reports.iter().map(|r| r.residual));
    let mean = |f: fn(&Report) -> u32| {
        reports.iter().map(|r| f64::from(f(r))).sum::<f64>() / reports.len() as f64
    };
    let met = solved == reports.len()
        && residuals.median() <= RESIDUAL_MEDIAN
        && residuals.worst() <= RESIDUAL_WORST;
    vec![
        name.to_owned(),
        format!("{solved}/{}", reports.len()),
        format!("{:.1}", mean(|r| r.iterations)),
        reports.iter().map(|r| r.iterations).max().unwrap_or(0).to_string(),
        format!("{:.1}", mean(|r| r.polish_steps)),
        format!("{:.1e}", residuals.median()),
        format!("{:.1e}", residuals.worst()),
        yes_or_no(met),
    ]
}

fn yes_or_no(met: bool) -> String {
    if met { "yes" } else { "NO" }.to_owned()
}
