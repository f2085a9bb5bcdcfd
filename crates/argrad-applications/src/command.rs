//! From the command line to the exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use clap::Parser;

use crate::interruption::{self, Interruption};

/// What an application ends with when it does not succeed.
pub type Failure = Box<dyn Error>;

/// The input is to blame: the program ends with exit code 2, as it does for a bad option.
#[derive(Debug)]
pub struct BadInput(pub String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for BadInput {}

/// Reads the command line and runs the application. A failure is printed; the exit code is 0, 1, 2
/// ([`BadInput`] and bad options) or 130 (Ctrl-C).
pub fn run<A: Parser>(body: impl FnOnce(&A, &Interruption) -> Result<(), Failure>) -> ExitCode {
    let arguments = A::parse();
    let ended = Interruption::by_ctrl_c().map_err(Failure::from).and_then(|interruption| {
        body(&arguments, &interruption)?;
        Ok(interruption.requested())
    });
    match ended {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(interruption::EXIT_CODE),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(if failure.is::<BadInput>() { 2 } else { 1 })
        }
    }
}
