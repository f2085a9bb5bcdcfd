//! A figure: its file, title and legend, and the area that is left for the panels.

use std::path::Path;

use plotters::prelude::*;

use super::canvas::write_png;
use super::text::{self, Align, Area, Style};
use super::{FAINT, INK};
use crate::command::Failure;

/// A line of the legend.
#[derive(Clone, Debug)]
pub struct Key {
    /// What is drawn in the colour.
    pub name: String,
    /// The colour.
    pub color: RGBColor,
}

impl Key {
    /// A key by its parts.
    pub fn new(name: impl Into<String>, color: RGBColor) -> Self {
        Self { name: name.into(), color }
    }
}

/// What stands above the panels, and how large the figure is.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// The title.
    pub title: String,
    /// A line below the title; none where empty.
    pub subtitle: String,
    /// What the colours mean; none where empty.
    pub legend: Vec<Key>,
    /// Width and height of the area for the panels, in pixels.
    pub size: (u32, u32),
}

const MARGIN: i32 = 32;
/// Height of the title and of each further line.
const TITLE: i32 = 60;
const LINE: i32 = 30;

impl Figure {
    /// Writes the figure as a PNG; `draw` draws the panels.
    ///
    /// # Errors
    /// Those of `draw`; the file cannot be written.
    pub fn write(
        &self,
        path: &Path,
        draw: impl FnOnce(&Area<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let lines = self.lines()?;
        let head = TITLE + LINE * lines.len() as i32;
        let size = (self.size.0, self.size.1 + head as u32);
        write_png(path, size, |root| {
            let (above, body) = root.split_vertically(head);
            self.draw_head(&above, &lines)?;
            draw(&body)
        })
    }

    /// The lines below the title. Each piece has its place, and a colour where it is a key.
    fn lines(&self) -> Result<Vec<Vec<Piece<'_>>>, Failure> {
        let mut lines = Vec::new();
        if !self.subtitle.is_empty() {
            lines.push(vec![Piece { at: MARGIN, text: &self.subtitle, color: None }]);
        }
        let (mut line, mut at) = (Vec::new(), MARGIN);
        for key in &self.legend {
            let width = 34 + text::width(&key.name, regular(INK))? as i32 + 40;
            if at + width > self.size.0 as i32 && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                at = MARGIN;
            }
            line.push(Piece { at, text: &key.name, color: Some(key.color) });
            at += width;
        }
        if !line.is_empty() {
            lines.push(line);
        }
        Ok(lines)
    }

    fn draw_head(&self, area: &Area<'_>, lines: &[Vec<Piece<'_>>]) -> Result<(), Failure> {
        let title = Style { size: 25.0, bold: true, color: INK, align: Align::Left };
        text::draw(area, &self.title, (MARGIN, 34), title)?;
        for (k, line) in lines.iter().enumerate() {
            let y = TITLE + LINE * k as i32 + 10;
            for piece in line {
                let Some(color) = piece.color else {
                    text::draw(area, piece.text, (piece.at, y), regular(FAINT))?;
                    continue;
                };
                let mark = [(piece.at, y - 2), (piece.at + 24, y + 2)];
                area.draw(&Rectangle::new(mark, color.filled()))?;
                text::draw(area, piece.text, (piece.at + 34, y), regular(INK))?;
            }
        }
        Ok(())
    }
}

struct Piece<'a> {
    at: i32,
    text: &'a str,
    color: Option<RGBColor>,
}

fn regular(color: RGBColor) -> Style {
    Style { size: 16.0, bold: false, color, align: Align::Left }
}
