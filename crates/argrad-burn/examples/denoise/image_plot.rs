//! The plot of the picture: as it is, noisy, denoised by each method; the filters and the course of
//! their learning.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{Area, Axis, COLORS, Figure, Key, Panel, RGBColor};

use crate::filters::Filter;
use crate::image::Outcome;
use crate::plot::shade;

/// Width of a picture's panel; its height leaves the picture square.
const WIDTH: i32 = 380;
const HEIGHT: i32 = WIDTH - 4;
const LOWER: i32 = 420;

/// Writes the plot as a PNG.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, outcome: &Outcome) -> Result<(), Failure> {
    let Outcome { clean, estimates, losses, baseline, filters } = outcome;
    let count = 1 + estimates.len() as i32;
    let figure = Figure {
        title: "A picture with noise, denoised by total variation and by learned filters".into(),
        subtitle:
            "peak signal-to-noise ratio in decibels; filters: vermilion positive, blue negative"
                .into(),
        legend: vec![
            Key::new("learned filters, batch of each step", COLORS[0]),
            Key::new("total variation of the best weight, all pictures", COLORS[1]),
        ],
        size: ((count * WIDTH) as u32, (HEIGHT + LOWER) as u32),
    };
    figure.write(path, |body| {
        let (upper, lower) = body.split_vertically(HEIGHT);
        let areas = upper.split_evenly((1, count as usize));
        draw_picture(&areas[0], "as it is", clean.side, &clean.pixels)?;
        for (area, estimate) in areas[1..].iter().zip(estimates) {
            let caption = format!("{}: {:.2} dB", estimate.name, estimate.psnr);
            draw_picture(area, &caption, clean.side, &estimate.pixels)?;
        }
        let (left, right) = lower.split_horizontally(2 * WIDTH);
        draw_losses(&left, losses, *baseline)?;
        draw_filters(&right, filters)
    })
}

/// An axis without ticks.
fn bare(name: &str, length: f64) -> Axis {
    Axis::linear(name, [-0.5, length - 0.5]).with_ticks(std::iter::empty::<(f64, String)>())
}

fn draw_picture(
    area: &Area<'_>,
    caption: &str,
    side: usize,
    pixels: &[f64],
) -> Result<(), Failure> {
    let grey = |pixel: f64| {
        let level = (255.0 * pixel.clamp(0.0, 1.0)).round() as u8;
        RGBColor(level, level, level)
    };
    let pixel = |name: &str| bare(name, side as f64);
    let mut panel =
        Panel::new(area, caption, pixel(&format!("{side} x {side} pixels")), pixel(""))?;
    panel.heat_map(side, pixels, grey)
}

fn draw_losses(area: &Area<'_>, losses: &[f64], baseline: f64) -> Result<(), Failure> {
    let last = losses.len().max(2) as f64 - 1.0;
    let x = Axis::linear("step", [0.0, last]);
    let y = Axis::linear("mean squared error", losses.iter().copied().chain([0.0, baseline]));
    let mut panel = Panel::new(area, "Learning", x, y)?;
    panel.dashes([(0.0, baseline), (last, baseline)], COLORS[1], 2)?;
    panel.line(losses.iter().enumerate().map(|(k, &loss)| (k as f64, loss)), COLORS[0], 2)
}

/// The filters side by side, four in a row, with a cell of space between them.
fn draw_filters(area: &Area<'_>, filters: &[Filter]) -> Result<(), Failure> {
    const ACROSS: usize = 4;
    let side = filters.iter().map(|filter| filter.shape[0].max(filter.shape[1])).max().unwrap_or(1);
    let down = filters.len().div_ceil(ACROSS);
    let (columns, rows) = (ACROSS * (side + 1) - 1, down * (side + 1) - 1);
    let mut cells = vec![f64::NAN; columns * rows];
    for (k, filter) in filters.iter().enumerate() {
        let (top, left) = (k / ACROSS * (side + 1), k % ACROSS * (side + 1));
        for (tap, &value) in filter.taps.iter().enumerate() {
            let (i, j) = (tap / filter.shape[1], tap % filter.shape[1]);
            cells[(top + i) * columns + left + j] = value;
        }
    }
    let largest =
        cells.iter().filter(|cell| cell.is_finite()).fold(0.0, |m: f64, c| m.max(c.abs()));
    let color = |cell: f64| match cell.is_nan() {
        true => RGBColor(255, 255, 255),
        false => shade(cell / largest),
    };
    let caption = format!("Learned filters, the largest tap is {largest:.3}");
    let x = bare(&format!("{} filters of {side} x {side} taps", filters.len()), columns as f64);
    let mut panel = Panel::new(area, &caption, x, bare("", rows as f64))?;
    panel.heat_map(columns, &cells, color)
}
