//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file, positive};
use clap::Parser;

use crate::method::Method;

/// Removes noise from piecewise constant signals: total variation, and what is learned in its
/// place, through the quadratic program that it is. With --image, from a picture, by learned
/// filters.
///
/// Ctrl-C ends the training after the current step, with the results and the plot so far.
#[derive(Parser, Clone, Debug)]
#[command(name = "denoise")]
pub struct Arguments {
    /// A picture and learned filters, instead of signals
    #[arg(long)]
    pub image: bool,

    /// Run this method only; may be given several times [default: all]
    #[arg(long, value_name = "METHOD", value_enum, conflicts_with = "image")]
    pub only: Vec<Method>,

    /// Signals (with --image: pictures) to train on [default: 9000; 400]
    #[arg(long, value_name = "N", value_parser = count)]
    pub train: Option<usize>,

    /// Signals to test on, others than those to train on
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count)]
    pub test: usize,

    /// Signals (with --image: pictures) in a training step [default: 150; 20]
    #[arg(long, value_name = "N", value_parser = count)]
    pub batch: Option<usize>,

    /// Train so many times as long: each method has its own number of passes over the data
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    pub effort: f64,

    /// Seed of the data, their order and the initial weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Where to write the plot [default: denoise.png; denoise-image.png]
    #[arg(long, value_name = "FILE", value_parser = plot_file)]
    pub plot: Option<PathBuf>,
}

impl Arguments {
    /// Where to write the plot.
    pub fn plot(&self) -> PathBuf {
        let name = if self.image { "denoise-image.png" } else { "denoise.png" };
        self.plot.clone().unwrap_or(name.into())
    }

    /// Passes over the data, of a method that takes so many unless told otherwise.
    pub fn epochs(&self, usual: f64) -> usize {
        (self.effort * usual).round().max(1.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argrad_applications::arguments::check_command_line;

    #[test]
    fn the_command_line_is_well_formed_and_bad_values_are_named() {
        check_command_line::<Arguments>(&[
            ("--only", "magic"),
            ("--train", "0"),
            ("--test", "-3"),
            ("--batch", "many"),
            ("--effort", "0"),
            ("--effort", "nan"),
            ("--seed", "x"),
            ("--plot", "plot.jpg"),
            ("--plot", "no-such-folder/plot.png"),
        ]);
    }

    #[test]
    fn effort_multiplies_and_a_pass_is_the_least() {
        let of = |effort: &str| Arguments::try_parse_from(["denoise", "--effort", effort]).unwrap();
        assert_eq!([1.0, 10.0].map(|usual| of("2.5").epochs(usual)), [3, 25]);
        assert_eq!(of("0.01").epochs(10.0), 1);
    }
}
