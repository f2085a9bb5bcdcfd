//! What the page of this application claims, in a short setting.

use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::battery::{Battery, WEIGHTS};
use crate::climate::generate;
use crate::demand_samples::demand_samples;
use crate::network::{LIMITS, LOADS, Network};
use crate::price_samples::price_samples;
use crate::samples::Samples;
use crate::study::{CORRECTED, FOCUSED, KNOWN, Outcome, TWO_STAGE};
use crate::train::{Task, Training};
use crate::{RISE, battery_study, network_study, reference};

#[test]
fn the_five_bus_network_has_the_published_cost_and_prices() {
    let own = reference().unwrap();
    assert!((own.cost - 17_479.90).abs() < 0.01, "{}", own.cost);
    for (found, published) in own.generation.iter().zip([40.0, 170.0, 323.49, 0.0, 466.51]) {
        assert!((found - published).abs() < 0.005, "{:?}", own.generation);
    }
    for (found, published) in own.prices.iter().zip([16.98, 26.38, 30.0, 39.94, 10.0]) {
        assert!((found - published).abs() < 0.005, "{:?}", own.prices);
    }
}

#[test]
fn a_limit_is_worth_what_central_differences_say() {
    let own = reference().unwrap();
    let steepest = own.slopes.iter().fold(0.0, |most: f64, slope| most.max(slope.abs()));
    assert!(steepest > 1.0);
    for (slope, difference) in own.slopes.iter().zip(&own.differences) {
        assert!((slope - difference).abs() < 1e-6 * steepest, "{slope} {difference}");
    }
}

#[test]
fn prices_at_the_buses_are_what_one_more_megawatt_costs() {
    let network = Network::new(RISE).unwrap();
    let (demand, limits) = (LOADS.map(|(_, demand)| demand), LIMITS.map(|(_, limit)| limit));
    let prices = network.schedule(&demand, &limits).unwrap().prices;
    for (k, (bus, _)) in LOADS.iter().enumerate() {
        let cost = |shift: f64| {
            let mut demand = demand;
            demand[k] += shift;
            network.schedule(&demand, &limits).unwrap().cost[0]
        };
        let difference = (cost(1e-3) - cost(-1e-3)) / 2e-3;
        assert!((prices[*bus] - difference).abs() < 1e-6 * difference, "{bus}");
    }
}

/// The gradient of each sample's cost by its forecast against central differences, all numbers of
/// all samples. The network's costs are about 17,000, of which the last digits are rounding: longer
/// steps would cross from one piece of the cost to the next.
fn check_gradient(task: &impl Task, samples: &Samples, step: f64) {
    let forecasts = samples.fit().unwrap().apply(&samples.features);
    let (costs, gradient) = task.graded(&forecasts, &samples.truth).unwrap();
    let again = task.costs(&forecasts, &samples.truth).unwrap();
    assert!(costs.iter().zip(&again).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0)));
    let largest = gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
    assert!(largest > 0.0);
    let width = samples.rows * samples.outputs;
    for k in 0..width {
        let shifted = |sign: f64| {
            let mut other = forecasts.clone();
            other.iter_mut().skip(k).step_by(width).for_each(|y| *y += sign * step);
            task.costs(&other, &samples.truth).unwrap()
        };
        let (above, below) = (shifted(1.0), shifted(-1.0));
        for (sample, (a, b)) in above.iter().zip(&below).enumerate() {
            let difference = (a - b) / (2.0 * step);
            let found = gradient[sample * width + k];
            assert!(
                (found - difference).abs() < 1e-4 * largest,
                "{sample} {k}: {found} {difference}"
            );
        }
    }
}

#[test]
fn the_gradient_of_the_batterys_cost_is_that_of_central_differences() {
    let samples = price_samples(&generate(220, 3));
    let split = samples.split(&mut StdRng::seed_from_u64(3));
    let some = split.learn.pick(&Vec::from_iter(0..20));
    for weights in [WEIGHTS[0], WEIGHTS[2]] {
        check_gradient(&Battery::new(weights).unwrap(), &some, 1e-6);
    }
}

#[test]
fn the_gradient_of_the_networks_cost_is_that_of_central_differences() {
    let split = demand_samples(100, 3).split(&mut StdRng::seed_from_u64(3));
    check_gradient(&Network::new(RISE).unwrap(), &split.learn.pick(&Vec::from_iter(0..60)), 1e-3);
}

fn short(
    study: impl Fn(u64, Training<'_>) -> Outcome,
    interruption: &Interruption,
) -> Vec<Outcome> {
    let bar = progress::bar(1, "steps");
    let training = Training { steps: 30, batch: 40, rate: 0.02, interruption, bar: &bar };
    (0..2).map(|seed| study(seed, training)).collect()
}

#[test]
fn the_battery_earns_more_with_forecasts_trained_through_it() {
    let study =
        |seed: u64, training: Training<'_>| battery_study(1, None, 300, seed, training).unwrap();
    for outcome in short(study, &Interruption::default()) {
        let costs = outcome.costs;
        assert!(costs[FOCUSED] < costs[TWO_STAGE], "{costs:?}");
        assert!(costs[KNOWN] < costs[FOCUSED], "{costs:?}");
    }
}

#[test]
fn the_network_pays_less_with_forecasts_trained_through_it() {
    let study = |seed: u64, training: Training<'_>| network_study(300, seed, training).unwrap();
    for outcome in short(study, &Interruption::default()) {
        let costs = outcome.costs;
        assert!(
            costs[FOCUSED] < costs[TWO_STAGE] && costs[CORRECTED] < costs[TWO_STAGE],
            "{costs:?}"
        );
        assert!(costs[KNOWN] < costs[FOCUSED], "{costs:?}");
    }
}

#[test]
fn an_interrupted_training_leaves_the_two_stage_forecast() {
    let interruption = Interruption::default();
    interruption.request();
    let study = |seed: u64, training: Training<'_>| network_study(200, seed, training).unwrap();
    for outcome in short(study, &interruption) {
        assert_eq!(outcome.costs[FOCUSED], outcome.costs[TWO_STAGE]);
        assert_eq!(outcome.course.len(), 1);
    }
}
