//! Energy: a battery that trades on prices, and a power network that schedules its generators, with
//! forecasts that are trained through the decision.
//!
//! In two stages a forecast is fitted by least squares, and then optimized with as if it were true;
//! decision-focused, it is trained on what the decisions cost when the truth is known (P. Donti, B.
//! Amos and J. Z. Kolter, "Task-based End-to-end Model Learning in Stochastic Optimization", 2017).
//! The formulas are in `battery` and `network`.

mod arguments;
mod battery;
mod climate;
mod days;
mod demand_samples;
mod network;
mod plot;
mod price_samples;
mod samples;
mod study;
mod table;
#[cfg(test)]
mod tests;
mod train;

use std::process::ExitCode;

use argrad_applications::command::{self, BadInput, Failure};
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use rand::SeedableRng;
use rand::rngs::StdRng;

use arguments::Arguments;
use battery::{Battery, WEIGHTS};
use network::{LIMITS, LOADS, Network};
use study::{Outcome, smeared, study, with_margin};
use train::Training;

/// By which share the last MWh of a generator costs more than its first.
const RISE: f64 = 0.25;
/// Days, or hours, in a training step.
const BATCH: usize = 100;

fn main() -> ExitCode {
    command::run(run)
}

/// All outcomes: of the battery for each of [`WEIGHTS`], and of the network.
struct Outcomes {
    battery: [Vec<Outcome>; WEIGHTS.len()],
    network: Vec<Outcome>,
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let days = match &arguments.data {
        None => None,
        Some(path) => Some(days::read(path).map_err(|error| BadInput(error.to_string()))?),
    };
    match (&days, &arguments.data) {
        (Some(days), Some(path)) => println!("{} days from {}", days.len(), path.display()),
        _ => println!("{} generated days", arguments.days),
    }
    let reference = reference()?;
    println!("\n{}", table::reference(&reference));

    let studies = WEIGHTS.len() + 1;
    let bar = progress::bar(arguments.seeds * studies * arguments.steps, "steps");
    let training = Training {
        steps: arguments.steps,
        batch: BATCH,
        rate: arguments.lr,
        interruption,
        bar: &bar,
    };
    let mut outcomes = Outcomes { battery: Default::default(), network: Vec::new() };
    'all: for k in 0..arguments.seeds as u64 {
        let seed = arguments.seed.wrapping_add(k);
        for study in 0..studies {
            let days = days.as_deref();
            if study < WEIGHTS.len() {
                let outcome = battery_study(study, days, arguments.days, seed, training)?;
                outcomes.battery[study].push(outcome);
            } else {
                outcomes.network.push(network_study(arguments.days, seed, training)?);
            }
            if interruption.requested() {
                break 'all;
            }
        }
    }
    bar.finish_and_clear();
    println!("{}", table::table(&outcomes));
    plot::write(&arguments.plot, &outcomes, &reference)?;
    println!("plot: {}", arguments.plot.display());
    if interruption.requested() {
        println!("interrupted: the last experiment was trained in part, others are missing");
    }
    Ok(())
}

/// The battery with the k-th of [`WEIGHTS`].
fn battery_study(
    k: usize,
    days: Option<&[days::Day]>,
    count: usize,
    seed: u64,
    training: Training<'_>,
) -> Result<Outcome, Failure> {
    let samples = match days {
        Some(days) => price_samples::price_samples(days),
        None => price_samples::price_samples(&climate::generate(count, seed)),
    };
    let mut rng = StdRng::seed_from_u64(seed);
    let split = samples.split(&mut rng);
    study(&Battery::new(WEIGHTS[k])?, &smeared, split, training, &mut rng)
}

fn network_study(days: usize, seed: u64, training: Training<'_>) -> Result<Outcome, Failure> {
    let mut rng = StdRng::seed_from_u64(seed);
    let split = demand_samples::demand_samples(days, seed).split(&mut rng);
    let network = Network::new(RISE)?;
    study(
        &network,
        &|fitted, split| with_margin(&network, fitted, split),
        split,
        training,
        &mut rng,
    )
}

/// The network at the demand and the costs of the literature: what is published of it, and what its
/// limits are worth.
struct Reference {
    /// Dollars an hour.
    cost: f64,
    /// MW of each generator, dollars for a MWh at each bus.
    generation: Vec<f64>,
    prices: Vec<f64>,
    /// Limits of the line between the fourth and the fifth bus, the cost under each, and what the
    /// cost falls by with each MW: by the duals, and by central differences of the cost.
    limits: Vec<f64>,
    costs: Vec<f64>,
    slopes: Vec<f64>,
    differences: Vec<f64>,
}

fn reference() -> Result<Reference, Failure> {
    let demand = LOADS.map(|(_, demand)| demand);
    let own = Network::new(0.0)?.schedule(&demand, &LIMITS.map(|(_, limit)| limit))?;
    // With costs that rise the cost is smooth between the limits at which another line or generator
    // becomes active.
    let network = Network::new(RISE)?;
    let limits: Vec<f64> = (0..25).map(|k| 105.0 + 12.5 * f64::from(k)).collect();
    let both = |limit: f64| [LIMITS[0].1, limit];
    let cost = |shift: f64| -> Result<Vec<f64>, Failure> {
        let limits: Vec<f64> = limits.iter().flat_map(|limit| both(limit + shift)).collect();
        Ok(network.schedule(&demand, &limits)?.cost)
    };
    let all: Vec<f64> = limits.iter().flat_map(|&limit| both(limit)).collect();
    let slopes = network.worth_of_limits(&demand, &all)?.into_iter().skip(1).step_by(2).collect();
    const STEP: f64 = 1e-3;
    let (above, below) = (cost(STEP)?, cost(-STEP)?);
    let differences = above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * STEP)).collect();
    Ok(Reference {
        cost: own.cost[0],
        generation: own.generation,
        prices: own.prices,
        costs: cost(0.0)?,
        limits,
        slopes,
        differences,
    })
}
