//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, nonnegative, plot_file, positive};
use clap::Parser;

/// Learns to invest: forecasts of returns and of risk are trained through the portfolio that they
/// lead to, and compared with forecasts that are fitted first and optimized with afterwards.
///
/// Three synthetic markets are played through: one of which all that the portfolio's model assumes
/// is true, one with trading costs, and one in which returns do not follow the signals in a
/// straight line. Ctrl-C ends the training after the current step, with the table and the plot so
/// far.
#[derive(Parser, Clone, Debug)]
#[command(name = "portfolio")]
pub struct Arguments {
    /// Markets of each kind, each with weeks of its own
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub seeds: usize,

    /// Seed of the first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Assets
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_two)]
    pub assets: usize,

    /// Signals, from which returns are forecast
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count)]
    pub signals: usize,

    /// Weeks to learn from, at least 200; the last quarter decides when to stop
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = weeks)]
    pub weeks: usize,

    /// Training steps
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count)]
    pub steps: usize,

    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = 0.004, value_parser = positive)]
    pub lr: f64,

    /// Risk aversion
    #[arg(long, value_name = "NUMBER", default_value_t = 30.0, value_parser = positive)]
    pub aversion: f64,

    /// Cost of trading, in percent of what is bought and of what is sold
    #[arg(long, value_name = "PERCENT", default_value_t = 0.2, value_parser = nonnegative)]
    pub cost: f64,

    /// Where to write the plot
    #[arg(long, value_name = "FILE", default_value = "portfolio.png", value_parser = plot_file)]
    pub plot: PathBuf,
}

/// Two assets at least: with one there is nothing to decide.
fn at_least_two(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0 | 1) | Err(_) => Err("expected a whole number, at least 2".into()),
        Ok(count) => Ok(count),
    }
}

/// Enough weeks for windows of training and of stopping.
fn weeks(text: &str) -> Result<usize, String> {
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
            ("--seed", "x"),
            ("--assets", "1"),
            ("--signals", "0"),
            ("--weeks", "199"),
            ("--steps", "-3"),
            ("--lr", "nan"),
            ("--aversion", "0"),
            ("--cost", "-0.1"),
            ("--plot", "plot.jpg"),
            ("--plot", "no-such-folder/plot.png"),
        ]);
    }
}
