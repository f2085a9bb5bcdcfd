//! The plot: the points of the first seed with their moves and the lines, and beside it what each
//! training loses with each budget, for each penalty.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::{self, Area, Axis, COLORS, Figure, INK, Key, RGBColor};

use crate::classifier::{Line, Training};
use crate::course::{CURVES, Course, Curve};
use crate::summary::Summary;

const LABELS: [RGBColor; 2] = [COLORS[0], COLORS[1]];
const BEFORE: RGBColor = INK;
const ONE_STEP: RGBColor = COLORS[4];
const PROJECTED: RGBColor = COLORS[5];
const ROBUST: RGBColor = COLORS[2];
const HINGE: RGBColor = COLORS[3];
const MOVE: RGBColor = RGBColor(150, 150, 150);

/// Pixels of the three panels together.
const SIZE: (u32, u32) = (1440, 760);
const LEFT: u32 = 740;

/// Writes the plot as a PNG; `results` are those of each penalty, and `first` is a seed with the
/// first of them.
pub fn write(
    path: &Path,
    title: &str,
    first: &Course,
    budgets: &[f64],
    results: [(f64, &Summary); 2],
) -> Result<(), Failure> {
    let figure = Figure {
        title: title.into(),
        subtitle: "right: medians, band: quartiles; dashes: the attacker does not know of the \
                   defence"
            .into(),
        legend: vec![
            Key::new("label 1", LABELS[0]),
            Key::new("label -1", LABELS[1]),
            Key::new("logistic before the attack", BEFORE),
            Key::new("one step", ONE_STEP),
            Key::new("projected attack", PROJECTED),
            Key::new("robust logistic", ROBUST),
            Key::new("robust hinge", HINGE),
        ],
        size: SIZE,
    };
    figure.write(path, |body| {
        let (left, right) = body.split_horizontally(LEFT);
        draw_points(&left, first, budgets[budgets.len() - 1])?;
        let (above, below) = right.split_vertically(SIZE.1 / 2);
        for (area, (penalty, summary)) in [above, below].iter().zip(results) {
            let caption = format!("penalty {penalty}");
            draw_curves(area, &caption, budgets, &summary.losses)?;
        }
        Ok(())
    })
}

fn draw_points(area: &Area<'_>, course: &Course, budget: f64) -> Result<(), Failure> {
    let reach = course.train.x.iter().chain(&course.poisoned).fold(0.0, |m, v| v.abs().max(m));
    let axis = |name| Axis::linear(name, [-reach, reach]).with_margin(0.04);
    let caption = format!("training points, moved by at most {budget} along each axis");
    let mut panel =
        plot::Panel::new(area, &caption, axis("first coordinate"), axis("second coordinate"))?;
    let [before, after, robust] = course.lines;
    for (line, color) in [(before, BEFORE), (after, PROJECTED), (robust, ROBUST)] {
        panel.line(across(line, 1.04 * reach), color, 3)?;
    }
    let pairs = course.train.x.chunks_exact(2).zip(course.poisoned.chunks_exact(2));
    for ((from, to), label) in pairs.zip(&course.train.labels) {
        let color = LABELS[usize::from(*label < 0.0)];
        panel.arrow((from[0], from[1]), (to[0], to[1]), MOVE)?;
        panel.dots([(from[0], from[1])], color, 5)?;
    }
    Ok(())
}

/// The part of a line inside the square of this half width: two points, or none.
fn across(line: Line, reach: f64) -> Vec<(f64, f64)> {
    let [u, v] = line.beta;
    let side = |k: f64| [(-(line.b + v * k) / u, k), (k, -(line.b + u * k) / v)];
    let ends = [-reach, reach].map(side);
    let inside = |end: &(f64, f64)| end.0.abs() <= reach && end.1.abs() <= reach;
    ends.as_flattened().iter().copied().filter(inside).collect()
}

fn draw_curves(
    area: &Area<'_>,
    caption: &str,
    budgets: &[f64],
    curves: &[[Vec<f64>; 3]],
) -> Result<(), Failure> {
    let x = Axis::linear("budget: the largest move of a coordinate", budgets.iter().copied());
    let all = curves.iter().flatten().flatten().copied();
    let mut panel =
        plot::Panel::new(area, caption, x, Axis::linear("test loss", all).with_margin(0.04))?;
    for (curve, [low, _, high]) in CURVES.iter().zip(curves) {
        if matches!(curve, Curve::Projected | Curve::Aware(Training::RobustLogistic)) {
            let band = budgets.iter().zip(low).zip(high).map(|((x, low), high)| (*x, *low, *high));
            panel.band(band, color(*curve))?;
        }
    }
    for (curve, [_, median, _]) in CURVES.iter().zip(curves) {
        let points = budgets.iter().copied().zip(median.iter().copied());
        match curve {
            Curve::Unaware(_) => panel.dashes(points, color(*curve), 2)?,
            _ => panel.line(points, color(*curve), 3)?,
        }
    }
    Ok(())
}

fn color(curve: Curve) -> RGBColor {
    match curve {
        Curve::Sign => ONE_STEP,
        Curve::Projected => PROJECTED,
        Curve::Unaware(Training::RobustHinge) | Curve::Aware(Training::RobustHinge) => HINGE,
        Curve::Unaware(_) | Curve::Aware(_) => ROBUST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_drawn_from_edge_to_edge() {
        let line = Line { beta: [1.0, 2.0], b: -2.0 };
        let ends = across(line, 4.0);
        assert_eq!(ends.len(), 2);
        assert!(ends.iter().all(|(x, y)| line.value([*x, *y]).abs() < 1e-12), "{ends:?}");
        assert!(across(Line { beta: [0.0, 0.0], b: 1.0 }, 4.0).is_empty(), "no line");
        assert!(across(Line { beta: [1.0, 1.0], b: 50.0 }, 4.0).is_empty(), "far away");
    }
}
