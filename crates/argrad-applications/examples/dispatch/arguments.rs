//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file, positive};
use clap::Parser;

/// Learns forecasts through the decision that they serve, for a battery that trades on prices and
/// for a power network that schedules its generators, and compares them with forecasts that are
/// fitted by least squares first.
///
/// Weather, load and prices are generated, or read from a file of the authors of "Task-based
/// End-to-end Model Learning". Ctrl-C ends the training after the current step, with the tables and
/// the plot so far.
#[derive(Parser, Clone, Debug)]
#[command(name = "dispatch")]
pub struct Arguments {
    /// Read hours from FILE for the battery, instead of generating them: a line of names, then
    /// lines `YYYY-MM-DD HH:00:00,price,load forecast,temperature` (storage_data.csv of
    /// github.com/locuslab/e2e-model-learning, folder battery_storage)
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// Repetitions of each experiment, each with numbers of its own (with --data: with other days
    /// to learn from)
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub seeds: usize,

    /// Seed of the first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Days to generate, at least 200
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = days)]
    pub days: usize,

    /// Training steps
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = count)]
    pub steps: usize,

    /// Learning rate, in standard deviations of what is forecast
    #[arg(long, value_name = "RATE", default_value_t = 0.01, value_parser = positive)]
    pub lr: f64,

    /// Where to write the plot
    #[arg(long, value_name = "FILE", default_value = "dispatch.png", value_parser = plot_file)]
    pub plot: PathBuf,
}

/// Enough days to fit a forecast, to stop its training and to test it.
fn days(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count >= 200 => Ok(count),
        _ => Err("expected a whole number, at least 200".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argrad_applications::arguments::check_command_line;

    #[test]
    fn the_command_line_is_well_formed_and_bad_values_are_named() {
        check_command_line::<Arguments>(&[
            ("--seeds", "0"),
            ("--seed", "-1"),
            ("--days", "199"),
            ("--steps", "many"),
            ("--lr", "0"),
            ("--plot", "plot.jpg"),
            ("--plot", "no-such-folder/plot.png"),
        ]);
    }
}
