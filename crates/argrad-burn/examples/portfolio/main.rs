//! Portfolios whose forecasts are trained through the decision.
//!
//! A forecast of returns and an estimate of risk enter a Markowitz portfolio. In two stages both
//! are fitted by least squares, which knows nothing of the portfolio; decision-focused, they are
//! trained on the utility that the portfolios have, through the layer and through the weeks (Donti,
//! Amos and Kolter, "Task-based End-to-end Model Learning in Stochastic Optimization", 2017;
//! Elmachtoub and Grigas, "Smart 'Predict, then Optimize'", 2022; Agrawal, Barratt, Boyd and
//! Stellato, "Learning convex optimization control policies", 2020).

mod arguments;
mod estimate;
mod experiment;
mod market;
mod plot;
mod policy;
mod table;
#[cfg(test)]
mod tests;
mod train;

use std::process::ExitCode;

use argrad_applications::command::{self, Failure};
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use burn::tensor::{Device, FloatDType};

use arguments::Arguments;
use experiment::experiment;
use market::KINDS;

fn main() -> ExitCode {
    command::run(run)
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let device = device()?;
    println!(
        "{} markets of each kind: {} assets, {} signals, {} weeks to learn from; aversion {}, cost \
         {} %",
        arguments.seeds,
        arguments.assets,
        arguments.signals,
        arguments.weeks,
        arguments.aversion,
        arguments.cost
    );
    let bar = progress::bar(arguments.seeds * KINDS.len() * arguments.steps, "steps");
    let mut outcomes = Vec::new();
    'all: for k in 0..arguments.seeds as u64 {
        for kind in KINDS {
            let seed = arguments.seed.wrapping_add(k);
            outcomes.push(experiment(kind, seed, arguments, &device, interruption, &bar)?);
            if interruption.requested() {
                break 'all;
            }
        }
    }
    bar.finish_and_clear();
    println!("\n{}", table::table(&outcomes));
    plot::write(&arguments.plot, &outcomes)?;
    println!("plot: {}", arguments.plot.display());
    if interruption.requested() {
        println!("interrupted: the last market was trained in part, others are missing");
    }
    Ok(())
}

/// Tensors in f64, with autodiff.
fn device() -> Result<Device, Failure> {
    let mut device = Device::flex();
    device.configure(FloatDType::F64)?;
    Ok(device.autodiff())
}
