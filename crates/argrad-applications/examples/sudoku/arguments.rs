//! The command line.

use std::path::PathBuf;

use argrad_applications::arguments::{count, plot_file, positive};
use argrad_applications::command::BadInput;
use clap::{Parser, ValueEnum};

/// Trains an optimization layer on Sudoku puzzles. It is told none of the rules: it learns them,
/// as the equality constraints of a quadratic program, from puzzles and their solutions: for 4x4
/// boards by gradients from random numbers, for 9x9 boards by what the solved boards have in
/// common.
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

    /// 9x9 boards: how the equalities are learned [default: null-space]
    #[arg(long, value_name = "HOW")]
    pub rules: Option<RulesFrom>,

    /// 9x9 boards: givens of the generated puzzles to train on, 25 to 80; several numbers, with
    /// commas between, for a mixture [default: 36]
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        conflicts_with = "data",
        value_parser = clap::value_parser!(u8).range(25..=80)
    )]
    pub givens: Vec<u8>,

    /// 9x9 boards: givens of the generated puzzles to test on, as many puzzles for each number
    /// [default: 36,30,27]
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        conflicts_with = "data",
        value_parser = clap::value_parser!(u8).range(25..=80)
    )]
    pub test_givens: Vec<u8>,

    /// 9x9 boards: passes through the layer, each with what the last one said in its objective
    /// [default: 3]
    #[arg(long, value_name = "N", value_parser = count)]
    pub passes: Option<usize>,

    /// 9x9 boards: passes at most where what the layer leaves open is guessed [default: 100]
    #[arg(long, value_name = "N", value_parser = count)]
    pub guesses: Option<usize>,

    /// 9x9 boards: steps of the training of the objective [default: 60]
    #[arg(long, value_name = "N", value_parser = count)]
    pub steps: Option<usize>,

    /// Puzzles to train on [default: 4500; 9000 for 9x9 boards, 100 for those with random rules;
    /// less when FILE holds less]
    #[arg(long, value_name = "N", value_parser = count)]
    pub train: Option<usize>,

    /// Puzzles to test on, others than those to train on [default: 500; 1000 for 9x9 boards,
    /// 20 for those with random rules; less when FILE holds less]
    #[arg(long, value_name = "N", value_parser = count)]
    pub test: Option<usize>,

    /// Passes over the training puzzles where rules are learned by gradients [default: 5; 1 for 9x9
    /// boards]
    #[arg(long, value_name = "N", value_parser = count)]
    pub epochs: Option<usize>,

    /// Puzzles in a training step [default: 150; 32 for 9x9 boards, 20 for those with random
    /// rules]
    #[arg(long, value_name = "N", value_parser = count)]
    pub batch: Option<usize>,

    /// Learning rate of the optimization layer; for 9x9 boards with other than random rules that of
    /// the logarithms of its objective
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

/// How the equalities of a layer for 9x9 boards are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RulesFrom {
    /// All equalities that the solved boards have in common, in closed form; the objective is
    /// trained.
    NullSpace,
    /// The same, given that digits are interchangeable: equalities are shared by the digits, and
    /// far fewer boards show them.
    Tied,
    /// By gradients from random numbers, as for 4x4 boards: this does not learn 9x9 boards in any
    /// time worth waiting for.
    Random,
}

/// The numbers that depend on the board's order.
pub struct Defaults {
    pub train: usize,
    pub test: usize,
    pub epochs: usize,
    pub batch: usize,
}

impl Arguments {
    /// How the equalities are learned.
    pub fn rules(&self) -> RulesFrom {
        match self.board {
            2 => RulesFrom::Random,
            _ => self.rules.unwrap_or(RulesFrom::NullSpace),
        }
    }

    pub fn defaults(&self) -> Defaults {
        match (self.board, self.rules()) {
            (2, _) => Defaults { train: 4500, test: 500, epochs: 5, batch: 150 },
            (_, RulesFrom::Random) => Defaults { train: 100, test: 20, epochs: 1, batch: 20 },
            _ => Defaults { train: 9000, test: 1000, epochs: 1, batch: 32 },
        }
    }

    /// Options that the others leave without a meaning.
    pub fn check(&self) -> Result<(), BadInput> {
        let without = |options: &[(&str, bool)], needs: &str| match options
            .iter()
            .find(|(_, given)| *given)
        {
            Some((option, _)) => Err(BadInput(format!("{option} needs {needs}"))),
            None => Ok(()),
        };
        let of_the_objective = [
            ("--test-givens", !self.test_givens.is_empty()),
            ("--passes", self.passes.is_some()),
            ("--guesses", self.guesses.is_some()),
            ("--steps", self.steps.is_some()),
        ];
        let of_gradients = [
            ("--epochs", self.epochs.is_some()),
            ("--no-baseline", self.no_baseline),
            ("--hidden", self.hidden.is_some()),
        ];
        match (self.board, self.rules()) {
            (2, _) => {
                let nine =
                    [("--rules", self.rules.is_some()), ("--givens", !self.givens.is_empty())];
                without(&nine, "--board 3")?;
                without(&of_the_objective, "--board 3")
            }
            (_, RulesFrom::Random) => without(
                &of_the_objective,
                "--rules null-space or tied: random rules have no such objective",
            ),
            _ => without(&of_gradients, "--board 2 or --rules random"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argrad_applications::arguments::check_command_line;

    #[test]
    fn the_command_line_is_well_formed_and_bad_values_are_named() {
        check_command_line::<Arguments>(&[
            ("--epochs", "0"),
            ("--batch", "-3"),
            ("--lr", "nan"),
            ("--lr", "0"),
            ("--board", "4"),
            ("--train", "many"),
            ("--seed", "x"),
            ("--hidden", "0"),
            ("--givens", "24"),
            ("--givens", "36,81"),
            ("--test-givens", "x"),
            ("--rules", "told"),
            ("--passes", "0"),
            ("--guesses", "-1"),
            ("--steps", "0"),
            ("--plot", "plot.jpg"),
            ("--plot", "no-such-folder/plot.png"),
        ]);
    }

    #[test]
    fn options_without_a_meaning_are_refused() {
        for (line, reason) in [
            ("--passes=2", "--passes needs --board 3"),
            ("--rules=tied", "--rules needs --board 3"),
            ("--board=3 --epochs=2", "--epochs needs --board 2 or --rules random"),
            ("--board=3 --rules=random --steps=9", "--steps needs --rules null-space or tied"),
        ] {
            let words = std::iter::once("sudoku").chain(line.split(' '));
            let error = Arguments::try_parse_from(words).unwrap().check().unwrap_err();
            assert!(error.to_string().starts_with(reason), "{error}");
        }
        let both = Arguments::try_parse_from(["sudoku", "--board=3", "--data=x", "--givens=30"]);
        assert!(both.unwrap_err().to_string().contains("--givens"));
        let fine = ["sudoku", "--board=3", "--givens=36,30", "--passes=4"];
        assert!(Arguments::try_parse_from(fine).unwrap().check().is_ok());
    }
}
