//! Command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use argrad_conformance::problem_file;
use argrad_solver::Engine;
use lexopt::ValueExt;

use crate::command_line;
use crate::judgement::TOLERANCE;
use crate::sets::GENERATED;

const USAGE: &str = "usage: cargo bench -p argrad-conformance --bench problems -- \
                         [DIR] [--set SET]... [--only NAME]... [--warm] [--alone] \
                         [--csv FILE] [--quick] [--engine auto|lanes|sparse] [--tolerance T] \
                         [--seed N]";

/// What to run, and how long.
#[derive(Debug)]
pub struct Arguments {
    /// The folder with the sets.
    pub folder: PathBuf,
    /// Names of sets; empty means all that are files.
    pub sets: Vec<String>,
    /// Parts of problem names; empty means all.
    pub only: Vec<String>,
    /// Sequences of nearby programs instead of the programs themselves.
    pub warm: bool,
    /// Without Clarabel.
    pub alone: bool,
    /// Where to write every number.
    pub csv: Option<PathBuf>,
    /// One round only.
    pub quick: bool,
    /// argrad's engine.
    pub engine: Engine,
    /// Largest residual of a solved program, for both solvers.
    pub tolerance: f64,
    /// Seed of cotangents and paths.
    pub seed: u64,
}

impl Arguments {
    /// Whether a set of this name is asked for. Warm starts are for the MPC set, unless asked.
    pub fn wants_set(&self, name: &str) -> bool {
        match (self.sets.is_empty(), self.warm) {
            (true, true) => name == "mpc",
            (true, false) => !GENERATED.contains(&name),
            (false, _) => self.sets.iter().any(|set| set == name),
        }
    }

    /// Whether any set of files is asked for.
    pub fn wants_files(&self) -> bool {
        let is_generated = |set: &String| GENERATED.contains(&set.as_str());
        self.sets.is_empty() || !self.sets.iter().all(is_generated)
    }

    /// Whether a problem of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

/// Reads the command line.
///
/// # Errors
/// How to exit where there is nothing to run.
pub fn read() -> Result<Arguments, ExitCode> {
    let unsaid = Arguments {
        folder: problem_file::default_folder(),
        sets: Vec::new(),
        only: Vec::new(),
        warm: false,
        alone: false,
        csv: None,
        quick: false,
        engine: Engine::Auto,
        tolerance: TOLERANCE,
        seed: 1,
    };
    // Cargo runs a bench in the folder of its crate, where nobody expects files to be.
    let from_root = |path: OsString| problem_file::repository_root().join(path);
    command_line::read(USAGE, unsaid, |arguments, name, value| {
        match name {
            "" => arguments.folder = from_root(value()?),
            "set" => arguments.sets.push(value()?.string()?),
            "only" => arguments.only.push(value()?.string()?),
            "warm" => arguments.warm = true,
            "alone" => arguments.alone = true,
            "csv" => arguments.csv = Some(from_root(value()?)),
            "quick" => arguments.quick = true,
            "engine" => arguments.engine = value()?.parse_with(engine)?,
            "tolerance" => arguments.tolerance = value()?.parse()?,
            "seed" => arguments.seed = value()?.parse()?,
            _ => return Ok(false),
        }
        Ok(true)
    })
}

fn engine(name: &str) -> Result<Engine, &'static str> {
    match name {
        "auto" => Ok(Engine::Auto),
        "lanes" => Ok(Engine::Lanes),
        "sparse" => Ok(Engine::Sparse),
        _ => Err("expected auto, lanes or sparse"),
    }
}
