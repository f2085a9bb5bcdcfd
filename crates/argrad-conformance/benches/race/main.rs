//! argrad against Clarabel, in one run: prints one markdown table.
//!
//! ```text
//! cargo bench -p argrad-conformance --bench race -- \
//!     [--quick] [--only NAME]... [--seed N] [--shared]
//! ```
//! `--only` runs the cases whose name contains NAME; `--quick` is a smoke test with small batches
//! and few repeats, whose times mean little. `--shared` compares batches that share P and A with
//! the general way instead.

#[path = "../command_line/mod.rs"]
mod command_line;

mod arguments;
mod cases;
mod report;
mod shared;

use std::process::ExitCode;

use argrad_conformance::fma_peak::{FmaPeak, fma_peak};

fn main() -> ExitCode {
    let arguments = match arguments::read() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    if arguments.shared {
        return match shared::print_table(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let cases: Vec<_> = cases::all(arguments.quick)
        .into_iter()
        .filter(|case| arguments.wants(&case.name))
        .collect();
    if cases.is_empty() {
        let names: Vec<String> = cases::all(false).into_iter().map(|case| case.name).collect();
        eprintln!("no case of that name; there are: {}", names.join(", "));
        return ExitCode::FAILURE;
    }

    let before = fma_peak();
    let mut rows = Vec::new();
    for case in &cases {
        eprintln!("{} ...", case.name);
        match case.run(&arguments) {
            Ok(row) => rows.push(row),
            Err(error) => {
                eprintln!("{}: {error}", case.name);
                return ExitCode::FAILURE;
            }
        }
    }
    let peak = larger(before, fma_peak());
    println!("{}", report::table(&rows, &peak));
    println!("{}", report::legend(&peak));
    ExitCode::SUCCESS
}

/// The larger of two measurements: a share of peak should not profit from a disturbed one.
fn larger(left: FmaPeak, right: FmaPeak) -> FmaPeak {
    FmaPeak {
        one_thread: left.one_thread.max(right.one_thread),
        all_threads: left.all_threads.max(right.all_threads),
        ..left
    }
}
