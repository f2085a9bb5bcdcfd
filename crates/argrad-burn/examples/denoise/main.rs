//! Denoising: a regularizer is learned through the optimization problem that it is part of.
//!
//! Total variation denoising keeps jumps and removes noise,
//!
//! ```text
//! minimize over z   1/2 |y - z|^2 + weight |Dz|_1
//! ```
//!
//! with D the differences of neighbours. Here the weight is learned, then D itself, from pairs of
//! noisy and clean signals: the gradient of the error goes through the minimizer. The comparison is
//! that of Amos and Kolter, "OptNet: Differentiable Optimization as a Layer in Neural Networks"
//! (2017), section 4.3, on data made as theirs. With `--image` the same is done for pictures, with
//! a bank of learned filters.

mod adaptive;
mod arguments;
mod comparison;
mod denoiser;
mod filters;
mod image;
mod image_plot;
mod method;
mod optnet;
mod perceptron;
mod picture;
mod plot;
mod signals;
mod train;
mod variation;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use argrad_applications::command::{self, Failure};
use argrad_applications::interruption::Interruption;
use burn::tensor::{Device, FloatDType};
use rand::SeedableRng;
use rand::rngs::StdRng;

use arguments::Arguments;
use comparison::{Comparison, Row};
use signals::Signals;

fn main() -> ExitCode {
    command::run(run)
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let device = double_precision()?;
    if arguments.image {
        return image::run(arguments, &device, interruption);
    }
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let count = arguments.train.unwrap_or(SIGNALS);
    let (train, test) =
        Signals::generate(count.saturating_add(arguments.test), &mut rng).split_at(count);
    let tested = arguments.test;
    println!("{count} signals to train on, {tested} to test on; noise of 10: an error of 100");
    let comparison =
        Comparison { arguments, train: &train, test: &test, device: &device, interruption };
    println!(
        "{:<38} {:>10}  {:>13}  {:>13}  {:>7}",
        "mean squared error", "parameters", "train (paper)", "test (paper)", "time"
    );
    let rows = comparison.run(print)?;
    plot::write(&arguments.plot(), &rows, &test)?;
    println!("\nplot: {}", arguments.plot().display());
    if interruption.requested() {
        println!("interrupted: the last method is as far as it came");
    }
    Ok(())
}

/// Signals to train on: nine tenths of the published 10,000.
const SIGNALS: usize = 9000;

/// burn's Flex backend with autodiff, in f64.
fn double_precision() -> Result<Device, Failure> {
    let mut device = Device::flex();
    device.configure(FloatDType::F64)?;
    Ok(device.autodiff())
}

/// A row of the table.
fn print(row: &Row) {
    let error = |k: usize| {
        let published =
            row.method.published().map_or("-".into(), |published| format!("{:.1}", published[k]));
        format!("{:.1} ({published})", row.errors[k])
    };
    println!(
        "{:<38} {:>10}  {:>13}  {:>13}  {:>5.1} s",
        row.method.name(),
        row.parameters,
        error(0),
        error(1),
        row.duration.as_secs_f64()
    );
    if let Some(weight) = row.weight {
        println!("    with the weight {weight:.2}");
    }
}
