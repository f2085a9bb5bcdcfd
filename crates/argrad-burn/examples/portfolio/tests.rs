//! What the page of this application claims, in a short setting.

use std::sync::LazyLock;

use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use argrad_applications::quantile::quantile;
use burn::tensor::Device;
use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::arguments::Arguments;
use crate::estimate::estimate;
use crate::experiment::{FOCUSED, INSIGHT, Outcome, experiment};
use crate::market::{History, Kind, Market};
use crate::policy::{Estimate, Policy, Utility, numbers};
use crate::table::advantages;
use crate::train::surpasses;

const UTILITY: Utility = Utility { aversion: 10.0, cost: 0.2 };

/// The device is configured once in a process.
fn device() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| crate::device().unwrap());
    DEVICE.clone()
}

/// A small market: its first estimate, and a few weeks.
fn small() -> (Estimate, History) {
    let market = Market::new(Kind::Misspecified, 4, 2, &mut StdRng::seed_from_u64(5));
    let first = estimate(&market.play(1, 300, 6)).unwrap();
    (first, market.play(3, 5, 7))
}

fn worth(estimate: &Estimate, history: &History) -> f64 {
    let policy = Policy::new(estimate, UTILITY, &device().without_autodiff()).unwrap();
    numbers(policy.play(history, UTILITY, false).unwrap().utility).iter().sum()
}

#[test]
fn the_gradient_through_the_weeks_is_that_of_central_differences() {
    let (first, history) = small();
    let policy = Policy::new(&first, UTILITY, &device()).unwrap();
    let total = policy.play(&history, UTILITY, false).unwrap().utility.sum();
    let gradients = policy.gradients(total);
    let n = history.assets;
    let mut largest = 0.0_f64;
    assert_eq!(gradients.len(), first.forecast.weights.len() + n * n + 1);
    for (k, gradient) in gradients.iter().enumerate() {
        let at = |shift: f64| {
            let mut other = first.clone();
            let weights = other.forecast.weights.len();
            match k.checked_sub(weights) {
                None => other.forecast.weights[k] += shift,
                // The layer's R is the transpose of the root.
                Some(entry) if entry < n * n => other.root[entry % n * n + entry / n] += shift,
                Some(_) => other.caution *= shift.exp(),
            }
            worth(&other, &history)
        };
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        largest = largest.max(difference.abs());
        let error = (gradient - difference).abs();
        assert!(error < 1e-6 * (1.0 + largest), "{k}: {gradient} against {difference}");
    }
    assert!(largest > 0.1);
}

#[test]
fn portfolios_are_feasible_and_trade_less_where_it_costs_more() {
    let (first, history) = small();
    let traded = |caution: f64| {
        let estimate = Estimate { caution, ..first.clone() };
        let policy = Policy::new(&estimate, UTILITY, &device().without_autodiff()).unwrap();
        let without = Utility { cost: 0.0, ..UTILITY };
        // What costs take from the utility is what is traded, times their rate.
        let (gross, net) = (
            numbers(policy.play(&history, without, false).unwrap().utility),
            numbers(policy.play(&history, UTILITY, false).unwrap().utility),
        );
        gross.iter().zip(&net).map(|(gross, net)| gross - net).sum::<f64>() / UTILITY.cost
    };
    let (eager, hesitant) = (traded(0.1), traded(10.0));
    assert!(hesitant < 0.5 * eager && eager > 0.0, "{hesitant} {eager}");
}

/// Two markets of a kind, played through in a few seconds.
fn short(kind: Kind, interruption: &Interruption) -> Vec<Outcome> {
    let arguments = Arguments::parse_from([
        "portfolio",
        "--assets=5",
        "--signals=2",
        "--weeks=1000",
        "--steps=30",
        "--lr=0.01",
    ]);
    let bar = progress::bar(1, "steps");
    (0..2)
        .map(|seed| experiment(kind, seed, &arguments, &device(), interruption, &bar).unwrap())
        .collect()
}

#[test]
fn training_through_the_decision_beats_two_stages_where_the_model_is_wrong() {
    let outcomes = short(Kind::Misspecified, &Interruption::default());
    let own: Vec<&Outcome> = outcomes.iter().collect();
    let advantage = advantages(&own, FOCUSED);
    // Where nothing surpasses the two stages in the weeks that decide, they stay.
    assert!(advantage.iter().all(|&own| own >= 0.0), "{advantage:?}");
    assert!(quantile(advantage.clone(), 0.5) > 3.0, "{advantage:?}");
}

#[test]
fn where_the_model_is_right_there_is_next_to_nothing_to_gain() {
    let outcomes = short(Kind::Matched, &Interruption::default());
    let own: Vec<&Outcome> = outcomes.iter().collect();
    let gained = quantile(advantages(&own, FOCUSED), 0.5);
    let possible = quantile(advantages(&own, INSIGHT), 0.5);
    assert!(gained.abs() < 0.5 * possible, "{gained} of {possible}");
}

#[test]
fn a_difference_within_its_standard_error_surpasses_nothing() {
    assert!(surpasses(&[2.0, 3.1, 4.0], &[1.0, 2.0, 3.0]));
    assert!(!surpasses(&[2.0, 2.0, 1.0], &[1.0, 1.5, 2.3]));
    assert!(!surpasses(&[1.0, 2.0], &[1.0, 2.0]));
}

#[test]
fn an_interrupted_training_leaves_the_two_stage_policy() {
    let interruption = Interruption::default();
    interruption.request();
    let outcomes = short(Kind::Costs, &interruption);
    for outcome in &outcomes {
        assert_eq!(outcome.course.len(), 1);
        assert_eq!(outcome.slopes[0], outcome.slopes[1]);
    }
}
