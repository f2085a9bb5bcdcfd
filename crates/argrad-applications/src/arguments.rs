//! Checks of command-line values, made before anything is computed. Each is a `value_parser` of
//! clap, which puts the name of the option and what was found before the message.

use std::fmt::Debug;
use std::path::PathBuf;

use clap::Parser;

/// A whole number, at least 1.
pub fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number, at least 1".into()),
        Ok(count) => Ok(count),
    }
}

/// A positive, finite number.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a positive number".into()),
    }
}

/// A number that is finite and not negative.
pub fn nonnegative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number),
        _ => Err("expected a number, at least 0".into()),
    }
}

/// A file name that ends in `.png`, in a folder that exists.
pub fn plot_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.extension().is_none_or(|extension| extension != "png") {
        return Err("expected a file name that ends in .png".into());
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("there is no folder {}", folder.display()))
        }
        _ => Ok(path),
    }
}

/// Tests a command line: it is well formed, and each of these options with this value is refused by
/// a message that names both (of values with commas between them, the last).
///
/// # Panics
/// Where that is not so.
pub fn check_command_line<A: Parser + Debug>(bad: &[(&str, &str)]) {
    A::command().debug_assert();
    for (option, value) in bad {
        let error = A::try_parse_from(["program", &format!("{option}={value}")]).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        let (message, found) = (error.to_string(), value.rsplit(',').next().unwrap_or(value));
        assert!(message.contains(option) && message.contains(found), "{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_of_its_kind_is_refused() {
        assert_eq!(count("12"), Ok(12));
        assert_eq!(positive("1e-3"), Ok(1e-3));
        assert_eq!(nonnegative("0"), Ok(0.0));
        for text in ["0", "-3", "1.5", "many", ""] {
            assert!(count(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "x"] {
            assert!(positive(text).is_err(), "{text}");
        }
        for text in ["-1", "nan", "inf", "x"] {
            assert!(nonnegative(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_plot_needs_a_folder_and_the_right_ending() {
        assert_eq!(plot_file("a.png"), Ok(PathBuf::from("a.png")));
        assert!(plot_file("a.jpg").unwrap_err().contains(".png"));
        assert!(plot_file("no-such-folder/a.png").unwrap_err().contains("no-such-folder"));
    }
}
