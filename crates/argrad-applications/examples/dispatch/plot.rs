//! The plot: a day of the battery, the network's prices and what its limit is worth, and what
//! training brings.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{Area, Axis, COLORS, FAINT, Figure, INK, Key, Panel, RGBColor};
use argrad_applications::quantile::quantile;

use crate::battery::{Battery, WEIGHTS, exponentials};
use crate::days::HOURS;
use crate::study::{CORRECTED, FOCUSED, FORECASTS, KNOWN, Outcome, TWO_STAGE};
use crate::table::closed;
use crate::{Outcomes, Reference};

const SHOWN: [(usize, RGBColor); 4] =
    [(TWO_STAGE, COLORS[6]), (CORRECTED, COLORS[0]), (FOCUSED, COLORS[1]), (KNOWN, COLORS[2])];
const COURSE_COLORS: [RGBColor; 5] = [COLORS[4], COLORS[3], COLORS[5], COLORS[0], COLORS[2]];

/// Writes the plot as a PNG.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, outcomes: &Outcomes, reference: &Reference) -> Result<(), Failure> {
    let figure = Figure {
        title: "Energy: forecasts fitted first, or trained through the decision".into(),
        subtitle: format!(
            "{} repetitions, tested on what none has seen",
            outcomes.battery[0].len()
        ),
        legend: SHOWN.iter().map(|&(k, color)| Key::new(FORECASTS[k], color)).collect(),
        size: (1860, 980),
    };
    figure.write(path, |body| {
        let areas = body.split_evenly((2, 3));
        draw_day(&areas[0], &areas[3], outcomes)?;
        draw_closed(&areas[1], outcomes)?;
        draw_courses(&areas[4], outcomes)?;
        draw_prices(&areas[2], reference)?;
        draw_limit(&areas[5], reference)
    })
}

/// Prices, and what the battery with the first weights stores, on the test day of the largest
/// spread between prices.
fn draw_day(prices: &Area<'_>, stored: &Area<'_>, outcomes: &Outcomes) -> Result<(), Failure> {
    let Some(outcome) = outcomes.battery[0].first() else { return Ok(()) };
    let test = &outcome.split.test;
    let spread = |day: &&usize| {
        let own = exponentials(&test.truth[**day * HOURS..(**day + 1) * HOURS]);
        let low = own.iter().copied().fold(f64::INFINITY, f64::min);
        own.iter().copied().fold(0.0, f64::max) - low
    };
    let days: Vec<usize> = (0..test.len()).collect();
    let widest = days.iter().max_by(|a, b| spread(a).total_cmp(&spread(b))).copied().unwrap_or(0);
    let day = test.pick(&[widest]);
    let curves: Vec<(Vec<f64>, RGBColor)> = SHOWN
        .iter()
        .map(|&(k, color)| {
            let logarithms = match outcome.forecasts.get(k) {
                Some(forecast) => forecast.apply(&day.features),
                None => day.truth.clone(),
            };
            (exponentials(&logarithms), color)
        })
        .collect();

    let hours = || Axis::linear("hour", [0.0, HOURS as f64]).with_ticks(clock());
    let all = curves.iter().flat_map(|curve| curve.0.iter().copied()).chain([0.0]);
    let mut panel =
        Panel::new(prices, "Battery: prices of a day", hours(), Axis::linear("$/MWh", all))?;
    for (curve, color) in &curves {
        panel.line(stairs(curve), *color, 2)?;
    }
    let battery = Battery::new(WEIGHTS[0])?;
    let energy = Axis::linear("of capacity 1", [0.0, 1.0]).with_margin(0.03);
    let mut panel = Panel::new(stored, "Stored energy", hours(), energy)?;
    for (curve, color) in &curves {
        let schedule = battery.schedule(curve)?;
        panel.line(schedule[2].iter().enumerate().map(|(h, &s)| (h as f64, s)), *color, 2)?;
    }
    Ok(())
}

fn clock() -> impl Iterator<Item = (f64, String)> {
    (0..=HOURS).step_by(4).map(|hour| (hour as f64, hour.to_string()))
}

/// A value for each hour, from its start to its end.
fn stairs(values: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    values.iter().enumerate().flat_map(|(h, &v)| [(h as f64, v), (h as f64 + 1.0, v)])
}

/// Name and outcomes of each experiment.
fn experiments(outcomes: &Outcomes) -> Vec<(String, &[Outcome])> {
    let battery = WEIGHTS.iter().zip(&outcomes.battery);
    let battery = battery.map(|((l, e), own)| (format!("{l}, {e}"), &own[..]));
    battery.chain([("network".into(), &outcomes.network[..])]).collect()
}

