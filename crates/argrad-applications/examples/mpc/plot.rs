//! The plot: training, held-out costs of all plants, runs before and after, and imitation.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{Area, Axis, COLORS, Figure, INK, Key, Panel, RGBColor};
use argrad_applications::quantile::quantile;

use crate::comparison::{Comparison, NAMES};
use crate::plant::STATES;

/// The colours of the controllers.
const OF: [RGBColor; 4] = [COLORS[1], COLORS[3], COLORS[0], COLORS[2]];
/// Runs that are drawn.
const SHOWN: usize = 12;
/// Seconds of a step.
const STEP: f64 = 0.2;

/// Writes the plot as a PNG.
pub fn write(path: &Path, comparisons: &[Comparison]) -> Result<(), Failure> {
    let figure = Figure {
        title: "Predictive control: learned by the cost of the closed loop, or in two stages"
            .into(),
        subtitle: "controllers that do not see that the actuators lag; in the upper left panel, \
                   median and quartiles over the plants"
            .into(),
        legend: NAMES.iter().zip(OF).map(|(name, color)| Key::new(*name, color)).collect(),
        size: (1440, 860),
    };
    figure.write(path, |body| {
        let areas = body.split_evenly((2, 3));
        draw_training(&areas[0], comparisons)?;
        draw_costs(&areas[1], comparisons)?;
        draw_imitation(&areas[2], comparisons)?;
        for (area, which) in areas[3..].iter().zip([0, 2, 3]) {
            draw_runs(area, &comparisons[0], which)?;
        }
        Ok(())
    })
}

/// Costs over the training.
fn draw_training(area: &Area<'_>, comparisons: &[Comparison]) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for which in [0, 1] {
        let runs = || comparisons.iter().map(|own| &own.trainings[which]);
        let steps = runs().map(Vec::len).max().unwrap_or(0);
        let at = |step: usize, share| {
            quantile(runs().filter_map(|own| own.get(step)).map(|v| 100.0 * v).collect(), share)
        };
        let line = |share| (0..steps).map(|k| (k as f64, at(k, share))).collect::<Vec<_>>();
        lines.push([line(0.25), line(0.5), line(0.75)]);
    }
    let all = || lines.iter().flatten().flatten();
    let x = Axis::linear("step", all().map(|point| point.0));
    let y = Axis::linear("% of two stages on the same runs", all().map(|point| point.1));
    let mut panel = Panel::new(area, "training cost", x, y.with_margin(0.03))?;
    for ([low, middle, high], color) in lines.iter().zip([OF[1], OF[2]]) {
        let band = low.iter().zip(high).map(|((x, low), (_, high))| (*x, *low, *high));
        panel.band(band, color)?;
        panel.line(middle.iter().copied(), color, 2)?;
    }
    Ok(())
}

/// Held-out costs of every plant, relative to two stages.
fn draw_costs(area: &Area<'_>, comparisons: &[Comparison]) -> Result<(), Failure> {
    let relative = |own: &Comparison, k: usize| {
        100.0 * own.courses[k].mean_cost() / own.courses[0].mean_cost()
    };
    let all = comparisons.iter().flat_map(|own| (0..NAMES.len()).map(move |k| relative(own, k)));
    let numbers = 1..=comparisons.len();
    let x = Axis::linear("plant", [0.5, comparisons.len() as f64 + 0.5])
        .with_ticks(numbers.map(|k| (k as f64, k.to_string())));
    let y = Axis::linear("% of two stages", all).with_margin(0.05);
    let mut panel = Panel::new(area, "cost of held-out runs", x, y)?;
    panel.dashes([(0.5, 100.0), (comparisons.len() as f64 + 0.5, 100.0)], OF[0], 2)?;
    for (k, color) in OF.iter().enumerate().skip(1) {
        let dots = comparisons.iter().enumerate();
        panel.dots(dots.map(|(at, own)| (at as f64 + 1.0, relative(own, k))), *color, 6)?;
    }
    Ok(())
}

/// The weights of the first plant's expert as they are learned: those of all states, and those of
/// the last.
fn draw_imitation(area: &Area<'_>, comparisons: &[Comparison]) -> Result<(), Failure> {
    let weights = &comparisons[0].imitation.weights;
    let x = Axis::linear("step", [0.0, weights.len().max(2) as f64 - 1.0]);
    let y = Axis::logarithmic(
        "weights / expert's: q black, f purple",
        weights.iter().flatten().copied(),
    );
    let mut panel = Panel::new(area, "imitation", x, y)?;
    panel.dashes([(0.0, 1.0), (weights.len() as f64 - 1.0, 1.0)], COLORS[6], 2)?;
    for k in 0..weights[0].len() {
        let line = weights.iter().enumerate().map(|(step, own)| (step as f64, own[k]));
        panel.line(line, if 2 * k < weights[0].len() { INK } else { COLORS[5] }, 2)?;
    }
    Ok(())
}

/// Positions of the first mass in some runs.
fn draw_runs(area: &Area<'_>, comparison: &Comparison, which: usize) -> Result<(), Failure> {
    let positions = |k: usize| {
        comparison.courses[k].states.iter().flat_map(|x| x.chunks(STATES).take(SHOWN).map(|x| x[0]))
    };
    let steps = comparison.courses[which].states.len() - 1;
    let x = Axis::linear("time, s", [0.0, steps as f64 * STEP]);
    let y = Axis::linear("position of a mass", [0, 2, 3].into_iter().flat_map(positions));
    let mut panel = Panel::new(area, NAMES[which], x, y.with_margin(0.03))?;
    let course = &comparison.courses[which];
    for sample in 0..course.costs.len().min(SHOWN) {
        let line = course.states.iter().enumerate();
        let line = line.map(|(t, x)| (t as f64 * STEP, x[sample * STATES]));
        panel.line(line, OF[which], 1)?;
    }
    Ok(())
}
