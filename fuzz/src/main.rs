//! Feeds malformed input to everything that reads what a caller gives, and reports panics.
//!
//! Inputs are drawn from a seed: the same on every machine, and each can be run alone with
//! `--target NAME --input INDEX`. No coverage guides them; structure does. They start from what is
//! valid, and a few things are broken in each, so that many get far.

mod draw;
mod json;
mod layer_files;
mod models;
mod problem_files;
mod programs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use draw::Draw;

/// How an input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// With an error.
    Refused,
    /// It was taken, and went all the way.
    Accepted,
}

/// One kind of input.
struct Target {
    name: &'static str,
    run: fn(&mut Draw) -> Outcome,
}

const TARGETS: [Target; 4] = [
    Target { name: "layer-files", run: layer_files::run },
    Target { name: "problem-files", run: problem_files::run },
    Target { name: "programs", run: programs::run },
    Target { name: "models", run: models::run },
];

/// What became of a number of inputs.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    accepted: usize,
    /// Indices of those that panicked.
    panicked: Vec<u64>,
}

impl Target {
    /// Runs the inputs of these indices. The panic hook says where each panic was.
    fn run_all(&self, seed: u64, inputs: impl IntoIterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        for index in inputs {
            let mut draw = Draw::new(seed, index);
            match catch_unwind(AssertUnwindSafe(|| (self.run)(&mut draw))) {
                Ok(Outcome::Refused) => tally.refused += 1,
                Ok(Outcome::Accepted) => tally.accepted += 1,
                Err(_) => {
                    eprintln!("panic: --seed {seed} --target {} --input {index}\n", self.name);
                    tally.panicked.push(index);
                }
            }
        }
        tally
    }
}

const HELP: &str = "\
argrad-fuzz [--inputs N] [--seed S] [--target NAME] [--input INDEX]

  --inputs N      how many inputs in all, an equal share for each target (default 1000)
  --seed S        another sequence of inputs (default 0)
  --target NAME   one of layer-files, problem-files, programs, models
  --input INDEX   this one alone
";

/// The command line.
struct Arguments {
    inputs: u64,
    seed: u64,
    target: Option<String>,
    input: Option<u64>,
}

fn arguments() -> Result<Option<Arguments>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut arguments = Arguments { inputs: 1000, seed: 0, target: None, input: None };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("inputs") => arguments.inputs = parser.value()?.parse()?,
            Long("seed") => arguments.seed = parser.value()?.parse()?,
            Long("target") => arguments.target = Some(parser.value()?.string()?),
            Long("input") => arguments.input = Some(parser.value()?.parse()?),
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(arguments))
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("{error}\n\n{HELP}");
            return ExitCode::FAILURE;
        }
    };
    let is_chosen = |target: &&Target| arguments.target.as_ref().is_none_or(|t| t == target.name);
    let chosen: Vec<&Target> = TARGETS.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        eprint!("no such target\n\n{HELP}");
        return ExitCode::FAILURE;
    }
    let share = arguments.inputs.div_ceil(chosen.len() as u64);
    let mut panics = 0;
    for target in chosen {
        let inputs = arguments.input.map_or(0..share, |index| index..index + 1);
        let tally = target.run_all(arguments.seed, inputs);
        println!(
            "{}: {} refused, {} accepted, {} panicked",
            target.name,
            tally.refused,
            tally.accepted,
            tally.panicked.len()
        );
        panics += tally.panicked.len();
    }
    if panics == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inputs of [`main`]'s default, as a test. Both ends are reached, else nothing is shown.
    #[test]
    fn no_malformed_input_panics() {
        for target in &TARGETS {
            let tally = target.run_all(0, 0..250);
            assert!(tally.panicked.is_empty(), "{}: {:?}", target.name, tally.panicked);
            assert!(tally.refused >= 10, "{}: {tally:?}", target.name);
            assert!(tally.accepted >= 10, "{}: {tally:?}", target.name);
        }
    }
}
