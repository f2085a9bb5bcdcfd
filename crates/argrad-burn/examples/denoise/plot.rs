//! The plot: errors over the training, the learned D, and a few signals with what the methods make
//! of them.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{Area, Axis, COLORS, FAINT, Figure, INK, Key, Panel, RGBColor};

use crate::comparison::Row;
use crate::method::Method;
use crate::signals::{LENGTH, Signals};

/// Mean squared errors that are shown.
const RANGE: [f64; 2] = [10.0, 100.0];
const TICKS: [f64; 6] = [10.0, 15.0, 20.0, 30.0, 50.0, 100.0];
/// Height of the panels of a row.
const UPPER: i32 = 500;
const LOWER: u32 = 400;
/// Signals that are shown.
const SHOWN: usize = 3;

/// Writes the plot as a PNG.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, rows: &[Row], test: &Signals) -> Result<(), Failure> {
    let key = |row: &Row| {
        Key::new(format!("{}: {:.1}", row.method.name(), row.errors[1]), color(row.method))
    };
    let figure = Figure {
        title: "Signals with noise, and what each method makes of them".into(),
        subtitle: "mean squared error of test signals; dashed: as published (Amos and Kolter \
                   2017); dots: noisy signal, black: true one"
            .into(),
        legend: rows.iter().map(key).collect(),
        size: (1440, UPPER as u32 + LOWER),
    };
    figure.write(path, |body| {
        let (upper, lower) = body.split_vertically(UPPER);
        let (left, right) = upper.split_horizontally(860);
        draw_errors(&left, rows)?;
        draw_operator(&right, rows)?;
        for (k, area) in lower.split_evenly((1, SHOWN)).iter().enumerate().take(test.len()) {
            draw_signal(area, k, rows, test)?;
        }
        Ok(())
    })
}

fn color(method: Method) -> RGBColor {
    match method {
        Method::Connected => COLORS[3],
        Method::Optnet => COLORS[6],
        Method::Search => COLORS[0],
        Method::Weight => COLORS[4],
        Method::RandomD => COLORS[5],
        Method::LearnedD => RGBColor(140, 100, 50),
        Method::TunedOptnet => COLORS[2],
        Method::Network => COLORS[1],
    }
}

fn draw_errors(area: &Area<'_>, rows: &[Row]) -> Result<(), Failure> {
    let last = rows.iter().flat_map(|row| &row.course.tests).map(|test| test.0).fold(1.0, f64::max);
    let x = Axis::linear("passes over the training signals", [0.0, last]);
    let y = Axis::logarithmic("mean squared error", RANGE)
        .with_ticks(TICKS.map(|tick| (tick, format!("{tick}"))));
    let mut panel = Panel::new(area, "Test signals", x, y)?;
    let inside = |error: f64| error.clamp(RANGE[0], RANGE[1]);
    for row in rows {
        let color = color(row.method);
        if let Some([_, test]) = row.method.published() {
            panel.dashes([(0.0, test), (last, test)], color, 1)?;
        }
        let points: Vec<(f64, f64)> = match row.course.tests.is_empty() {
            true => vec![(0.0, row.errors[1]), (last, row.errors[1])],
            false => row.course.tests.iter().map(|&(x, error)| (x, inside(error))).collect(),
        };
        panel.line(points.iter().copied(), color, 2)?;
        if !row.course.tests.is_empty() {
            panel.dots(points, color, 3)?;
        }
    }
    Ok(())
}

/// The last D that was learned, blue where negative, vermilion where positive.
fn draw_operator(area: &Area<'_>, rows: &[Row]) -> Result<(), Failure> {
    let Some((name, operator)) =
        rows.iter().rev().find_map(|row| Some((row.method.name(), row.operator.as_ref()?)))
    else {
        return Ok(());
    };
    let count = operator.len() / LENGTH;
    let ends = |count: usize| [-0.5, count as f64 - 0.5];
    let tick = |k: usize, rows: usize| ((rows - 1 - k) as f64, format!("{}", k + 1));
    let y = Axis::linear("row", ends(count))
        .with_ticks([0, 24, 49, 74, count - 1].map(|k| tick(k, count)));
    let x = Axis::linear("place in the signal", ends(LENGTH))
        .with_ticks([0, 24, 49, 74, 99].map(|k: usize| (k as f64, format!("{}", k + 1))));
    let mut panel = Panel::new(area, &format!("D: {name}"), x, y)?;
    let largest = operator.iter().fold(0.0, |most: f64, entry| most.max(entry.abs()));
    panel.heat_map(LENGTH, operator, |entry| shade(entry / largest))
}

/// White at zero, blue at -1, vermilion at 1; the root makes small numbers visible.
pub fn shade(share: f64) -> RGBColor {
    let RGBColor(r, g, b) = if share < 0.0 { COLORS[0] } else { COLORS[1] };
    let strength = share.abs().min(1.0).sqrt();
    let mix = |channel: u8| (255.0 + strength * (f64::from(channel) - 255.0)).round() as u8;
    RGBColor(mix(r), mix(g), mix(b))
}

fn draw_signal(area: &Area<'_>, k: usize, rows: &[Row], test: &Signals) -> Result<(), Failure> {
    let of = |all: &[f64]| -> Vec<(f64, f64)> {
        let signal = &all[k * LENGTH..(k + 1) * LENGTH];
        signal.iter().enumerate().map(|(i, &height)| (i as f64, height)).collect()
    };
    let (noisy, clean) = (of(&test.noisy), of(&test.clean));
    let x = Axis::linear("place", [0.0, (LENGTH - 1) as f64]);
    let y = Axis::linear("height", noisy.iter().map(|point| point.1)).with_margin(0.05);
    let caption = format!("Test signal {}", k + 1);
    let mut panel = Panel::new(area, &caption, x, y)?;
    panel.dots(noisy, FAINT, 2)?;
    panel.line(clean, INK, 2)?;
    for row in rows {
        let color = color(row.method);
        if row.method.is_shown() || rows.len() == 1 {
            panel.line(of(&row.estimates), color, 2)?;
        }
    }
    Ok(())
}
