//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file, positive};
use clap::{Parser, ValueEnum};

/// Learns what a nonlinear predictive controller of a cart-pole believes or wants from
/// demonstrations, by gradients through its optimal trajectories.
///
/// Ctrl-C ends the training after the current step, with the results and the plot so far.
#[derive(Parser, Clone, Debug)]
#[command(name = "cartpole")]
pub struct Arguments {
    /// What is learned: mass and length of the pole, or the weights of the cost relative to that
    /// of the force
    #[arg(long, value_enum, default_value_t = Learn::Model)]
    pub learn: Learn,

    /// Steps that the controller looks ahead, of 0.05 s
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count)]
    pub horizon: usize,

    /// Demonstrations to learn from, and starts to test on
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count)]
    pub batch: usize,

    /// Steps of the training
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = count)]
    pub steps: usize,

    /// Learning rate, for the logarithms of what is learned; it falls to zero over the last half
    #[arg(long, value_name = "RATE", default_value_t = 0.1, value_parser = positive)]
    pub lr: f64,

    /// Length of the simulations to test on, in steps of 0.05 s
    #[arg(long, value_name = "N", default_value_t = 80, value_parser = count)]
    pub simulate: usize,

    /// Seed of the pole, the starts and the first guess
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Train nothing; print the times of a solve and of its gradient, and each sample with its
    /// optimum, for the comparison with Ipopt (make argmin)
    #[arg(long)]
    pub race: bool,

    /// Where to write the plot
    #[arg(long, value_name = "FILE", default_value = "cartpole.png", value_parser = plot_file)]
    pub plot: PathBuf,
}

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Learn {
    /// Mass and length of the pole.
    Model,
    /// The weights of position, angle, velocity and rate.
    Weights,
}

#[cfg(test)]
mod tests {
    use super::*;
    use argrad_applications::arguments::check_command_line;

    #[test]
    fn the_command_line_is_well_formed_and_bad_values_are_named() {
        check_command_line::<Arguments>(&[
            ("--learn", "everything"),
            ("--horizon", "0"),
            ("--batch", "-3"),
            ("--steps", "many"),
            ("--lr", "nan"),
            ("--simulate", "1.5"),
            ("--seed", "x"),
            ("--plot", "plot.jpg"),
            ("--plot", "no-such-folder/plot.png"),
        ]);
    }
}
