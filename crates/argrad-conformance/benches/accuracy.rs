//! Solutions and gradients of random programs against the exact active-set oracle.
//!
//! ```text
//! cargo bench -p argrad-conformance --bench accuracy -- [--count N] [--only NAME]... [--seed N]
//! ```
//! Prints one markdown table, then every flagged sample with the oracle's judgement. Fails when a
//! median exceeds 1e-12, an unflagged sample exceeds 1e-9 or is unsolved, or a flagged sample
//! is not degenerate.

#[path = "command_line/mod.rs"]
mod command_line;

use std::process::ExitCode;
use std::time::Instant;

use argrad_conformance::active_set::ActiveSetSolution;
use argrad_conformance::generators::{self, Size, normal_vector};
use argrad_conformance::{ProgramBatch, relative_error};
use argrad_solver::{
    Cotangent, Differentiation, Error, Gradients, OnFailure, Report, Settings, Solution, Solver,
    Status,
};
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use indicatif::{ProgressBar, ProgressStyle};
use lexopt::ValueExt;
use rayon::prelude::*;

const USAGE: &str = "usage: cargo bench -p argrad-conformance --bench accuracy -- \
                     [--count N] [--only NAME]... [--seed N]";

/// Samples solved together; bounds the memory, and lets the progress bar move.
const CHUNK: usize = 100;

const MEDIAN_LIMIT: f64 = 1e-12;
const WORST_LIMIT: f64 = 1e-9;

