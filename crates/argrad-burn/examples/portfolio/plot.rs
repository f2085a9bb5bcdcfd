//! The plot: what each investor has over the two-stage one, wealth, the course of training, and
//! what becomes of the forecast.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{Area, Axis, COLORS, FAINT, Figure, Key, Panel, RGBColor};
use argrad_applications::quantile::quantile;

use crate::experiment::{FOCUSED, INSIGHT, INVESTORS, Outcome, TUNED, TWO_STAGE};
use crate::market::{KINDS, Kind};
use crate::table::{advantages, of_kind};

const SHOWN: [(usize, RGBColor); 4] =
    [(TWO_STAGE, COLORS[6]), (TUNED, COLORS[0]), (FOCUSED, COLORS[1]), (INSIGHT, COLORS[2])];
const KIND_COLORS: [RGBColor; 3] = [COLORS[4], COLORS[3], COLORS[5]];

/// Writes the plot as a PNG.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, outcomes: &[Outcome]) -> Result<(), Failure> {
    let markets = outcomes.len().div_ceil(KINDS.len());
    let figure = Figure {
        title: "Portfolios: forecasts fitted first, or trained through the decision".into(),
        subtitle: format!("{markets} markets of each kind, in weeks that nobody has learned from"),
        legend: SHOWN.iter().map(|&(k, color)| Key::new(INVESTORS[k], color)).collect(),
        size: (1440, 980),
    };
    figure.write(path, |body| {
        let areas = body.split_evenly((2, 2));
        draw_advantages(&areas[0], outcomes)?;
        draw_wealth(&areas[1], outcomes)?;
        draw_courses(&areas[2], outcomes)?;
        draw_slopes(&areas[3], outcomes)
    })
}

/// A dot for each market, a bar for their median.
fn draw_advantages(area: &Area<'_>, outcomes: &[Outcome]) -> Result<(), Failure> {
    let shown = [(TUNED, COLORS[0], -0.17), (FOCUSED, COLORS[1], 0.17)];
    let columns: Vec<(f64, RGBColor, Vec<f64>)> = KINDS
        .iter()
        .enumerate()
        .flat_map(|(at, &kind)| {
            let own = of_kind(outcomes, kind);
            shown.map(|(k, color, shift)| (at as f64 + shift, color, advantages(&own, k)))
        })
        .collect();
    let all = columns.iter().flat_map(|column| column.2.iter().copied()).chain([0.0]);
    let ticks = KINDS.iter().enumerate().map(|(at, kind)| (at as f64, kind.name()));
    let x = Axis::linear("market", [-0.5, 2.5]).with_ticks(ticks);
    let y = Axis::linear("basis points of utility a week", all).with_margin(0.06);
    let mut panel = Panel::new(area, "Over two-stage", x, y)?;
    panel.line([(-0.5, 0.0), (2.5, 0.0)], FAINT, 1)?;
    for (at, color, values) in columns {
        let middle = quantile(values.clone(), 0.5);
        let count = values.len();
        let place = |k: usize| at + 0.012 * (2.0 * k as f64 - (count as f64 - 1.0));
        panel.dots(values.iter().enumerate().map(|(k, &v)| (place(k), v)), color, 4)?;
        panel.line([(at - 0.15, middle), (at + 0.15, middle)], color, 3)?;
    }
    Ok(())
}

/// The misspecified market of the median advantage.
fn median_market(outcomes: &[Outcome]) -> Option<&Outcome> {
    let mut own = of_kind(outcomes, Kind::Misspecified);
    own.sort_by(|a, b| advantages(&[a], FOCUSED)[0].total_cmp(&advantages(&[b], FOCUSED)[0]));
    own.get(own.len() / 2).copied()
}

fn draw_wealth(area: &Area<'_>, outcomes: &[Outcome]) -> Result<(), Failure> {
    let own = median_market(outcomes);
    let curve = |investor: usize| -> Vec<(f64, f64)> {
        let wealth = own.map_or(&[][..], |own| &own.investors[investor].wealth);
        let week = |(week, level): (usize, &f64)| (week as f64 + 1.0, level.exp());
        [(0.0, 1.0)].into_iter().chain(wealth.iter().enumerate().map(week)).collect()
    };
    let curves = SHOWN.map(|(investor, color)| (curve(investor), color));
    let weeks = curves[0].0.len().saturating_sub(1) as f64;
    let all = curves.iter().flat_map(|(curve, _)| curve.iter().map(|point| point.1));
    let x = Axis::linear("week", [0.0, weeks]);
    let y =
        Axis::linear("geometric mean over paths, misspecified market of the median advantage", all);
    let mut panel = Panel::new(area, "Wealth", x, y.with_margin(0.03))?;
    for (curve, color) in curves {
        panel.line(curve, color, 2)?;
    }
    Ok(())
}

/// What training adds in the weeks that decide when to stop.
fn draw_courses(area: &Area<'_>, outcomes: &[Outcome]) -> Result<(), Failure> {
    let mut courses = Vec::new();
    for (kind, color) in KINDS.into_iter().zip(KIND_COLORS) {
        let own = of_kind(outcomes, kind);
        let steps = own.iter().map(|outcome| outcome.course.len()).min().unwrap_or(0);
        let at = |k: usize, share: f64| {
            let gains = own.iter().map(|o| 100.0 * (o.course[k].1 - o.course[0].1)).collect();
            quantile(gains, share)
        };
        let points = (0..steps).map(|k| {
            let step = own[0].course[k].0 as f64;
            (step, at(k, 0.25), at(k, 0.5), at(k, 0.75))
        });
        courses.push((kind, color, points.collect::<Vec<_>>()));
    }
    let all = || courses.iter().flat_map(|course| &course.2);
    let last = all().map(|point| point.0).fold(1.0, f64::max);
    let x = Axis::linear("training step", [0.0, 1.25 * last]);
    let y = Axis::linear(
        "basis points a week over the start, validation weeks: median, quartiles",
        all().flat_map(|point| [point.1, point.3]),
    );
    let mut panel = Panel::new(area, "Training", x, y.with_margin(0.05))?;
    for (_, color, points) in &courses {
        panel.band(points.iter().map(|&(x, low, _, high)| (x, low, high)), *color)?;
    }
    for (kind, color, points) in &courses {
        panel.line(points.iter().map(|&(x, _, middle, _)| (x, middle)), *color, 3)?;
        if let Some(point) = points.last() {
            panel.label((point.0, point.2), kind.name(), *color)?;
        }
    }
    Ok(())
}

/// Slopes as fitted and as trained.
fn draw_slopes(area: &Area<'_>, outcomes: &[Outcome]) -> Result<(), Failure> {
    let [fitted, trained] =
        median_market(outcomes).map_or([&[][..]; 2], |own| [&own.slopes[0], &own.slopes[1]]);
    let reach = || fitted.iter().chain(trained).copied();
    let x = Axis::linear("fitted, percent a week", reach()).with_margin(0.05);
    let y = Axis::linear("trained, percent a week; the same market", reach()).with_margin(0.05);
    let mut panel = Panel::new(area, "Slopes of the forecast", x, y)?;
    let low = reach().fold(f64::INFINITY, f64::min);
    let high = reach().fold(f64::NEG_INFINITY, f64::max);
    panel.dashes([(low, low), (high, high)], FAINT, 1)?;
    panel.dots(fitted.iter().copied().zip(trained.iter().copied()), COLORS[1], 5)
}
