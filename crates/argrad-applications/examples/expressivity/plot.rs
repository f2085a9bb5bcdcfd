//! The plot: for each function what networks make of it, and their errors against their width.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{self, Area, Axis, COLORS, Figure, INK, Key, RGBColor};

use crate::experiment::{Experiment, Fitted};
use crate::target::{PIECES, Target};

const NETWORK: RGBColor = COLORS[1];
const NARROW: RGBColor = COLORS[3];
const LAYER: RGBColor = COLORS[0];
const EXACT: RGBColor = COLORS[2];
const KINKS: RGBColor = COLORS[6];

/// Widths of the networks that are drawn themselves.
const SHOWN: [(usize, RGBColor); 2] = [(4, NARROW), (8, NETWORK)];
const MAPPED: usize = 16;
/// Cells of the map along each axis.
const CELLS: usize = 120;

/// Writes the plot as a PNG, a row for each experiment.
pub fn write(path: &Path, title: &str, experiments: &[Experiment]) -> Result<(), Failure> {
    let figure = Figure {
        title: title.into(),
        subtitle: "errors: root mean square, as a share of the function's; line: median, band: \
                   quartiles, dashes: the best start"
            .into(),
        legend: vec![
            Key::new("function, its kinks", INK),
            Key::new("network of 4", NARROW),
            Key::new("networks (left: of 8)", NETWORK),
            Key::new("kinks of a network", KINKS),
            Key::new("layers, learned: every start", LAYER),
            Key::new("layer, given", EXACT),
        ],
        size: (1440, 1120),
    };
    figure.write(path, |body| {
        let areas = body.split_evenly((2, 2));
        for (pair, experiment) in areas.chunks_exact(2).zip(experiments) {
            match experiment.target {
                Target::Piecewise => draw_functions(&pair[0], experiment)?,
                Target::MaxAffine => draw_map(&pair[0], experiment)?,
            }
            draw_errors(&pair[1], experiment)?;
        }
        Ok(())
    })
}

fn draw_functions(area: &Area<'_>, experiment: &Experiment) -> Result<(), Failure> {
    let samples = experiment.target.grid(801, 1.0);
    let mut curves = vec![(samples.y.clone(), INK)];
    for (width, color) in SHOWN {
        if let Some(network) = experiment.network(width) {
            let values = network.learner.values(network.typical(), &samples.x)?;
            curves.push((values, color));
        }
    }
    let all = curves.iter().flat_map(|(values, _)| values).copied();
    let y = Axis::linear("typical networks", all).with_margin(0.05);
    let caption = format!("Theorem 2: {} regions", experiment.target.regions());
    let mut panel = plot::Panel::new(area, &caption, Axis::linear("x", [-1.0, 1.0]), y)?;
    for (k, (values, color)) in curves.iter().enumerate() {
        let points = samples.x.iter().copied().zip(values.iter().copied());
        panel.line(points, *color, if k == 0 { 4 } else { 2 })?;
    }
    Ok(())
}

/// The error of a network over the plane, the kinks of the function and those of the network.
fn draw_map(area: &Area<'_>, experiment: &Experiment) -> Result<(), Failure> {
    let network = experiment.network(MAPPED);
    let grid = experiment.target.grid(CELLS, 1.0);
    let errors: Vec<f64> = match network {
        Some(network) => {
            let values = network.learner.values(network.typical(), &grid.x)?;
            values.iter().zip(&grid.y).map(|(value, y)| (value - y).abs()).collect()
        }
        None => vec![0.0; grid.y.len()],
    };
    let largest = errors.iter().fold(0.0_f64, |m, error| m.max(*error));
    let caption = format!("Theorem 3: error of a network of {MAPPED}");
    let unit = format!("second coordinate; darkest: {largest:.2}");
    let x = Axis::linear("first coordinate", [-1.0, 1.0]);
    let mut panel = plot::Panel::new(area, &caption, x, Axis::linear(&unit, [-1.0, 1.0]))?;
    let half = 1.0 / CELLS as f64;
    for (x, error) in grid.x.chunks_exact(2).zip(&errors) {
        let color = shade(if largest > 0.0 { error / largest } else { 0.0 });
        panel.rectangle((x[0] - half, x[1] - half), (x[0] + half, x[1] + half), color)?;
    }
    for unit in network.iter().flat_map(|network| network.typical().chunks_exact(4)) {
        panel.line(kink([unit[0], unit[1]], unit[2]), KINKS, 1)?;
    }
    for ray in rays() {
        panel.line([(0.0, 0.0), (ray[0], ray[1])], INK, 3)?;
    }
    Ok(())
}

