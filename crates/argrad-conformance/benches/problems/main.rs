//! Sets of problems, most of them real, solved and differentiated by argrad, and solved by Clarabel
//! in the same run.
//!
//! ```text
//! cargo bench -p argrad-conformance --bench problems -- [DIR] [--set SET]... [--only NAME]...
//!     [--warm] [--alone] [--csv FILE] [--quick] [--engine auto|lanes|sparse] [--tolerance T]
//!     [--seed N]
//! ```
//! DIR holds a folder of JSON files a set (see `problem_file`); without it, the environment
//! variable `ARGRAD_PROBLEMS` or `../shared/data/problems` beside the repository. The set `max-cut`
//! is generated, and solved when asked for by `--set`. `--only` takes the problems whose name
//! contains NAME. `--alone` leaves Clarabel out. `--warm` follows sequences of nearby programs,
//! from scratch and warm-started. Relative paths start at the root of the repository. Prints one
//! markdown table and a summary a set; fails when argrad calls a point solved that is not, as
//! measured here.

#[path = "../command_line/mod.rs"]
mod command_line;

mod arguments;
mod cold;
mod cold_report;
mod judgement;
mod sets;
mod warm;
mod warm_report;

use std::process::ExitCode;

use argrad_conformance::problem_file::FOLDER_VARIABLE;
use indicatif::{ProgressBar, ProgressStyle};

use arguments::Arguments;

/// Any error ends the run; its message says what to do.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments = match arguments::read() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    if arguments.wants_files() && !arguments.folder.is_dir() {
        println!(
            "skipped: there is no folder {}; give one as an argument or in {FOLDER_VARIABLE}",
            arguments.folder.display()
        );
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every point that argrad calls solved is so.
fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let sets = sets::chosen(arguments)?;
    let count = sets.iter().map(|set| set.sources.len()).sum::<usize>();
    let bar = ProgressBar::new(count as u64).with_style(
        ProgressStyle::with_template("{msg:16} {wide_bar} {pos}/{len} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let tolerance = arguments.tolerance;
    let mut cold = cold_report::Report { rows: Vec::new(), tolerance };
    let mut warm = warm_report::Report { rows: Vec::new(), tolerance };
    for set in &sets {
        for source in &set.sources {
            let problem = source.problem()?;
            bar.set_message(problem.name.clone());
            if arguments.warm {
                warm.rows.extend(warm::follow(&set.name, &problem, arguments)?);
            } else {
                cold.rows.push(cold::contest(&set.name, &problem, arguments));
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let (text, sound) = if arguments.warm {
        (warm.text(), warm.is_sound())
    } else {
        (cold.text(), cold.is_sound())
    };
    println!("{text}");
    if let Some(path) = &arguments.csv {
        let mut writer =
            csv::Writer::from_path(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if arguments.warm {
            warm.write_csv(&mut writer)?
        } else {
            cold.write_csv(&mut writer)?
        }
        writer.flush()?;
        println!("Every number: {}", path.display());
    }
    Ok(sound)
}
