//! Are answers the same in any unit, gradients right however ill-conditioned, certificates true?
//!
//! ```text
//! cargo bench -p argrad-conformance --bench units -- [--count N] [--only TABLE]... [--seed N]
//! ```
//! Tables: `sweep`, `conditioning`, `certificates`, `solvable`. `--count 30` for a tenth of them.

#[path = "../cones/families.rs"]
mod families;
#[path = "../cones/quantiles.rs"]
mod quantiles;

#[path = "../command_line/mod.rs"]
mod command_line;

mod certificates;
mod conditioning;
mod sweep;

use std::process::ExitCode;

use argrad_solver::Error;
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use lexopt::ValueExt;

const USAGE: &str = "usage: cargo bench -p argrad-conformance --bench units -- \
                     [--count N] [--only sweep|conditioning|certificates|solvable]... [--seed N]";

/// What was asked for.
pub struct Arguments {
    /// Programs of one family and unit.
    pub count: usize,
    only: Vec<String>,
    /// Of the random numbers.
    pub seed: u64,
}

/// A table: its name, heads of columns, and what makes its rows.
type Section = (&'static str, Vec<&'static str>, fn(&Arguments) -> Result<Vec<Row>, Error>);

/// A row, and whether it reaches what it should.
pub struct Row {
    /// What it says.
    pub cells: Vec<String>,
    /// Whether.
    pub met: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    let sections: [Section; 4] = [
        ("sweep", sweep::HEADER.to_vec(), sweep::rows),
        ("conditioning", conditioning::HEADER.to_vec(), conditioning::rows),
        ("certificates", certificates::HEADER.to_vec(), certificates::rows),
        ("solvable", certificates::SOLVABLE_HEADER.to_vec(), certificates::solvable_rows),
    ];
    let mut all_met = true;
    for (name, header, rows) in sections {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        match rows(&arguments) {
            Ok(rows) => {
                let mut table = Table::new();
                table.load_style(ASCII_MARKDOWN).set_header([header, vec!["met"]].concat());
                for Row { mut cells, met } in rows {
                    all_met &= met;
                    cells.push(if met { "yes" } else { "NO" }.into());
                    table.add_row(cells);
                }
                println!("{name}\n\n{table}\n");
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Result<Arguments, ExitCode> {
    let unsaid = Arguments { count: 300, only: Vec::new(), seed: 1 };
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
