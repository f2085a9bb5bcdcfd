//! The plot: curves of loss and error, and a few test boards with what each network answered.

use std::error::Error;
use std::path::Path;

use argrad_applications::plot::text::{self, Align, Area, Style};
use argrad_applications::plot::{FAINT, GRID, INK, write_png};
use plotters::coord::ranged1d::{AsRangedCoord, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::board::Rules;
use crate::puzzles::Puzzle;
use crate::train::{History, Step};

/// A trained network: its name, its course and the colour it is drawn in.
pub struct Curve<'a> {
    pub name: &'a str,
    pub history: &'a History,
    pub color: RGBColor,
}

/// Blue and orange: told apart by colour-blind readers too.
pub const LAYER: RGBColor = RGBColor(0, 104, 178);
pub const PERCEPTRON: RGBColor = RGBColor(222, 120, 0);

pub const CELL_LINE: RGBColor = RGBColor(196, 202, 210);
const CLUE: RGBColor = RGBColor(238, 241, 245);
const WRONG: RGBColor = RGBColor(200, 30, 45);
const WRONG_FILL: RGBColor = RGBColor(253, 222, 224);

const WIDTH: i32 = 1440;
pub const MARGIN: i32 = 40;
const HEADER: i32 = 112;
const CHARTS: i32 = 430;
/// Side of a board, and the space after it.
pub const BOARD: i32 = 164;
pub const BOARD_GAP: i32 = 35;
/// Space to the left of the boards, for the names of the rows.
pub const ROW_NAMES: i32 = 200;
/// Boards in a row.
pub const COLUMNS: usize = 6;

/// Writes the plot as a PNG. `test` are the puzzles that the answers of the curves belong to.
pub fn write(
    path: &Path,
    title: &str,
    curves: &[Curve<'_>],
    test: &[Puzzle],
    rules: Rules,
) -> Result<(), Box<dyn Error>> {
    let rows = 1 + curves.len() as i32;
    let height = HEADER + CHARTS + rows * (BOARD + BOARD_GAP) + MARGIN;
    write_png(path, (WIDTH as u32, height as u32), |root| {
        let (header, rest) = root.split_vertically(HEADER);
        let (charts, boards) = rest.split_vertically(CHARTS);
        let (loss, error) = charts.split_horizontally(WIDTH / 2);
        draw_header(&header, title, curves)?;
        draw_loss(&loss, curves)?;
        draw_error(&error, curves)?;
        draw_boards(&boards, curves, test, rules)
    })
}

fn draw_header(area: &Area<'_>, title: &str, curves: &[Curve<'_>]) -> Result<(), Box<dyn Error>> {
    text::draw(area, title, (MARGIN, 44), bold(26.0, INK))?;
    let mut x = MARGIN;
    for curve in curves {
        let solved = 100.0 * curve.history.solved();
        let label = format!("{}: {solved:.1} % of the test boards solved exactly", curve.name);
        let style = regular(17.0, INK);
        area.draw(&Rectangle::new([(x, 82), (x + 24, 86)], curve.color.filled()))?;
        text::draw(area, &label, (x + 34, 84), style)?;
        x += 34 + text::width(&label, style)? as i32 + 48;
    }
    Ok(())
}

/// Number of epochs that the curves cover, an unfinished one counted in part.
fn last_epoch(curves: &[Curve<'_>]) -> f64 {
    let last = |history: &History| {
        let steps = history.steps.len() as f64 / history.steps_per_epoch.max(1) as f64;
        history.evaluations.last().map_or(steps, |evaluation| steps.max(evaluation.epoch as f64))
    };
    curves.iter().map(|curve| last(curve.history)).fold(f64::EPSILON, f64::max)
}

/// A quantity over the training steps: (epochs, value).
fn over_steps(history: &History, value: impl Fn(&Step) -> f64) -> Vec<(f64, f64)> {
    let epoch = |k: usize| k as f64 / history.steps_per_epoch as f64;
    history.steps.iter().enumerate().map(|(k, step)| (epoch(k), value(step))).collect()
}

fn draw_loss(area: &Area<'_>, curves: &[Curve<'_>]) -> Result<(), Box<dyn Error>> {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for history in curves.iter().map(|curve| curve.history) {
        let steps = history.steps.iter().map(|step| step.loss);
        for loss in steps.chain(history.evaluations.iter().map(|evaluation| evaluation.loss)) {
            (least, most) = (least.min(loss), most.max(loss));
        }
    }
    // Whole decades; what lies outside, as a loss of zero does, is drawn at the edge.
    let bottom = least.max(1e-8).log10().floor().min(-2.0) as i32;
    let top = most.log10().ceil().clamp(0.0, 2.0) as i32;
    let range = 10f64.powi(bottom)..10f64.powi(top);
    let inside = |loss: f64| loss.clamp(range.start, range.end);
    let ticks = (bottom..=top).map(|k| match k {
        -3..=2 => (10f64.powi(k), format!("{}", 10f64.powi(k))),
        _ => (10f64.powi(k), format!("1e{k}")),
    });
    let mut chart =
        frame(area, "mean squared error", curves, range.clone().log_scale(), ticks.collect())?;
    for curve in curves {
        draw_steps(&mut chart, over_steps(curve.history, |step| inside(step.loss)), curve.color)?;
    }
    for curve in curves {
        let tests = curve.history.evaluations.iter().map(|e| (e.epoch as f64, inside(e.loss)));
        draw_tests(&mut chart, tests.collect(), curve.color)?;
    }
    Ok(())
}

