//! The plot for 9x9 boards: how the rules were learned and what they look like, the training of
//! the objective, and what each way to solve made of the test puzzles.

use std::path::Path;

use argrad_applications::command::Failure;
use argrad_applications::plot::text::{self, Area};
use argrad_applications::plot::{Axis, COLORS, FAINT, Figure, INK, Key, Panel, RGBColor};
use plotters::prelude::{Color, PathElement, Rectangle};

use crate::board::Rules;
use crate::nine_by_nine::{Learned, TestSet};
use crate::objective_training::ObjectiveStep;
use crate::plot::{self, BOARD, BOARD_GAP, CELL_LINE, COLUMNS, MARGIN, ROW_NAMES, bold, regular};

/// Everything that is drawn.
pub struct Picture<'a> {
    pub title: String,
    pub rules: Rules,
    pub learned: &'a Learned,
    pub steps: &'a [ObjectiveStep],
    pub tests: &'a [TestSet],
}

const WIDTH: i32 = 1440;
const CHARTS: i32 = 400;
/// A learned rule: its side, a multiple of 27 pixels, and the space after it.
const TILE: i32 = 189;
const TILE_GAP: i32 = 45;
const TILES: usize = 6;
const CAPTION: i32 = 44;
/// Where the axis of the training ends: losses of solved batches are zero.
const LEAST_SHOWN: f64 = 1e-6;

