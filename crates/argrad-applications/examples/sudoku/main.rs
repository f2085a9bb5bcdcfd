//! A network learns the rules of Sudoku from examples alone.
//!
//! Its only layer is a quadratic program: the puzzle enters the objective, and the equality
//! constraints, 40 rows of random numbers at first, are learned (Amos and Kolter, "OptNet:
//! Differentiable Optimization as a Layer in Neural Networks", 2017, section 4.4).
//!
//! Boards of 9x9 are too much for that. There the constraints are what the solved boards have in
//! common, in closed form ([`affine_hull`], [`sparse_rules`]), gradients through several passes
//! learn the objective ([`passes`]), and where the layer leaves digits open it guesses
//! ([`guesses`]).

mod affine_hull;
mod arguments;
mod baseline;
mod board;
mod guesses;
mod layer;
mod nine_by_nine;
mod nine_plot;
mod objective_training;
mod parallel;
mod passes;
mod plot;
mod puzzles;
mod relaxation;
mod sparse_rules;
mod train;

use std::collections::HashSet;
use std::process::ExitCode;

use argrad_applications::command::{self, BadInput, Failure};
use argrad_applications::interruption::Interruption;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use arguments::{Arguments, RulesFrom};
use baseline::Perceptron;
use board::Rules;
use layer::OptimizationLayer;
use plot::Curve;
use puzzles::{Puzzle, PuzzleError};
use train::{Network, Training};

fn main() -> ExitCode {
    command::run(run)
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    arguments.check()?;
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let rules = Rules::new(arguments.board.into());
    let (train, test) =
        examples(arguments, rules, &mut rng).map_err(|error| BadInput(error.to_string()))?;
    let size = format!("{0}x{0}", rules.side());
    announce(arguments, &size, &train, &test);
    if arguments.rules() != RulesFrom::Random {
        return nine_by_nine::run(arguments, rules, &train, test, interruption, &mut rng);
    }

    let defaults = arguments.defaults();
    let training = Training {
        rules,
        train: &train,
        test: &test,
        epochs: arguments.epochs.unwrap_or(defaults.epochs),
        batch: arguments.batch.unwrap_or(defaults.batch),
        learning_rate: arguments.lr,
        interruption,
    };

    let mut layer = OptimizationLayer::new(rules, &mut rng)?;
    let (equalities, parameters) = (OptimizationLayer::equalities(rules), layer.parameter_count());
    println!("\noptimization layer, {equalities} learned equalities, {parameters} parameters");
    let layer = train::train(layer, &training, &mut rng)?;
    let mut curves =
        vec![Curve { name: "optimization layer", history: &layer, color: plot::LAYER }];

    let perceptron;
    if !arguments.no_baseline && !interruption.requested() {
        let hidden = arguments.hidden.unwrap_or(Perceptron::hidden_for(rules, parameters));
        let mut network = Perceptron::new(rules, hidden, &mut rng);
        let parameters = network.parameter_count();
        println!("\nmultilayer perceptron, {hidden} hidden units, {parameters} parameters");
        let training = Training { learning_rate: Perceptron::learning_rate(hidden), ..training };
        perceptron = train::train(network, &training, &mut rng)?;
        let color = plot::PERCEPTRON;
        curves.push(Curve { name: "perceptron", history: &perceptron, color });
    }

    let title = format!("Sudoku {size}, learned from {} examples", train.len());
    plot::write(&arguments.plot, &title, &curves, &test, rules)?;
    println!("\nplot: {}", arguments.plot.display());
    if interruption.requested() {
        println!("interrupted: the figure is that of the last finished epoch");
    }
    println!("test boards exactly solved: {:.1} %", 100.0 * layer.solved());
    Ok(())
}

/// Says what the networks are trained and tested on.
fn announce(arguments: &Arguments, size: &str, train: &[Puzzle], test: &[Puzzle]) {
    let source = match &arguments.data {
        Some(path) => format!("from {}", path.display()),
        None => format!("generated with seed {}", arguments.seed),
    };
    println!("{size} puzzles {source}: {} to train, {} to test", train.len(), test.len());
    let known: HashSet<&Puzzle> = train.iter().collect();
    let repeated = test.iter().filter(|puzzle| known.contains(puzzle)).count();
    if repeated > 0 {
        println!("the file repeats puzzles: {repeated} of those to test are among those to train");
    }
}

/// The puzzles to train and to test on, in random order.
fn examples(
    arguments: &Arguments,
    rules: Rules,
    rng: &mut StdRng,
) -> Result<(Vec<Puzzle>, Vec<Puzzle>), PuzzleError> {
    let defaults = arguments.defaults();
    let (mut train, mut test) =
        (arguments.train.unwrap_or(defaults.train), arguments.test.unwrap_or(defaults.test));
    let mut all = match &arguments.data {
        None if rules.order() == 3 => nine_by_nine::generate(arguments, rules, train, test, rng)?,
        None => puzzles::generate(rules, train.saturating_add(test), rng)?,
        Some(path) => {
            let mut all = puzzles::read(path, rules)?;
            // What was not asked for by number adapts to what the file holds: one in ten to test.
            test = arguments.test.unwrap_or(test.min(all.len() / 10).max(1));
            train = arguments.train.unwrap_or(train.min(all.len().saturating_sub(test)).max(1));
            let wanted = train.saturating_add(test);
            if all.len() < wanted {
                return Err(PuzzleError::TooFew {
                    path: path.clone(),
                    found: all.len(),
                    wanted,
                    train,
                    test,
                });
            }
            all.shuffle(rng);
            all.truncate(wanted);
            all
        }
    };
    let test = all.split_off(train);
    Ok((all, test))
}