struct Arguments {
    count: usize,
    only: Vec<String>,
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "case",
        "samples",
        "x median",
        "x worst unflagged",
        "gradients median",
        "gradients worst unflagged",
        "flagged",
        "confirmed",
        "within limits",
        "solver s",
        "oracle s",
    ]);
    let mut flagged = Vec::new();
    let mut all_within = true;
    let cases = [5, 10, 20, 50, 100].into_iter().flat_map(|n| [(n, 0), (n, n / 2)]);
    for (variables, equalities) in cases {
        let name = format!("n{variables}{}", if equalities > 0 { "-eq" } else { "" });
        if !arguments.only.is_empty() && !arguments.only.contains(&name) {
            continue;
        }
        let size = Size { variables, inequalities: variables, equalities, batch: arguments.count };
        match measure(&name, size, arguments.seed) {
            Ok(case) => {
                all_within &= case.is_within_limits();
                table.add_row(case.cells());
                flagged.extend(case.flagged());
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{table}");
    println!(
        "\nErrors are in the maximum norm, relative to the largest entry; for gradients, the worst \
         of P, q, A, b, for random cotangents of x, z and s. Limits: median {MEDIAN_LIMIT:.0e}, \
         worst unflagged {WORST_LIMIT:.0e}, every flagged sample confirmed degenerate.\n"
    );
    for line in &flagged {
        println!("{line}");
    }
    if all_within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Result<Arguments, ExitCode> {
    let unsaid = Arguments { count: 1000, only: Vec::new(), seed: 1 };
    command_line::read(USAGE, unsaid, |arguments, name, value| {
        match name {
            "count" => arguments.count = value()?.parse()?,
            "only" => arguments.only.push(value()?.string()?),
            "seed" => arguments.seed = value()?.parse()?,
            _ => return Ok(false),
        }
        Ok(true)
    })
}

/// All samples of one size.
struct Case {
    name: String,
    samples: Vec<Sample>,
    solver_seconds: f64,
    oracle_seconds: f64,
}

/// One sample.
struct Sample {
    report: Report,
    /// Relative errors of x and of the gradients, margin and condition; or why there are none.
    compared: Result<Compared, String>,
}

struct Compared {
    x: f64,
    gradients: f64,
    margin: f64,
    condition: f64,
    degenerate: bool,
}

fn measure(name: &str, size: Size, seed: u64) -> Result<Case, Error> {
    let solver = Solver::new(generators::dense_structure(size), Settings::default())?;
    let bar = ProgressBar::new(size.batch as u64).with_style(
        ProgressStyle::with_template("{prefix:8} {bar:40} {pos}/{len} {elapsed}")
            .expect("a valid template"),
    );
    bar.set_prefix(name.to_owned());
    let (mut solver_seconds, mut oracle_seconds) = (0.0, 0.0);
    let mut samples = Vec::with_capacity(size.batch);
    for (chunk, first) in (0..size.batch).step_by(CHUNK).enumerate() {
        let size = Size { batch: CHUNK.min(size.batch - first), ..size };
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(chunk as u64);
        let batch = generators::random_qp(size, seed);
        let (n, rows) = (batch.variables(), batch.rows());
        let gx = normal_vector(n, size.batch, seed ^ 1 << 60);
        let gz = normal_vector(rows, size.batch, seed ^ 1 << 61);
        let gs = normal_vector(rows, size.batch, seed ^ 1 << 62);
        let cotangent = Cotangent { x: Some(&gx), z: Some(&gz), s: Some(&gs) };

        let start = Instant::now();
        let (solution, tape) = solver.forward(&batch.values())?;
        let how = Differentiation { on_failure: OnFailure::Nan, ..Differentiation::default() };
        let gradients = tape.vjp(&cotangent, &how)?;
        solver_seconds += start.elapsed().as_secs_f64();

        let start = Instant::now();
        let compared: Vec<Sample> = (0..size.batch)
            .into_par_iter()
            .map(|i| {
                let cotangent =
                    (&gx[i * n..][..n], &gz[i * rows..][..rows], &gs[i * rows..][..rows]);
                let compared = compare(&batch, i, &solution, &gradients, cotangent);
                bar.inc(1);
                Sample { report: solution.reports[i], compared }
            })
            .collect();
        samples.extend(compared);
        oracle_seconds += start.elapsed().as_secs_f64();
    }
    bar.finish();
    Ok(Case { name: name.to_owned(), samples, solver_seconds, oracle_seconds })
}

fn compare(
    batch: &ProgramBatch,
    i: usize,
    solution: &Solution,
    gradients: &Gradients,
    (gx, gz, gs): (&[f64], &[f64], &[f64]),
) -> Result<Compared, String> {
    let (n, rows) = (batch.variables(), batch.rows());
    let (z, s) = (&solution.z[i * rows..][..rows], &solution.s[i * rows..][..rows]);
    let exact = ActiveSetSolution::solve(&batch.program(i), z, s).map_err(|e| e.to_string())?;
    let expected = exact.vjp(gx, gz, gs).stored(&batch.structure);
    let errors = [
        (&gradients.p, &expected.p),
        (&gradients.q, &expected.q),
        (&gradients.a, &expected.a),
        (&gradients.b, &expected.b),
    ]
    .map(|(found, expected)| {
        relative_error(&found[i * expected.len()..][..expected.len()], expected)
    });
    Ok(Compared {
        x: relative_error(&solution.x[i * n..][..n], &exact.x),
        gradients: worst(errors),
        margin: exact.margin,
        condition: exact.condition,
        degenerate: exact.is_degenerate(),
    })
}

/// The largest; NaN counts as larger than any number.
fn worst(errors: impl IntoIterator<Item = f64>) -> f64 {
    errors.into_iter().map(f64::abs).max_by(f64::total_cmp).unwrap_or(0.0)
}

impl Case {
    fn errors(&self, unflagged_only: bool, of: fn(&Compared) -> f64) -> Vec<f64> {
        let mut errors: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| !(unflagged_only && sample.report.is_degenerate()))
            // An unflagged sample without an exact solution is as wrong as can be.
            .map(|sample| sample.compared.as_ref().map_or(f64::NAN, of).abs())
            .collect();
        errors.sort_unstable_by(f64::total_cmp);
        errors
    }

    fn median(&self, of: fn(&Compared) -> f64) -> f64 {
        let errors = self.errors(false, of);
        errors.get(errors.len() / 2).copied().unwrap_or(0.0)
    }

    fn worst_unflagged(&self, of: fn(&Compared) -> f64) -> f64 {
        worst(self.errors(true, of))
    }

    fn flagged_count(&self) -> (usize, usize) {
        let flagged = self.samples.iter().filter(|sample| sample.report.is_degenerate());
        let confirmed = flagged.clone().filter(|sample| sample.is_confirmed());
        (flagged.count(), confirmed.count())
    }

    fn is_within_limits(&self) -> bool {
        let (flagged, confirmed) = self.flagged_count();
        let within = |of: fn(&Compared) -> f64| {
            self.median(of) <= MEDIAN_LIMIT && self.worst_unflagged(of) <= WORST_LIMIT
        };
        within(|c| c.x) && within(|c| c.gradients) && flagged == confirmed
    }

    fn cells(&self) -> Vec<String> {
        let (flagged, confirmed) = self.flagged_count();
        vec![
            self.name.clone(),
            self.samples.len().to_string(),
            format!("{:.1e}", self.median(|c| c.x)),
            format!("{:.1e}", self.worst_unflagged(|c| c.x)),
            format!("{:.1e}", self.median(|c| c.gradients)),
            format!("{:.1e}", self.worst_unflagged(|c| c.gradients)),
            flagged.to_string(),
            confirmed.to_string(),
            if self.is_within_limits() { "yes" } else { "NO" }.into(),
            format!("{:.2}", self.solver_seconds),
            format!("{:.1}", self.oracle_seconds),
        ]
    }

    /// One line for each flagged sample.
    fn flagged(&self) -> impl Iterator<Item = String> {
        self.samples.iter().enumerate().filter(|(_, i)| i.report.is_degenerate()).map(
            |(index, sample)| {
                let verdict = if sample.is_confirmed() { "confirmed" } else { "NOT confirmed" };
                let Report { status, weakly_active, .. } = sample.report;
                let unique = sample.report.is_unique();
                let oracle = match &sample.compared {
                    Ok(c) => format!(
                        "margin {:.1e}, condition {:.1e}, error of x {:.1e}, of gradients {:.1e}",
                        c.margin, c.condition, c.x, c.gradients
                    ),
                    Err(reason) => reason.clone(),
                };
                format!(
                    "{} sample {index}: flagged ({status}, {weakly_active} weakly active, unique: \
                     {unique}), {verdict}: {oracle}",
                    self.name
                )
            },
        )
    }
}

impl Sample {
    /// Whether the oracle agrees that this sample is degenerate. A solvable program left unsolved
    /// is not.
    fn is_confirmed(&self) -> bool {
        self.report.status == Status::Solved
            && self.compared.as_ref().map_or(true, |compared| compared.degenerate)
    }
}