impl Picture<'_> {
    /// Writes the plot as a PNG.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let shown = self.shown();
        let boards = shown.map_or(0, |set| 1 + set.rows.len() as i32) * (BOARD + BOARD_GAP);
        let height = CHARTS + CAPTION + TILE + 24 + CAPTION + boards;
        let figure = Figure {
            title: self.title.clone(),
            subtitle: "Equalities by what the solved boards have in common; the objective, passes \
                       and guesses are the network's. Shares of test puzzles with every cell right."
                .into(),
            legend: self.legend(),
            size: (WIDTH as u32, height as u32),
        };
        figure.write(path, |body| {
            let (charts, rest) = body.split_vertically(CHARTS);
            let (tiles, boards) = rest.split_vertically(CAPTION + TILE + 24);
            let (dimensions, rest) = charts.split_horizontally(WIDTH / 3);
            let (training, solved) = rest.split_horizontally(WIDTH / 3);
            self.draw_dimensions(&dimensions)?;
            self.draw_training(&training)?;
            self.draw_solved(&solved)?;
            self.draw_rules(&tiles)?;
            shown.map_or(Ok(()), |set| self.draw_boards(&boards, set))
        })
    }

    /// The test puzzles with the fewest givens of those that were solved in any way.
    fn shown(&self) -> Option<&TestSet> {
        self.tests.iter().rev().find(|set| !set.rows.is_empty())
    }

    fn legend(&self) -> Vec<Key> {
        let longest = self.tests.iter().max_by_key(|set| set.rows.len());
        let rows = longest.map_or(&[][..], |set| &set.rows);
        rows.iter().enumerate().map(|(k, row)| Key::new(row.name.clone(), color(k))).collect()
    }

    fn draw_dimensions(&self, area: &Area<'_>) -> Result<(), Failure> {
        let points = &self.learned.dimensions;
        let boards = Axis::logarithmic("solved boards", points.iter().map(|p| p.0 as f64));
        let most = points.iter().map(|p| p.1).max().unwrap_or(1) as f64;
        let dimension = Axis::linear("dimension", [0.0, most]).with_margin(0.04);
        let mut panel = Panel::new(area, "What the boards have in common", boards, dimension)?;
        let plain: Vec<_> = points.iter().map(|p| (p.0 as f64, p.1 as f64)).collect();
        let tied: Vec<_> = points.iter().map(|p| (p.0 as f64, p.2 as f64)).collect();
        for (line, ink) in [(&plain, INK), (&tied, COLORS[6])] {
            panel.line(line.iter().copied(), ink, 2)?;
            panel.dots(line.iter().copied(), ink, 4)?;
        }
        // Names where the lines are far apart.
        if let (Some(&plain), Some(&tied)) = (plain.get(3), tied.first()) {
            panel.label((plain.0, plain.1 + 0.03 * most), "boards as they are", INK)?;
            panel.label((tied.0, tied.1 - 0.05 * most), "shared by all digits", COLORS[6])?;
        }
        Ok(())
    }

    fn draw_training(&self, area: &Area<'_>) -> Result<(), Failure> {
        let steps = Axis::linear("training steps", [0.0, self.steps.len().max(1) as f64]);
        let range = [LEAST_SHOWN, 1.0].into_iter().chain(self.steps.iter().map(|step| step.loss));
        let values = Axis::logarithmic("", range.map(|value| value.max(LEAST_SHOWN)));
        let mut panel = Panel::new(area, "The objective", steps, values)?;
        let curve = |name, ink, value: fn(&ObjectiveStep) -> f64| (name, ink, value);
        let curves = [
            curve("squared error", COLORS[0], |step| step.loss),
            curve("batch not solved", COLORS[1], |step| step.error),
            curve("feedback", COLORS[2], |step| step.objective.feedback()),
            curve("1 / gain", COLORS[6], |step| 1.0 / step.objective.gain()),
        ];
        let mut x = 92;
        for (name, ink, value) in curves {
            let points = self.steps.iter().enumerate();
            panel.line(points.map(|(k, s)| (k as f64, value(s).max(LEAST_SHOWN))), ink, 2)?;
            let style = regular(14.0, ink);
            text::draw(area, name, (x, 39), style)?;
            x += text::width(name, style)? as i32 + 16;
        }
        Ok(())
    }

    fn draw_solved(&self, area: &Area<'_>) -> Result<(), Failure> {
        let sets = self.tests.len().max(1) as f64;
        let ticks = self.tests.iter().enumerate().map(|(k, set)| (k as f64, set.name.clone()));
        let across = Axis::linear("test puzzles", [-0.5, sets - 0.5]).with_ticks(ticks);
        let shares = (0..=5).map(|k| (20.0 * f64::from(k), format!("{} %", 20 * k)));
        let up = Axis::linear("", [0.0, 100.0]).with_ticks(shares);
        let mut panel = Panel::new(area, "Solved exactly", across, up)?;
        for (k, set) in self.tests.iter().enumerate() {
            let bar = 0.8 / set.rows.len().max(1) as f64;
            for (j, row) in set.rows.iter().enumerate() {
                let left = k as f64 - 0.4 + bar * j as f64;
                let top = (left + 0.9 * bar, 100.0 * row.solved);
                panel.rectangle((left, 0.0), top, color(j))?;
            }
        }
        Ok(())
    }

    /// Some learned equalities: every cell is cut into its nine digits, as for pencil marks.
    fn draw_rules(&self, area: &Area<'_>) -> Result<(), Failure> {
        let rows = &self.learned.sparse.rows;
        let caption = format!(
            "{TILES} of the {} sparse equalities in them: the numbers of these digits in these \
             cells add up to 1",
            rows.len()
        );
        text::draw(area, &caption, (MARGIN, 20), bold(18.0, INK))?;
        let (side, order) = (self.rules.side(), self.rules.order());
        let cell = TILE / side as i32;
        let mark = cell / order as i32;
        for tile in 0..TILES.min(rows.len()) {
            // Spread over the list, one more each time, so that kinds of rules take turns.
            let row = &rows[(tile * rows.len() / TILES + 7 * tile) % rows.len()];
            let (left, top) = (MARGIN + tile as i32 * (TILE + TILE_GAP), CAPTION);
            let largest = row[..row.len() - 1].iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            for (at, value) in row[..row.len() - 1].iter().enumerate().filter(|(_, v)| **v != 0.0) {
                let (at, digit) = (at / side, at % side);
                let x = left + (at % side) as i32 * cell + (digit % order) as i32 * mark;
                let y = top + (at / side) as i32 * cell + (digit / order) as i32 * mark;
                let ink = if *value > 0.0 { COLORS[0] } else { COLORS[1] };
                let corners = [(x, y), (x + mark, y + mark)];
                area.draw(&Rectangle::new(corners, ink.mix(value.abs() / largest).filled()))?;
            }
            for (ink, width, stride) in [(CELL_LINE, 1, 1), (INK, 2, order)] {
                for k in (0..=side as i32).step_by(stride) {
                    let style = ink.stroke_width(width);
                    let (x, y) = (left + k * cell, top + k * cell);
                    area.draw(&PathElement::new([(x, top), (x, top + TILE)], style))?;
                    area.draw(&PathElement::new([(left, y), (left + TILE, y)], style))?;
                }
            }
        }
        Ok(())
    }

    fn draw_boards(&self, area: &Area<'_>, set: &TestSet) -> Result<(), Failure> {
        let caption = format!("Test puzzles: {}", set.name);
        text::draw(area, &caption, (MARGIN, 20), bold(18.0, INK))?;
        let top = |row: usize| CAPTION + row as i32 * (BOARD + BOARD_GAP);
        let name = |row: usize, words: &str, below: &str, ink: RGBColor| {
            let middle = top(row) + BOARD / 2;
            // One line for each part of the name.
            for (k, part) in words.split(", ").enumerate() {
                text::draw(area, part, (MARGIN, middle - 14 + 22 * k as i32), bold(16.0, ink))?;
            }
            let lines = words.split(", ").count() as i32;
            text::draw(area, below, (MARGIN, middle - 14 + 24 * lines), regular(15.0, FAINT))
        };
        name(0, "puzzles", "not trained on", INK)?;
        for (k, row) in set.rows.iter().enumerate() {
            name(k + 1, &row.name, "wrong cells in red", color(k))?;
        }
        for (column, puzzle) in set.puzzles.iter().take(COLUMNS).enumerate() {
            let left = MARGIN + ROW_NAMES + column as i32 * (BOARD + BOARD_GAP);
            plot::draw_board(area, (left, top(0)), puzzle, &puzzle.clues, INK, self.rules)?;
            for (k, row) in set.rows.iter().enumerate() {
                if let Some(answer) = row.answers.get(column) {
                    let at = (left, top(k + 1));
                    plot::draw_board(area, at, puzzle, answer, color(k), self.rules)?;
                }
            }
        }
        Ok(())
    }
}

/// The colour of a way to solve.
fn color(k: usize) -> RGBColor {
    COLORS[[3, 4, 0, 5, 1, 2][k % 6]]
}