fn draw_error(area: &Area<'_>, curves: &[Curve<'_>]) -> Result<(), Box<dyn Error>> {
    let ticks = (0..=5).map(|k| (20.0 * f64::from(k), format!("{} %", 20 * k))).collect();
    let mut chart = frame(area, "boards not solved exactly", curves, 0.0..100.0, ticks)?;
    for curve in curves {
        draw_steps(&mut chart, over_steps(curve.history, |step| 100.0 * step.error), curve.color)?;
    }
    for curve in curves {
        let tests = curve.history.evaluations.iter().map(|e| (e.epoch as f64, 100.0 * e.error));
        draw_tests(&mut chart, tests.collect(), curve.color)?;
    }
    Ok(())
}

type Chart<'a, 'b, Y> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, Y>>;

/// An empty chart with a caption, over epochs.
fn frame<'a, 'b, Y: AsRangedCoord<Value = f64>>(
    area: &'a Area<'b>,
    caption: &str,
    curves: &[Curve<'_>],
    range: Y,
    ticks: Vec<(f64, String)>,
) -> Result<Chart<'a, 'b, Y::CoordDescType>, Box<dyn Error>> {
    text::draw(area, caption, (MARGIN, 20), bold(18.0, INK))?;
    let key = Style { align: Align::Right, ..regular(15.0, FAINT) };
    let right = WIDTH / 2 - MARGIN;
    text::draw(area, "thin: training batches · dots: test boards", (right, 20), key)?;

    let epochs = last_epoch(curves);
    let chart = ChartBuilder::on(area)
        .margin_top(50)
        .margin_bottom(82)
        .margin_left(MARGIN + 64)
        .margin_right(MARGIN)
        .build_cartesian_2d(0.0..epochs, range)?;
    let (x, y) = area.get_base_pixel();
    let place = |point: (f64, f64)| {
        let (px, py) = chart.backend_coord(&point);
        (px - x, py - y)
    };
    for (value, label) in &ticks {
        let (left, height) = place((0.0, *value));
        let (right, _) = place((epochs, *value));
        area.draw(&PathElement::new([(left - 12, height), (right + 12, height)], GRID))?;
        let style = Style { align: Align::Right, ..regular(15.0, INK) };
        text::draw(area, label, (left - 22, height), style)?;
    }
    let bottom = place((0.0, ticks[0].0)).1;
    let centered = Style { align: Align::Center, ..regular(15.0, INK) };
    let stride = (epochs / 10.0).ceil().max(1.0) as usize;
    for epoch in (0..=epochs as usize).step_by(stride) {
        let (across, _) = place((epoch as f64, ticks[0].0));
        text::draw(area, &epoch.to_string(), (across, bottom + 24), centered)?;
    }
    let (middle, _) = place((epochs / 2.0, ticks[0].0));
    text::draw(area, "epochs", (middle, bottom + 50), centered)?;
    Ok(chart)
}

fn draw_steps<Y: Ranged<ValueType = f64>>(
    chart: &mut Chart<'_, '_, Y>,
    steps: Vec<(f64, f64)>,
    color: RGBColor,
) -> Result<(), Box<dyn Error>> {
    chart.draw_series(LineSeries::new(steps, color.mix(0.5)))?;
    Ok(())
}

fn draw_tests<Y: Ranged<ValueType = f64>>(
    chart: &mut Chart<'_, '_, Y>,
    tests: Vec<(f64, f64)>,
    color: RGBColor,
) -> Result<(), Box<dyn Error>> {
    chart.draw_series(LineSeries::new(tests.iter().copied(), color.stroke_width(3)))?;
    // Elements of a series are clipped to the chart; these may reach over its edge.
    let area = chart.plotting_area();
    for point in tests {
        area.draw(&Circle::new(point, 7, WHITE.filled()))?;
        area.draw(&Circle::new(point, 5, color.filled()))?;
    }
    Ok(())
}

/// A row of puzzles, and under it, for each network, its answers with the wrong cells marked.
fn draw_boards(
    area: &Area<'_>,
    curves: &[Curve<'_>],
    test: &[Puzzle],
    rules: Rules,
) -> Result<(), Box<dyn Error>> {
    let top = |row: usize| row as i32 * (BOARD + BOARD_GAP);
    let row_name = |row: usize, name: &str, below: &str, color: RGBColor| {
        let middle = top(row) + BOARD / 2;
        text::draw(area, name, (MARGIN, middle - 12), bold(16.0, color))?;
        text::draw(area, below, (MARGIN, middle + 14), regular(15.0, FAINT))
    };
    row_name(0, "test puzzles", "not trained on", INK)?;
    for (row, curve) in curves.iter().enumerate() {
        row_name(row + 1, curve.name, "wrong cells in red", curve.color)?;
    }
    for (column, puzzle) in test.iter().take(COLUMNS).enumerate() {
        let left = MARGIN + ROW_NAMES + column as i32 * (BOARD + BOARD_GAP);
        draw_board(area, (left, top(0)), puzzle, &puzzle.clues, INK, rules)?;
        for (row, curve) in curves.iter().enumerate() {
            if let Some(answer) = curve.history.answers.get(column) {
                draw_board(area, (left, top(row + 1)), puzzle, answer, curve.color, rules)?;
            }
        }
    }
    Ok(())
}

/// A board at a place: the clues on grey, other digits in `color`, or red where they are wrong.
pub fn draw_board(
    area: &Area<'_>,
    (left, top): (i32, i32),
    puzzle: &Puzzle,
    digits: &[u8],
    color: RGBColor,
    rules: Rules,
) -> Result<(), Box<dyn Error>> {
    let side = rules.side() as i32;
    // Cells of whole pixels.
    let pixels = BOARD / side;
    let corner = |row: i32, column: i32| (left + column * pixels, top + row * pixels);
    for (cell, &digit) in digits.iter().enumerate().filter(|(_, digit)| **digit > 0) {
        let (row, column, _) = rules.place(cell);
        let (row, column) = (row as i32, column as i32);
        let (fill, ink) = if digit != puzzle.solution[cell] {
            (WRONG_FILL, WRONG)
        } else if puzzle.clues[cell] > 0 {
            (CLUE, INK)
        } else {
            (WHITE, color)
        };
        let (x, y) = corner(row, column);
        area.draw(&Rectangle::new([(x, y), corner(row + 1, column + 1)], fill.filled()))?;
        let style = Style { align: Align::Center, ..bold(pixels as f32 * 0.5, ink) };
        text::draw(area, &digit.to_string(), (x + pixels / 2, y + pixels / 2), style)?;
    }
    // Thin lines first, so that the frames of the blocks lie over them.
    let order = rules.order() as i32;
    for (color, width, lines) in [(CELL_LINE, 1, 1), (INK, 2, order)] {
        for k in (0..=side).step_by(lines as usize) {
            let style = color.stroke_width(width);
            area.draw(&PathElement::new([corner(k, 0), corner(k, side)], style))?;
            area.draw(&PathElement::new([corner(0, k), corner(side, k)], style))?;
        }
    }
    Ok(())
}

pub fn regular(size: f32, color: RGBColor) -> Style {
    Style { size, bold: false, color, align: Align::Left }
}

pub fn bold(size: f32, color: RGBColor) -> Style {
    Style { bold: true, ..regular(size, color) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Evaluation;

    #[test]
    fn a_training_of_any_length_is_drawn() {
        let path = std::env::temp_dir().join(format!("sudoku-plot-{}.png", std::process::id()));
        let digits = |text: &str| text.bytes().map(|byte| byte - b'0').collect::<Vec<u8>>();
        let puzzle =
            Puzzle { clues: digits("0300001040000002"), solution: digits("1324241342313142") };
        let evaluation = Evaluation { epoch: 0, loss: 0.0, error: 1.0 };
        let history = |steps, evaluations| History {
            steps_per_epoch: 30,
            steps: vec![Step { loss: 1e3, error: 1.0 }; steps],
            evaluations: vec![evaluation; evaluations],
            answers: vec![vec![1; 16]; evaluations],
            ..History::default()
        };
        for (steps, evaluations) in [(0, 0), (0, 1), (1, 1), (400, 1)] {
            let history = history(steps, evaluations);
            let curves = [Curve { name: "layer", history: &history, color: LAYER }];
            write(&path, "title", &curves, std::slice::from_ref(&puzzle), Rules::new(2)).unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() > 0);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
