//! Real problem sets, solved and differentiated by argrad, and solved by Clarabel in the same run.
//!
//! ```text
//! cargo bench -p argrad-conformance --bench problems -- [DIR] [--set SET]... [--only NAME]...
//!     [--warm] [--csv FILE] [--quick] [--engine auto|lanes|sparse] [--seed N]
//! ```
//! DIR holds a folder of JSON files a set (see `problem_file`); without it, the environment
//! variable `ARGRAD_PROBLEMS` or `../shared/data/problems` beside the repository. `--only` takes
//! the problems whose name contains NAME. `--warm` follows sequences of nearby programs, from
//! scratch and warm-started. Relative paths start at the root of the repository. Prints one
//! markdown table and a summary a set; fails when argrad calls a point solved that is not, as
//! measured here.

mod arguments;
mod cold;
mod cold_report;
mod judgement;
mod warm;
mod warm_report;

use std::path::PathBuf;
use std::process::ExitCode;

use argrad_conformance::problem_file::{self, FOLDER_VARIABLE, ProblemFile};
use indicatif::{ProgressBar, ProgressStyle};

use arguments::Arguments;

/// Any error ends the run; its message says what to do.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{}", arguments::USAGE);
            return ExitCode::FAILURE;
        }
    };
    if !arguments.folder.is_dir() {
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
    let sets = chosen(arguments)?;
    let count = sets.iter().map(|(_, files)| files.len()).sum::<usize>();
    let bar = ProgressBar::new(count as u64).with_style(
        ProgressStyle::with_template("{msg:16} {wide_bar} {pos}/{len} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let tolerance = arguments.tolerance;
    let mut cold = cold_report::Report { rows: Vec::new(), tolerance };
    let mut warm = warm_report::Report { rows: Vec::new(), tolerance };
    for (set, files) in &sets {
        for path in files {
            let problem = ProblemFile::read(path)?;
            bar.set_message(problem.name.clone());
            if arguments.warm {
                warm.rows.extend(warm::follow(set, &problem, arguments)?);
            } else {
                cold.rows.push(cold::contest(set, &problem, arguments));
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

/// The files to solve, set by set.
fn chosen(arguments: &Arguments) -> Result<Vec<(String, Vec<PathBuf>)>, Failure> {
    let sets = problem_file::sets(&arguments.folder)?;
    let names = || sets.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(unknown) =
        arguments.sets.iter().find(|wanted| sets.iter().all(|(name, _)| name != *wanted))
    {
        let folder = arguments.folder.display();
        return Err(format!("no set {unknown} in {folder}; there are: {}", names()).into());
    }
    let mut chosen = sets.clone();
    chosen.retain(|(name, _)| arguments.wants_set(name));
    for (_, files) in &mut chosen {
        files.retain(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            arguments.wants(file.split('.').next().unwrap_or_default())
        });
    }
    if chosen.iter().all(|(_, files)| files.is_empty()) {
        return Err(format!("no problem of that name in the sets {}", names()).into());
    }
    Ok(chosen)
}
