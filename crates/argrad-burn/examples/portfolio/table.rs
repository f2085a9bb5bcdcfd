//! The numbers: utility out of sample, and what each investor has over the two-stage one.

use argrad_applications::quantile::quantile;

use crate::experiment::{INVESTORS, Outcome, TWO_STAGE};
use crate::market::{KINDS, Kind};

/// The outcomes of a kind of market.
pub fn of_kind(outcomes: &[Outcome], kind: Kind) -> Vec<&Outcome> {
    outcomes.iter().filter(|outcome| outcome.kind == kind).collect()
}

/// What an investor has over the two-stage one, in basis points (hundredths of a percent) of
/// utility a week, market by market.
pub fn advantages(outcomes: &[&Outcome], investor: usize) -> Vec<f64> {
    let own = |outcome: &&Outcome| {
        let investors = &outcome.investors;
        100.0 * (investors[investor].utility - investors[TWO_STAGE].utility)
    };
    outcomes.iter().map(own).collect()
}

/// Median and quartiles, in Markdown, for each kind of market and investor.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "utility and differences in basis points a week: median (quartiles) over the markets\n\n\
         | market | investor | utility | minus two-stage, paired | better in |\n\
         |---|---|---|---|---|\n",
    );
    for kind in KINDS {
        let own = of_kind(outcomes, kind);
        if own.is_empty() {
            continue;
        }
        for (investor, name) in INVESTORS.iter().enumerate() {
            let utility = own.iter().map(|outcome| 100.0 * outcome.investors[investor].utility);
            let advantage = advantages(&own, investor);
            let better = advantage.iter().filter(|advantage| **advantage > 0.0).count();
            let (paired, better) = match investor {
                TWO_STAGE => (String::new(), String::new()),
                _ => (spread(&advantage), format!("{better} of {}", own.len())),
            };
            text += &format!(
                "| {} | {name} | {} | {paired} | {better} |\n",
                kind.name(),
                spread(&utility.collect::<Vec<_>>())
            );
        }
    }
    text
}

fn spread(values: &[f64]) -> String {
    let at = |share| quantile(values.to_vec(), share);
    format!("{:.1} ({:.1} to {:.1})", at(0.5), at(0.25), at(0.75))
}
