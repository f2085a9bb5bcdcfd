//! Command line.

use std::path::PathBuf;

use argrad_conformance::problem_file;
use argrad_solver::Engine;
use lexopt::prelude::*;

use crate::judgement::TOLERANCE;
use crate::sets::GENERATED;

pub const USAGE: &str = "usage: cargo bench -p argrad-conformance --bench problems -- \
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

/// `None` when help was asked for, and given.
pub fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    let mut arguments = Arguments {
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
    let from_root = |path: std::ffi::OsString| problem_file::repository_root().join(path);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(folder) => arguments.folder = from_root(folder),
            Long("set") => arguments.sets.push(parser.value()?.string()?),
            Long("only") => arguments.only.push(parser.value()?.string()?),
            Long("warm") => arguments.warm = true,
            Long("alone") => arguments.alone = true,
            Long("csv") => arguments.csv = Some(from_root(parser.value()?)),
            Long("quick") => arguments.quick = true,
            Long("engine") => arguments.engine = parser.value()?.parse_with(engine)?,
            Long("tolerance") => arguments.tolerance = parser.value()?.parse()?,
            Long("seed") => arguments.seed = parser.value()?.parse()?,
            // Cargo adds it to every bench.
            Long("bench") => {}
            Long("help") => {
                println!("{USAGE}");
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(arguments))
}

fn engine(name: &str) -> Result<Engine, &'static str> {
    match name {
        "auto" => Ok(Engine::Auto),
        "lanes" => Ok(Engine::Lanes),
        "sparse" => Ok(Engine::Sparse),
        _ => Err("expected auto, lanes or sparse"),
    }
}