/// From white to vermilion.
fn shade(share: f64) -> RGBColor {
    let mix = |end: u8| (255.0 + share.sqrt() * (f64::from(end) - 255.0)).round() as u8;
    RGBColor(mix(NETWORK.0), mix(NETWORK.1), mix(NETWORK.2))
}

/// The part of the line a'x + b = 0 inside the box: two points, or none.
fn kink([u, v]: [f64; 2], b: f64) -> Vec<(f64, f64)> {
    let side = |k: f64| [(-(b + v * k) / u, k), (k, -(b + u * k) / v)];
    let ends = [-1.0, 1.0].map(side);
    let inside = |end: &(f64, f64)| end.0.abs() <= 1.0 && end.1.abs() <= 1.0;
    ends.as_flattened().iter().copied().filter(inside).collect()
}

/// Where two pieces share the maximum: from the origin to these points on the edge of the box.
fn rays() -> Vec<[f64; 2]> {
    let value = |i: usize, x: [f64; 2]| PIECES[i][0] * x[0] + PIECES[i][1] * x[1];
    let mut rays = Vec::new();
    for (i, j, other) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
        let along = [PIECES[j][1] - PIECES[i][1], PIECES[i][0] - PIECES[j][0]];
        let turn = if value(i, along) > value(other, along) { 1.0 } else { -1.0 };
        let size = turn * along[0].abs().max(along[1].abs());
        rays.push(along.map(|v| v / size));
    }
    rays
}

fn draw_errors(area: &Area<'_>, experiment: &Experiment) -> Result<(), Failure> {
    let networks = &experiment.networks;
    let place = |width: usize| (width as f64).log2();
    let ticks = networks.iter().map(|(width, _)| (place(*width), width.to_string()));
    let all = networks.iter().map(|(_, fitted)| fitted).chain(&experiment.layers);
    let last = all.clone().map(|fitted| place(fitted.learner.size())).fold(1.0, f64::max);
    let x = Axis::linear("hidden units, hinges or pieces", [0.0, last])
        .with_margin(0.03)
        .with_ticks(ticks);
    let errors = all.flat_map(|fitted| &fitted.errors);
    let y = Axis::logarithmic("relative error", errors.copied().chain([1e-16, 1.0]));
    let caption = match experiment.target {
        Target::Piecewise => "Theorem 2: errors",
        Target::MaxAffine => "Theorem 3: errors",
    };
    let mut panel = plot::Panel::new(area, caption, x, y)?;
    let quantiles =
        |share| networks.iter().map(move |(w, fitted)| (place(*w), fitted.quantile(share)));
    let band = quantiles(0.25).zip(quantiles(0.75)).map(|((x, low), (_, high))| (x, low, high));
    panel.band(band, NETWORK)?;
    panel.line(quantiles(0.5), NETWORK, 3)?;
    panel.dots(quantiles(0.5), NETWORK, 5)?;
    panel.dashes(quantiles(0.0), NETWORK, 2)?;
    for layer in &experiment.layers {
        let at = place(layer.learner.size());
        panel.dots(layer.errors.iter().map(|error| (at, *error)), LAYER, 6)?;
    }
    panel.line([(0.0, experiment.exact[0]), (last, experiment.exact[0])], EXACT, 3)
}

impl Experiment {
    /// The network of this width, if it is there.
    fn network(&self, width: usize) -> Option<&Fitted> {
        self.networks.iter().find(|(own, _)| *own == width).map(|(_, fitted)| fitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pieces_share_the_maximum_along_each_half_line() {
        for ray in rays() {
            let values = PIECES.map(|a| a[0] * ray[0] + a[1] * ray[1]);
            let largest = Target::MaxAffine.value(&ray);
            let shared = values.iter().filter(|value| (*value - largest).abs() < 1e-12).count();
            assert_eq!(shared, 2, "{values:?}");
            assert!((ray[0].abs().max(ray[1].abs()) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn shades_go_from_white_to_the_colour_of_networks() {
        assert_eq!(shade(0.0), RGBColor(255, 255, 255));
        assert_eq!(shade(1.0), NETWORK);
    }
}