/// A dot for each repetition, a bar for their median.
fn draw_closed(area: &Area<'_>, outcomes: &Outcomes) -> Result<(), Failure> {
    let experiments = experiments(outcomes);
    let shown = [(CORRECTED, COLORS[0], -0.17), (FOCUSED, COLORS[1], 0.17)];
    let percent = |own: &[Outcome], k| -> Vec<f64> {
        closed(own, k).iter().map(|share| 100.0 * share).collect()
    };
    let all = experiments
        .iter()
        .flat_map(|(_, own)| shown.map(|(k, _, _)| percent(own, k)).concat())
        .chain([0.0]);
    let last = experiments.len() as f64 - 0.5;
    let ticks = experiments.iter().enumerate().map(|(at, (name, _))| (at as f64, name.clone()));
    let x = Axis::linear("battery with weights l, e; network", [-0.5, last]).with_ticks(ticks);
    let y = Axis::linear("percent", all).with_margin(0.05);
    let mut panel = Panel::new(area, "Gap to known truth closed", x, y)?;
    panel.line([(-0.5, 0.0), (last, 0.0)], FAINT, 1)?;
    for (at, (_, own)) in experiments.iter().enumerate() {
        for (k, color, shift) in shown {
            let (values, middle) = (percent(own, k), at as f64 + shift);
            let place = |k: usize| middle + 0.012 * (2.0 * k as f64 - (own.len() as f64 - 1.0));
            panel.dots(values.iter().enumerate().map(|(k, &v)| (place(k), v)), color, 4)?;
            let median = quantile(values, 0.5);
            panel.line([(middle - 0.15, median), (middle + 0.15, median)], color, 3)?;
        }
    }
    Ok(())
}

/// The gap that is left in the samples that decide when to stop, in percent of the first cost.
fn draw_courses(area: &Area<'_>, outcomes: &Outcomes) -> Result<(), Failure> {
    let mut curves = Vec::new();
    for ((name, own), color) in experiments(outcomes).into_iter().zip(COURSE_COLORS) {
        let steps = own.iter().map(|outcome| outcome.course.len()).min().unwrap_or(0);
        let at = |k: usize| {
            let scale = |o: &Outcome| (o.costs[TWO_STAGE] - o.costs[KNOWN]).abs();
            let share = |o: &Outcome| 100.0 * (o.course[k].1 - o.course[0].1) / scale(o);
            quantile(own.iter().map(share).collect(), 0.5)
        };
        let points = (0..steps).map(|k| (own[0].course[k].0 as f64, at(k)));
        curves.push((name, color, points.collect::<Vec<_>>()));
    }
    let all = || curves.iter().flat_map(|curve| curve.2.iter().copied());
    let last = all().map(|point| point.0).fold(1.0, f64::max);
    let x = Axis::linear("training step", [0.0, 1.25 * last]);
    let y = Axis::linear("change of cost, percent of the gap: median", all().map(|point| point.1));
    let mut panel = Panel::new(area, "Training", x, y.with_margin(0.05))?;
    for (name, color, points) in curves {
        if let Some(&point) = points.last() {
            panel.label(point, &name, color)?;
        }
        panel.line(points, color, 2)?;
    }
    Ok(())
}

/// Bars: the price at each bus of the network of the literature.
fn draw_prices(area: &Area<'_>, reference: &Reference) -> Result<(), Failure> {
    let prices = &reference.prices;
    let ticks = (0..prices.len()).map(|bus| (bus as f64, (bus + 1).to_string()));
    let x = Axis::linear("bus", [-0.6, prices.len() as f64 - 0.4]).with_ticks(ticks);
    let y = Axis::linear("$/MWh", prices.iter().copied().chain([0.0, 45.0]));
    let mut panel = Panel::new(area, "Network: price at each bus", x, y)?;
    for (bus, &price) in prices.iter().enumerate() {
        let at = bus as f64;
        panel.rectangle((at - 0.3, 0.0), (at + 0.3, price), COLORS[4])?;
        panel.label((at - 0.32, price + 1.5), &format!("{price:.2}"), INK)?;
    }
    Ok(())
}

/// The cost under each limit, with its tangents by the duals.
fn draw_limit(area: &Area<'_>, reference: &Reference) -> Result<(), Failure> {
    let thousands = |cost: f64| cost / 1000.0;
    let x = Axis::linear("limit of the line between buses 4 and 5, MW", reference.limits.clone());
    let costs = reference.costs.iter().copied().map(thousands);
    let y = Axis::linear("thousand $/h, with tangents by the duals", costs.clone());
    let mut panel = Panel::new(area, "Cost", x.with_margin(0.03), y.with_margin(0.05))?;
    panel.line(reference.limits.iter().copied().zip(costs), COLORS[6], 2)?;
    for k in (1..reference.limits.len()).step_by(4) {
        let (limit, cost, slope) = (reference.limits[k], reference.costs[k], reference.slopes[k]);
        let end = |shift: f64| (limit + shift, thousands(cost + slope * shift));
        panel.line([end(-22.0), end(22.0)], COLORS[1], 2)?;
        panel.dots([(limit, thousands(cost))], COLORS[1], 4)?;
    }
    Ok(())
}
