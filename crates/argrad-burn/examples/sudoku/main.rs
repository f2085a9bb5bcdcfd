//! A network learns the rules of Sudoku from examples alone.
//!
//! Its only layer is a quadratic program: the puzzle enters the objective, and the equality
//! constraints, 40 rows of random numbers at first, are learned (Amos and Kolter, "OptNet:
//! Differentiable Optimization as a Layer in Neural Networks", 2017, section 4.4).

mod arguments;
mod baseline;
mod board;
mod layer;
mod plot;
mod puzzles;
mod text;
mod train;

use std::collections::HashSet;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::tensor::{Device, FloatDType};
use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use arguments::Arguments;
use baseline::Perceptron;
use board::Rules;
use layer::OptimizationLayer;
use plot::Curve;
use puzzles::{Puzzle, PuzzleError};
use train::Training;

/// Exit code of a program ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            // 2: the input is to blame.
            ExitCode::from(if error.is::<PuzzleError>() { 2 } else { 1 })
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let rules = Rules::new(arguments.board.into());
    let (train, test) = examples(arguments, rules, &mut rng)?;
    let size = format!("{0}x{0}", rules.side());
    announce(arguments, &size, &train, &test);

    let interrupted = interruption()?;
    let mut device = Device::flex();
    device.configure(FloatDType::F64)?;
    let device = device.autodiff();
    device.seed(arguments.seed);
    let defaults = arguments.defaults();
    let training = Training {
        rules,
        train: &train,
        test: &test,
        epochs: arguments.epochs.unwrap_or(defaults.epochs),
        batch: arguments.batch.unwrap_or(defaults.batch),
        learning_rate: arguments.lr,
        interrupted: &interrupted,
    };

    let layer = OptimizationLayer::new(rules, &device)?;
    let (equalities, parameters) = (OptimizationLayer::equalities(rules), layer.num_params());
    println!("\noptimization layer, {equalities} learned equalities, {parameters} parameters");
    let layer = train::train(layer, &training, &device, &mut rng)?;
    let mut curves =
        vec![Curve { name: "optimization layer", history: &layer, color: plot::LAYER }];

    let perceptron;
    if !arguments.no_baseline && !interrupted.load(Ordering::Relaxed) {
        let hidden = arguments.hidden.unwrap_or(Perceptron::hidden_for(rules, parameters));
        let network = Perceptron::new(rules, hidden, &device);
        let parameters = network.num_params();
        println!("\nmultilayer perceptron, {hidden} hidden units, {parameters} parameters");
        let training = Training { learning_rate: Perceptron::learning_rate(hidden), ..training };
        perceptron = train::train(network, &training, &device, &mut rng)?;
        let color = plot::PERCEPTRON;
        curves.push(Curve { name: "perceptron", history: &perceptron, color });
    }

    let title = format!("Sudoku {size}, learned from {} examples", train.len());
    let plot = arguments.plot.display();
    let written = plot::write(&arguments.plot, &title, &curves, &test, rules);
    match &written {
        Ok(()) => println!("\nplot: {plot}"),
        Err(error) => eprintln!("\nerror: cannot write the plot to {plot}: {error}"),
    }
    let interrupted = interrupted.load(Ordering::Relaxed);
    if interrupted {
        println!("interrupted: the figure is that of the last finished epoch");
    }
    println!("test boards exactly solved: {:.1} %", 100.0 * layer.solved());
    Ok(ExitCode::from(match (interrupted, written) {
        (true, _) => INTERRUPTED,
        (false, Err(_)) => 1,
        (false, Ok(())) => 0,
    }))
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

/// A flag that Ctrl-C sets. A second Ctrl-C ends the program at once.
fn interruption() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })?;
    Ok(interrupted)
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
            all
        }
    };
    all.truncate(train + test);
    let test = all.split_off(train);
    Ok((all, test))
}
