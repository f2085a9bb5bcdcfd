//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file, positive};
use clap::Parser;

/// Learns model and weights of a predictive controller by what its closed loop costs, and compares
/// it with two stages (identify the model by least squares, then control); learns the weights of an
/// expert by imitation.
///
/// Ctrl-C ends the work after the current step, with the results and the plot so far.
#[derive(Parser, Clone, Debug)]
#[command(name = "mpc")]
pub struct Arguments {
    /// Steps that the controller looks ahead, of 0.2 s
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub horizon: usize,

    /// Plants, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub seeds: usize,

    /// Steps of the training
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = count)]
    pub steps: usize,

    /// Runs in a step of the training
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = count)]
    pub batch: usize,

    /// Length of a run, in steps of 0.2 s
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = count)]
    pub length: usize,

    /// Held-out runs to test on
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = count)]
    pub test: usize,

    /// Learning rate; it falls to zero over the last half
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = positive)]
    pub lr: f64,

    /// First seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u32,

    /// Where to write the plot
    #[arg(long, value_name = "FILE", default_value = "mpc.png", value_parser = plot_file)]
    pub plot: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use argrad_applications::arguments::check_command_line;

    #[test]
    fn the_command_line_is_well_formed_and_bad_values_are_named() {
        check_command_line::<Arguments>(&[
            ("--horizon", "0"),
            ("--seeds", "-1"),
            ("--steps", "many"),
            ("--batch", "0"),
            ("--length", "1.5"),
            ("--test", "0"),
            ("--lr", "inf"),
            ("--seed", "-1"),
            ("--plot", "plot.jpg"),
        ]);
    }
}
