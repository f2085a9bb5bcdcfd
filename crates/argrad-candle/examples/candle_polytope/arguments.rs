//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, nonnegative, plot_file, positive};
use clap::Parser;

/// Learns a polygon from points and their nearest points in it, with a layer that projects onto
/// the polygon it has learned so far, and beside it a network that is to do the same.
///
/// Ctrl-C ends the training after the current step, with the numbers and the plot so far.
#[derive(Parser, Clone, Debug)]
#[command(name = "candle_polytope")]
pub struct Arguments {
    /// Sides of the polygon that is to be found
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5,
        value_parser = clap::value_parser!(u16).range(3..=50)
    )]
    pub sides: u16,

    /// Sides of the polygon that the layer learns
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(3..=50)
    )]
    pub learned: u16,

    /// Points to train on
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count)]
    pub train: usize,

    /// Points to test on
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = count)]
    pub test: usize,

    /// Standard deviation of the noise on the nearest points that are learned from
    #[arg(long, value_name = "SIZE", default_value_t = 0.02, value_parser = nonnegative)]
    pub noise: f64,

    /// Training steps, each with all points
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = count)]
    pub steps: usize,

    /// Learning rate of the layer at first; it falls to a hundredth of that
    #[arg(long, value_name = "RATE", default_value_t = 0.1, value_parser = positive)]
    pub lr: f64,

    /// Learning rate of the network at first, likewise
    #[arg(long, value_name = "RATE", default_value_t = 0.01, value_parser = positive)]
    pub network_lr: f64,

    /// Hidden units in each of the network's two hidden layers
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count)]
    pub hidden: usize,

    /// Seed of the polygon, the points, the noise and the initial weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Where to write the plot
    #[arg(
        long,
        value_name = "FILE",
        default_value = "candle_polytope.png",
        value_parser = plot_file
    )]
    pub plot: PathBuf,
}
