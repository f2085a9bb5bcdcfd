//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file, positive};
use clap::Parser;

/// Approximate dynamic programming: learns the quadratic value function of a controller with
/// bounded inputs by what its closed loop costs, and compares it with the regulator cut off at the
/// bounds and with a lower bound. The first system is that of the paper, others are random.
///
/// Ctrl-C ends the work after the current step, with the results and the plot so far.
#[derive(Parser, Clone, Debug)]
#[command(name = "adp")]
pub struct Arguments {
    /// Systems, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub systems: usize,

    /// Steps of the training
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count)]
    pub steps: usize,

    /// Runs in a step of the training
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = count)]
    pub batch: usize,

    /// Length of a run, in steps of the system
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count)]
    pub length: usize,

    /// Held-out runs to test on
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = count)]
    pub test: usize,

    /// Learning rate; a tenth of it after half of the steps
    #[arg(long, value_name = "RATE", default_value_t = 0.1, value_parser = positive)]
    pub lr: f64,

    /// Seed of the random systems and of all runs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u32,

    /// Where to write the plot
    #[arg(long, value_name = "FILE", default_value = "adp.png", value_parser = plot_file)]
    pub plot: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use argrad_applications::arguments::check_command_line;

    #[test]
    fn the_command_line_is_well_formed_and_bad_values_are_named() {
        check_command_line::<Arguments>(&[
            ("--systems", "0"),
            ("--steps", "-1"),
            ("--batch", "many"),
            ("--length", "0"),
            ("--test", "1.5"),
            ("--lr", "0"),
            ("--seed", "x"),
            ("--plot", "no-such-folder/plot.png"),
        ]);
    }
}
