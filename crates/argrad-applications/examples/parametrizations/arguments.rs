//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file};
use clap::Parser;

/// Learns the constraints Ax = b of a quadratic program from its solutions, with A as it is, with
/// its rows normalized and with orthonormal rows, and compares how long that takes.
///
/// A teacher with random constraints solves programs; a student is to find constraints under which
/// the solutions are the same. Each seed is another teacher and another start. docs/training.md has
/// the table that this prints, and what it means.
#[derive(Parser, Clone, Debug)]
#[command(name = "parametrizations")]
pub struct Arguments {
    /// Teachers, each with a student of its own
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub seeds: usize,

    /// Seed of the first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Training steps
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count)]
    pub steps: usize,

    /// Programs that the student sees in each step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count)]
    pub batch: usize,

    /// Where to write the plot
    #[arg(
        long,
        value_name = "FILE",
        default_value = "parametrizations.png",
        value_parser = plot_file
    )]
    pub plot: PathBuf,
}
