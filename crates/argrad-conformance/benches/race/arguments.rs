//! Command line.

use std::process::ExitCode;

use lexopt::ValueExt;

use crate::command_line;

const USAGE: &str = "usage: cargo bench -p argrad-conformance --bench race -- \
                         [--quick] [--only NAME]... [--seed N] [--shared]";

/// What to run, and how long.
#[derive(Debug)]
pub struct Arguments {
    /// Small batches, few repeats.
    pub quick: bool,
    /// Parts of case names; empty means all.
    pub only: Vec<String>,
    /// Seed of the programs.
    pub seed: u64,
    /// Compare shared matrices with the general way.
    pub shared: bool,
}

impl Arguments {
    /// Whether a case of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

/// Reads the command line.
///
/// # Errors
/// How to exit where there is nothing to run.
pub fn read() -> Result<Arguments, ExitCode> {
    let unsaid = Arguments { quick: false, only: Vec::new(), seed: 1, shared: false };
    command_line::read(USAGE, unsaid, |arguments, name, value| {
        match name {
            "quick" => arguments.quick = true,
            "only" => arguments.only.push(value()?.string()?),
            "seed" => arguments.seed = value()?.parse()?,
            "shared" => arguments.shared = true,
            _ => return Ok(false),
        }
        Ok(true)
    })
}
