//! The plot: loss over steps, a panel for each method and start; medians and quartiles over seeds.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::summary::{Course, Panel};

/// Told apart by colour-blind readers too (Okabe and Ito 2008).
const COLORS: [RGBColor; 5] = [
    RGBColor(80, 80, 80),
    RGBColor(230, 159, 0),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 114, 178),
];
const SIZE: (u32, u32) = (1440, 980);
const LEGEND: i32 = 92;

/// Writes the panels, row by row, as a PNG.
pub fn write(
    path: &Path,
    title: &str,
    panels: &[Panel],
    columns: usize,
) -> Result<(), Box<dyn Error>> {
    // The font comes with the program, so that no system font is needed.
    register_font("sans-serif", FontStyle::Normal, notosans::REGULAR_TTF)
        .map_err(|_| "the font cannot be read")?;
    let root = BitMapBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(LEGEND);
    draw_head(&head, title, &panels[0].courses)?;
    let rows = panels.len().div_ceil(columns);
    let steps = panels[0].courses[0].median.len() - 1;
    for (area, panel) in body.split_evenly((rows, columns)).iter().zip(panels) {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(&panel.name, ("sans-serif", 20))
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(0..steps, (1e-8..10.0).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(228, 231, 235))
            .label_style(("sans-serif", 15))
            .x_desc("step")
            .y_desc("loss")
            .y_label_formatter(&|loss| format!("{loss:.0e}"))
            .draw()?;
        let inside = |loss: f64| loss.clamp(1e-8, 10.0);
        for (course, color) in panel.courses.iter().zip(COLORS) {
            let band: Vec<(usize, f64)> = (0..=steps)
                .map(|k| (k, inside(course.upper[k])))
                .chain((0..=steps).rev().map(|k| (k, inside(course.lower[k]))))
                .collect();
            chart.draw_series([Polygon::new(band, color.mix(0.15))])?;
        }
        for (course, color) in panel.courses.iter().zip(COLORS) {
            let line = course.median.iter().enumerate().map(|(k, &loss)| (k, inside(loss)));
            chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
        }
    }
    root.present()?;
    Ok(())
}

fn draw_head(
    area: &DrawingArea<BitMapBackend<'_>, plotters::coord::Shift>,
    title: &str,
    courses: &[Course],
) -> Result<(), Box<dyn Error>> {
    let style = |size: u32| ("sans-serif", size).into_font().color(&RGBColor(34, 40, 49));
    area.draw(&Text::new(title.to_owned(), (28, 18), style(24)))?;
    let mut x = 28;
    for (course, color) in courses.iter().zip(COLORS) {
        area.draw(&Rectangle::new([(x, 66), (x + 26, 70)], color.filled()))?;
        area.draw(&Text::new(course.name.clone(), (x + 34, 58), style(17)))?;
        x += 34 + 9 * course.name.len() as i32 + 24;
    }
    Ok(())
}
