//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file};
use clap::Parser;

/// Fits two-layer ReLU networks of growing width to two functions that an optimization layer
/// represents exactly: a piecewise-linear one (Theorem 2 of OptNet) and the largest of three linear
/// ones (Theorem 3). The layers are also learned, from random starts.
///
/// Ctrl-C ends after the current step, with the fits that are finished.
#[derive(Parser, Clone, Debug)]
#[command(name = "expressivity")]
pub struct Arguments {
    /// Random starts of each network and layer, fitted as one batch
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    pub seeds: usize,

    /// Seed of the first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Hidden units of the widest network; the others have half as many, a quarter, ... down to 1
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = width)]
    pub widest: usize,

    /// Most steps of a fit
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = count)]
    pub steps: usize,

    /// Points along each axis to fit to, in the plane; there are ten times as many on the line
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = count)]
    pub side: usize,

    /// Where to write the plot
    #[arg(long, value_name = "FILE", default_value = "expressivity.png", value_parser = plot_file)]
    pub plot: PathBuf,
}

/// A power of two, so that all widths are halves of it; at most 256.
fn width(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(width) if width.is_power_of_two() && width <= 256 => Ok(width),
        _ => Err("expected a power of two from 1 to 256".into()),
    }
}

impl Arguments {
    /// All widths, ascending.
    pub fn widths(&self) -> Vec<usize> {
        (0..=self.widest.trailing_zeros()).map(|k| 1 << k).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argrad_applications::arguments::check_command_line;

    #[test]
    fn widths_are_powers_of_two() {
        let arguments = Arguments::parse_from(["expressivity", "--widest=8"]);
        assert_eq!(arguments.widths(), [1, 2, 4, 8]);
    }

    #[test]
    fn the_command_line_is_well_formed_and_bad_values_are_named() {
        check_command_line::<Arguments>(&[
            ("--seeds", "0"),
            ("--seed", "1.5"),
            ("--widest", "6"),
            ("--widest", "512"),
            ("--steps", "-3"),
            ("--side", "0"),
            ("--plot", "plot.jpg"),
            ("--plot", "no-such-folder/plot.png"),
        ]);
    }
}
