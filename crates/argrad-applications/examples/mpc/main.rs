//! A predictive controller whose model and weights are learned by what its closed loop costs.
//!
//! At each step the controller solves a quadratic program, of which the plant gets the first input
//! ([`controller`]). Through plant and program the cost of a run has a gradient by everything that
//! the program contains ([`closed_loop`]), so that the controller is tuned for the task instead of
//! its model for prediction (Amos et al., "Differentiable MPC for End-to-end Planning and Control",
//! 2018; Agrawal, Barratt, Boyd and Stellato, "Learning Convex Optimization Control Policies",
//! 2020). Two stages are the rival: a model by least squares, then the weights of the task.

mod arguments;
mod closed_loop;
mod comparison;
mod controller;
mod identification;
mod imitation;
mod learning;
mod plant;
mod plot;

use std::process::ExitCode;
use std::time::Instant;

use argrad_applications::command::{self, Failure};
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use argrad_applications::quantile::quantile;

use arguments::Arguments;
use comparison::{Comparison, Layers, NAMES};

fn main() -> ExitCode {
    command::run(run)
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let layers = Layers::new(arguments.horizon)?;
    let bar = progress::bar(2 * arguments.steps * arguments.seeds, "steps");
    let clock = Instant::now();
    let mut comparisons: Vec<Comparison> = Vec::new();
    for k in 0..arguments.seeds {
        if interruption.requested() {
            break;
        }
        let seed = u64::from(arguments.seed) + k as u64;
        comparisons.push(comparison::compare(&layers, arguments, seed, interruption, |cost| {
            bar.set_message(format!("cost {cost:.3}"));
            bar.inc(1);
        })?);
    }
    bar.finish_and_clear();
    if interruption.requested() {
        println!("interrupted: the training on the last plant is not finished");
    }
    println!("{} plants in {:.1} s\n", comparisons.len(), clock.elapsed().as_secs_f64());
    print_costs(&comparisons);
    print_imitation(&comparisons);
    if !comparisons.is_empty() {
        plot::write(&arguments.plot, &comparisons)?;
        println!("\nplot: {}", arguments.plot.display());
    }
    Ok(())
}

/// Median and range over the seeds.
fn spread(values: Vec<f64>) -> String {
    let at = |share| quantile(values.clone(), share);
    format!("{:.4} ({:.4} to {:.4})", at(0.5), at(0.0), at(1.0))
}

fn print_costs(comparisons: &[Comparison]) {
    println!("cost of the closed loop on held-out runs: median (least to largest) over the plants");
    println!("{:26} {:28} relative to two stages", "", "cost");
    for (k, name) in NAMES.iter().enumerate() {
        let costs = comparisons.iter().map(|own| own.courses[k].mean_cost()).collect();
        let relative = |own: &Comparison| own.courses[k].mean_cost() / own.courses[0].mean_cost();
        let relative: Vec<f64> = comparisons.iter().map(relative).collect();
        println!("{name:26} {:28} {}", spread(costs), spread(relative));
    }
    for (k, name) in NAMES.iter().enumerate().skip(1) {
        let better = |own: &&Comparison| own.courses[k].mean_cost() <= own.courses[0].mean_cost();
        let count = comparisons.iter().filter(better).count();
        println!("{name}: not worse than two stages on {count} of {} plants", comparisons.len());
    }
}

fn print_imitation(comparisons: &[Comparison]) {
    println!("\nimitation of an expert: error of the inputs in states that were not shown");
    let of = |error: fn(&Comparison) -> f64| spread(comparisons.iter().map(error).collect());
    println!("{:26} {}", "weights of the task", of(|own| own.imitation.untuned));
    println!("{:26} {}", "linear feedback, cut off", of(|own| own.imitation.linear));
    println!("{:26} {}", "learned weights", of(|own| own.imitation.learned));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_loop::{EFFORT, WEIGHTS};
    use crate::controller::Tuning;
    use crate::identification::{least_squares, two_stages};
    use crate::learning::set;
    use crate::plant::{Plant, Scenarios};
    use clap::Parser;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn the_gradient_of_the_closed_loop_is_that_of_finite_differences() {
        let layers = Layers::new(5).unwrap();
        let plant = Plant::new(&mut StdRng::seed_from_u64(1));
        let mut tuning = two_stages(least_squares(&plant, 10, 20, 2), WEIGHTS, EFFORT);
        let scenarios = Scenarios::new(5, 8, 3);
        let (cost, gradient) =
            closed_loop::gradient(&layers.seen, &plant, &tuning, &scenarios).unwrap();
        let run =
            |tuning: &Tuning| closed_loop::run(&layers.seen, &plant, tuning, &scenarios).unwrap();
        assert!((cost - run(&tuning).mean_cost()).abs() < 1e-9 * cost);
        let (numbers, gradient) = (tuning.parts().concat(), gradient.concat());
        let size = gradient.iter().fold(0.0, |most: f64, slope| slope.abs().max(most));
        let step = 1e-5;
        for (k, slope) in gradient.iter().enumerate() {
            let mut at = |moved: f64| {
                let mut numbers = numbers.clone();
                numbers[k] += moved;
                set(&mut tuning, &numbers);
                run(&tuning).mean_cost()
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            assert!((slope - difference).abs() < 1e-5 * size, "{k}: {slope} {difference}");
        }
    }

    #[test]
    fn learning_beats_two_stages_and_imitation_finds_the_expert() {
        let arguments = "mpc --horizon=6 --seeds=1 --steps=40 --batch=16 --length=25 --test=64 \
                         --lr=0.05";
        let arguments = Arguments::parse_from(arguments.split_whitespace());
        let layers = Layers::new(arguments.horizon).unwrap();
        let going_on = Interruption::default();
        let found = comparison::compare(&layers, &arguments, 0, &going_on, |_| ()).unwrap();
        let [two_stages, weights, all, full] = [0, 1, 2, 3].map(|k| found.courses[k].mean_cost());
        assert!(weights < 0.99 * two_stages, "{weights} {two_stages}");
        assert!(all < 0.97 * two_stages, "{all} {two_stages}");
        assert!(all < 1.05 * full, "{all} {full}");
        let imitation = &found.imitation;
        assert!(imitation.learned < 0.1 * imitation.untuned);
        assert!(imitation.learned < 0.1 * imitation.linear);
    }

    #[test]
    fn an_interrupted_training_still_compares() {
        let arguments = "mpc --horizon=3 --steps=5 --batch=2 --length=4 --test=3";
        let arguments = Arguments::parse_from(arguments.split_whitespace());
        let interruption = Interruption::default();
        interruption.request();
        let layers = Layers::new(arguments.horizon).unwrap();
        let found = comparison::compare(&layers, &arguments, 0, &interruption, |_| ()).unwrap();
        assert!(found.trainings.iter().all(Vec::is_empty));
        assert_eq!(found.courses[0].mean_cost(), found.courses[1].mean_cost());
    }
}
