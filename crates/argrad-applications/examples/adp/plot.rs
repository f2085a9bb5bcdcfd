//! The plot: training on the paper's system, its held-out runs, and all systems.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{Area, Axis, COLORS, Figure, Key, Panel, RGBColor};

use crate::comparison::{Comparison, NAMES, mean};

/// The colours of the policies.
const OF: [RGBColor; 4] = [COLORS[1], COLORS[3], COLORS[2], COLORS[0]];
/// The colour of the bound.
const BOUND: RGBColor = COLORS[6];

/// Writes the plot as a PNG.
pub fn write(path: &Path, comparisons: &[Comparison]) -> Result<(), Failure> {
    let mut legend: Vec<Key> =
        NAMES.iter().zip(OF).map(|(name, color)| Key::new(*name, color)).collect();
    legend.push(Key::new("lower bound", BOUND));
    let figure = Figure {
        title: "Bounded inputs: a value function learned by the cost of the closed loop".into(),
        subtitle: "mean cost of a step in held-out runs; the first system is that of the paper"
            .into(),
        legend,
        size: (1440, 520),
    };
    figure.write(path, |body| {
        let areas = body.split_evenly((1, 3));
        draw_training(&areas[0], &comparisons[0])?;
        draw_runs(&areas[1], &comparisons[0])?;
        draw_systems(&areas[2], comparisons)
    })
}

fn draw_training(area: &Area<'_>, own: &Comparison) -> Result<(), Failure> {
    let policies: Vec<f64> = own.costs.iter().map(|costs| mean(costs)).collect();
    let end = own.course.last().map_or(1, |point| point.0) as f64;
    let values = own.course.iter().map(|point| point.1).chain([own.bound]);
    let y = Axis::linear("cost a step", values.chain(policies.iter().copied()));
    let x = Axis::linear("step of the training", [0.0, end]);
    let mut panel = Panel::new(area, "training", x, y.with_margin(0.05))?;
    for (cost, color) in policies[..3].iter().zip(OF) {
        panel.dashes([(0.0, *cost), (end, *cost)], color, 2)?;
    }
    panel.line([(0.0, own.bound), (end, own.bound)], BOUND, 2)?;
    let line = || own.course.iter().map(|(step, cost)| (*step as f64, *cost));
    panel.line(line(), OF[3], 2)?;
    panel.dots(line(), OF[3], 4)
}

/// The costs of all runs, sorted.
fn draw_runs(area: &Area<'_>, own: &Comparison) -> Result<(), Failure> {
    let x = Axis::linear("share of the runs, %", [0.0, 100.0]);
    let y = Axis::linear("cost a step", own.costs.iter().flatten().copied().chain([0.0]));
    let mut panel = Panel::new(area, "held-out runs", x, y)?;
    for (costs, color) in own.costs.iter().zip(OF) {
        let mut sorted = costs.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1).max(1) as f64;
        let line = sorted.iter().enumerate().map(|(k, cost)| (100.0 * k as f64 / last, *cost));
        panel.line(line, color, 2)?;
    }
    panel.line([(0.0, own.bound), (100.0, own.bound)], BOUND, 2)
}

/// Costs of all systems above their bounds.
fn draw_systems(area: &Area<'_>, comparisons: &[Comparison]) -> Result<(), Failure> {
    let above = |own: &Comparison, k: usize| 100.0 * (mean(&own.costs[k]) / own.bound - 1.0);
    let all = comparisons.iter().flat_map(|own| (0..NAMES.len()).map(move |k| above(own, k)));
    let name = |k: usize| if k == 0 { "paper".into() } else { k.to_string() };
    let ticks = (0..comparisons.len()).map(|k| (k as f64 + 1.0, name(k)));
    let x = Axis::linear("system", [0.5, comparisons.len() as f64 + 0.5]).with_ticks(ticks);
    let y = Axis::linear("% above the bound", all.chain([0.0])).with_margin(0.03);
    let mut panel = Panel::new(area, "all systems", x, y)?;
    for (k, color) in OF.iter().enumerate() {
        let dots = comparisons.iter().enumerate();
        panel.dots(dots.map(|(at, own)| (at as f64 + 1.0, above(own, k))), *color, 6)?;
    }
    Ok(())
}
