//! The plot: curves of loss and error, and a few test boards with what each network answered.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};

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

const INK: RGBColor = RGBColor(34, 40, 49);
const FAINT: RGBColor = RGBColor(110, 118, 129);
const GRID: RGBColor = RGBColor(228, 231, 235);
const CLUE: RGBColor = RGBColor(238, 241, 245);
const WRONG: RGBColor = RGBColor(200, 30, 45);
const WRONG_FILL: RGBColor = RGBColor(253, 222, 224);
/// Name under which the embedded font is registered.
const FONT: &str = "plot";

const WIDTH: u32 = 1440;
const TITLE: i32 = 96;
const CURVES: i32 = 430;
const BOARD: i32 = 168;
/// Space to the left of the boards, for the names of the rows.
const NAMES: i32 = 190;

/// Writes the plot as a PNG. `test` are the puzzles that the answers of the curves belong to.
pub fn write(
    path: &Path,
    title: &str,
    curves: &[Curve<'_>],
    test: &[Puzzle],
    rules: Rules,
) -> Result<(), Box<dyn Error>> {
    register_font(FONT, FontStyle::Normal, notosans::REGULAR_TTF)
        .map_err(|_| "the embedded font cannot be read")?;
    register_font(FONT, FontStyle::Bold, notosans::BOLD_TTF)
        .map_err(|_| "the embedded font cannot be read")?;
    let height = TITLE + CURVES + (BOARD + 34) * (1 + curves.len() as i32) + 52;
    let root = BitMapBackend::new(path, (WIDTH, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;

    root.draw_text(title, &bold(30.0, INK).into_text_style(&root), (36, 22))?;
    let mut x = 36;
    for curve in curves {
        let text = format!(
            "{}: {:.1} % of the test boards solved exactly",
            curve.name,
            100.0 * curve.history.solved()
        );
        let style = regular(20.0, INK).into_text_style(&root);
        root.draw(&Rectangle::new([(x, 70), (x + 22, 76)], curve.color.filled()))?;
        root.draw_text(&text, &style, (x + 32, 60))?;
        x += root.estimate_text_size(&text, &style)?.0 as i32 + 76;
    }

    let (_, below) = root.split_vertically(TITLE);
    let (charts, boards) = below.split_vertically(CURVES);
    let (left, right) = charts.split_horizontally(WIDTH / 2);
    let epochs = curves.iter().map(|curve| last_epoch(curve.history)).fold(1.0, f64::max);
    draw_loss(&left, curves, epochs)?;
    draw_error(&right, curves, epochs)?;
    draw_boards(&boards, curves, test, rules)?;
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Number of epochs that the curve covers, an unfinished one counted in part.
fn last_epoch(history: &History) -> f64 {
    let steps = history.steps.len() as f64 / history.steps_per_epoch.max(1) as f64;
    history.evaluations.last().map_or(steps, |evaluation| steps.max(evaluation.epoch as f64))
}

/// A quantity over the training steps: (epochs, value).
fn over_steps(history: &History, value: impl Fn(&Step) -> f64) -> Vec<(f64, f64)> {
    history
        .steps
        .iter()
        .enumerate()
        .map(|(k, step)| (k as f64 / history.steps_per_epoch as f64, value(step)))
        .collect()
}

fn draw_loss(area: &Area<'_>, curves: &[Curve<'_>], epochs: f64) -> Result<(), Box<dyn Error>> {
    let losses = || {
        curves
            .iter()
            .flat_map(|c| {
                c.history
                    .steps
                    .iter()
                    .map(|s| s.loss)
                    .chain(c.history.evaluations.iter().map(|e| e.loss))
            })
            .filter(|loss| *loss > 0.0)
    };
    let least = losses().fold(f64::INFINITY, f64::min).clamp(1e-8, 1e-2);
    let most = losses().fold(0.0, f64::max).max(least * 10.0);
    // Whole decades, so that the labels are round.
    let range = (10f64.powf(least.log10().floor())..10f64.powf(most.log10().ceil())).log_scale();
    let decade = |loss: &f64| format!("1e{:.0}", loss.log10());
    let mut chart = frame(area, "mean squared error", epochs, range, &decade, 12)?;
    for curve in curves {
        let steps = over_steps(curve.history, |step| step.loss.max(1e-12));
        chart.draw_series(LineSeries::new(steps, curve.color.mix(0.45).stroke_width(1)))?;
        let tests: Vec<_> =
            curve.history.evaluations.iter().map(|e| (e.epoch as f64, e.loss.max(1e-12))).collect();
        draw_tests(&mut chart, tests, curve.color)?;
    }
    Ok(())
}

fn draw_error(area: &Area<'_>, curves: &[Curve<'_>], epochs: f64) -> Result<(), Box<dyn Error>> {
    let percent = |share: &f64| format!("{share:.0} %");
    let mut chart = frame(area, "boards not solved exactly", epochs, -2.0..104.0, &percent, 6)?;
    for curve in curves {
        let steps = over_steps(curve.history, |step| 100.0 * step.error);
        chart.draw_series(LineSeries::new(steps, curve.color.mix(0.45).stroke_width(1)))?;
        let tests: Vec<_> =
            curve.history.evaluations.iter().map(|e| (e.epoch as f64, 100.0 * e.error)).collect();
        draw_tests(&mut chart, tests, curve.color)?;
    }
    Ok(())
}

type Chart<'a, 'b, Y> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;

/// Axes with a caption; x counts epochs.
fn frame<'a, 'b, Y>(
    area: &'a Area<'b>,
    caption: &str,
    epochs: f64,
    y: Y,
    label: &dyn Fn(&f64) -> String,
    labels: usize,
) -> Result<Chart<'a, 'b, Y::CoordDescType>, Box<dyn Error>>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    area.draw_text(caption, &bold(21.0, INK).into_text_style(area), (36, 14))?;
    area.draw_text(
        "thin: training batches, dots: test boards",
        &regular(16.0, FAINT).into_text_style(area),
        (272, 18),
    )?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(52)
        .margin_right(36)
        .margin_left(20)
        .x_label_area_size(52)
        .y_label_area_size(64)
        .build_cartesian_2d(-0.02 * epochs..1.02 * epochs, y)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .x_desc("epochs")
        .axis_desc_style(regular(18.0, INK))
        .label_style(regular(17.0, INK))
        .x_labels(if epochs <= 12.0 { epochs as usize + 1 } else { 8 })
        .x_label_formatter(&|epoch| {
            if (epoch - epoch.round()).abs() < 1e-9 { format!("{epoch:.0}") } else { String::new() }
        })
        .y_labels(labels)
        .y_label_formatter(&label)
        .draw()?;
    Ok(chart)
}

fn draw_tests<Y: plotters::coord::ranged1d::Ranged<ValueType = f64>>(
    chart: &mut Chart<'_, '_, Y>,
    tests: Vec<(f64, f64)>,
    color: RGBColor,
) -> Result<(), Box<dyn Error>> {
    chart.draw_series(LineSeries::new(tests.iter().copied(), color.stroke_width(3)))?;
    chart.draw_series(tests.iter().map(|point| Circle::new(*point, 7, WHITE.filled())))?;
    chart.draw_series(tests.iter().map(|point| Circle::new(*point, 5, color.filled())))?;
    Ok(())
}

/// A row of puzzles, and under it, for each network, its answers with the wrong cells marked.
fn draw_boards(
    area: &Area<'_>,
    curves: &[Curve<'_>],
    test: &[Puzzle],
    rules: Rules,
) -> Result<(), Box<dyn Error>> {
    let columns = ((WIDTH as i32 - NAMES - 36) / (BOARD + 32)) as usize;
    let name = |y: i32, lines: [&str; 2], color: RGBColor| -> Result<(), Box<dyn Error>> {
        area.draw_text(
            lines[0],
            &bold(20.0, color).into_text_style(area),
            (36, y + BOARD / 2 - 26),
        )?;
        area.draw_text(
            lines[1],
            &regular(16.0, FAINT).into_text_style(area),
            (36, y + BOARD / 2 + 2),
        )?;
        Ok(())
    };
    name(20, ["test puzzle", "never trained on"], INK)?;
    for (column, puzzle) in test.iter().take(columns).enumerate() {
        let x = NAMES + column as i32 * (BOARD + 38);
        draw_board(area, (x, 20), puzzle, None, INK, rules)?;
        for (row, curve) in curves.iter().enumerate() {
            let y = 20 + (BOARD + 34) * (row as i32 + 1);
            if column == 0 {
                name(y, [curve.name, "wrong cells in red"], curve.color)?;
            }
            if let Some(answer) = curve.history.answers.get(column) {
                draw_board(area, (x, y), puzzle, Some(answer), curve.color, rules)?;
            }
        }
    }
    Ok(())
}

/// A board at a position: the clues, and the digits of an answer in the blanks.
fn draw_board(
    area: &Area<'_>,
    (left, top): (i32, i32),
    puzzle: &Puzzle,
    answer: Option<&Vec<u8>>,
    color: RGBColor,
    rules: Rules,
) -> Result<(), Box<dyn Error>> {
    let side = rules.side() as i32;
    // Cells of whole pixels; what is left over of the space goes to the right and below.
    let pixels = BOARD / side;
    let digit_size = f64::from(pixels) * 0.62;
    for cell in 0..rules.cells() {
        let (row, column, _) = rules.place(cell);
        let (x, y) = (left + column as i32 * pixels, top + row as i32 * pixels);
        let clue = puzzle.clues[cell];
        let digit = answer.map_or(clue, |answer| answer[cell]);
        let wrong = digit > 0 && digit != puzzle.solution[cell];
        let fill = if wrong { Some(WRONG_FILL) } else { (clue > 0).then_some(CLUE) };
        if let Some(fill) = fill {
            area.draw(&Rectangle::new([(x, y), (x + pixels, y + pixels)], fill.filled()))?;
        }
        if digit > 0 {
            let ink = if wrong {
                WRONG
            } else if clue > 0 {
                INK
            } else {
                color
            };
            let style = bold(digit_size, ink)
                .into_text_style(area)
                .pos(Pos::new(HPos::Center, VPos::Center));
            area.draw_text(&digit.to_string(), &style, (x + pixels / 2, y + pixels / 2))?;
        }
    }
    for line in 0..=side {
        let thick = if line % rules.order() as i32 == 0 { 1 } else { 0 };
        let ink = if thick > 0 { INK } else { RGBColor(190, 196, 204) };
        let (at, end) = (line * pixels, side * pixels);
        area.draw(&Rectangle::new(
            [(left + at - thick, top - thick), (left + at, top + end)],
            ink.filled(),
        ))?;
        area.draw(&Rectangle::new(
            [(left - thick, top + at - thick), (left + end, top + at)],
            ink.filled(),
        ))?;
    }
    Ok(())
}

fn regular(size: f64, color: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().transform(FontTransform::None).color(&color)
}

fn bold(size: f64, color: RGBColor) -> TextStyle<'static> {
    (FONT, size, FontStyle::Bold).into_font().color(&color)
}
