//! The plot: the error over the steps, and the polygons in the plane.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{Area, Axis, COLORS, Figure, Key, Panel, RGBColor};

use crate::polygon::{Point, Polygon};

/// What is shown.
pub struct Shown<'a> {
    pub title: String,
    /// Errors over the steps, of the layer and of the network.
    pub errors: [&'a [f64]; 2],
    pub hidden: &'a Polygon,
    pub first: &'a Polygon,
    pub learned: &'a Polygon,
    /// The nearest points that were learned from.
    pub examples: &'a [Point],
    /// What the network makes of the test points.
    pub network: &'a [Point],
}

const LAYER: RGBColor = COLORS[0];
const NETWORK: RGBColor = COLORS[1];
const HIDDEN: RGBColor = COLORS[2];
const FIRST: RGBColor = COLORS[4];
const EXAMPLES: RGBColor = COLORS[6];

/// Writes the figure.
pub fn write(path: &Path, shown: &Shown<'_>) -> Result<(), Failure> {
    let figure = Figure {
        title: shown.title.clone(),
        subtitle: String::new(),
        legend: vec![
            Key::new("layer, its polygon", LAYER),
            Key::new("its polygon at first", FIRST),
            Key::new("polygon to be found (dashed)", HIDDEN),
            Key::new("examples", EXAMPLES),
            Key::new("network, its answers", NETWORK),
        ],
        size: (1440, 700),
    };
    figure.write(path, |body| {
        // The right panel is as wide as it is high, so that a circle would be one.
        let (left, right) = body.split_horizontally(736);
        draw_errors(&left, shown)?;
        draw_plane(&right, shown)
    })
}

fn draw_errors(area: &Area<'_>, shown: &Shown<'_>) -> Result<(), Failure> {
    let steps = shown.errors.iter().map(|errors| errors.len()).max().unwrap_or(0);
    let x = Axis::linear("step", [0.0, steps.saturating_sub(1) as f64]);
    let y = Axis::logarithmic(
        "distance from the true nearest point, root mean square",
        shown.errors.iter().flat_map(|errors| errors.iter().copied()),
    );
    let mut panel = Panel::new(area, "Test points", x, y)?;
    for (errors, color) in shown.errors.iter().zip([LAYER, NETWORK]) {
        panel.line(errors.iter().enumerate().map(|(k, &e)| (k as f64, e)), color, 2)?;
    }
    Ok(())
}

fn draw_plane(area: &Area<'_>, shown: &Shown<'_>) -> Result<(), Failure> {
    let reach = 1.6;
    let (x, y) = (Axis::linear("x1", [-reach, reach]), Axis::linear("x2", [-reach, reach]));
    let mut panel = Panel::new(area, "Plane", x, y)?;
    let outline = |polygon: &Polygon| -> Vec<(f64, f64)> {
        let corners = polygon.corners();
        corners.iter().chain(corners.first()).map(|&[x, y]| (x, y)).collect()
    };
    let dots = |points: &[Point]| points.iter().map(|&[x, y]| (x, y)).collect::<Vec<_>>();
    panel.line(outline(shown.first), FIRST, 2)?;
    panel.dots(dots(shown.network), NETWORK, 2)?;
    panel.dots(dots(shown.examples), EXAMPLES, 3)?;
    panel.line(outline(shown.learned), LAYER, 4)?;
    panel.dashes(outline(shown.hidden), HIDDEN, 2)
}
