//! The command line of a bench.

use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::{Arg, Error, Parser};

/// The value of an option, or what stands without one: taken where an option has a value.
pub type Value<'a> = &'a mut dyn FnMut() -> Result<OsString, Error>;

/// Reads the command line into `arguments`, which hold what counts where nothing is said. `set` is
/// told the name of each option, empty for what stands without one, and says whether there is such
/// an option.
///
/// # Errors
/// How to exit where there is nothing to run: help was asked for, and given; or something is wrong,
/// and said.
pub fn read<A>(
    usage: &str,
    arguments: A,
    set: impl Fn(&mut A, &str, Value<'_>) -> Result<bool, Error>,
) -> Result<A, ExitCode> {
    match parse(arguments, set) {
        Ok(Some(arguments)) => Ok(arguments),
        Ok(None) => {
            println!("{usage}");
            Err(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}\n{usage}");
            Err(ExitCode::FAILURE)
        }
    }
}

/// `None` where help was asked for.
fn parse<A>(
    mut arguments: A,
    set: impl Fn(&mut A, &str, Value<'_>) -> Result<bool, Error>,
) -> Result<Option<A>, Error> {
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        let (name, mut alone) = match argument {
            Arg::Long("bench") => continue, // cargo adds it to every bench
            Arg::Long("help") => return Ok(None),
            Arg::Long(name) => (name.to_owned(), None),
            Arg::Value(value) => (String::new(), Some(value)),
            short => return Err(short.unexpected()),
        };
        let mut value = || alone.take().map_or_else(|| parser.value(), Ok);
        if !set(&mut arguments, &name, &mut value)? {
            return Err(if name.is_empty() {
                Error::UnexpectedArgument(value()?)
            } else {
                Error::UnexpectedOption(format!("--{name}"))
            });
        }
    }
    Ok(Some(arguments))
}
