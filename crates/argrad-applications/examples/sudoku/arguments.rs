//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file, positive};
use clap::Parser;

/// Trains an optimization layer on Sudoku puzzles. It is told none of the rules: it learns them,
/// as the equality constraints of a quadratic program, from puzzles and their solutions.
///
/// Ctrl-C ends the training after the current step, with the results and the plot so far.
#[derive(Parser, Clone, Debug)]
#[command(name = "sudoku")]
pub struct Arguments {
    /// Read puzzles from FILE, plain or gzip, instead of generating them: one per line, the cells
    /// of the puzzle row by row (0 = blank), a space, the cells of the solution
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// Order of the boards: 2 for 4x4, 3 for 9x9 [default: 2]
    #[arg(
        long,
        value_name = "2|3",
        default_value_t = 2,
        hide_default_value = true,
        value_parser = clap::value_parser!(u8).range(2..=3)
    )]
    pub board: u8,

    /// Puzzles to train on [default: 4500; 100 for 9x9 boards; less when FILE holds less]
    #[arg(long, value_name = "N", value_parser = count)]
    pub train: Option<usize>,

    /// Puzzles to test on, others than those to train on [default: 500; 20 for 9x9 boards; less
    /// when FILE holds less]
    #[arg(long, value_name = "N", value_parser = count)]
    pub test: Option<usize>,

    /// Passes over the training puzzles [default: 5; 1 for 9x9 boards]
    #[arg(long, value_name = "N", value_parser = count)]
    pub epochs: Option<usize>,

    /// Puzzles in a training step [default: 150; 20 for 9x9 boards]
    #[arg(long, value_name = "N", value_parser = count)]
    pub batch: Option<usize>,

    /// Learning rate of the optimization layer
    #[arg(long, value_name = "RATE", default_value_t = 0.1, value_parser = positive)]
    pub lr: f64,

    /// Seed of the puzzles, their order and the initial weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Leave out the multilayer perceptron that is trained for comparison
    #[arg(long)]
    pub no_baseline: bool,

    /// Hidden units of that perceptron [default: as many as give it the layer's number of
    /// parameters]
    #[arg(long, value_name = "N", value_parser = count)]
    pub hidden: Option<usize>,

    /// Where to write the plot
    #[arg(long, value_name = "FILE", default_value = "sudoku.png", value_parser = plot_file)]
    pub plot: PathBuf,
}

/// The numbers that depend on the board's order: learning 9x9 boards takes far more than a
/// demonstration.
pub struct Defaults {
    pub train: usize,
    pub test: usize,
    pub epochs: usize,
    pub batch: usize,
}

impl Arguments {
    pub fn defaults(&self) -> Defaults {
        match self.board {
            2 => Defaults { train: 4500, test: 500, epochs: 5, batch: 150 },
            _ => Defaults { train: 100, test: 20, epochs: 1, batch: 20 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn bad_values_are_named() {
        for (option, value) in [
            ("--epochs", "0"),
            ("--batch", "-3"),
            ("--lr", "nan"),
            ("--lr", "0"),
            ("--board", "4"),
            ("--train", "many"),
            ("--seed", "x"),
            ("--hidden", "0"),
            ("--plot", "plot.jpg"),
            ("--plot", "no-such-folder/plot.png"),
        ] {
            let error =
                Arguments::try_parse_from(["sudoku", &format!("{option}={value}")]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let message = error.to_string();
            assert!(message.contains(option) && message.contains(value), "{message}");
        }
    }
}
