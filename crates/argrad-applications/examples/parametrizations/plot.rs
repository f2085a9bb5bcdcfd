//! The plot: loss over steps, a panel for each method and start; medians and quartiles over seeds.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{self, Axis, COLORS, Figure, Key};

use crate::summary::Panel;

/// The losses that are shown.
const RANGE: [f64; 2] = [1e-8, 10.0];

/// Writes the panels, row by row, as a PNG.
pub fn write(path: &Path, title: &str, panels: &[Panel], columns: usize) -> Result<(), Failure> {
    let names = panels[0].courses.iter().map(|course| course.name.clone());
    let figure = Figure {
        title: title.into(),
        subtitle: "line: median, band: quartiles".into(),
        legend: names.zip(COLORS).map(|(name, color)| Key::new(name, color)).collect(),
        size: (1440, 880),
    };
    let rows = panels.len().div_ceil(columns);
    figure.write(path, |body| {
        for (area, panel) in body.split_evenly((rows, columns)).iter().zip(panels) {
            draw(area, panel)?;
        }
        Ok(())
    })
}

fn draw(area: &plot::Area<'_>, panel: &Panel) -> Result<(), Failure> {
    let steps = panel.courses.first().map_or(0, |course| course.median.len());
    let x = Axis::linear("step", [0.0, steps.saturating_sub(1) as f64]);
    let mut shown = plot::Panel::new(area, &panel.name, x, Axis::logarithmic("loss", RANGE))?;
    let inside = |loss: f64| loss.clamp(RANGE[0], RANGE[1]);
    for (course, color) in panel.courses.iter().zip(COLORS) {
        let band = (0..steps).map(|k| (k as f64, inside(course.lower[k]), inside(course.upper[k])));
        shown.band(band, color)?;
    }
    for (course, color) in panel.courses.iter().zip(COLORS) {
        let line = course.median.iter().enumerate().map(|(k, &loss)| (k as f64, inside(loss)));
        shown.line(line, color, 2)?;
    }
    Ok(())
}
