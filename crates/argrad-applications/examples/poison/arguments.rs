//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file, positive};
use clap::Parser;

/// Attacks the training data of a classifier: moves each point a little, in the direction in which
/// the loss on test points grows, by gradients through the training. Robust trainings stand beside
/// it.
///
/// Each seed is another set of points. Ctrl-C ends after the current seed, with the table and the
/// plot so far.
#[derive(Parser, Clone, Debug)]
#[command(name = "poison")]
pub struct Arguments {
    /// Sets of points
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub seeds: usize,

    /// Seed of the first, whose points are drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Training points, and as many test points
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = count)]
    pub points: usize,

    /// Standard deviation of each class
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = positive)]
    pub spread: f64,

    /// Largest budget: how far each coordinate of each training point may be moved
    #[arg(long, value_name = "D", default_value_t = 1.0, value_parser = positive)]
    pub budget: f64,

    /// Budgets beside 0, evenly up to the largest
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub budgets: usize,

    /// Steps of the projected attacks
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count)]
    pub steps: usize,

    /// Weight of both terms of the regularization
    #[arg(long, value_name = "W", default_value_t = 0.1, value_parser = positive)]
    pub penalty: f64,

    /// A second weight, for comparison
    #[arg(long, value_name = "W", default_value_t = 0.001, value_parser = positive)]
    pub weak_penalty: f64,

    /// Radius of the ball around each point that robust trainings reckon with, in budgets
    #[arg(long, value_name = "R", default_value_t = 1.0, value_parser = positive)]
    pub ball: f64,

    /// Where to write the plot
    #[arg(long, value_name = "FILE", default_value = "poison.png", value_parser = plot_file)]
    pub plot: PathBuf,
}

impl Arguments {
    /// The budgets, ascending from 0.
    pub fn all_budgets(&self) -> Vec<f64> {
        (0..=self.budgets).map(|k| self.budget * k as f64 / self.budgets as f64).collect()
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
            ("--points", "none"),
            ("--spread", "nan"),
            ("--budget", "0"),
            ("--budgets", "0"),
            ("--steps", "-3"),
            ("--penalty", "0"),
            ("--weak-penalty", "-1"),
            ("--ball", "inf"),
            ("--plot", "plot.jpg"),
            ("--plot", "no-such-folder/plot.png"),
        ]);
    }
}
