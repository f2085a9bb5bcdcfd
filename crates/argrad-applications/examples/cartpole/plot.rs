//! The plot: loss, what is learned, and the pole's angle with the controllers before and after.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{Area, Axis, COLORS, Figure, Key, Panel};

use crate::arguments::Arguments;
use crate::cartpole::{Controller, STATES, STEP};
use crate::closed_loop::Course;
use crate::{History, names, truth};

/// The controllers that are compared.
pub const NAMES: [&str; 3] = ["first guess", "learned", "expert"];
/// Relative costs from here on need a logarithmic axis.
const FAR: f64 = 5.0;
/// Samples whose angle is drawn.
const SHOWN: usize = 24;

/// Writes the plot as a PNG.
pub fn write(
    path: &Path,
    arguments: &Arguments,
    history: &History,
    expert: &Controller<f64>,
    courses: &[Course],
) -> Result<(), Failure> {
    let colors = [COLORS[1], COLORS[0], COLORS[2]];
    let figure = Figure {
        title: "Cart-pole: a predictive controller learned through its plans".into(),
        subtitle: "angle of the pole from upright, from starts that were not shown; at 200 \
                   degrees it has turned over and is no longer drawn"
            .into(),
        legend: NAMES.iter().zip(colors).map(|(name, color)| Key::new(*name, color)).collect(),
        size: (1440, 860),
    };
    figure.write(path, |body| {
        let areas = body.split_evenly((2, 3));
        draw_training(&areas[0], &areas[1], arguments, history, expert)?;
        draw_costs(&areas[2], courses)?;
        for (k, course) in courses.iter().enumerate() {
            draw_angles(&areas[3 + k], courses, course, k)?;
        }
        Ok(())
    })
}

fn draw_training(
    left: &Area<'_>,
    right: &Area<'_>,
    arguments: &Arguments,
    history: &History,
    expert: &Controller<f64>,
) -> Result<(), Failure> {
    let steps = || Axis::linear("step", [0.0, history.losses.len().max(1) as f64]);
    let losses = || history.losses.iter().copied();
    let mut panel = Panel::new(left, "loss", steps(), Axis::logarithmic("N^2", losses()))?;
    panel.line(losses().enumerate().map(|(k, loss)| (k as f64, loss)), COLORS[0], 2)?;

    let truth = truth(arguments.learn, expert);
    let relative = |j: usize| {
        let numbers = history.numbers.iter().enumerate();
        numbers.map(|(k, own)| (k as f64, own[j] / truth[j])).collect::<Vec<_>>()
    };
    let all: Vec<Vec<(f64, f64)>> = (0..truth.len()).map(relative).collect();
    let values = all.iter().flatten().map(|point| point.1).chain([0.0, 1.0]);
    let y = Axis::linear("relative to the expert's", values).with_margin(0.03);
    let mut panel = Panel::new(right, "learned", steps(), y)?;
    panel.dashes([(0.0, 1.0), (history.losses.len() as f64, 1.0)], COLORS[2], 2)?;
    // The colours of the legend have their own meaning.
    let colors = [COLORS[6], COLORS[5], COLORS[3], COLORS[4]];
    for (k, (line, name)) in all.iter().zip(names(arguments.learn)).enumerate() {
        panel.line(line.iter().copied(), colors[k], 2)?;
        // Each at a place of its own.
        let at = line[(2 * k + 1) * (line.len() - 1) / 8];
        panel.label(at, name.split(',').next().unwrap_or(name), colors[k])?;
    }
    Ok(())
}

/// The costs of each start relative to the expert's, sorted.
fn draw_costs(area: &Area<'_>, courses: &[Course]) -> Result<(), Failure> {
    let relative = |course: &Course| {
        let costs = course.costs.iter().zip(&courses[2].costs);
        let mut relative: Vec<f64> = costs.map(|(own, expert)| own / expert).collect();
        relative.sort_by(f64::total_cmp);
        relative
    };
    let lines: Vec<Vec<f64>> = courses.iter().map(relative).collect();
    let share = Axis::linear("share of the starts, %", [0.0, 100.0]);
    let (name, values) = ("relative to the expert's", || lines.iter().flatten().copied());
    let y = match values().all(|value| value < FAR) {
        true => Axis::linear(name, values()).with_margin(0.05),
        false => Axis::logarithmic(name, values()),
    };
    let mut panel = Panel::new(area, "closed-loop cost", share, y)?;
    for (line, (color, width)) in lines.iter().zip([(COLORS[1], 2), (COLORS[0], 4), (COLORS[2], 2)])
    {
        let last = line.len().saturating_sub(1).max(1) as f64;
        let points = line.iter().enumerate().map(|(k, cost)| (100.0 * k as f64 / last, *cost));
        panel.line(points, color, width)?;
    }
    Ok(())
}

fn draw_angles(
    area: &Area<'_>,
    courses: &[Course],
    course: &Course,
    which: usize,
) -> Result<(), Failure> {
    let degrees = |state: &[f64]| state[1].to_degrees();
    let all = courses.iter().flat_map(|course| &course.states);
    let angles = all.flat_map(|states| states.chunks(STATES).take(SHOWN).map(degrees));
    // A pole that turns round and round would flatten everything else.
    let y = Axis::linear("angle, degrees", angles.map(|angle| angle.clamp(-200.0, 200.0)));
    let seconds = |k: usize| k as f64 * STEP;
    let x = Axis::linear("time, s", [0.0, seconds(course.states.len() - 1)]);
    let mut panel = Panel::new(area, NAMES[which], x, y.with_margin(0.03))?;
    let color = [COLORS[1], COLORS[0], COLORS[2]][which];
    for sample in 0..course.costs.len().min(SHOWN) {
        let angle = |states: &Vec<f64>| degrees(&states[sample * STATES..]).clamp(-200.0, 200.0);
        let line = course.states.iter().enumerate().map(|(k, s)| (seconds(k), angle(s)));
        panel.line(line, color, 1)?;
    }
    Ok(())
}
