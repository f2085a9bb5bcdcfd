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

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, FloatDType};
use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use arguments::Arguments;
use baseline::Perceptron;
use board::Rules;
use burn::module::Module;
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
    let side = rules.side();
    let source =
        arguments.data.as_ref().map_or("generated".into(), |path| path.display().to_string());
    println!(
        "{side}x{side} puzzles ({source}): {} to train, {} to test, seed {}",
        train.len(),
        test.len(),
        arguments.seed
    );

    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || {
        // A second Ctrl-C does not wait for the step.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })?;

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
    let parameters = layer.num_params();
    println!(
        "\noptimization layer, {} learned equalities, {} parameters",
        OptimizationLayer::equalities(rules),
        parameters
    );
    let layer = train::train(layer, &training, &device, &mut rng)?;
    println!("trained in {:.1} s", layer.duration.as_secs_f64());
    let mut curves =
        vec![Curve { name: "optimization layer", history: &layer, color: plot::LAYER }];

    let mut perceptron = None;
    if !arguments.no_baseline && !interrupted.load(Ordering::Relaxed) {
        let hidden = arguments.hidden.unwrap_or(Perceptron::hidden_for(rules, parameters));
        let network = Perceptron::new(rules, hidden, &device);
        println!("\nmultilayer perceptron, {hidden} hidden units, {} parameters", network.num_params());
        let training = Training { learning_rate: Perceptron::LEARNING_RATE, ..training };
        perceptron = Some(train::train(network, &training, &device, &mut rng)?);
    }
    if let Some(perceptron) = &perceptron {
        println!("trained in {:.1} s", perceptron.duration.as_secs_f64());
        curves.push(Curve { name: "perceptron", history: perceptron, color: plot::PERCEPTRON });
    }

    let title = format!("Sudoku {side}x{side}, learned from {} examples", train.len());
    plot::write(&arguments.plot, &title, &curves, &test, rules).map_err(|error| {
        format!("cannot write the plot to {}: {error}", arguments.plot.display())
    })?;
    println!("\nplot: {}", arguments.plot.display());
    let ended_early = interrupted.load(Ordering::Relaxed);
    if ended_early {
        println!("interrupted: the figures are those of the last finished evaluation");
    }
    println!("test boards exactly solved: {:.1} %", 100.0 * layer.solved());
    Ok(if ended_early { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
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
