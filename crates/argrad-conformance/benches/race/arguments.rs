//! Command line.

use lexopt::prelude::*;

pub const USAGE: &str = "usage: cargo bench -p argrad-conformance --bench race -- \
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

/// `None` when help was asked for, and given.
pub fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    let mut arguments = Arguments { quick: false, only: Vec::new(), seed: 1, shared: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => arguments.quick = true,
            Long("only") => arguments.only.push(parser.value()?.string()?),
            Long("seed") => arguments.seed = parser.value()?.parse()?,
            Long("shared") => arguments.shared = true,
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
