//! The numbers, in Markdown.

use argrad_applications::quantile::quantile;

use crate::battery::WEIGHTS;
use crate::study::{FORECASTS, KNOWN, Outcome, TWO_STAGE};
use crate::{Outcomes, Reference};

/// The network of the literature.
pub fn reference(reference: &Reference) -> String {
    let list = |values: &[f64], decimals: usize| {
        let words: Vec<String> = values.iter().map(|v| format!("{v:.decimals$}")).collect();
        words.join(", ")
    };
    let gaps = reference.slopes.iter().zip(&reference.differences);
    let gap = gaps.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let steepest = reference.slopes.iter().fold(0.0, |most: f64, slope| most.max(slope.abs()));
    format!(
        "five-bus network at its reference: {:.2} $/h\n\
         generation {} MW\n\
         prices at the buses {} $/MWh\n\
         derivative of the cost by the limit of line 4-5, {} limits: at most {steepest:.2} $/MWh; \
         against central differences: {gap:.1e}\n",
        reference.cost,
        list(&reference.generation, 2),
        list(&reference.prices, 2),
        reference.slopes.len()
    )
}

/// Cost on the test samples, for each experiment and forecast.
pub fn table(outcomes: &Outcomes) -> String {
    let mut text = String::from(
        "costs of test samples, median (quartiles) over the repetitions; the gap is that between \
         the two-stage forecast and known truth\n\n\
         | experiment | forecast | cost | minus two-stage, paired | share of the gap closed \
         | better in | forecast error |\n|---|---|---|---|---|---|---|\n",
    );
    for ((flexibility, wear), own) in WEIGHTS.iter().zip(&outcomes.battery) {
        text += &rows(&format!("battery, {flexibility}, {wear}"), own);
    }
    text + &rows("network", &outcomes.network)
}

fn rows(name: &str, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    if outcomes.is_empty() {
        return text;
    }
    for (k, forecast) in FORECASTS.iter().enumerate() {
        let all = |value: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(value).collect::<Vec<_>>();
        let cost = spread(&all(&|own| own.costs[k]));
        let saved = all(&|own| own.costs[k] - own.costs[TWO_STAGE]);
        let better = saved.iter().filter(|saved| **saved < 0.0).count();
        let (paired, better) = match k {
            TWO_STAGE => (String::new(), String::new()),
            _ => (spread(&saved), format!("{better} of {}", outcomes.len())),
        };
        let closed = match k {
            TWO_STAGE | KNOWN => String::new(),
            _ => {
                let share = quantile(closed(outcomes, k), 0.5);
                format!("{:.1} %", 100.0 * share)
            }
        };
        let error = match k {
            KNOWN => String::new(),
            _ => format!("{:.3}", quantile(all(&|own| own.errors[k]), 0.5)),
        };
        text += &format!(
            "| {name} | {forecast} | {cost} | {paired} | {closed} | {better} | {error} |\n"
        );
    }
    text
}

/// Which share of what the truth would save a forecast saves, repetition by repetition.
pub fn closed(outcomes: &[Outcome], forecast: usize) -> Vec<f64> {
    let share = |own: &Outcome| {
        let gap = own.costs[TWO_STAGE] - own.costs[KNOWN];
        (own.costs[TWO_STAGE] - own.costs[forecast]) / gap
    };
    outcomes.iter().map(share).collect()
}

fn spread(values: &[f64]) -> String {
    let at = |share| quantile(values.to_vec(), share);
    let decimals = if at(0.5).abs() < 100.0 { 3 } else { 1 };
    format!("{:.decimals$} ({:.decimals$} to {:.decimals$})", at(0.5), at(0.25), at(0.75))
}
